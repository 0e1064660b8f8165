package user

import (
	"strings"
	"time"
	_ "time/tzdata" // a time zone is as valid on a machine without zoneinfo
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// Lengths in Unicode code points.
const (
	maxDisplayName = 64
	maxBio         = 500
	maxStatusText  = 100
	maxStatusEmoji = 16 // of the longest sequences, such as families and flags
	maxTag         = 64 // of a time zone's or locale's name
)

// Profile is who somebody is to others. Empty texts have not been given.
type Profile struct {
	ID          ids.User
	Username    string // lower case, unique
	DisplayName string
	Bio         string
	Status      Status
	TimeZone    string // name in the IANA database
	Locale      string // BCP 47
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Bot         bool           // a program, for ever
	Avatar      ids.Attachment // the file of the picture; zero: none

	// DeletedAt is when the account was deleted: of the profile nothing else is
	// left than what Gone says. Zero: it was not.
	DeletedAt time.Time
}

// Status is what somebody is about at the moment.
type Status struct {
	Text      string
	Emoji     string
	ExpiresAt time.Time // zero: never
}

// At returns the status as it is at a time: nothing once it has expired.
func (s Status) At(now time.Time) Status {
	if !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) {
		return Status{}
	}
	return s
}

// NewProfile is what somebody looks like at first.
type NewProfile struct {
	User        ids.User
	Username    string
	DisplayName string
	CreatedAt   time.Time
	Bot         bool // a program
}

// cleanLine trims s and checks that it is at most limit code points on one
// line, with nothing in it that hides or turns the text around it.
func cleanLine(s string, limit int, bad *errs.Error) (string, error) {
	s = strings.TrimSpace(s)
	if tooLong(s, limit) || strings.ContainsFunc(s, breaksLine) {
		return "", bad
	}
	return s, nil
}

// cleanText is cleanLine for a text of several lines.
func cleanText(s string, limit int, bad *errs.Error) (string, error) {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	forbidden := func(r rune) bool { return r != '\n' && r != '\t' && breaksLine(r) }
	if tooLong(s, limit) || strings.ContainsFunc(s, forbidden) {
		return "", bad
	}
	return s, nil
}

func tooLong(s string, limit int) bool {
	return len(s) > limit*utf8.UTFMax || !utf8.ValidString(s) || utf8.RuneCountInString(s) > limit
}

// breaksLine says whether r ends a line, is a control, or is one of the marks
// that turn the direction of text beyond themselves. The three marks that
// right-to-left names need are let through.
func breaksLine(r rune) bool {
	switch r {
	case '\u200e', '\u200f', '\u061c':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// cleanEmoji lets through what could be one emoji: short, no space, no letter.
// Which sequences are emoji changes every year, so it is not decided here.
func cleanEmoji(s string) (string, error) {
	notEmoji := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsLetter(r) }
	s, err := cleanLine(s, maxStatusEmoji, ErrBadStatusEmoji)
	if err != nil || strings.ContainsFunc(s, notEmoji) {
		return "", ErrBadStatusEmoji
	}
	return s, nil
}

func cleanTimeZone(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if len(s) > maxTag || s == "Local" { // which names this machine's zone
		return "", ErrBadTimeZone
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", ErrBadTimeZone
	}
	return s, nil
}

func cleanLocale(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if len(s) > maxTag {
		return "", ErrBadLocale
	}
	tag, err := language.Parse(s)
	if err != nil {
		return "", ErrBadLocale
	}
	return tag.String(), nil
}
