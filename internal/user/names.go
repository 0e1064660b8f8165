package user

import (
	"context"
	"strings"

	"chatd/internal/platform/alike"
	"chatd/internal/platform/names"
)

// Names stores what users are found by: an index of their entries, and of the
// words in them, that is made out of their profiles. A profile that is created
// or updated is in it with the same commit.
type Names interface {
	// Range returns entries of the words from From to before To, by rising Word,
	// then Username, both as bytes sort.
	Range(ctx context.Context, q NameRange) ([]Entry, error)
	// CountRange returns how many entries there are from a word to before
	// another, at most most.
	CountRange(ctx context.Context, from, to string, most int) (int, error)
	// WordEntries returns entries of the words, in the order of the words, then
	// by rising Username; of the first word those alone after a username. At
	// most limit.
	WordEntries(ctx context.Context, words []string, after string, limit int) ([]Entry, error)
	// WordsWith returns the words that have one of the pieces, each at least
	// once, in any order, and maybe others; at most most for each piece, which
	// Begin and End take by rising bytes from either side.
	WordsWith(ctx context.Context, p alike.Pieces, most int) ([]string, error)
	// ByUsernames returns those of the profiles that exist, in any order.
	ByUsernames(ctx context.Context, usernames []string) ([]Profile, error)
	// IndexNames takes up to limit profiles into the index that are not in it,
	// since it was begun anew; done when there are no more, or another node is
	// at it.
	IndexNames(ctx context.Context, limit int) (done bool, err error)
}

// Entry is a word that somebody is found by.
type Entry struct {
	Word     string
	Username string
	Names    string // FoldNames
}

// NameRange asks for entries.
type NameRange struct {
	From, To string
	After    Entry    // only those that come after it: Word and Username
	With     []string // of whose Names all of these are parts
	Limit    int
}

// NamesEdition names what entries are made of. An index of another is made anew.
const NamesEdition = "1/" + names.Edition

// mostFolded bounds the letters that names fold into: of some signs there are
// eighteen in one.
const mostFolded = 128

// wholeName begins the word of a whole display name. Nothing that is folded has
// it.
const wholeName = "\x01"

// FoldNames returns what Entries are made of: the folded username and words of
// the display name, with a space between.
func FoldNames(username, displayName string) string {
	words := append([]string{names.Fold(username)}, names.Words(displayName)...)
	folded := []rune(strings.Join(words, " "))
	return strings.TrimRight(string(folded[:min(len(folded), mostFolded)]), " ")
}

// Words returns what somebody is found by of FoldNames, sorted, each once: the
// terms of his names, and his whole display name.
func Words(folded string) []string {
	all := names.Cut(folded)
	if _, name, ok := strings.Cut(folded, " "); ok {
		all = append([]string{wholeName + name}, all...)
	}
	return all
}

// IsTerm says whether one of the Words is one in which a reader may slip.
func IsTerm(word string) bool { return !strings.HasPrefix(word, wholeName) }

// TermEnd returns a text that sorts after every word that begins with prefix,
// and before every other that sorts after prefix, both by bytes.
func TermEnd(prefix string) string { return names.End(prefix) }
