package usertest

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// Born is when the suite's profiles are made.
var Born = time.Date(2026, 11, 23, 8, 30, 0, 123_456_000, time.UTC)

// Profile returns a profile as register makes it.
func Profile(username, displayName string) user.Profile {
	return user.Profile{
		ID: ids.New[ids.User](), Username: username, DisplayName: displayName, CreatedAt: Born, UpdatedAt: Born,
	}
}

// RunStore holds a store to the promises of user.Store. open returns an empty
// store each time.
func RunStore(t *testing.T, open func(t *testing.T) user.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, user.Store){
		"a profile is created once":                      createOnce,
		"a taken username is refused":                    usernameTaken,
		"profiles come back as they were stored":         readsBack,
		"users are found by several names at once":       named,
		"unknown users are nobody":                       unknown,
		"an update stores all fields and one event":      updates,
		"an update that fails changes nothing":           updateFails,
		"updates at once are not lost":                   updatesAtOnce,
		"a username is changed, found and taken":         renames,
		"the log is read in pages":                       logPages,
		"a choice is kept with one event":                chooses,
		"only later sightings are kept, of who is shown": sightings,
		"settings are kept with one event":               keepsSettings,
		"who hides read receipts is listed":              listsWhoHides,
		"settings changed at once are not lost":          settingsAtOnce,
		"relationships are kept with the events of both": keepsRelations,
		"a relationship is refused whole":                refusesRelations,
		"relationships changed at once are not lost":     relatesAtOnce,
		"contacts are listed, the newest first":          listsContacts,
		"blocks are listed":                              listsBlocks,
		"of who is erased it is left that he was there":  erases,
		"who was erased first is not made later":         erasesNobody,
		"search finds names, the best first":             searches,
		"search forgives slips":                          searchForgives,
		"search follows a changed name":                  searchFollows,
		"search pages are stable while others write":     searchPages,
		"search takes no character for more than itself": searchLiteral,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func add(t *testing.T, s user.Store, profiles ...user.Profile) {
	t.Helper()
	for _, p := range profiles {
		if err := s.Create(t.Context(), p); err != nil {
			t.Fatalf("create %s: %v", p.Username, err)
		}
	}
}

func read(t *testing.T, s user.Store, of ...ids.User) []user.Profile {
	t.Helper()
	found, err := s.Profiles(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b user.Profile) int { return cmp.Compare(a.Username, b.Username) })
	return found
}

func createOnce(t *testing.T, s user.Store) {
	p := Profile("ada", "Ada")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Create(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	changed := p
	changed.DisplayName = "Another"
	add(t, s, changed) // the repair after the user has changed it
	if got := read(t, s, p.ID); len(got) != 1 || got[0] != p {
		t.Errorf("stored %+v", got)
	}
}

func usernameTaken(t *testing.T, s user.Store) {
	p, other := Profile("ada", "Ada"), Profile("ada", "Ada too")
	add(t, s, p)
	if err := s.Create(t.Context(), other); !errors.Is(err, user.ErrUsernameTaken) {
		t.Errorf("got %v", err)
	}
	if got := read(t, s, p.ID, other.ID); len(got) != 1 || got[0] != p {
		t.Errorf("stored %+v", got)
	}
}

func readsBack(t *testing.T, s user.Store) {
	a, b := Profile("ada", "Ada"), Profile("bob", `Bób "the 漢字" O'Neill 👩‍🚀 \ %_`)
	b.Bot = true
	add(t, s, a, b)
	if got := read(t, s, b.ID, ids.New[ids.User](), a.ID); !reflect.DeepEqual(got, []user.Profile{a, b}) {
		t.Errorf("read %+v", got)
	}
	for _, want := range []user.Profile{a, b} {
		if got, err := s.ByUsername(t.Context(), want.Username); err != nil || got != want {
			t.Errorf("%s: %+v, %v", want.Username, got, err)
		}
	}
}

func named(t *testing.T, s user.Store) {
	want := make(map[string]ids.User)
	names := []string{"nobody", "a%", "", "Ada0"}
	for i := range 150 {
		p := Profile("ada"+strconv.Itoa(i), "Ada")
		add(t, s, p)
		if i%50 > 0 {
			want[p.Username] = p.ID
			names = append(names, p.Username, p.Username)
		}
	}
	got, err := s.Named(t.Context(), names)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("found %d of %d: %v", len(got), len(want), err)
	}
	if got, err := s.Named(t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("of no names: %v, %v", got, err)
	}
}

func unknown(t *testing.T, s user.Store) {
	add(t, s, Profile("ada", "Ada"))
	if got := read(t, s, ids.New[ids.User](), ids.User{}); len(got) != 0 {
		t.Errorf("read %+v", got)
	}
	if got := read(t, s); len(got) != 0 {
		t.Errorf("read %+v of no ids", got)
	}
	for _, name := range []string{"", "a", "ADA", "ada ", "a%", "ad_"} {
		if got, err := s.ByUsername(t.Context(), name); !errors.Is(err, user.ErrNoUser) {
			t.Errorf("%q is %+v, %v", name, got, err)
		}
	}
	_, err := s.Update(t.Context(), ids.New[ids.User](), func(*user.Profile) error { return nil })
	if !errors.Is(err, user.ErrNoUser) {
		t.Errorf("updated nobody: %v", err)
	}
}

func updates(t *testing.T, s user.Store) {
	p := Profile("ada", "Ada")
	add(t, s, p)
	want := user.Profile{
		ID: p.ID, Username: "ada", DisplayName: "Ada L.", Bio: "one\ntwo", TimeZone: "Europe/London", Locale: "en-GB",
		Status:    user.Status{Text: "computing", Emoji: "🧮", ExpiresAt: Born.Add(time.Hour)},
		CreatedAt: Born, UpdatedAt: Born.Add(time.Minute), Avatar: ids.New[ids.Attachment](),
	}
	got, err := s.Update(t.Context(), p.ID, func(p *user.Profile) error { *p = want; return nil })
	if err != nil || got != want {
		t.Errorf("updated to %+v, %v", got, err)
	}
	if got := read(t, s, p.ID); len(got) != 1 || got[0] != want {
		t.Errorf("stored %+v", got)
	}
	events, last, err := s.Read(t.Context(), 0, 10)
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if !sameEvent(events[0], user.At(last, user.Updated(want))) {
		t.Errorf("logged %+v", events[0])
	}
	want.Status, want.Bio, want.Avatar = user.Status{}, "", ids.Attachment{}
	if got, err = s.Update(t.Context(), p.ID, func(p *user.Profile) error { *p = want; return nil }); err != nil || got != want {
		t.Errorf("cleared to %+v, %v", got, err)
	}
	if got := read(t, s, p.ID); len(got) != 1 || got[0] != want {
		t.Errorf("stored %+v", got)
	}
}

func sameEvent(a, b bus.Envelope) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Topic == b.Topic && a.Key == b.Key && a.Pos == b.Pos &&
		a.Time.Equal(b.Time) && string(a.Payload) == string(b.Payload)
}

func updateFails(t *testing.T, s user.Store) {
	p, broken := Profile("ada", "Ada"), errors.New("broken")
	add(t, s, p)
	_, err := s.Update(t.Context(), p.ID, func(p *user.Profile) error { p.Bio = "half"; return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got := read(t, s, p.ID); len(got) != 1 || got[0] != p {
		t.Errorf("stored %+v", got)
	}
	if events, last, err := s.Read(t.Context(), 0, 10); len(events) != 0 || last != 0 || err != nil {
		t.Errorf("logged %+v up to %d, %v", events, last, err)
	}
}

func renames(t *testing.T, s user.Store) {
	p, other := Profile("ada", "Ada"), Profile("bob", "Bob")
	add(t, s, p)
	add(t, s, other)
	rename := func(id ids.User, to string) error {
		_, err := s.Update(t.Context(), id, func(p *user.Profile) error { p.Username = to; return nil })
		return err
	}
	if err := rename(p.ID, "bob"); !errors.Is(err, user.ErrUsernameTaken) {
		t.Errorf("another's name: %v", err)
	}
	if err := rename(p.ID, "countess"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ByUsername(t.Context(), "countess"); err != nil || got.ID != p.ID {
		t.Errorf("by the new name: %+v, %v", got, err)
	}
	if _, err := s.ByUsername(t.Context(), "ada"); !errors.Is(err, user.ErrNoUser) {
		t.Errorf("by the old name: %v", err)
	}
	for query, want := range map[string]int{"countess": 1, "ada": 1, "bob": 1} { // ada: by the display name
		if got := find(t, s, query); len(got) != want {
			t.Errorf("%q finds %q", query, got)
		}
	}
	if events, _, err := s.Read(t.Context(), 0, 10); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if err := rename(other.ID, "ada"); err != nil {
		t.Errorf("a name that is free again: %v", err)
	}
}

func updatesAtOnce(t *testing.T, s user.Store) {
	const people, each = 3, 8
	var wg sync.WaitGroup
	var all []ids.User
	for i := range people {
		p := Profile(fmt.Sprintf("user%d", i), "")
		add(t, s, p)
		all = append(all, p.ID)
		for range each {
			wg.Go(func() {
				_, err := s.Update(t.Context(), p.ID, func(p *user.Profile) error { p.Bio += "x"; return nil })
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, p := range read(t, s, all...) {
		if len(p.Bio) != each {
			t.Errorf("%s has %q", p.Username, p.Bio)
		}
	}
	events, _, err := s.Read(t.Context(), 0, 100)
	if err != nil || len(events) != people*each {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i := 1; i < len(events); i++ {
		if events[i].Pos <= events[i-1].Pos {
			t.Errorf("position %d after %d", events[i].Pos, events[i-1].Pos)
		}
	}
}

func logPages(t *testing.T, s user.Store) {
	p := Profile("ada", "")
	add(t, s, p)
	const n = 7
	for i := range n {
		_, err := s.Update(t.Context(), p.ID, func(p *user.Profile) error { p.DisplayName = strconv.Itoa(i); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []bus.Envelope
	pos := int64(0)
	for {
		events, last, err := s.Read(t.Context(), pos, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			if last != pos {
				t.Errorf("nothing after %d, which is then %d", pos, last)
			}
			break
		}
		if last != events[len(events)-1].Pos {
			t.Errorf("the last of %+v is said to be %d", events, last)
		}
		all = append(all, events...)
		pos = last
	}
	if len(all) != n {
		t.Errorf("read %d events of %d", len(all), n)
	}
	for _, e := range all {
		if e.Name != userv1.ProfileUpdatedName || e.Key != p.ID.String() {
			t.Errorf("logged %+v", e)
		}
	}
}
