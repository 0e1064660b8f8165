package gqlx

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// SpliceKind says what is filled in at a splice.
type SpliceKind uint8

// The kinds of splice.
const (
	SpliceCursor SpliceKind = iota + 1
	SpliceUnread
	SpliceLink

	lastSplice = SpliceLink
)

var spliceKinds = map[string]SpliceKind{
	"CURSOR": SpliceCursor, "UNREAD_COUNT": SpliceUnread, "LINK": SpliceLink,
}

// What the resolvers of @spliced fields return while rendering; of links Link
// does. They are drawn at random by each process and never leave it, so that no
// text or number of a user's can be taken for one; the number is below all that
// counts anything.
var (
	CursorPlaceholder = randomText()   //nolint:gochecknoglobals // A sentinel of the process.
	UnreadPlaceholder = randomUnread() //nolint:gochecknoglobals // A sentinel of the process.
	linkPlaceholder   = randomText()   //nolint:gochecknoglobals // A sentinel of the process.

	cursorBytes, linkBytes = []byte(CursorPlaceholder), []byte(linkPlaceholder) //nolint:gochecknoglobals // As above.
)

func randomText() string {
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
	Path       string // of a link
}

// Links signs links; links.Signer in the program.
type Links interface {
	// AppendLink appends a link that gives a user what is at a path.
	AppendLink(dst []byte, user ids.User, path string) []byte
}

// Link is what the resolver of a field that is @spliced(as: LINK) returns: a
// link of the viewer's to a path of this server, of letters, digits and
// "/._-". While an event is rendered for many it stands for a link of each.
func Link(ctx context.Context, l Links, path string) (string, error) {
	if ctx.Value(feederKey{}) != nil {
		return linkPlaceholder + path, nil
	}
	p, ok := principal.From(ctx)
	if !ok {
		return "", errs.ErrUnauthenticated
	}
	return string(l.AppendLink(nil, p.User, path)), nil
}

// Rendered is the payload of one event: {"data":…}, with errors before it when
// a field failed. It is shared and must not be changed.
type Rendered struct {
	JSON    []byte
	Splices []Splice // ascending
}

// Append appends the payload with the subscriber's own values in place of the
// splices. A nil local leaves an empty cursor and a count of 0; link makes a
// link to a path, and is not called where there is none to make.
func (r *Rendered) Append(dst []byte, local feed.Local, link func(dst []byte, path string) []byte) []byte {
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
		case SpliceLink:
			from := len(dst)
			dst = quoted(link(append(dst, '"'), s.Path), from)
		}
		from = s.End
	}
	return append(dst, r.JSON[from:]...)
}

// quoted makes a JSON string of what was appended behind a quotation mark at
// from, escaped as encoding/json does; of an address there is "&" to escape
// and hardly ever more.
func quoted(dst []byte, from int) []byte {
	text := dst[from+1:]
	amps := 0
	for _, c := range text {
		if c == '&' {
			amps++
		} else if !literal(c) {
			return AppendString(dst[:from], string(text))
		}
	}
	const escaped = `\u0026`
	to := len(dst) + amps*(len(escaped)-1)
	dst = slices.Grow(dst, to+1-len(dst))[:to]
	for i := from + len(text); to > i+1; i-- {
		if dst[i] == '&' {
			to -= len(escaped)
			copy(dst[to:], escaped)
			continue
		}
		to--
		dst[to] = dst[i]
	}
	return append(dst, '"')
}

// spliceNode is the tree of response keys under which spliced fields were
// selected.
type spliceNode struct {
	kinds    spliceSet // of what the value here may be, which its object's type decides
	children map[string]*spliceNode
}

// spliceSet are kinds of splice.
type spliceSet uint8

func (s spliceSet) with(k SpliceKind) spliceSet { return s | 1<<k }

func (s spliceSet) has(k SpliceKind) bool { return s&(1<<k) != 0 }

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
	var found [lastSplice + 1]int
	for _, p := range r.Splices {
		found[p.Kind]++
	}
	if bytes.Count(payload, cursorBytes) != found[SpliceCursor] || bytes.Count(payload, linkBytes) != found[SpliceLink] {
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
	if node != nil && node.kinds != 0 {
		if kind, path := placeholder(node.kinds, s.json[start:s.at]); kind != 0 {
			s.out.Splices = append(s.out.Splices, Splice{Start: start, End: s.at, Kind: kind, Path: path})
		}
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

// placeholder says which of some kinds a value stands for; 0 for none.
func placeholder(of spliceSet, value []byte) (kind SpliceKind, path string) {
	if value[0] == '"' {
		text := value[1 : len(value)-1]
		if of.has(SpliceCursor) && string(text) == CursorPlaceholder {
			return SpliceCursor, ""
		}
		if n := len(linkPlaceholder); of.has(SpliceLink) && len(text) > n && string(text[:n]) == linkPlaceholder {
			return SpliceLink, string(text[n:])
		}
		return 0, ""
	}
	n, err := strconv.ParseInt(string(value), 10, 32)
	if of.has(SpliceUnread) && err == nil && int32(n) == UnreadPlaceholder {
		return SpliceUnread, ""
	}
	return 0, ""
}
