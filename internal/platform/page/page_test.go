package page_test

import (
	"errors"
	"testing"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/page"
)

func TestSizesOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []int32{0, -1, 101, 1<<31 - 1} {
		if _, err := (page.Args{First: &n}).Check(); errs.KindOf(err) != errs.BadInput {
			t.Errorf("first %d: %v", n, err)
		}
		if _, err := (page.Args{Last: &n}).Check(); errs.KindOf(err) != errs.BadInput {
			t.Errorf("last %d: %v", n, err)
		}
	}
	one := int32(1)
	if _, err := (page.Args{First: &one, Last: &one}).Check(); errs.KindOf(err) != errs.BadInput {
		t.Error("first and last together")
	}
	if s, err := (page.Args{}).Check(); err != nil || s.Limit != page.Default || s.Backward {
		t.Errorf("%+v %v", s, err)
	}
}

func TestACursorIsGoodForItsOwnListOnly(t *testing.T) {
	t.Parallel()
	s := page.NewSealer([]byte("0123456789abcdef"))
	c := s.Seal("messages/1", []byte{1, 2, 3})
	if p, err := s.Open("messages/1", c); err != nil || string(p) != "\x01\x02\x03" {
		t.Fatal(p, err)
	}
	if _, err := s.Open("messages/2", c); !errors.Is(err, errs.ErrBadCursor) {
		t.Fatal(err)
	}
	for i := range len(c) {
		b := []byte(c)
		b[i] ^= 1
		if _, err := s.Open("messages/1", string(b)); err == nil {
			t.Fatalf("a flipped bit at %d passes", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := page.NewSealer([]byte("0123456789abcdef"))
	f.Add("x", s.Seal("x", []byte("p")))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, scope, cursor string) {
		p, err := s.Open(scope, cursor)
		if err == nil && s.Seal(scope, p) != cursor {
			t.Fatalf("%q is a second form of a cursor", cursor)
		}
	})
}
