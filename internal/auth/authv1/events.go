package authv1

import (
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Topic is the topic of all events of this package. Their key is the user's id.
const Topic = "auth"

// The names of events.
const (
	AccountRegisteredName = "auth.account_registered.v1"
	SessionEndedName      = "auth.session_ended.v1"
	TokenEndedName        = "auth.token_ended.v1" //nolint:gosec // No credential.

	RoleChangedName       = "auth.role_changed.v1"
	AccountSuspendedName  = "auth.account_suspended.v1"
	AccountReinstatedName = "auth.account_reinstated.v1"
	AccountDeletedName    = "auth.account_deleted.v1"

	SecondFactorChangedName = "auth.second_factor_changed.v1"

	UsernameChangedName = "auth.username_changed.v1"
)

// AccountRegistered says that there is a new account.
type AccountRegistered struct {
	UserID      ids.User       `json:"userId"`
	Username    string         `json:"username"`
	DisplayName string         `json:"displayName"`
	Role        principal.Role `json:"role"`
	At          time.Time      `json:"at"`
}

// SessionEnded says that a session ended before its time: its tokens and
// sockets are refused from now on.
type SessionEnded struct {
	SessionID ids.Session `json:"sessionId"`
	UserID    ids.User    `json:"userId"`
	// Reason is LOGGED_OUT, REVOKED, TOKEN_REUSED, CROWDED_OUT,
	// PASSWORD_CHANGED, PASSWORD_RESET, SECOND_FACTOR_CHANGED, SUSPENDED or
	// ACCOUNT_DELETED; there may be more.
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// TokenEnded says that a personal token ended before its time: it and its
// sockets are refused from now on.
type TokenEnded struct {
	TokenID ids.PersonalToken `json:"tokenId"`
	UserID  ids.User          `json:"userId"`
	// Reason is REVOKED, SUSPENDED or ACCOUNT_DELETED; there may be more.
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// SecondFactorChanged says that a user's sign-in asks for a second factor from
// now on, or no longer.
type SecondFactorChanged struct {
	UserID  ids.User  `json:"userId"`
	Enabled bool      `json:"enabled"`
	At      time.Time `json:"at"`
}

// RoleChanged says that an account has another role on the whole server, which
// its running sessions have too.
type RoleChanged struct {
	UserID  ids.User       `json:"userId"`
	Role    principal.Role `json:"role"`
	Was     principal.Role `json:"was"`
	ActorID ids.User       `json:"actorId,omitzero"` // none: the command line
	At      time.Time      `json:"at"`
}

// AccountSuspended says that an account may not be used. Its sessions have
// ended with it, each with an event of its own.
type AccountSuspended struct {
	UserID  ids.User  `json:"userId"`
	ActorID ids.User  `json:"actorId,omitzero"`
	At      time.Time `json:"at"`
}

// AccountReinstated says that a suspended account may be used again.
type AccountReinstated struct {
	UserID  ids.User  `json:"userId"`
	ActorID ids.User  `json:"actorId,omitzero"`
	At      time.Time `json:"at"`
}

// AccountDeleted says that there is nothing of an account any more but its id,
// for ever: whoever keeps something of its owner forgets it. Its sessions have
// ended with it, each with an event of its own. An AccountRegistered that comes
// later, again, has no names.
type AccountDeleted struct {
	UserID  ids.User  `json:"userId"`
	ActorID ids.User  `json:"actorId,omitzero"` // none: the command line
	At      time.Time `json:"at"`
}

// UsernameChanged says that an account has another username.
type UsernameChanged struct {
	UserID   ids.User  `json:"userId"`
	Username string    `json:"username"`
	Was      string    `json:"was"`
	At       time.Time `json:"at"`
}
