package passwords_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"chatd/internal/platform/passwords"
)

var cheap = passwords.Params{MemoryKiB: 8, Passes: 1, Lanes: 1}

func TestCommonPasswordsAndOnesOwnNamesAreRefused(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("common_passwords.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(list)), "\n")
	if len(all) < 2000 {
		t.Fatalf("the list has %d", len(all))
	}
	for _, p := range all {
		if err := passwords.Check(p); !errors.Is(err, passwords.ErrCommon) {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{
		"1234567890", "Password123", "PASSWORD123", "qwertyuiop", "QwertyUiop", "iloveyou123", "1q2w3e4r5t", "password12", "password1234", "qwerty12345",
		"0987654321", "1111111111", "0123456789", "abcdefghij", "1qaz2wsx3edc", "qwertyuiop123", "abc1234567", "basketball", "motherfucker", "california",
	} {
		if err := passwords.Check(p); !errors.Is(err, passwords.ErrCommon) {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"Ada@Example.org", "ADA.LOVELACE", "ada lovelace"} {
		if err := passwords.Check(p, "ada.lovelace", "ada@example.org", "Ada Lovelace"); !errors.Is(err, passwords.ErrCommon) {
			t.Errorf("%q, one's own: %v", p, err)
		}
	}
	for _, p := range []string{
		"correct horse 🐎 battery staple with spaces and 🦀 in it, say 64 of", strings.Repeat("é", 128), "ada@example.org and more", "password123 is common",
		"\x00\x01 are characters", "          ", "пароль на русском",
	} {
		if err := passwords.Check(p, "ada", "ada@example.org"); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "123456789", "ééééééééé", strings.Repeat("é", 129), strings.Repeat("x", 10<<20), "not UTF-8: \xff\xfe"} {
		if err := passwords.Check(p); !errors.Is(err, passwords.ErrBadLength) || passwords.Fits(p) {
			t.Errorf("%.20q: %v", p, err)
		}
	}
}

// No letter of a password is folded, cut off or left out, however long it is.
func TestAPasswordCountsToItsLastByte(t *testing.T) {
	t.Parallel()
	h := passwords.NewHasher(cheap, 1, 8)
	long := strings.Repeat("0123456789", 12)
	for _, c := range []struct{ set, other string }{
		{long, long[:119] + "x"},
		{long[:72], long[:73]}, // where bcrypt ends
		{long[:72] + "a", long[:72] + "b"},
		{"Correct Horse", "correct horse"},
		{"with a NUL\x00 inside", "with a NUL\x00 insidf"},
		{"caf\u00e9 de Paris", "cafe\u0301 de Paris"}, // not normalised: the same bytes or not the same
		{"a password ", "a password"},
	} {
		hash, err := h.Hash(t.Context(), c.set)
		if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(hash, c.set) {
			t.Fatal(hash, err)
		}
		if ok, err := h.Verify(t.Context(), hash, c.set); !ok || err != nil {
			t.Errorf("%q is refused: %v", c.set, err)
		}
		if ok, err := h.Verify(t.Context(), hash, c.other); ok || err != nil {
			t.Errorf("%q passes for %q: %v", c.other, c.set, err)
		}
	}
	again, err := h.Hash(t.Context(), long)
	if first, e := h.Hash(t.Context(), long); e != nil || err != nil || first == again {
		t.Error("two hashes of one password are alike", e, err)
	}
}
