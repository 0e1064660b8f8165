package auth

import (
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Session is one signed-in device.
type Session struct {
	ID         ids.Session
	User       ids.User
	Device     string // the User-Agent that was last seen; may be empty
	Address    string // the address that was last seen; may be empty
	CreatedAt  time.Time
	LastUsedAt time.Time // the last sign-in or refresh
	ExpiresAt  time.Time // slides forward with every refresh, never past EndsAt
	EndsAt     time.Time // the absolute end

	Refresh Refresh
}

// Refresh is what a session remembers of its refresh tokens: hashes only.
type Refresh struct {
	Generation uint32    // of the current token: 0 at sign-in
	Current    []byte    // hash of the one token that is unused
	Parent     []byte    // hash of the token that Current was given for; nil at first
	RotatedAt  time.Time // when Parent was used; zero at first
}

// Access is what the store knows of a session when a token of it is checked.
type Access struct {
	User  ids.User
	Role  principal.Role
	State State
}

// Reason says why a session ended.
type Reason string

// The reasons.
const (
	LoggedOut   Reason = "LOGGED_OUT"            // logout, logoutEverywhere
	Revoked     Reason = "REVOKED"               // from another session of the same user
	Reused      Reason = "TOKEN_REUSED"          // a used refresh token came again
	Crowded     Reason = "CROWDED_OUT"           // too many sessions; it was the one unused longest
	StateLocked Reason = "SUSPENDED"             // the account may not be used
	FactorMoved Reason = "SECOND_FACTOR_CHANGED" // a second factor was set up or disabled from another session
	// PasswordChanged ends all sessions but the one that changed it.
	PasswordChanged Reason = "PASSWORD_CHANGED"
	// PasswordReset ends all sessions, by the command line.
	PasswordReset Reason = "PASSWORD_RESET"
)
