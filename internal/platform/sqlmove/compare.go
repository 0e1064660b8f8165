package sqlmove

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"golang.org/x/sync/errgroup"

	"chatd/internal/platform/sqldb"
)

// ErrDiffers says that two tables do not have the same rows.
var ErrDiffers = errors.New("the two sides differ")

// Sum is what a table's rows come to.
type Sum struct {
	Rows   int64
	SHA256 string // over all values, in the order of the key
}

// Compare reads a table on both sides, from its first row to its last, and
// compares them value by value. The error is an ErrDiffers that names the first
// row that is not the same. told hears of the rows compared.
func Compare(ctx context.Context, a, b *sqldb.DB, t Table, told func(rows int)) (Sum, error) {
	var left, right side
	g, ctx := errgroup.WithContext(ctx)
	left.begin(ctx, g, a, &t)
	right.begin(ctx, g, b, &t)
	g.Go(func() error {
		for n := 1; ; n++ {
			more, err := step(&left, &right)
			switch {
			case err != nil:
				return err
			case !more:
				told(n - 1)
				return nil
			case n == pageRows:
				told(n)
				n = 0
			}
		}
	})
	if err := g.Wait(); err != nil {
		return Sum{}, fmt.Errorf("compare %s: %w", t.Name, err)
	}
	x, y := left.sum(), right.sum()
	if x != y {
		return Sum{}, fmt.Errorf("compare %s: %w: %d rows of %s and %d of %s", t.Name, ErrDiffers, x.Rows, x.SHA256, y.Rows, y.SHA256)
	}
	return x, nil
}

// side is one of two tables on the way through its rows.
type side struct {
	table *Table
	pages chan page
	page  [][]any
	key   []any  // of the row at hand; nil at the end
	text  []byte // all of it
	rows  int64
	hash  hash.Hash
}

func (s *side) begin(ctx context.Context, g *errgroup.Group, db *sqldb.DB, t *Table) {
	s.table, s.pages, s.hash = t, make(chan page, 1), sha256.New()
	r := &reader{db: db, table: t}
	g.Go(func() error { return r.pages(ctx, s.pages) })
}

// next goes to the next row.
func (s *side) next() error {
	if len(s.page) == 0 {
		p := <-s.pages
		if p.err != nil {
			return p.err
		}
		s.page = p.rows
	}
	if len(s.page) == 0 {
		s.key, s.text = nil, s.text[:0]
		return nil
	}
	row := s.page[0]
	s.page = s.page[1:]
	s.key, s.text = s.table.keyOf(row), canonical(s.text[:0], row)
	_, _ = s.hash.Write(s.text) // never fails
	s.rows++
	return nil
}

func (s *side) sum() Sum { return Sum{s.rows, hex.EncodeToString(s.hash.Sum(nil))} }

// step compares one row; false at the end of both sides.
func step(a, b *side) (bool, error) {
	if err := errors.Join(a.next(), b.next()); err != nil {
		return false, err
	}
	switch {
	case a.key == nil && b.key == nil:
		return false, nil
	case bytes.Equal(a.text, b.text):
		return true, nil
	case b.key == nil || a.key != nil && before(a.key, b.key):
		return false, fmt.Errorf("%w: the row %s is only in the first", ErrDiffers, a.table.say(a.key))
	case a.key == nil || before(b.key, a.key):
		return false, fmt.Errorf("%w: the row %s is only in the second", ErrDiffers, a.table.say(b.key))
	default:
		return false, fmt.Errorf("%w in the row %s", ErrDiffers, a.table.say(a.key))
	}
}

// before compares keys as the engines do.
func before(x, y []any) bool {
	for i := range x {
		if a, ok := x[i].(int64); ok {
			if b, _ := y[i].(int64); a != b {
				return a < b
			}
			continue
		}
		if c := bytes.Compare(canonical(nil, x[i:i+1])[9:], canonical(nil, y[i:i+1])[9:]); c != 0 {
			return c < 0
		}
	}
	return false
}

// canonical appends values so that no two rows come to the same bytes: what a
// value is, its length, itself.
func canonical(to []byte, row []any) []byte {
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			to = append(to, 0)
		case int64:
			to = binary.BigEndian.AppendUint64(append(to, 1), uint64(v)) //nolint:gosec // The same bits.
		case string:
			to = append(binary.BigEndian.AppendUint64(append(to, 2), uint64(len(v))), v...)
		case []byte:
			to = append(binary.BigEndian.AppendUint64(append(to, 3), uint64(len(v))), v...)
		}
	}
	return to
}

// say names a row by its key.
func (t *Table) say(key []any) string {
	var parts []string
	for i, at := range t.Key {
		switch v := key[i].(type) {
		case []byte:
			parts = append(parts, t.Columns[at].Name+" "+hex.EncodeToString(v))
		default:
			parts = append(parts, fmt.Sprintf("%s %v", t.Columns[at].Name, v))
		}
	}
	return strings.Join(parts, ", ")
}
