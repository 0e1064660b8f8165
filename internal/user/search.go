package user

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"chatd/internal/platform/names"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
)

const maxQuery = 100 // code points

// Found is a page of a search.
type Found struct {
	Profiles []Profile
	Cursors  []string // of each profile
	Info     page.Info
}

// Search returns the profiles of which username and display name have, for
// each word of the query, one that begins with it, whatever its case and
// accents; by rising username; without those whom the viewer has blocked, or who
// have blocked him. No character of the query has a meaning of its
// own. ErrBadQuery; errs.ErrBadInput for the page's size and errs.ErrBadCursor
// for a cursor that is not of this viewer and query. A guest finds those who are
// near alone; his pages may be short.
func (s *Service) Search(ctx context.Context, who principal.Principal, query string, args page.Args) (Found, error) {
	part, err := args.Check()
	if err != nil {
		return Found{}, err
	}
	if utf8.RuneCountInString(query) > maxQuery {
		return Found{}, ErrBadQuery
	}
	q := Query{Words: names.Words(query), Limit: part.Limit + 1}
	if len(q.Words) == 0 {
		return Found{}, ErrBadQuery
	}
	slices.Sort(q.Words)
	q.Words = slices.Compact(q.Words)
	scope := "user.search " + who.User.String() + " " + strings.Join(q.Words, " ")
	if part.After != "" {
		after, err := s.Cursors.Open(scope, part.After)
		if err != nil {
			return Found{}, err
		}
		q.After = string(after)
	}
	profiles, last, err := s.search(ctx, who, q)
	if err != nil {
		return Found{}, err
	}
	f := Found{Info: page.Info{HasNext: len(profiles) > part.Limit, HasPrevious: part.After != ""}}
	f.Profiles = profiles[:min(len(profiles), part.Limit)]
	for _, p := range f.Profiles {
		f.Cursors = append(f.Cursors, s.Cursors.Seal(scope, []byte(p.Username)))
	}
	if n := len(f.Cursors); n > 0 {
		f.Info.Start, f.Info.End = f.Cursors[0], f.Cursors[n-1]
	}
	s.goOn(&f.Info, scope, last)
	return f, nil
}
