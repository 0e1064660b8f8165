package zlog

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaping writes lines of JSON, with what zerolog leaves as it is escaped.
type escaping struct{ out io.Writer }

// Write implements io.Writer: p is one line.
func (w escaping) Write(p []byte) (int, error) {
	line := p
	if i := firstUnsafe(p); i >= 0 {
		line = append(make([]byte, 0, len(p)+64), p[:i]...)
		for _, r := range string(p[i:]) {
			if unsafe(r) {
				line = appendEscape(line, r)
			} else {
				line = utf8.AppendRune(line, r)
			}
		}
	}
	if _, err := w.out.Write(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// firstUnsafe returns where the first character lies that must be escaped;
// -1 when there is none.
func firstUnsafe(p []byte) int {
	for i := 0; i < len(p); {
		if p[i] < 0x7f {
			i++ // what zerolog and encoding/json escape themselves
			continue
		}
		r, size := utf8.DecodeRune(p[i:])
		if unsafe(r) {
			return i
		}
		i += size
	}
	return -1
}

// unsafe says whether r moves a cursor, ends a line, turns the direction of
// writing or hides: the Unicode categories Cc, Cf, Zl and Zp, but for the
// newline that ends a line of the log.
func unsafe(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' && r != '\n' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func appendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		hi, lo := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// escapeFields makes an event safe for the console writer, which quotes the
// values that are strings but shows the message, names of fields and nested
// values as they are.
func escapeFields(event map[string]any) error {
	for name, v := range event {
		clean := escapeText(name)
		if clean != name {
			delete(event, name)
		}
		if s, ok := v.(string); ok && name != "message" && name != "level" && name != "time" {
			event[clean] = s
			continue
		}
		event[clean] = escapeValue(v)
	}
	return nil
}

func escapeValue(v any) any {
	switch v := v.(type) {
	case string:
		return escapeText(v)
	case []any:
		for i := range v {
			v[i] = escapeValue(v[i])
		}
	case map[string]any:
		for name, inner := range v {
			clean := escapeText(name)
			if clean != name {
				delete(v, name)
			}
			v[clean] = escapeValue(inner)
		}
	}
	return v
}

func escapeText(s string) string {
	risky := func(r rune) bool { return unsafe(r) || r == '\n' }
	if !strings.ContainsFunc(s, risky) {
		return s
	}
	var out []byte
	for _, r := range s {
		if risky(r) {
			out = appendEscape(out, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}
