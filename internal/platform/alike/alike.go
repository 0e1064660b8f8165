package alike

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Shortest is how many letters a word must have for others to be like it.
	Shortest = 4
	// forTwo is from where on two slips are let through.
	forTwo = 8
	// beyond is how many letters a word may have more than one that begins it.
	beyond = 3
	// Gram is how many letters the middle has, as indexes have them.
	Gram = 3
)

// Pieces are what a word has of another that is like it, beside being about as
// long: one of Exact, Begin, End, Middle and Whole.
type Pieces struct {
	Exact  string // the word with the letters exchanged between its pieces
	Begin  string
	End    string
	Middle string // of Gram letters; empty where two pieces do
	Whole  string // wherever, in words of any length
	// Shortest, Longest and LongestBegun are the lengths of words that have
	// the pieces, of those that are begun with Begin, too.
	Shortest, Longest, LongestBegun int
}

// Word is what others are compared with. It may be used at once by any number
// of goroutines.
type Word struct {
	Pieces
	letters []rune
	slips   int
}

// Of makes a Word of a folded word; false when it is too short for others to be
// like it.
func Of(word string) (Word, bool) {
	w := Word{letters: []rune(word), slips: 1}
	n := len(w.letters)
	if n < Shortest {
		return Word{}, false
	}
	begin, end := (n+1)/2, (n+1)/2
	if n >= forTwo {
		w.slips = 2
		begin = (n - Gram + 1) / 2
		end = begin + Gram
		w.Middle = string(w.letters[begin:end])
	} else {
		swapped := slices.Clone(w.letters)
		swapped[begin-1], swapped[begin] = swapped[begin], swapped[begin-1]
		w.Exact = string(swapped)
	}
	w.Begin, w.End, w.Whole = string(w.letters[:begin]), string(w.letters[end:]), word
	w.Shortest, w.Longest, w.LongestBegun = n-w.slips, n+w.slips, n+w.slips
	if n > Shortest {
		w.LongestBegun = n + beyond
	}
	return w, true
}

// has says whether a word of so many letters has one of the pieces.
func (p *Pieces) has(t string, letters int) bool {
	near := p.Shortest <= letters && letters <= p.Longest
	switch {
	case t == p.Exact, strings.Contains(t, p.Whole):
		return true
	case p.Shortest <= letters && letters <= p.LongestBegun && strings.HasPrefix(t, p.Begin):
		return true
	}
	return near && (strings.HasSuffix(t, p.End) || p.Middle != "" && strings.Contains(t, p.Middle))
}

// Similarity says how much a folded word is like w, 1 to 1000; 0 when it is not.
func (w *Word) Similarity(t string) int {
	m := utf8.RuneCountInString(t)
	if !w.has(t, m) {
		return 0
	}
	n := len(w.letters)
	longer := max(n, m)
	score := func(slips, around int) int { return 1000 - 500*(2*slips+around)/longer }
	best := 0
	if strings.Contains(t, w.Whole) {
		best = score(0, m-n)
	}
	if m < w.Shortest || m > w.LongestBegun {
		return best
	}
	for letters, slips := range w.distances([]rune(t)) {
		if slips <= w.slips && letters > 0 {
			best = max(best, score(slips, m-letters))
		}
	}
	return best
}

// distances returns how many slips are between w and each beginning of t: the
// optimal string alignment distance.
func (w *Word) distances(t []rune) []int {
	before, last := make([]int, len(t)+1), make([]int, len(t)+1)
	for j, b := range t {
		last[j+1] = last[j] + slip(b, b)
	}
	row := make([]int, len(t)+1)
	for i, a := range w.letters {
		row[0] = last[0] + slip(a, a)
		for j, b := range t {
			cost := slip(a, b)
			if a == b {
				cost = 0
			}
			row[j+1] = min(last[j+1]+slip(a, a), row[j]+slip(b, b), last[j]+cost)
			if i > 0 && j > 0 && a == t[j-1] && w.letters[i-1] == b {
				row[j+1] = min(row[j+1], before[j-1]+slip(a, b))
			}
		}
		before, last, row = last, row, before
	}
	return last
}

// slip is what a slip costs that has to do with two letters. In numbers none is
// let through: another number is another.
func slip(a, b rune) int {
	if unicode.IsNumber(a) || unicode.IsNumber(b) {
		return forTwo
	}
	return 1
}

// Spell returns the spelling of a word: the same for the same, and of a part of
// the word a part of it.
func Spell(word string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, 0, len(word))
	for _, r := range word {
		if r < utf8.RuneSelf && ('a' <= r && r <= 'z' || '0' <= r && r <= '9') {
			b = append(b, byte(r)) //nolint:gosec // It is of ASCII.
		} else {
			b = append(b, letters[uint32(r)*2654435761>>16%uint32(len(letters))]) //nolint:gosec // Any of them will do.
		}
	}
	return string(b)
}

// Grams returns the parts of Gram letters of a spelling, each once, sorted.
func Grams(spelling string) []string {
	var all []string
	for i := 0; i+Gram <= len(spelling); i++ {
		all = append(all, spelling[i:i+Gram])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Reverse returns the letters of a word from the last to the first.
func Reverse(word string) string {
	r := []rune(word)
	slices.Reverse(r)
	return string(r)
}
