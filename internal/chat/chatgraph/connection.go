package chatgraph

import (
	"encoding/binary"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
)

// list names one list of one viewer; its cursors are good nowhere else.
type list struct {
	sealer *page.Sealer
	scope  string
}

func (g *Graph) list(kind string, of string, viewer ids.User) list {
	return list{g.Sealer, kind + "/" + of + "/" + viewer.String()}
}

// open returns the position that a cursor holds; nil for no cursor. The field
// is the argument that an error names.
func (l list) open(cursor, field string) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	at, err := l.sealer.Open(l.scope, cursor)
	if err != nil {
		return nil, errs.ErrBadCursor.With(errs.Field(field))
	}
	return at, nil
}

// number opens a cursor that holds a number; 0 for no cursor.
func (l list) number(cursor, field string) (int64, error) {
	at, err := l.open(cursor, field)
	if err != nil || at == nil {
		return 0, err
	}
	n, used := binary.Uvarint(at)
	if used != len(at) {
		return 0, errs.ErrBadCursor.With(errs.Field(field))
	}
	return int64(n), nil //nolint:gosec // It was sealed from an int64.
}

func numberKey(n int64) []byte { return binary.AppendUvarint(nil, uint64(n)) } //nolint:gosec // Positions are not negative.

// memberKey is a member's place: the microsecond of joining and the user.
func memberKey(m chat.MemberKey) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(m.JoinedAt.UnixMicro())), m.User.Bytes()...)
}

func (l list) memberKey(cursor string) (chat.MemberKey, error) {
	at, err := l.open(cursor, "after")
	if err != nil || at == nil {
		return chat.MemberKey{}, err
	}
	if len(at) < 8 {
		return chat.MemberKey{}, errs.ErrBadCursor
	}
	user, err := ids.FromBytes[ids.User](at[8:])
	if err != nil {
		return chat.MemberKey{}, errs.ErrBadCursor
	}
	micros := int64(binary.BigEndian.Uint64(at)) //nolint:gosec // It was sealed from an int64.
	return chat.MemberKey{JoinedAt: time.UnixMicro(micros).UTC(), User: user}, nil
}

// Connection is one page of a list in the shape that Relay asks for. Cursors
// are sealed only when they are selected.
type Connection[N any] struct {
	list      list
	nodes     []N
	key       func(N) []byte
	more      bool // after the page
	moreFront bool // before it
}

// Edges resolves edges.
func (c *Connection[N]) Edges() []*Edge[N] {
	out := make([]*Edge[N], len(c.nodes))
	for i, n := range c.nodes {
		out[i] = &Edge[N]{c, n}
	}
	return out
}

// PageInfo resolves pageInfo.
func (c *Connection[N]) PageInfo() *PageInfo[N] { return &PageInfo[N]{c} }

func (c *Connection[N]) cursor(n N) string { return c.list.sealer.Seal(c.list.scope, c.key(n)) }

// Edge is a node in its list.
type Edge[N any] struct {
	of   *Connection[N]
	node N
}

// Cursor resolves cursor.
func (e *Edge[N]) Cursor() string { return e.of.cursor(e.node) }

// Node resolves node.
func (e *Edge[N]) Node() N { return e.node }

// PageInfo tells where a page lies.
type PageInfo[N any] struct{ of *Connection[N] }

// HasNextPage resolves hasNextPage.
func (p *PageInfo[N]) HasNextPage() bool { return p.of.more }

// HasPreviousPage resolves hasPreviousPage.
func (p *PageInfo[N]) HasPreviousPage() bool { return p.of.moreFront }

// StartCursor resolves startCursor.
func (p *PageInfo[N]) StartCursor() *string { return p.at(0) }

// EndCursor resolves endCursor.
func (p *PageInfo[N]) EndCursor() *string { return p.at(len(p.of.nodes) - 1) }

func (p *PageInfo[N]) at(i int) *string {
	if len(p.of.nodes) == 0 {
		return nil
	}
	c := p.of.cursor(p.of.nodes[i])
	return &c
}

// cut drops what was read beyond the page to learn whether more follows.
func cut[T any](got []T, limit int) ([]T, bool) {
	if len(got) > limit {
		return got[:limit], true
	}
	return got, false
}
