package auth

import "chatd/internal/platform/errs"

// Sentinels of second factors, personal tokens and bots.
var (
	ErrTotpRequired  = errs.New(errs.Precondition, "auth.totp_required", "This account has a second factor: sign in with its code too.", errs.Reason("TOTP_REQUIRED"))
	ErrBadTotp       = errs.New(errs.Unauthenticated, "auth.bad_totp", "The code is wrong or has been used.", errs.Field("totp"))
	ErrBadCode       = errs.New(errs.BadInput, "auth.bad_code", "The code is wrong or has been used.", errs.Field("code"))
	ErrWrongPassword = errs.New(errs.BadInput, "auth.wrong_password", "The password is wrong.", errs.Field("password"))
	ErrTotpOn        = errs.New(errs.Precondition, "auth.totp_on", "There is a second factor already. Disable it first.", errs.Reason("TOTP_ON"))
	ErrTotpOff       = errs.New(errs.Precondition, "auth.totp_off", "There is no second factor, or none that waits to be confirmed.", errs.Reason("TOTP_OFF"))

	ErrMistypedToken = ErrBadToken.Saying("This is not the whole of a personal token: it was cut off or mistyped.")
	ErrNoToken       = errs.New(errs.NotFound, "auth.no_token", "No such token.")
	ErrNoBot         = errs.New(errs.NotFound, "auth.no_bot", "No such bot.")
	ErrBadTokenName  = errs.New(errs.BadInput, "auth.bad_token_name", "The name of a token has 1 to 64 characters on one line.", errs.Field("name"))
	ErrBadExpiry     = errs.New(errs.BadInput, "auth.bad_expiry", "The end of a token lies in the future.", errs.Field("expiresAt"))
	ErrBadScopes     = errs.New(errs.BadInput, "auth.bad_scopes", "Give at least one scope.", errs.Field("scopes"))
	ErrNoAdminScope  = errs.New(errs.Forbidden, "auth.no_admin_scope", "The scope ADMIN is for tokens of administrators.")
	ErrTooManyTokens = errs.New(errs.Precondition, "auth.too_many_tokens", "There are as many tokens as one user may have. Revoke one first.", errs.Reason("TOO_MANY_TOKENS"))
)
