package passwords

import "chatd/internal/platform/errs"

// Sentinels of this package.
var (
	ErrBadLength = errs.New(errs.BadInput, "passwords.bad_length", "A password has 10 to 128 characters.", errs.Field("password"))
	ErrCommon    = errs.New(errs.BadInput, "passwords.common", "This password is too easy to guess. Choose another.", errs.Field("password"))
	ErrBusy      = errs.New(errs.Unavailable, "passwords.busy", "Too many are signing in right now. Try again.")
)
