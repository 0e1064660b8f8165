package chat

import "chatd/internal/platform/errs"

// What can go wrong in chat. A conversation that is not the viewer's answers
// exactly as one that does not exist.
var (
	ErrNoConversation  = errs.New(errs.NotFound, "chat.no_conversation", "No such conversation.")
	ErrNoMessage       = errs.New(errs.NotFound, "chat.no_message", "No such message.")
	ErrNoUser          = errs.New(errs.NotFound, "chat.no_user", "No such user.")
	ErrMembershipEnded = errs.New(errs.NotFound, "chat.membership_ended", "You are no longer in this conversation.", errs.Reason("MEMBERSHIP_ENDED"))
	ErrNoMember        = errs.New(errs.NotFound, "chat.no_member", "No such member.")
	ErrText            = errs.New(errs.BadInput, "chat.text", "A text has 1 to 10,000 characters and no control characters.")
	ErrClientID        = errs.New(errs.BadInput, "chat.client_id", "A clientId has 1 to 64 characters, and no NUL among them.")
	ErrName            = errs.New(errs.BadInput, "chat.name", "A name has 1 to 100 printable characters.")
	ErrDescription     = errs.New(errs.BadInput, "chat.description", "A description has at most 1,000 characters.")
	ErrTooManyMembers  = errs.New(errs.BadInput, "chat.too_many_members", "A conversation has at most 5,000 members.")
	ErrSelf            = errs.New(errs.BadInput, "chat.self", "A direct conversation needs somebody else.")
	ErrReplyTo         = errs.New(errs.BadInput, "chat.reply_to", "The message replied to is not in this conversation.")
	ErrAttachments     = errs.New(errs.BadInput, "chat.attachments", "An attachment is an upload of yours that is complete and in no message yet.", errs.Field("input.attachmentIds"))
	ErrManyAttachments = errs.New(errs.BadInput, "chat.many_attachments", "A message has fewer attachments, and each once.", errs.Field("input.attachmentIds"))
	ErrNoFile          = errs.New(errs.NotFound, "chat.no_file", "No such file.")
	ErrFileSize        = errs.New(errs.TooLarge, "chat.file_size", "The file is larger than this server takes.")
	ErrFileType        = errs.New(errs.BadInput, "chat.file_type", "Files of this type are not taken here.")
	ErrFileDamaged     = errs.New(errs.BadInput, "chat.file_damaged", "The file looks like an image and is none.")
	ErrQuota           = errs.New(errs.Precondition, "chat.quota", "Your files would take more room than you have. Delete some messages with files.", errs.Reason("FILE_QUOTA"))
	ErrUnsent          = errs.New(errs.Precondition, "chat.unsent", "Too many of your uploads are in no message yet. Send or delete some.", errs.Reason("UNSENT_UPLOADS"))
	ErrNoUploads       = errs.New(errs.Precondition, "chat.no_uploads", "This server takes no files.", errs.Reason("NO_UPLOADS"))
	ErrThreadRoot      = errs.New(errs.BadInput, "chat.thread_root", "A thread begins at a message that people wrote in this conversation, and not in a thread.")
	ErrMentions        = errs.New(errs.BadInput, "chat.mentions", "A message mentions at most 50 users, by their ids.")
	ErrRole            = errs.New(errs.BadInput, "chat.role", "A member is made ADMIN or MEMBER; transferOwnership makes an owner.")
	ErrSeq             = errs.New(errs.BadInput, "chat.seq", "A position in the conversation is 0 or more.")
	ErrQuery           = errs.New(errs.BadInput, "chat.query", "A search has 1 to 256 characters, a letter, digit or sign among them.")
	ErrSeqBeyond       = errs.New(errs.BadInput, "chat.seq_beyond", "No message has this seq.", errs.Field("input.seq"))
	ErrReason          = errs.New(errs.BadInput, "chat.report_reason", "A reason has 1 to 1,000 characters and no control characters.", errs.Field("input.reason"))
	ErrResolutionNote  = errs.New(errs.BadInput, "chat.resolution_note", "A note has at most 1,000 characters and no control characters.", errs.Field("input.note"))
	ErrNoReport        = errs.New(errs.NotFound, "chat.no_report", "No such report.")
	ErrNotServerAdmin  = errs.New(errs.Forbidden, "chat.not_server_admin", "Only the server's administrators may.")
	ErrForbidden       = errs.New(errs.Forbidden, "chat.forbidden", "Your role does not allow this.")
	ErrDirect          = errs.New(errs.Precondition, "chat.direct", "A direct conversation is always of its two people.", errs.Reason("DIRECT_CONVERSATION"))
	ErrAlone           = errs.New(errs.Precondition, "chat.alone", "The other one's account has been deleted.", errs.Reason("ACCOUNT_DELETED"))
	ErrDeleted         = errs.New(errs.Precondition, "chat.deleted", "The message has been deleted.", errs.Reason("MESSAGE_DELETED"))
	ErrSystemMessage   = errs.New(errs.Precondition, "chat.system_message", "The server's own notes cannot be changed.", errs.Reason("SYSTEM_MESSAGE"))
	ErrKeyReused       = errs.New(errs.Conflict, "chat.key_reused", "This clientId was used for another message.", errs.Reason("IDEMPOTENCY_KEY_REUSED"), errs.Field("input.clientId"))
	ErrArchived        = errs.New(errs.Precondition, "chat.archived", "Nobody is left in this conversation.", errs.Reason("ARCHIVED"))
	ErrGuest           = errs.New(errs.Forbidden, "chat.guest", "Guests are in the conversations that they were brought into.")
	ErrChannelQuery    = errs.New(errs.BadInput, "chat.channel_query", "A search has at most 100 characters and 10 words.")
	ErrNoInvite        = errs.New(errs.NotFound, "chat.no_invite", "No such invitation.")
	ErrInviteExpiry    = errs.New(errs.BadInput, "chat.invite_expiry", "An invitation ends in the future.")
	ErrInviteUses      = errs.New(errs.BadInput, "chat.invite_uses", "An invitation is good for 1 to 1,000,000 uses.")
	ErrTooManyInvites  = errs.New(errs.Precondition, "chat.too_many_invites", "A conversation has at most 200 invitations. Revoke some.", errs.Reason("TOO_MANY_INVITES"))
	ErrTooManyCodes    = errs.New(errs.RateLimited, "chat.too_many_codes", "Too many tries. Try again later.")

	ErrEmoji            = errs.New(errs.BadInput, "chat.emoji", "A reaction is exactly one emoji.")
	ErrTooManyReactions = errs.New(errs.Precondition, "chat.too_many_reactions", "A message has at most 50 different reactions.", errs.Reason("TOO_MANY_REACTIONS"))
	ErrTooManyPins      = errs.New(errs.Precondition, "chat.too_many_pins", "A conversation has at most 100 pinned messages.", errs.Reason("TOO_MANY_PINS"))

	// ErrTooOften says that a budget of sends or uploads is used up.
	ErrTooOften = errs.New(errs.RateLimited, "chat.too_often", "Too many at once. Try again later.")
	// ErrTooMany says that more has been missed than is replayed.
	ErrTooMany = errs.New(errs.Precondition, "chat.too_many", "Too much has happened since.", errs.Reason("TOO_MANY"))

	// ErrMoved is for use cases only: the membership is not what they
	// decided on any more, so they decide again.
	ErrMoved = errs.New(errs.Unavailable, "chat.moved", "The conversation has just changed. Try again.")
)
