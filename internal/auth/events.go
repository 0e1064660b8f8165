package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// RegisteredChange is the log entry of a new account, without a position.
// Stores call it where they know the role that the account got.
func RegisteredChange(a Account, displayName string) Change {
	return change(authv1.AccountRegisteredName, a.ID, a.CreatedAt, authv1.AccountRegistered{
		UserID: a.ID, Username: a.Username, DisplayName: displayName, Role: a.Role, At: a.CreatedAt,
	})
}

// EndedChange is the log entry of a session's end, without a position.
func EndedChange(id ids.Session, user ids.User, why Reason, at time.Time) Change {
	return change(authv1.SessionEndedName, user, at, authv1.SessionEnded{
		SessionID: id, UserID: user, Reason: string(why), At: at,
	})
}

// TokenEndedChange is the log entry of a personal token's end, without a
// position.
func TokenEndedChange(id ids.PersonalToken, user ids.User, why Reason, at time.Time) Change {
	return change(authv1.TokenEndedName, user, at, authv1.TokenEnded{
		TokenID: id, UserID: user, Reason: string(why), At: at,
	})
}

// TotpChange is the log entry of a second factor that was set up or disabled,
// without a position.
func TotpChange(user ids.User, enabled bool, at time.Time) Change {
	return change(authv1.SecondFactorChangedName, user, at, authv1.SecondFactorChanged{UserID: user, Enabled: enabled, At: at})
}

// RoleChange is the log entry of another role, without a position.
func RoleChange(a Act, was, is principal.Role) Change {
	return change(authv1.RoleChangedName, a.Target, a.At, authv1.RoleChanged{
		UserID: a.Target, Role: is, Was: was, ActorID: a.Actor, At: a.At,
	})
}

// SuspendedChange is the log entry of a suspension, without a position.
func SuspendedChange(a Act) Change {
	return change(authv1.AccountSuspendedName, a.Target, a.At, authv1.AccountSuspended{UserID: a.Target, ActorID: a.Actor, At: a.At})
}

// ReinstatedChange is the log entry of its end, without a position.
func ReinstatedChange(a Act) Change {
	return change(authv1.AccountReinstatedName, a.Target, a.At, authv1.AccountReinstated{UserID: a.Target, ActorID: a.Actor, At: a.At})
}

// DeletedChange is the log entry of a deletion, without a position.
func DeletedChange(a Act) Change {
	return change(authv1.AccountDeletedName, a.Target, a.At, authv1.AccountDeleted{UserID: a.Target, ActorID: a.Actor, At: a.At})
}

// Nameless is what an entry that names somebody says once his account is
// deleted: what it said, but for the names.
func Nameless(c Change) ([]byte, error) {
	switch c.Name {
	case authv1.AccountRegisteredName:
		var e authv1.AccountRegistered
		if err := json.Unmarshal(c.Payload, &e); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.Name, err)
		}
		e.Username, e.DisplayName = GoneName(e.UserID), ""
		return json.Marshal(e)
	case authv1.UsernameChangedName:
		var e authv1.UsernameChanged
		if err := json.Unmarshal(c.Payload, &e); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.Name, err)
		}
		e.Username, e.Was = GoneName(e.UserID), GoneName(e.UserID)
		return json.Marshal(e)
	}
	return c.Payload, nil
}

// UsernameChange is the log entry of another username, without a position.
func UsernameChange(a Act, was, is string) Change {
	return change(authv1.UsernameChangedName, a.Target, a.At, authv1.UsernameChanged{UserID: a.Target, Username: is, Was: was, At: a.At})
}

func change(name string, user ids.User, at time.Time, event any) Change {
	payload, err := json.Marshal(event)
	if err != nil {
		panic(err) // structs of strings and times only
	}
	return Change{Name: name, Key: user.String(), Time: at, Payload: payload}
}
