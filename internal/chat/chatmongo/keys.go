package chatmongo

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Keys of several parts are one binary field: binaries of one length are
// compared byte by byte, so that one index serves a conversation's range in
// order, and a sparse one leaves out documents without the field.

// numbered is an identifier with a number, which ranges run over.
func numbered(id []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(id), uint64(max(n, 0)))
}

// memberID is the _id of a member.
type memberID struct {
	conversation ids.Conversation
	user         ids.User
}

func (m memberID) bytes() []byte { return append(m.conversation.Bytes(), m.user.Bytes()...) }

// roll is a member's place in the order of members.
func roll(id ids.Conversation, k chat.MemberKey) []byte {
	at := int64(0)
	if !k.JoinedAt.IsZero() {
		at = max(micros(k.JoinedAt), 0)
	}
	return append(numbered(id.Bytes(), at), k.User.Bytes()...)
}

// rollEnd is after all members.
func rollEnd(id ids.Conversation) []byte {
	return append(numbered(id.Bytes(), math.MaxInt64), bytes.Repeat([]byte{0xff}, 16)...)
}

// sendKey makes a repeated send the same send; nil without a ClientID.
func sendKey(m *chat.NewMessage) []byte {
	if m.ClientID == "" {
		return nil
	}
	return append(memberID{m.Conversation, m.Sender}.bytes(), m.ClientID...)
}

// pairKey is the same whoever of the two opens the conversation. No sendKey
// is as short.
func pairKey(members []chat.Member) []byte {
	if len(members) == 2 && members[0].User.Compare(members[1].User) > 0 {
		return append(members[1].User.Bytes(), members[0].User.Bytes()...)
	}
	var key []byte
	for _, m := range members {
		key = append(key, m.User.Bytes()...)
	}
	return key
}

// Times are microseconds UTC; the zero time is 0.

func micros(t time.Time) int64 { return t.UnixMicro() }

func optMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

func optInstant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return instant(us)
}

// idOf reads an identifier back; anything else is the zero one.
func idOf[I any, P interface {
	*I
	Scan(src any) error
}](b []byte,
) (id I) {
	if len(b) == 0 || P(&id).Scan(b) != nil {
		var zero I
		return zero
	}
	return id
}

// blob is an identifier's bytes; nil for the zero one, so that its field is
// left out.
func blob[I interface {
	Bytes() []byte
	IsZero() bool
}](id I,
) []byte {
	if id.IsZero() {
		return nil
	}
	return id.Bytes()
}

func blobs[I interface{ Bytes() []byte }](of []I) [][]byte {
	all := make([][]byte, len(of))
	for i, id := range of {
		all[i] = id.Bytes()
	}
	return all
}
