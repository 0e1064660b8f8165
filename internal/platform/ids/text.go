package ids

import (
	"encoding/binary"
	"errors"
	"strings"
)

// alphabet is Crockford's base 32 in lower case: it sorts as the bytes do.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const textLen = 26 // 128 bits, five a character, two bits unused at the front

var errNotAnID = errors.New("not an identifier of this type")

// String returns the opaque form: the type's prefix and 26 characters. The
// zero ID is the empty string.
func (id ID[T]) String() string {
	if id.IsZero() {
		return ""
	}
	b, _ := id.AppendText(make([]byte, 0, 4+textLen))
	return string(b)
}

// AppendText appends the opaque form.
func (id ID[T]) AppendText(dst []byte) ([]byte, error) {
	if id.IsZero() {
		return dst, nil
	}
	var t T
	dst = append(dst, t.prefix()...)
	hi, lo := id.words()
	for i := range textLen {
		shift := uint(5 * (textLen - 1 - i))
		var v uint64
		switch {
		case shift >= 64:
			v = hi >> (shift - 64)
		case shift == 0:
			v = lo
		default:
			v = lo>>shift | hi<<(64-shift)
		}
		dst = append(dst, alphabet[v&31])
	}
	return dst, nil
}

func (id ID[T]) words() (hi, lo uint64) {
	for i := range 8 {
		hi = hi<<8 | uint64(id.b[i])
		lo = lo<<8 | uint64(id.b[8+i])
	}
	return hi, lo
}

// MarshalText returns the opaque form.
func (id ID[T]) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText reads the opaque form; an empty text is the zero ID.
func (id *ID[T]) UnmarshalText(p []byte) error {
	if len(p) == 0 {
		*id = ID[T]{}
		return nil
	}
	v, ok := parse[T](string(p))
	if !ok {
		return errNotAnID
	}
	*id = v
	return nil
}

func parse[T tag](s string) (ID[T], bool) {
	var t T
	s, ok := strings.CutPrefix(s, t.prefix())
	if !ok || len(s) != textLen || s[0] > '7' {
		return ID[T]{}, false
	}
	var hi, lo uint64
	for i := range len(s) {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return ID[T]{}, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	var id ID[T]
	binary.BigEndian.PutUint64(id.b[:8], hi)
	binary.BigEndian.PutUint64(id.b[8:], lo)
	return id, !id.IsZero()
}

// ParseUser reads a user's opaque form; false for anything else.
func ParseUser(s string) (User, bool) { return parse[userTag](s) }

// ParseSession reads a session's opaque form; false for anything else.
func ParseSession(s string) (Session, bool) { return parse[sessionTag](s) }

// ParseConversation reads a conversation's opaque form; false for anything else.
func ParseConversation(s string) (Conversation, bool) { return parse[conversationTag](s) }

// ParseMessage reads a message's opaque form; false for anything else.
func ParseMessage(s string) (Message, bool) { return parse[messageTag](s) }

// ParseKey reads a key's opaque form; false for anything else.
func ParseKey(s string) (Key, bool) { return parse[keyTag](s) }

// ParseGroupInvite reads an invitation's opaque form; false for anything else.
func ParseGroupInvite(s string) (GroupInvite, bool) { return parse[groupInviteTag](s) }

// ParseReport reads a report's opaque form; false for anything else.
func ParseReport(s string) (Report, bool) { return parse[reportTag](s) }

// ParseInvite reads an invitation's opaque form; false for anything else.
func ParseInvite(s string) (Invite, bool) { return parse[inviteTag](s) }

// ParseAudit reads the opaque form of an audit log's entry; false for anything
// else.
func ParseAudit(s string) (Audit, bool) { return parse[auditTag](s) }

// ParseAttachment reads an attachment's opaque form; false for anything else.
func ParseAttachment(s string) (Attachment, bool) { return parse[attachmentTag](s) }

// ParsePersonalToken reads the opaque form of a personal token's id, not its
// text; false for anything else.
func ParsePersonalToken(s string) (PersonalToken, bool) { return parse[personalTag](s) }

// ParseExport reads an export's opaque form; false for anything else.
func ParseExport(s string) (Export, bool) { return parse[exportTag](s) }

// ParseIdentity reads the opaque form of an identity; false for anything else.
func ParseIdentity(s string) (Identity, bool) { return parse[identityTag](s) }
