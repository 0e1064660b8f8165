package keys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/keys"
)

func TestTheFileIsMadeOnceAndForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	derived := make([][]byte, 20)
	var wg sync.WaitGroup
	for i := range derived {
		wg.Go(func() {
			r, err := keys.Open(dir, "")
			if err != nil {
				t.Error(err)
				return
			}
			derived[i] = r.Derive("test")
		})
	}
	wg.Wait()
	for _, d := range derived {
		if !bytes.Equal(d, derived[0]) {
			t.Fatal("two that started at once have two secrets")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
}

func TestTheTextOfTheFileGivenAsTheSecretIsTheSameKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	of := func(dir, secret string) []byte {
		r, err := keys.Open(dir, secret)
		if err != nil {
			t.Fatal(err)
		}
		return r.Derive("test")
	}
	want := of(dir, "")
	text, err := os.ReadFile(filepath.Join(dir, keys.FileName))
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(text))
	for _, secret := range []string{keys.OfFile + line, keys.OfFile + string(text)} {
		if got := of(t.TempDir(), secret); !bytes.Equal(got, want) {
			t.Errorf("%d characters make another key", len(secret))
		}
	}
	if bytes.Equal(of(t.TempDir(), line), want) {
		t.Error("without the prefix it must stay what it always was: a secret of its own")
	}
	for _, secret := range []string{keys.OfFile, keys.OfFile + line[1:], keys.OfFile + line + "00", keys.OfFile + strings.Repeat("z", 64)} {
		if err := keys.Check(secret); err == nil || strings.Contains(err.Error(), line[1:]) {
			t.Errorf("%d characters: %v", len(secret), err)
		}
	}
}

func TestABadFileIsNamed(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("ab", 32) + "\n"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"empty":               {"", 0o600, "damaged"},
		"cut off":             {whole[:40], 0o600, "damaged"},
		"too long":            {whole + "ab", 0o600, "damaged"},
		"not hexadecimal":     {strings.Repeat("zz", 32), 0o600, "damaged"},
		"readable by others":  {whole, 0o644, "chmod"},
		"readable by a group": {whole, 0o640, "chmod"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), keys.FileName)
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keys.Open(filepath.Dir(path), "")
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAGivenSecretNeedsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := keys.Open(dir, "short"); err == nil || strings.Contains(err.Error(), "short\"") {
		t.Fatalf("a short secret: %v", err)
	}
	a, err := keys.Open(dir, strings.Repeat("a", 32))
	if err != nil {
		t.Fatal(err)
	}
	b, err := keys.Open(dir, strings.Repeat("b", 32))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Derive("x"), b.Derive("x")) || bytes.Equal(a.Derive("x"), a.Derive("y")) {
		t.Fatal("keys of two secrets or purposes are alike")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Fatalf("a file was made: %v", entries)
	}
}

func TestSealedIsReadForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	r, err := keys.Open("", strings.Repeat("s", 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.Seal("signing", []byte("plain"))
	if bytes.Contains(sealed, []byte("plain")) || bytes.Equal(sealed, r.Seal("signing", []byte("plain"))) {
		t.Fatal("not encrypted, or without a nonce of its own")
	}
	if p, err := r.Unseal("signing", sealed); err != nil || string(p) != "plain" {
		t.Fatal(p, err)
	}
	if _, err := r.Unseal("webhooks", sealed); !errors.Is(err, keys.ErrUnseal) {
		t.Fatal("another purpose reads it")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := r.Unseal("signing", bad); !errors.Is(err, keys.ErrUnseal) {
			t.Fatalf("a flipped bit at %d passes", i)
		}
	}
	if _, err := r.Unseal("signing", nil); !errors.Is(err, keys.ErrUnseal) {
		t.Fatal("nothing is unsealed")
	}
}
