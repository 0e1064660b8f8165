package user

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"chatd/internal/platform/ids"
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

// Search returns the profiles that a query is about, whatever its case and
// accents: first whose username it is, then whose display name, then those of
// whose names, for each word of the query, one begins with it, and then those
// where some words of the query are misspelt, or stand within a word. Those who
// are begun come by the words that are, those who are misspelt by falling
// similarity of theirs; all that are the same in this by rising username. Where
// the query has several words, it is the one that the fewest are found by.
//
// Nobody finds whom he has blocked, nor who has blocked him; a guest finds those
// who are near alone. A page may be short where many had to be looked at. No
// character of the query has a meaning of its own. ErrBadQuery;
// errs.ErrBadInput for the page's size and errs.ErrBadCursor for a cursor that
// is not of this viewer and query.
func (s *Service) Search(ctx context.Context, who principal.Principal, text string, args page.Args) (Found, error) {
	part, err := args.Check()
	if err != nil {
		return Found{}, err
	}
	if utf8.RuneCountInString(text) > maxQuery {
		return Found{}, ErrBadQuery
	}
	q := parseQuery(text)
	if len(q.words) == 0 {
		return Found{}, ErrBadQuery
	}
	scope := "user.search " + who.User.String() + " " + q.whole
	f := &finder{store: s.Store, q: q}
	if part.After != "" {
		after, err := s.Cursors.OpenHidden(scope, part.After)
		if err != nil {
			return Found{}, err
		}
		f.at = placeAt(after)
	}
	all, done, err := s.search(ctx, who, f, part.Limit+1)
	if err != nil {
		return Found{}, fmt.Errorf("search users: %w", err)
	}
	found := Found{Info: page.Info{HasNext: len(all) > part.Limit || !done, HasPrevious: part.After != ""}}
	for _, one := range all[:min(len(all), part.Limit)] {
		found.Profiles = append(found.Profiles, one.Profile)
		found.Cursors = append(found.Cursors, s.Cursors.SealHidden(scope, one.at.key()))
	}
	if n := len(found.Cursors); n > 0 {
		found.Info.Start, found.Info.End = found.Cursors[0], found.Cursors[n-1]
	}
	if len(all) <= part.Limit && !done {
		found.Info.End = s.Cursors.SealHidden(scope, f.at.key())
	}
	return found, nil
}

// placed is a profile with its place in what is found.
type placed struct {
	Profile
	at place
}

// Bounds of a guest's search: what is looked at at once, and how often for a
// page.
const (
	nearStep  = 200
	nearReads = 10
)

// search returns the next profiles that the viewer may find, up to want; done
// when there are no more, else there may be.
func (s *Service) search(ctx context.Context, who principal.Principal, f *finder, want int) (all []placed, done bool, err error) {
	guest := !who.May(principal.FindPeople)
	for reads := 1; ; reads++ {
		step := want - len(all)
		if guest {
			step = nearStep
		}
		places, end, err := f.next(ctx, step)
		if err != nil {
			return nil, false, err
		}
		seen, err := s.mayFind(ctx, who, places)
		if err != nil {
			return nil, false, err
		}
		for _, one := range seen {
			if all = append(all, one); len(all) == want {
				return all, false, nil
			}
		}
		if end || len(places) < step || guest && reads == nearReads {
			return all, end, nil
		}
	}
}

// mayFind returns the profiles of places, in their order, without those whom
// the viewer must not find.
func (s *Service) mayFind(ctx context.Context, who principal.Principal, places []place) ([]placed, error) {
	if len(places) == 0 {
		return nil, nil
	}
	usernames := make([]string, len(places))
	for i, p := range places {
		usernames[i] = p.name
	}
	found, err := s.Store.ByUsernames(ctx, usernames)
	if err != nil {
		return nil, err
	}
	byName, of := make(map[string]Profile, len(found)), make([]ids.User, len(found))
	for i, p := range found {
		byName[p.Username], of[i] = p, p.ID
	}
	near, err := s.near(ctx, who, of)
	if err != nil {
		return nil, err
	}
	var all []placed
	for _, at := range places {
		p, ok := byName[at.name]
		if ok && !s.Apart(p.ID, who.User) && (len(near) == len(of) || slices.Contains(near, p.ID)) {
			all = append(all, placed{p, at})
		}
	}
	return all, nil
}
