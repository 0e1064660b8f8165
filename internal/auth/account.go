package auth

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// State says whether an account may be used.
type State string

// The states.
const (
	Active    State = "ACTIVE"
	Suspended State = "SUSPENDED"
)

// Account is somebody who may sign in.
type Account struct {
	ID        ids.User
	Email     string // as given; unique without regard to case
	Username  string // lower case; unique
	Role      principal.Role
	State     State
	CreatedAt time.Time
	// EmailVerified says that mail to Email was shown to arrive at its owner.
	EmailVerified bool
}

// Credential is an account with what its password is checked against. It
// never leaves this context.
type Credential struct {
	Account
	PasswordHash string
}

// emailKey is what addresses are compared by.
func emailKey(email string) string { return strings.ToLower(email) }

// cleanUsername folds to lower case and checks; ErrBadUsername.
func cleanUsername(s string) (string, error) {
	if len(s) < 3 || len(s) > 32 {
		return "", ErrBadUsername
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '.' && c != '-' {
			return "", ErrBadUsername
		}
	}
	return strings.ToLower(s), nil
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// cleanEmail takes the plain form of RFC 5321 section 4.1.2 only: a dot-string
// of ASCII, no quoting, no comments, a domain of letter-digit-hyphen labels;
// at most 64 and 254 bytes. What it lets through has one meaning to every mail
// server, and none of it can end a header line. ErrBadEmail.
func cleanEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || len(local) > 64 {
		return "", ErrBadEmail
	}
	for part := range strings.SplitSeq(local, ".") {
		if part == "" {
			return "", ErrBadEmail
		}
		for i := range len(part) {
			if c := part[i]; !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return "", ErrBadEmail
			}
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", ErrBadEmail
		}
		for i := range len(label) {
			if c := label[i]; !isAlnum(c) && c != '-' {
				return "", ErrBadEmail
			}
		}
	}
	return s, nil
}

// cleanDisplayName trims and checks: 1 to 64 code points, none of them a
// control or one that turns the direction of text around it. ErrBadDisplayName.
func cleanDisplayName(s string) (string, error) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) || s == "" || len(s) > 64*utf8.UTFMax || utf8.RuneCountInString(s) > 64 {
		return "", ErrBadDisplayName
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
			unicode.Is(unicode.Bidi_Control, r) && r != '\u200e' && r != '\u200f' && r != '\u061c' {
			return "", ErrBadDisplayName
		}
	}
	return s, nil
}
