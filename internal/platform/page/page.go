package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"chatd/internal/platform/errs"
)

// The limits of a page.
const (
	Default = 50
	Max     = 100
)

// Args are a list's arguments as they were given; nil is left out.
type Args struct {
	First  *int32
	After  *string
	Last   *int32
	Before *string
}

// Slice is a checked request for a part of a list, in the order of the list.
type Slice struct {
	Limit    int    // 1 to Max
	Backward bool   // the last Limit before Before, else the first Limit after After
	After    string // opened by the caller; empty for the beginning
	Before   string // empty for the end
}

// Check turns arguments into a Slice. It returns errs.ErrBadInput with the
// field for a size out of 1 to Max and for first together with last, and
// errs.ErrBadCursor for an empty cursor.
func (a Args) Check() (Slice, error) {
	s := Slice{Limit: Default}
	for _, c := range []struct {
		name  string
		given *string
		to    *string
	}{{"after", a.After, &s.After}, {"before", a.Before, &s.Before}} {
		if c.given == nil {
			continue
		}
		if *c.given == "" { // not the beginning: whoever has lost his cursor must be told
			return Slice{}, errs.ErrBadCursor.With(errs.Field(c.name))
		}
		*c.to = *c.given
	}
	switch {
	case a.First != nil && a.Last != nil:
		return Slice{}, errs.ErrBadInput.With(errs.Field("last")).Saying("Give first or last, not both.")
	case a.First != nil:
		return s, s.size("first", *a.First)
	case a.Last != nil:
		s.Backward = true
		return s, s.size("last", *a.Last)
	}
	s.Backward = s.Before != "" && s.After == ""
	return s, nil
}

func (s *Slice) size(field string, n int32) error {
	if n < 1 || n > Max {
		return errs.ErrBadInput.With(errs.Field(field)).Saying("A page has 1 to 100 entries.")
	}
	s.Limit = int(n)
	return nil
}

// Info is what a client is told of where a page lies.
type Info struct {
	HasNext, HasPrevious bool
	Start, End           string
}

// Sealer makes list cursors that cannot be made up: a position and a keyed
// hash over it and the list's scope. It is safe for concurrent use.
type Sealer struct{ key []byte }

// NewSealer returns a Sealer; key is secret, at least 16 bytes, and the same
// on every node.
func NewSealer(key []byte) *Sealer { return &Sealer{key: key} }

const macLen = 8

// Seal makes the cursor of a position. The scope names the list (and whose it
// is), so that a cursor of another list is refused.
func (s *Sealer) Seal(scope string, position []byte) string {
	b := append(s.mac(scope, position), position...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Open returns the position of a cursor made for the same scope, else
// errs.ErrBadCursor.
func (s *Sealer) Open(scope, cursor string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line ends, which would be other forms of it.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(b) < macLen || !hmac.Equal(b[:macLen], s.mac(scope, b[macLen:])) {
		return nil, errs.ErrBadCursor
	}
	return b[macLen:], nil
}

func (s *Sealer) mac(scope string, position []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write(position)
	return h.Sum(make([]byte, 0, sha256.Size))[:macLen]
}
