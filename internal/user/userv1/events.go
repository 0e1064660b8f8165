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
	UserID          ids.User   `json:"userId"`
	Username        string     `json:"username"`
	DisplayName     string     `json:"displayName"`
	Bio             string     `json:"bio"`
	StatusText      string     `json:"statusText"`
	StatusEmoji     string     `json:"statusEmoji"`
	StatusExpiresAt *time.Time `json:"statusExpiresAt,omitempty"`
	TimeZone        string     `json:"timeZone"`
	Locale          string     `json:"locale"`
	At              time.Time  `json:"at"`
}

// PresenceChosenName is the name of PresenceChosen.
const PresenceChosenName = "user.presence_chosen.v1"

// PresenceChosen says that somebody has chosen how he wants to be seen. What he
// has chosen is not everybody's to know.
type PresenceChosen struct {
	UserID ids.User  `json:"userId"`
	At     time.Time `json:"at"`
}
