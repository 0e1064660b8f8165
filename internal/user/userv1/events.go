package userv1

import (
	"time"

	"chatd/internal/platform/ids"
)

// Topic is the topic of all events of this package. Their key is the user's id.
const Topic = "user"

// ProfileUpdatedName is the name of ProfileUpdated.
const ProfileUpdatedName = "user.profile_updated.v1"

// ProfileUpdated says what a profile is after a change of it. Empty texts and
// a missing time are what has not been given.
type ProfileUpdated struct {
	UserID          ids.User        `json:"userId"`
	Username        string          `json:"username"`
	DisplayName     string          `json:"displayName"`
	Bio             string          `json:"bio"`
	StatusText      string          `json:"statusText"`
	StatusEmoji     string          `json:"statusEmoji"`
	StatusExpiresAt *time.Time      `json:"statusExpiresAt,omitempty"`
	TimeZone        string          `json:"timeZone"`
	Locale          string          `json:"locale"`
	AvatarID        *ids.Attachment `json:"avatarId,omitempty"`
	At              time.Time       `json:"at"`
}

// PresenceChosenName is the name of PresenceChosen.
const PresenceChosenName = "user.presence_chosen.v1"

// PresenceChosen says that somebody has chosen how he wants to be seen. What he
// has chosen is not everybody's to know.
type PresenceChosen struct {
	UserID ids.User  `json:"userId"`
	At     time.Time `json:"at"`
}

// SettingsChangedName is the name of SettingsChanged.
const SettingsChangedName = "user.settings_changed.v1"

// SettingsChanged says that somebody wants to have something otherwise. What it
// is is not everybody's to know.
type SettingsChanged struct {
	UserID ids.User  `json:"userId"`
	At     time.Time `json:"at"`
}

// RelationshipChangedName is the name of RelationshipChanged.
const RelationshipChangedName = "user.relationship_changed.v1"

// RelationshipChanged says what another is to a user from now on: NONE,
// REQUEST_SENT, REQUEST_RECEIVED, FRIENDS or BLOCKED. It is that user's alone to
// know: the other hears of it by an event of his own, if at all.
type RelationshipChanged struct {
	UserID  ids.User  `json:"userId"`
	OtherID ids.User  `json:"otherId"`
	State   string    `json:"state"`
	At      time.Time `json:"at"`
}

// PresenceReportedName is the name of PresenceReported.
const PresenceReportedName = "user.presence_reported.v1"

// PresenceReported is what one node tells the others of the people who are
// connected to it. It may be lost, is worth nothing later, and is for nodes
// alone.
type PresenceReported struct {
	Node string `json:"node"`
	Seq  uint64 `json:"seq"` // rises with each report of the node
	// Beat says that People are some of all who are there, told again so that
	// they are not forgotten.
	Beat bool `json:"beat,omitempty"`
	// Whole says that People are all who are there: whoever is not named has gone.
	Whole bool `json:"whole,omitempty"`
	// Alone says of a beat that the node has no other way to tell and to hear.
	Alone  bool            `json:"alone,omitempty"`
	Left   bool            `json:"left,omitempty"`   // the node has stopped
	People []PersonPresent `json:"people,omitempty"` // as they are now
	Chosen []ids.User      `json:"chosen,omitempty"` // have chosen how to be seen
}

// PersonPresent is one user as a node sees him.
type PersonPresent struct {
	UserID ids.User `json:"u"`
	// Status is ONLINE, AWAY or BUSY; empty when he has gone from the node;
	// OFFLINE when he does not want to be seen on any.
	Status string `json:"s,omitempty"`
	IdleMS int64  `json:"i,omitempty"` // since he was active
}
