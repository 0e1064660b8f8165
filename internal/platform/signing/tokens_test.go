package signing_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/signing"
)

// shelf is a Store in memory.
type shelf struct {
	mu   sync.Mutex
	keys []signing.Key
}

func (s *shelf) SigningKeys(context.Context) ([]signing.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]signing.Key(nil), s.keys...), nil
}

func (s *shelf) AddSigningKey(_ context.Context, k signing.Key, unlessAfter time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, is := range s.keys {
		if is.UsedFrom.After(unlessAfter) {
			return nil
		}
	}
	s.keys = append(s.keys, k)
	return nil
}

func (s *shelf) DropSigningKeys(_ context.Context, old []ids.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.keys[:0]
	for _, k := range s.keys {
		drop := false
		for _, id := range old {
			drop = drop || k.ID == id
		}
		if !drop {
			kept = append(kept, k)
		}
	}
	s.keys = kept
	return nil
}

func open(tb testing.TB, secret string) (*signing.Tokens, *signing.Keys) {
	tb.Helper()
	ring, err := keys.Open("", secret)
	if err != nil {
		tb.Fatal(err)
	}
	k := signing.NewKeys(&shelf{}, ring, 24*time.Hour, 15*time.Minute)
	if err := k.Rotate(tb.Context(), time.Now()); err != nil {
		tb.Fatal(err)
	}
	return signing.NewTokens(k, "https://chat.example.org", "chatd", time.Now), k
}

func mint(tb testing.TB, tokens *signing.Tokens) (signing.Statement, string) {
	tb.Helper()
	s := signing.Statement{
		User: ids.New[ids.User](), Session: ids.New[ids.Session](), Role: principal.Member,
		Expires: time.Now().Add(time.Minute).Truncate(time.Second),
	}
	text, err := tokens.Mint(s, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return s, text
}

func TestWhatIsReadIsWhatWasSigned(t *testing.T) {
	t.Parallel()
	tokens, _ := open(t, strings.Repeat("s", 32))
	s, text := mint(t, tokens)
	got, err := tokens.Read(t.Context(), text)
	if err != nil || got.User != s.User || got.Session != s.Session || got.Role != s.Role || !got.Expires.Equal(s.Expires) {
		t.Fatalf("%+v %v", got, err)
	}
	others, _ := open(t, strings.Repeat("s", 32)) // the same secret, keys of its own
	if _, err := others.Read(t.Context(), text); !errors.Is(err, signing.ErrForeign) {
		t.Fatal(err)
	}
}

// Whatever a text is, it is read or foreign; nothing but what was signed is
// read, and nothing panics.
func FuzzRead(f *testing.F) {
	tokens, _ := open(f, strings.Repeat("s", 32))
	_, text := mint(f, tokens)
	header, rest, _ := strings.Cut(text, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	for _, seed := range []string{
		text, "", ".", "..", text + "=", header + "." + claims + ".", header + ".e30." + signature,
		"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + claims + ".", "eyJhbGciOiJIUzI1NiJ9." + claims + "." + signature,
		header + "." + claims + "." + strings.Repeat("A", 86), strings.Repeat(".", 4096), header + "\n." + claims + "." + signature,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, changed string) {
		if _, err := tokens.Read(context.Background(), changed); changed != text && !errors.Is(err, signing.ErrForeign) {
			t.Fatalf("%q: %v", changed, err)
		}
	})
}

// BenchmarkRead stands for a token's first use, and for each forged one.
func BenchmarkRead(b *testing.B) {
	tokens, _ := open(b, strings.Repeat("s", 32))
	_, text := mint(b, tokens)
	head, _, _ := strings.Cut(text, ".")
	for name, given := range map[string]string{"good": text, "forged": text[:len(text)-10] + "AAAAAAAAAA", "of another kind": head} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = tokens.Read(b.Context(), given)
			}
		})
	}
}
