package user

import "chatd/internal/platform/errs"

// Sentinels of this context.
var (
	ErrNoUser        = errs.New(errs.NotFound, "user.no_user", "No such user.")
	ErrUsernameTaken = errs.New(errs.Conflict, "user.username_taken", "This username is taken.", errs.Field("username"))

	ErrBadDisplayName = errs.New(errs.BadInput, "user.bad_display_name", "A display name has 1 to 64 characters on one line.", errs.Field("displayName"))
	ErrBadBio         = errs.New(errs.BadInput, "user.bad_bio", "A bio has at most 500 characters.", errs.Field("bio"))
	ErrBadStatusText  = errs.New(errs.BadInput, "user.bad_status_text", "A status has at most 100 characters on one line.", errs.Field("statusText"))
	ErrBadStatusEmoji = errs.New(errs.BadInput, "user.bad_status_emoji", "Give one emoji.", errs.Field("statusEmoji"))
	ErrBadExpiry      = errs.New(errs.BadInput, "user.bad_status_expiry", "A status ends in the future.", errs.Field("statusExpiresAt"))
	ErrBadTimeZone    = errs.New(errs.BadInput, "user.bad_time_zone", "Give a time zone such as Europe/Vienna.", errs.Field("timeZone"))
	ErrBadLocale      = errs.New(errs.BadInput, "user.bad_locale", "Give a language tag such as de-AT.", errs.Field("locale"))

	ErrBadAvatar = errs.New(errs.BadInput, "user.bad_avatar", "An avatar is an image that you have uploaded and sent in no message.", errs.Field("avatarAttachmentId"))

	ErrBadPresence = errs.New(errs.BadInput, "user.bad_presence", "A presence is ONLINE, AWAY, BUSY or OFFLINE.", errs.Field("status"))

	ErrSelf            = errs.New(errs.BadInput, "user.self", "That is you yourself.", errs.Field("input.userId"))
	ErrNoRequest       = errs.New(errs.NotFound, "user.no_request", "There is no such request.")
	ErrTooManyRequests = errs.New(errs.Precondition, "user.too_many_requests", "Too many of your requests wait for an answer.", errs.Reason("TOO_MANY_REQUESTS"))
	ErrTooManyBlocks   = errs.New(errs.Precondition, "user.too_many_blocks", "You have blocked as many as one can.", errs.Reason("TOO_MANY_BLOCKS"))
	ErrBadState        = errs.New(errs.BadInput, "user.bad_state", "Strangers are not listed.", errs.Field("state"))

	ErrBadQuery = errs.New(errs.BadInput, "user.bad_query", "Search for 1 to 100 characters.", errs.Field("query"))
	ErrTooMany  = errs.New(errs.BadInput, "user.too_many_ids", "Ask for at most 100 users at once.", errs.Field("ids"))
)
