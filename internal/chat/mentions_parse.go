package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	minName  = 3 // code points of a username
	maxName  = 32
	maxForms = 4 // of one name: "@ada..." may be ada..., ada.., ada. or ada
	allName  = "all"
)

// mentionsIn finds @name and @all in a text, but not in code spans and fenced
// code (CommonMark 0.31, sections 6.1 and 4.5), after a backslash, or as a part
// of something longer such as an address. For each name it returns what it may
// be in lower case, the longest first, as a dot at its end may be a sentence's;
// each once, at most MaxMentions.
func mentionsIn(text string) (names [][]string, all bool) {
	if strings.IndexByte(text, '@') < 0 {
		return nil, false
	}
	f := finder{seen: make(map[string]bool)}
	f.blocks(text)
	return f.names, f.all
}

type finder struct {
	names [][]string
	seen  map[string]bool
	all   bool
}

// blocks cuts a text into fenced code, which is passed over, and paragraphs,
// which code spans do not leave.
func (f *finder) blocks(text string) {
	var fence string // of the code that a line is in
	from := -1       // of the paragraph that a line is in
	end := func(at int) {
		if from >= 0 {
			f.inline(text[from:at])
		}
		from = -1
	}
	for at := 0; at < len(text); {
		next := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := strings.TrimRight(text[at:next], " \t\r\n")
		mark, rest := fenceOf(line)
		switch {
		case fence != "":
			if rest == "" && strings.HasPrefix(mark, fence) {
				fence = ""
			}
		case mark != "" && (mark[0] == '~' || !strings.Contains(rest, "`")):
			end(at)
			fence = mark
		case line == "":
			end(at)
		case from < 0:
			from = at
		}
		at = next
	}
	if fence == "" {
		end(len(text))
	}
}

// fenceOf returns the three or more backticks or tildes that a line begins
// with, and what follows.
func fenceOf(line string) (mark, rest string) {
	s := strings.TrimLeft(line, " ")
	if len(line)-len(s) > 3 || s == "" || s[0] != '`' && s[0] != '~' {
		return "", ""
	}
	n := len(s) - len(strings.TrimLeft(s, s[:1]))
	if n < 3 {
		return "", ""
	}
	return s[:n], s[n:]
}

// inline finds the names in a paragraph.
func (f *finder) inline(s string) {
	before := ' '
	open := make(map[int]bool) // lengths of backticks that nothing closes
	for at := 0; at < len(s); {
		switch c := s[at]; {
		case c == '\\' && at+1 < len(s) && s[at+1] < utf8.RuneSelf && unicode.In(rune(s[at+1]), unicode.P, unicode.S):
			before = rune(s[at+1])
			at += 2
		case c == '`':
			n := len(s[at:]) - len(strings.TrimLeft(s[at:], "`"))
			at += n
			before = '`'
			if open[n] {
				continue
			}
			if to := closing(s, at, n); to > 0 {
				at = to
			} else {
				open[n] = true
			}
		case c == '@' && !partOfMore(before):
			n := f.name(s[at+1:])
			at += 1 + n
			before = '@'
			if n > 0 {
				before = rune(s[at-1])
			}
		case c == '_' || c == '+': // of an address that goes on, or what stands before a name
			at++
			if !partOfMore(before) {
				before = rune(c)
			}
		default:
			r, n := utf8.DecodeRuneInString(s[at:])
			before = r
			at += n
		}
	}
}

// closing returns the place after the next n backticks, no more and no fewer;
// 0 when there are none.
func closing(s string, at, n int) int {
	for {
		i := strings.IndexByte(s[at:], '`')
		if i < 0 {
			return 0
		}
		at += i
		run := len(s[at:]) - len(strings.TrimLeft(s[at:], "`"))
		if at += run; run == n {
			return at
		}
	}
}

// partOfMore says whether an @ after the rune is within something else.
func partOfMore(before rune) bool {
	return unicode.IsLetter(before) || unicode.IsDigit(before) || before == '@' || before == '/'
}

// name takes the name at the beginning of s, if there is one, and returns how
// many bytes it takes.
func (f *finder) name(s string) int {
	n := 0
	for n < len(s) && nameByte(s[n]) {
		n++
	}
	if r, _ := utf8.DecodeRuneInString(s[n:]); n < len(s) && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '@') {
		return n // a part of a longer word, or an address
	}
	whole := strings.ToLower(s[:n])
	var forms []string
	for form := whole; len(forms) < maxForms; form = form[:len(form)-1] {
		switch {
		case form == allName:
			f.all = true
			return n
		case len(form) >= minName && len(form) <= maxName:
			forms = append(forms, form)
		}
		if len(form) <= minName || !strings.ContainsRune("._-", rune(form[len(form)-1])) {
			break
		}
	}
	if len(forms) > 0 && !f.seen[whole] && len(f.names) < MaxMentions {
		f.seen[whole] = true
		f.names = append(f.names, forms)
	}
	return n
}

// nameByte says whether usernames have the byte, in upper or lower case.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}
