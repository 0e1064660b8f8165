package auth

import "chatd/internal/platform/errs"

// Sentinels of this context.
var (
	ErrBadToken       = errs.New(errs.Unauthenticated, "auth.bad_token", "The access token is not valid or has ended.")
	ErrBadRefresh     = errs.New(errs.Unauthenticated, "auth.bad_refresh_token", "The refresh token is not valid or has been used. Sign in again.")
	ErrBadCredentials = errs.New(errs.Unauthenticated, "auth.bad_credentials", "The login or the password is wrong.")

	ErrBadEmail       = errs.New(errs.BadInput, "auth.bad_email", "Give an e-mail address such as name@example.org.", errs.Field("email"))
	ErrBadUsername    = errs.New(errs.BadInput, "auth.bad_username", "A username has 3 to 32 characters of a-z, 0-9, _ . and -.", errs.Field("username"))
	ErrBadDisplayName = errs.New(errs.BadInput, "auth.bad_display_name", "A display name has 1 to 64 characters on one line.", errs.Field("displayName"))
	ErrBadSetupToken  = errs.New(errs.BadInput, "auth.bad_setup_token", "The setup token is not valid or has been used.", errs.Field("setupToken"))

	ErrUsernameTaken = errs.New(errs.Conflict, "auth.username_taken", "This username is taken.", errs.Field("username"))
	ErrEmailTaken    = errs.New(errs.Conflict, "auth.email_taken", "There is an account with this e-mail address.", errs.Field("email"))

	ErrRegistrationClosed = errs.New(errs.Precondition, "auth.registration_closed", "This server takes no new accounts.", errs.Reason("REGISTRATION_CLOSED"))
	ErrInviteRequired     = errs.New(errs.Precondition, "auth.invite_required", "This server takes new accounts by invitation only.", errs.Reason("INVITE_REQUIRED"))
	ErrNotASocket         = errs.New(errs.Precondition, "auth.not_a_socket", "There is no connection to renew: send this over the WebSocket.", errs.Reason("NOT_A_SOCKET"))
	ErrOtherSession       = errs.New(errs.BadInput, "auth.other_session", "The access token is of another session.", errs.Field("accessToken"))

	ErrNotAdmin     = errs.New(errs.Forbidden, "auth.not_admin", "Only the server's administrators may.")
	ErrOneself      = errs.New(errs.Precondition, "auth.oneself", "Nobody does this to himself.", errs.Reason("ONESELF"))
	ErrLastAdmin    = errs.New(errs.Precondition, "auth.last_admin", "The server would have no administrator left.", errs.Reason("LAST_ADMIN"))
	ErrBotRole      = errs.New(errs.Precondition, "auth.bot_role", "A bot stays a bot, and nobody else becomes one: make it by createBot.", errs.Reason("BOT"))
	ErrBadReason    = errs.New(errs.BadInput, "auth.bad_reason", "A reason has at most 500 characters on one line.", errs.Field("reason"))
	ErrBadInvite    = errs.New(errs.BadInput, "auth.bad_invite", "The invitation is not valid, or no longer.", errs.Field("inviteCode"))
	ErrInviteExpiry = errs.New(errs.BadInput, "auth.invite_expiry", "An invitation ends in the future, within a year.", errs.Field("expiresAt"))
	ErrInviteUses   = errs.New(errs.BadInput, "auth.invite_uses", "An invitation is for 1 to 100,000 accounts, and for one when it is for an address.", errs.Field("maxUses"))
	ErrInviteRole   = errs.New(errs.BadInput, "auth.invite_role", "An invitation is for members or guests.", errs.Field("role"))
	ErrNoInvite     = errs.New(errs.NotFound, "auth.no_invite", "No such invitation.")
	ErrNoAct        = errs.New(errs.NotFound, "auth.no_act", "No such entry.")

	ErrBadLink     = errs.New(errs.BadInput, "auth.bad_link", "The link is not valid, or no longer. Ask for another.", errs.Field("token"))
	ErrVerifyFirst = errs.New(errs.Precondition, "auth.verify_first", "A mail is on its way to this address. Open the link in it, then sign in.", errs.Reason("EMAIL_VERIFICATION_REQUIRED"))
	ErrNoMail      = errs.New(errs.NotFound, "auth.no_mail", "No such mail.")
	ErrNoSession   = errs.New(errs.NotFound, "auth.no_session", "No such session.")
	ErrNoAccount   = errs.New(errs.NotFound, "auth.no_account", "No such account.")
	ErrTooMany     = errs.New(errs.RateLimited, "auth.too_many_tries", "Too many tries. Try again later.")
	ErrNotCaughtUp = errs.New(errs.Unavailable, "auth.not_caught_up", "The server cannot check sessions right now. Try again.")
)

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

// Sentinels of sign-in by other providers.
var (
	ErrBadSignInCode     = errs.New(errs.Unauthenticated, "auth.bad_sign_in_code", "The code is not valid, or has been used, or is another client's. Begin to sign in again.", errs.Field("code"))
	ErrBadLinkCode       = errs.New(errs.BadInput, "auth.bad_link_code", "The code is not valid, or has been used, or is another client's. Begin to link again.", errs.Field("code"))
	ErrLinkRequired      = errs.New(errs.Precondition, "auth.link_required", "There is an account with this e-mail address. Sign in to it, then link the provider to it.", errs.Reason("LINK_REQUIRED"))
	ErrNoVerifiedEmail   = errs.New(errs.Precondition, "auth.no_verified_email", "The provider knows no verified e-mail address of this user.", errs.Reason("EMAIL_NOT_VERIFIED"))
	ErrSuspended         = errs.New(errs.Precondition, "auth.suspended", "This account has been suspended.", errs.Reason("SUSPENDED"))
	ErrIdentityTaken     = errs.New(errs.Conflict, "auth.identity_taken", "This identity is linked to another account.", errs.Reason("IDENTITY_TAKEN"))
	ErrNoIdentity        = errs.New(errs.NotFound, "auth.no_identity", "No such identity.")
	ErrLastWayIn         = errs.New(errs.Precondition, "auth.last_way_in", "Nothing else signs in to this account. Set a password first, or link another provider.", errs.Reason("LAST_WAY_IN"))
	ErrTooManyIdentities = errs.New(errs.Precondition, "auth.too_many_identities", "There are as many identities as one account may have. Unlink one first.", errs.Reason("TOO_MANY_IDENTITIES"))
)

// Sentinels of deletions and exports.
var (
	ErrSignInAgain   = errs.New(errs.Precondition, "auth.sign_in_again", "Sign in once more, and then delete the account within ten minutes.", errs.Reason("SIGN_IN_AGAIN"))
	ErrNoExport      = errs.New(errs.NotFound, "auth.no_export", "No such export.")
	ErrExportTooSoon = errs.New(errs.RateLimited, "auth.export_too_soon", "An export was made within the last day. Use that one, or try again later.")
	ErrNoExports     = errs.New(errs.Precondition, "auth.no_exports", "This server makes no exports.", errs.Reason("NO_EXPORTS"))
)
