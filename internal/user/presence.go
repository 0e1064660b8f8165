package user

import (
	"time"

	"chatd/internal/platform/ids"
)

// Availability is how somebody is reachable, or wants to be seen.
type Availability string

// The availabilities. As a choice Online is none: it is as the sockets say.
const (
	Online  Availability = "ONLINE"  // connected, and active a moment ago
	Away    Availability = "AWAY"    // connected; active a while ago, or says so
	Busy    Availability = "BUSY"    // connected, and says so
	Offline Availability = "OFFLINE" // not connected, or wants to be seen so
)

func (a Availability) valid() bool { return a.rank() >= 0 }

// rank orders what several nodes say of one user: the highest is so.
func (a Availability) rank() int {
	switch a {
	case Offline:
		return 0
	case Away:
		return 1
	case Online:
		return 2
	case Busy:
		return 3
	}
	return -1
}

// Presence is somebody as others may see him at one moment.
type Presence struct {
	User   ids.User
	Status Availability
	// LastActiveAt is zero when it is not known, or not the viewer's to know.
	LastActiveAt time.Time
}

// The events of presence. They are shared by all who hear of them.
type (
	// PresenceChanged says how somebody is from now on.
	PresenceChanged struct{ Presence }
	// PresenceSnapshot has all whom a viewer hears of and who are not Offline.
	PresenceSnapshot struct{ Presences []Presence }
)

// Size is about how many bytes the event takes when encoded.
func (*PresenceChanged) Size() int { return presenceBytes }

// Size is about how many bytes the event takes when encoded.
func (s *PresenceSnapshot) Size() int { return presenceBytes * (1 + len(s.Presences)) }

const presenceBytes = 256
