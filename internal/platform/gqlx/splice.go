package gqlx

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"

	"chatd/internal/platform/feed"
)

// SpliceKind says what is filled in at a splice.
type SpliceKind uint8

// The kinds of splice.
const (
	SpliceCursor SpliceKind = iota + 1
	SpliceUnread
)

var spliceKinds = map[string]SpliceKind{
	"CURSOR": SpliceCursor, "UNREAD_COUNT": SpliceUnread,
}

// What the resolvers of @spliced fields return while rendering. Both are drawn
// at random by each process and never leave it, so that no text or number of a
// user's can be taken for one; the number is below all that counts anything.
var (
	CursorPlaceholder = randomCursor() //nolint:gochecknoglobals // A sentinel of the process.
	UnreadPlaceholder = randomUnread() //nolint:gochecknoglobals // A sentinel of the process.
)

func randomCursor() string {
	var b [20]byte
	rand.Read(b[:])
	return "splice." + hex.EncodeToString(b[:])
}

func randomUnread() int32 {
	var b [4]byte
	rand.Read(b[:])
	return -1<<31 + int32(binary.LittleEndian.Uint32(b[:])>>2)
}

// Splice is a place in a rendering that is filled in for each subscriber: the
// JSON value from Start up to End.
type Splice struct {
	Start, End int
	Kind       SpliceKind
}

// Rendered is the payload of one event: {"data":…}, with errors before it when
// a field failed. It is shared and must not be changed.
type Rendered struct {
	JSON    []byte
	Splices []Splice // ascending
}

// Append appends the payload with the subscriber's own values in place of the
// splices. A nil local leaves an empty cursor and a count of 0.
func (r *Rendered) Append(dst []byte, local feed.Local) []byte {
	from := 0
	for _, s := range r.Splices {
		dst = append(dst, r.JSON[from:s.Start]...)
		switch s.Kind {
		case SpliceCursor:
			dst = append(dst, '"')
			if local != nil {
				dst = local.AppendCursor(dst)
			}
			dst = append(dst, '"')
		case SpliceUnread:
			n := int32(0)
			if local != nil {
				n = local.UnreadCount()
			}
			dst = strconv.AppendInt(dst, int64(n), 10)
		}
		from = s.End
	}
	return append(dst, r.JSON[from:]...)
}

// spliceNode is the tree of response keys under which spliced fields were
// selected.
type spliceNode struct {
	kind     SpliceKind // of the value here; 0 for none
	children map[string]*spliceNode
}

var errStray = errors.New("a placeholder stands where no spliced field was selected")

// splice finds the placeholders of a payload: only where the document selected
// a spliced field, and only where the value is the placeholder, since the
// object there may be of another type. One found elsewhere is an error, so
// that it never reaches a client.
func splice(payload []byte, tree *spliceNode) (*Rendered, error) {
	r := &Rendered{JSON: payload}
	if tree != nil {
		s := scanner{json: payload, out: r}
		s.object(&spliceNode{children: map[string]*spliceNode{"data": {children: tree.children}}})
	}
	cursors := 0
	for _, p := range r.Splices {
		if p.Kind == SpliceCursor {
			cursors++
		}
	}
	if bytes.Count(payload, []byte(CursorPlaceholder)) != cursors {
		return nil, errStray
	}
	return r, nil
}

// scanner walks JSON that the engine wrote: valid, without white space between
// tokens.
type scanner struct {
	json []byte
	at   int
	out  *Rendered
}

// value passes one value, looking for splices where node leads.
func (s *scanner) value(node *spliceNode) {
	start := s.at
	switch s.json[s.at] {
	case '{':
		s.object(node)
	case '[':
		s.at++
		for s.json[s.at] != ']' {
			s.value(node)
			if s.json[s.at] == ',' {
				s.at++
			}
		}
		s.at++
	case '"':
		s.string()
	default:
		for s.at < len(s.json) && !ends(s.json[s.at]) {
			s.at++
		}
	}
	if node != nil && node.kind != 0 && isPlaceholder(node.kind, s.json[start:s.at]) {
		s.out.Splices = append(s.out.Splices, Splice{Start: start, End: s.at, Kind: node.kind})
	}
}

func (s *scanner) object(node *spliceNode) {
	s.at++
	for s.json[s.at] != '}' {
		start := s.at
		s.string()
		var below *spliceNode
		if node != nil && node.children != nil {
			below = node.children[string(s.json[start+1:s.at-1])]
		}
		s.at++ // the colon
		s.value(below)
		if s.json[s.at] == ',' {
			s.at++
		}
	}
	s.at++
}

func (s *scanner) string() {
	for s.at++; s.json[s.at] != '"'; s.at++ {
		if s.json[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}

func ends(c byte) bool { return c == ',' || c == '}' || c == ']' }

func isPlaceholder(kind SpliceKind, value []byte) bool {
	if kind == SpliceCursor {
		return len(value) > 2 && string(value[1:len(value)-1]) == CursorPlaceholder
	}
	n, err := strconv.ParseInt(string(value), 10, 32)
	return err == nil && int32(n) == UnreadPlaceholder
}
