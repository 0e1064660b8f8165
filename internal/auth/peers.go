package auth

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
)

// NewProfile is what somebody looks like to others at first.
type NewProfile struct {
	User        ids.User
	Username    string
	DisplayName string
	CreatedAt   time.Time
	Bot         bool // a program
}

// Profiles is what auth needs of user.
type Profiles interface {
	// Create makes a profile; one that is already there is left as it is and
	// no error.
	Create(ctx context.Context, p NewProfile) error
	// Erase leaves of a profile that there was somebody, without a name.
	// Doing so again changes nothing.
	Erase(ctx context.Context, user ids.User) error
	// Rename gives a profile another username, if it has the one that it was.
	Rename(ctx context.Context, id ids.User, was, is string) error
}
