package user

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"chatd/internal/platform/alike"
	"chatd/internal/platform/names"
)

// The ranks of what is found, the best first.
const (
	exactUsername = iota
	exactName
	begun // each word of the query begins a word of the names
	misspelt
	noRank
)

// Bounds of a search.
const (
	// mostMisspelt is how many words a query may have to be forgiven slips.
	mostMisspelt = 4
	// mostPieces is how many words are looked at for each piece of a word.
	mostPieces = 500
	// mostAlike is how many words are taken for what a word could mean.
	mostAlike = 50
	// mostCounted is how many entries tell that a word is frequent.
	mostCounted = 4_000
	// mostLooked is how many entries are looked at for one page.
	mostLooked = 5_000
	// entriesAtOnce is how many are read at once, at most.
	entriesAtOnce = 1_000
)

// place is somebody's place in what a search finds: his rank, which word of the
// query leads there, how much his word is like that, his word, his name.
type place struct {
	rank, lead byte
	like       uint16
	word, name string
}

func (p place) key() []byte {
	b := binary.BigEndian.AppendUint16([]byte{p.rank, p.lead}, p.like)
	return append(append(append(b, p.word...), 0), p.name...)
}

// placeAt reads a place that key has made.
func placeAt(key []byte) place {
	word, name, _ := strings.Cut(string(key[4:]), "\x00")
	return place{key[0], key[1], binary.BigEndian.Uint16(key[2:]), word, name}
}

// query is what a viewer looks for.
type query struct {
	whole string
	words []string // each once, sorted
}

func parseQuery(text string) query {
	words := names.Words(text)
	q := query{whole: strings.Join(words, " "), words: slices.Clone(words)}
	slices.Sort(q.words)
	q.words = slices.Compact(q.words)
	return q
}

// scored is a word that could be meant.
type scored struct {
	word string
	like int
}

// finder goes through what a query finds, in its order.
type finder struct {
	store  Names
	q      query
	at     place // the last one looked at
	chosen bool  // at.lead is chosen for at.rank
	looked int
	atOnce int // entries to read next

	alike  [][]scored // for each word of the query, the best first
	scores []map[string]int
}

// next returns up to n of the places behind the last one; fewer at the end, or
// when it has looked at as much as it may.
func (f *finder) next(ctx context.Context, n int) (found []place, done bool, err error) {
	for f.at.rank < noRank {
		if len(found) >= n || f.looked >= mostLooked {
			return found, false, nil
		}
		f.atOnce = min(max(n-len(found)+n/2, 16, 2*f.atOnce), entriesAtOnce)
		entries, more, err := f.read(ctx, f.atOnce)
		if err != nil {
			return nil, false, err
		}
		f.looked += len(entries)
		for _, e := range entries {
			p, is := f.judge(e)
			if is && len(found) == n {
				return found, false, nil
			}
			f.at = p
			if is {
				found = append(found, p)
			}
		}
		if !more {
			f.at, f.chosen, f.atOnce = place{rank: f.at.rank + 1}, false, 0
		}
	}
	return found, true, nil
}

// read reads entries of the rank behind the place; more when there may be
// others.
func (f *finder) read(ctx context.Context, limit int) (entries []Entry, more bool, err error) {
	if !f.chosen && f.at.word == "" {
		if err := f.choose(ctx); err != nil {
			return nil, false, err
		}
	}
	f.chosen = true
	lead := f.q.words[f.at.lead]
	switch f.at.rank {
	case exactUsername:
		if f.at.word == "" && couldBeUsername(f.q.whole) {
			entries, err = f.store.WordEntries(ctx, []string{f.q.whole}, before(f.q.whole), 1)
		}
		return entries, false, err
	case exactName:
		entries, err = f.store.WordEntries(ctx, []string{wholeName + f.q.whole}, f.at.name, limit)
	case begun:
		others := slices.DeleteFunc(slices.Clone(f.q.words), func(w string) bool { return w == lead })
		entries, err = f.within(ctx, lead, others, limit)
	case misspelt:
		if err := f.lookAlike(ctx); err != nil || f.alike == nil {
			return nil, false, err
		}
		return f.readAlike(ctx, lead, limit)
	}
	return entries, len(entries) == limit, err
}

// before is a username after which that one comes, and no other that begins
// with it.
func before(username string) string {
	return username[:len(username)-1] + string(username[len(username)-1]-1) + "~"
}

// within reads entries of words that begin with one.
func (f *finder) within(ctx context.Context, lead string, with []string, limit int) ([]Entry, error) {
	r := NameRange{From: lead, To: TermEnd(lead), With: with, Limit: limit}
	if f.at.word != "" {
		r.After = Entry{Word: f.at.word, Username: f.at.name}
	}
	return f.store.Range(ctx, r)
}

// readAlike reads entries of the words that the leading one could mean, at
// first of those that it begins, which are found where others are misspelt.
func (f *finder) readAlike(ctx context.Context, lead string, limit int) (entries []Entry, more bool, err error) {
	fromStart := f.at.word == ""
	if len(f.q.words) > 1 && (fromStart || f.at.like == 1000) {
		entries, err = f.within(ctx, lead, nil, limit)
		if err != nil || len(entries) == limit {
			return entries, true, err
		}
	}
	var words []string
	after := ""
	for _, w := range f.alike[f.at.lead] {
		switch c := cmp.Or(cmp.Compare(int(f.at.like), w.like), cmp.Compare(w.word, f.at.word)); {
		case fromStart, f.at.like == 1000, c > 0:
			words = append(words, w.word)
		case c == 0:
			words, after = append(words, w.word), f.at.name
		}
	}
	if len(words) == 0 {
		return entries, false, nil
	}
	rest, err := f.store.WordEntries(ctx, words, after, limit)
	return append(entries, rest...), len(rest) == limit, err
}

// judge says where an entry stands, and whether its user is found there: not
// where he is found by a better of his words, or has a better rank.
func (f *finder) judge(e Entry) (place, bool) {
	p := place{rank: f.at.rank, lead: f.at.lead, word: e.Word, name: e.Username}
	if p.rank == misspelt {
		p.like = uint16(f.like(int(p.lead), e.Word)) //nolint:gosec // Up to 1000.
	}
	terms := names.Cut(e.Names)
	if f.rank(e, terms) != p.rank {
		return p, false
	}
	if p.rank < begun {
		return p, true
	}
	best, like := "", 0
	for _, t := range terms { // by rising bytes: the first of the best
		switch {
		case p.rank == begun && strings.HasPrefix(t, f.q.words[p.lead]):
			return p, t == e.Word
		case p.rank == misspelt && f.like(int(p.lead), t) > like:
			best, like = t, f.like(int(p.lead), t)
		}
	}
	return p, best == e.Word
}

// rank is the best rank of a user; noRank when he is not found.
func (f *finder) rank(e Entry, terms []string) byte {
	_, name, _ := strings.Cut(e.Names, " ")
	switch {
	case e.Username == f.q.whole:
		return exactUsername
	case name == f.q.whole:
		return exactName
	}
	best := byte(begun)
	for i, w := range f.q.words {
		begins := func(t string) bool { return strings.HasPrefix(t, w) }
		if slices.ContainsFunc(terms, begins) {
			continue
		}
		if f.at.rank < misspelt || !slices.ContainsFunc(terms, func(t string) bool { return f.like(i, t) > 0 }) {
			return noRank
		}
		best = misspelt
	}
	return best
}

// like is how much a term is what a word of the query could mean.
func (f *finder) like(word int, term string) int {
	if strings.HasPrefix(term, f.q.words[word]) {
		return 1000
	}
	return f.scores[word][term]
}

// choose finds the word of the query by whose entries a rank is read: that
// which has the fewest; of several the longest, then the first.
func (f *finder) choose(ctx context.Context) error {
	if len(f.q.words) == 1 || f.at.rank < begun {
		return nil
	}
	fewest, longest := mostCounted+1, 0
	for i, w := range f.q.words {
		n, err := f.store.CountRange(ctx, w, TermEnd(w), mostCounted)
		if err != nil {
			return err
		}
		if n < fewest || n == fewest && len(w) > longest {
			fewest, longest = n, len(w)
			f.at.lead = byte(i)
		}
		if n == 0 && f.at.rank == begun {
			return nil // there is nobody
		}
	}
	return nil
}

// lookAlike finds what the words of the query could mean; nothing where slips
// are not forgiven, or one of the words means nothing.
func (f *finder) lookAlike(ctx context.Context) error {
	if f.scores != nil || len(f.q.words) > mostMisspelt {
		return nil
	}
	all := make([][]scored, len(f.q.words))
	f.scores = make([]map[string]int, len(f.q.words))
	some := false
	for i, w := range f.q.words {
		var err error
		if all[i], err = f.couldMean(ctx, w); err != nil {
			f.scores = nil
			return err
		}
		some = some || len(all[i]) > 0
		f.scores[i] = make(map[string]int, len(all[i]))
		for _, s := range all[i] {
			f.scores[i][s.word] = s.like
		}
	}
	if some {
		f.alike = all
	}
	return nil
}

// couldMean returns the words that one could mean and does not begin, the best
// first.
func (f *finder) couldMean(ctx context.Context, word string) ([]scored, error) {
	w, ok := alike.Of(word)
	if !ok {
		return nil, nil
	}
	candidates, err := f.store.WordsWith(ctx, w.Pieces, mostPieces)
	if err != nil {
		return nil, fmt.Errorf("words that could be meant: %w", err)
	}
	slices.Sort(candidates)
	var all []scored
	for _, c := range slices.Compact(candidates) {
		if strings.HasPrefix(c, word) {
			continue
		}
		if like := w.Similarity(c); like > 0 {
			all = append(all, scored{c, like})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.like, a.like), cmp.Compare(a.word, b.word))
	})
	return all[:min(len(all), mostAlike)], nil
}
