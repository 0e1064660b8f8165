package ids

import (
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

type tag interface{ prefix() string }

type (
	userTag         struct{}
	sessionTag      struct{}
	conversationTag struct{}
	messageTag      struct{}
	keyTag          struct{}
	groupInviteTag  struct{}
	reportTag       struct{}
	attachmentTag   struct{}
	personalTag     struct{}
	inviteTag       struct{}
	auditTag        struct{}
	exportTag       struct{}
	mailTag         struct{}
	identityTag     struct{}
)

func (userTag) prefix() string         { return "usr_" }
func (sessionTag) prefix() string      { return "ses_" }
func (conversationTag) prefix() string { return "cnv_" }
func (messageTag) prefix() string      { return "msg_" }
func (reportTag) prefix() string       { return "rep_" }
func (keyTag) prefix() string          { return "key_" }
func (groupInviteTag) prefix() string  { return "giv_" }
func (attachmentTag) prefix() string   { return "att_" }
func (personalTag) prefix() string     { return "pat_" }
func (inviteTag) prefix() string       { return "inv_" }
func (auditTag) prefix() string        { return "aud_" }
func (exportTag) prefix() string       { return "exp_" }
func (mailTag) prefix() string         { return "eml_" }
func (identityTag) prefix() string     { return "idn_" }

// The identifiers, one type each.
type (
	// User names an account, its profile, a member and a sender alike.
	User = ID[userTag]
	// Session names one signed-in device.
	Session = ID[sessionTag]
	// Conversation names a direct conversation, group or channel.
	Conversation = ID[conversationTag]
	// Message names a message.
	Message = ID[messageTag]
	// Key names a signing key.
	Key = ID[keyTag]
	// GroupInvite names an invitation into a group or channel, not its code.
	GroupInvite = ID[groupInviteTag]
	// Report names a report of a message.
	Report = ID[reportTag]
	// Attachment names an uploaded file, sent or not.
	Attachment = ID[attachmentTag]
	// PersonalToken names a personal token, not its text.
	PersonalToken = ID[personalTag]
	// Invite names an invitation to the server, not its code.
	Invite = ID[inviteTag]
	// Audit names an entry of the audit log.
	Audit = ID[auditTag]
	// Export names a copy of what there is of a user.
	Export = ID[exportTag]
	// Mail names a mail that was promised.
	Mail = ID[mailTag]
	// Identity names what an account is known by at another provider.
	Identity = ID[identityTag]
)

// ID is an identifier of one type. The zero ID names nothing.
type ID[T tag] struct{ b [16]byte }

// New makes a fresh identifier, later than all that this process made before.
func New[I ~struct{ b [16]byte }]() I { return I{b: uuid.Must(uuid.NewV7())} }

// FromBytes makes an identifier of 16 bytes, as stores keep them.
func FromBytes[I ~struct{ b [16]byte }](p []byte) (I, error) {
	if len(p) != 16 {
		return I{}, fmt.Errorf("identifier of %d bytes", len(p))
	}
	return I{b: [16]byte(p)}, nil
}

// Bytes returns the 16 bytes in a slice of its own.
func (id ID[T]) Bytes() []byte { return append([]byte(nil), id.b[:]...) }

// Array returns the 16 bytes.
func (id ID[T]) Array() [16]byte { return id.b }

// IsZero says whether id names nothing.
func (id ID[T]) IsZero() bool { return id.b == [16]byte{} }

// Compare orders by time of making, then at random.
func (id ID[T]) Compare(other ID[T]) int {
	for i := range id.b {
		if id.b[i] != other.b[i] {
			return int(id.b[i]) - int(other.b[i])
		}
	}
	return 0
}

// Value stores id as 16 bytes; the zero ID as NULL.
func (id ID[T]) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.Bytes(), nil
}

// Scan reads what Value stored.
func (id *ID[T]) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ID[T]{}
		return nil
	case []byte:
		if len(v) == 16 {
			id.b = [16]byte(v)
			return nil
		}
	}
	return fmt.Errorf("%T is no identifier", src)
}
