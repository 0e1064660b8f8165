package usertest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"chatd/internal/platform/alike"
	"chatd/internal/user"
)

// entries are all of the index, in order. f.mu is held.
func (f *Fake) entries() []user.Entry {
	var all []user.Entry
	for id, p := range f.profiles {
		if !f.there(id) {
			continue
		}
		folded := user.FoldNames(p.Username, p.DisplayName)
		for _, w := range user.Words(folded) {
			all = append(all, user.Entry{Word: w, Username: p.Username, Names: folded})
		}
	}
	slices.SortFunc(all, compareEntries)
	return all
}

func compareEntries(a, b user.Entry) int {
	return cmp.Or(strings.Compare(a.Word, b.Word), strings.Compare(a.Username, b.Username))
}

// Range implements user.Store.
func (f *Fake) Range(_ context.Context, q user.NameRange) ([]user.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []user.Entry
	for _, e := range f.entries() {
		lacks := func(part string) bool { return !strings.Contains(e.Names, part) }
		if e.Word >= q.From && e.Word < q.To && compareEntries(e, q.After) > 0 && !slices.ContainsFunc(q.With, lacks) {
			found = append(found, e)
		}
	}
	return found[:min(len(found), q.Limit)], nil
}

// CountRange implements user.Store.
func (f *Fake) CountRange(ctx context.Context, from, to string, most int) (int, error) {
	found, err := f.Range(ctx, user.NameRange{From: from, To: to, Limit: most})
	return len(found), err
}

// WordEntries implements user.Store.
func (f *Fake) WordEntries(_ context.Context, words []string, after string, limit int) ([]user.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []user.Entry
	all := f.entries()
	for i, w := range words {
		for _, e := range all {
			if e.Word == w && (i > 0 || e.Username > after) {
				found = append(found, e)
			}
		}
	}
	return found[:min(len(found), limit)], nil
}

// WordsWith implements user.Store: it knows no pieces, and returns all words.
func (f *Fake) WordsWith(context.Context, alike.Pieces, int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, e := range f.entries() {
		if user.IsTerm(e.Word) && utf8.ValidString(e.Word) {
			all = append(all, e.Word)
		}
	}
	return all, nil
}

// ByUsernames implements user.Store.
func (f *Fake) ByUsernames(_ context.Context, usernames []string) ([]user.Profile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []user.Profile
	for _, p := range f.profiles {
		if slices.Contains(usernames, p.Username) {
			found = append(found, p)
		}
	}
	return found, nil
}

// IndexNames implements user.Store: nothing is ever missing.
func (*Fake) IndexNames(context.Context, int) (bool, error) { return true, nil }
