package page_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/page"
)

func TestAHiddenCursorOpensForItsListAloneAndShowsNothing(t *testing.T) {
	t.Parallel()
	s := page.NewSealer([]byte("0123456789abcdef"))
	for _, position := range []string{"", "a", "somebody who was looked at and is not shown, with a long name"} {
		cursor := s.SealHidden("people", []byte(position))
		if got, err := s.OpenHidden("people", cursor); err != nil || string(got) != position {
			t.Errorf("%q opens as %q, %v", position, got, err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(position) > 1 && bytes.Contains(raw, []byte(position[:4])) {
			t.Errorf("%q is shown by %q, %v", position, raw, err)
		}
		for at := range raw {
			forged := bytes.Clone(raw)
			forged[at]++
			if _, err := s.OpenHidden("people", base64.RawURLEncoding.EncodeToString(forged)); !errors.Is(err, errs.ErrBadCursor) {
				t.Fatalf("forged at %d: %v", at, err)
			}
		}
		if _, err := s.OpenHidden("others", cursor); !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("of another list: %v", err)
		}
		if _, err := s.Open("people", cursor); position != "" && !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("not hidden: %v", err)
		}
	}
	for _, bad := range []string{"", "x", "AAAA", "not base64!", s.Seal("people", []byte("a")), s.SealHidden("people", []byte("a")) + "\n"} {
		if _, err := s.OpenHidden("people", bad); !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
