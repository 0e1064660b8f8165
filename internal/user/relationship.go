package user

import (
	"time"

	"chatd/internal/platform/ids"
)

// Relationship is what somebody is to a viewer.
type Relationship string

// The relationships.
const (
	Strangers       Relationship = "NONE"
	RequestSent     Relationship = "REQUEST_SENT"     // the viewer has asked
	RequestReceived Relationship = "REQUEST_RECEIVED" // the viewer is asked
	Friends         Relationship = "FRIENDS"
	Blocked         Relationship = "BLOCKED" // by the viewer
)

// Bounds of what one user may begin by himself.
const (
	MaxRequests = 1_000 // that wait for an answer
	MaxBlocked  = 5_000
)

// Pair is what two users are to each other: to who acts, and to the other.
// Either may have blocked the other, or both; but for that it is the same seen
// from both sides.
type Pair struct{ Mine, Theirs Relationship }

// apart says whether either has blocked the other.
func (p Pair) apart() bool { return p.Mine == Blocked || p.Theirs == Blocked }

// Shown is what each is told that the other is to him. Who is blocked is told
// nothing, not even what he has said himself.
func (p Pair) Shown() Pair { return Pair{shown(p.Mine, p.Theirs), shown(p.Theirs, p.Mine)} }

func shown(mine, theirs Relationship) Relationship {
	if theirs == Blocked {
		return Strangers
	}
	return mine
}

// act is what somebody does about another. It says what they are to each other
// then; the same as before where there is nothing to do.
type act func(Pair) (Pair, error)

// The rules, each at a glance. With a block in between every one of them is
// what it is about somebody who is not there.
func request(p Pair) (Pair, error) {
	switch {
	case p.apart():
		return p, ErrNoUser
	case p.Mine == RequestReceived: // both have asked
		return Pair{Friends, Friends}, nil
	case p.Mine == Strangers:
		return Pair{RequestSent, RequestReceived}, nil
	}
	return p, nil
}

func accept(p Pair) (Pair, error) {
	switch {
	case p.apart():
		return p, ErrNoUser
	case p.Mine == RequestReceived:
		return Pair{Friends, Friends}, nil
	case p.Mine == Friends:
		return p, nil
	}
	return p, ErrNoRequest
}

func decline(p Pair) (Pair, error) { return ends(p, RequestReceived) }

func cancel(p Pair) (Pair, error) { return ends(p, RequestSent) }

func unfriend(p Pair) (Pair, error) { return ends(p, Friends) }

// ends makes strangers of who are that to each other, and leaves others as they
// are.
func ends(p Pair, what Relationship) (Pair, error) {
	switch {
	case p.apart():
		return p, ErrNoUser
	case p.Mine == what:
		return Pair{Strangers, Strangers}, nil
	}
	return p, nil
}

// block leaves nothing else between the two but a block the other way.
func block(p Pair) (Pair, error) {
	if p.Theirs != Blocked {
		p.Theirs = Strangers
	}
	p.Mine = Blocked
	return p, nil
}

func unblock(p Pair) (Pair, error) {
	if p.Mine == Blocked {
		p.Mine = Strangers
	}
	return p, nil
}

// Contact is somebody who is not a stranger to a viewer.
type Contact struct {
	User  ids.User
	Since time.Time
}

// Block is that one user has blocked another.
type Block struct{ By, Of ids.User }

// RelationshipChanged is the event of what somebody is to a viewer from now on.
// It is the viewer's alone to see.
type RelationshipChanged struct {
	Viewer       ids.User
	User         ids.User
	Relationship Relationship
}

// Size is about how many bytes the event takes when encoded.
func (*RelationshipChanged) Size() int { return relationshipBytes }

const relationshipBytes = 256
