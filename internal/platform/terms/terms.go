package terms

import (
	"slices"
	"strings"
	"unicode/utf8"

	"chatd/internal/platform/folding"
)

// Edition names the way in which texts are folded. What was indexed by another
// has to be indexed again.
const Edition = "2/" + folding.Edition

// Of returns the terms of a text, sorted, each once: at most as many as it has
// code points, each of at most 64. They have no spaces, and nothing of ASCII
// but small letters and digits.
func Of(text string) []string {
	all := make([]string, 0, len(text)/5+1) // in most languages words are longer
	var before token
	cut(text, func(t token) {
		if before.beside(t) {
			all[len(all)-1] += t.text
		}
		all, before = append(all, t.text), t
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// beside says whether two characters stand together.
func (t token) beside(next token) bool { return t.dense && next.dense && t.end == next.start }

// Query is what is looked for. The zero Query is not to be used.
type Query struct {
	parts [][]token
}

// Parse reads a query; false when there is no token in it.
func Parse(text string) (Query, bool) {
	var q Query
	for part := range strings.FieldsSeq(text) {
		if cut := tokens(part); len(cut) > 0 {
			q.parts = append(q.parts, cut)
		}
	}
	return q, len(q.parts) > 0
}

// Need is a term that a text must have, or one that begins with it.
type Need struct {
	Text   string
	Prefix bool
}

// End sorts after every term that begins with the need's text, and before all
// others that sort after it, by bytes.
func (n Need) End() string { return n.Text + string(utf8.MaxRune) }

// Needs returns what an index is asked for: every text that Find finds has all
// of it. They are sorted, each once.
func (q Query) Needs() []Need {
	var all []Need
	for _, part := range q.parts {
		for i, t := range part {
			last := i == len(part)-1
			switch {
			case !last && t.beside(part[i+1]):
				all = append(all, Need{t.text + part[i+1].text, i+1 == len(part)-1})
			case i > 0 && part[i-1].beside(t): // is in the one before
			case !last:
				// What stands together in the text has one term.
				all = append(all, Need{t.text, t.dense})
			default:
				all = append(all, Need{t.text, t.begins()})
			}
		}
	}
	slices.SortFunc(all, func(a, b Need) int {
		if c := strings.Compare(a.Text, b.Text); c != 0 || a.Prefix == b.Prefix {
			return c
		}
		if a.Prefix {
			return 1
		}
		return -1
	})
	return slices.Compact(all)
}

// begins says whether the token, as the last of its part, may be the beginning
// of a word: a single letter of an alphabet is none, it would find everything.
func (t token) begins() bool {
	r, size := utf8.DecodeRuneInString(t.text)
	return t.dense || size < len(t.text) || r >= 0x1100 // Hangul and all after it
}

// String is the same for queries that ask for the same in the same order.
func (q Query) String() string {
	var b strings.Builder
	for _, part := range q.parts {
		for _, t := range part {
			b.WriteString(t.text)
			b.WriteByte('.')
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// Range is a part of a text, in code points: from Start to before End.
type Range struct{ Start, End int }

// Find says whether a text has all parts of the query, and returns where, by
// rising Start, not touching each other; the first most of them.
func (q Query) Find(text string, most int) ([]Range, bool) {
	in := tokens(text)
	var all []Range
	for _, part := range q.parts {
		found := false
		for i := 0; i+len(part) <= len(in); i++ {
			if stands(part, in[i:i+len(part)]) {
				found = true
				all = append(all, Range{in[i].start, in[i+len(part)-1].end})
			}
		}
		if !found {
			return nil, false
		}
	}
	slices.SortFunc(all, func(a, b Range) int { return a.Start - b.Start })
	merged := all[:1]
	for _, r := range all[1:] {
		if last := &merged[len(merged)-1]; r.Start <= last.End {
			last.End = max(last.End, r.End)
		} else {
			merged = append(merged, r)
		}
	}
	return merged[:min(len(merged), most)], true
}

// stands says whether a part of a query is what stands in a text.
func stands(part, in []token) bool {
	for i, t := range part {
		switch {
		case i == len(part)-1 && t.begins():
			if !strings.HasPrefix(in[i].text, t.text) {
				return false
			}
		case in[i].text != t.text:
			return false
		}
		if i+1 < len(part) && t.beside(part[i+1]) && !in[i].beside(in[i+1]) {
			return false
		}
	}
	return true
}
