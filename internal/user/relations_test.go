package user_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

type deed func(*user.Service, context.Context, ids.User, ids.User) error

// deeds are what one can do about another.
func deeds() map[string]deed {
	return map[string]deed{
		"request": func(s *user.Service, ctx context.Context, viewer, other ids.User) error {
			return s.SendFriendRequest(ctx, as(viewer), other)
		},
		"accept":  (*user.Service).AcceptFriendRequest,
		"decline": (*user.Service).DeclineFriendRequest, "cancel": (*user.Service).CancelFriendRequest,
		"remove": (*user.Service).RemoveFriend, "block": (*user.Service).Block, "unblock": (*user.Service).Unblock,
	}
}

// standing is what two are told that the other is to them.
func standing(t *testing.T, s *user.Service, a, b ids.User) string {
	t.Helper()
	one := func(viewer, of ids.User) user.Relationship {
		found, err := s.Relationships(t.Context(), viewer, []ids.User{of})
		if err != nil {
			t.Fatal(err)
		}
		if is, ok := found[of]; ok {
			return is
		}
		return user.Strangers
	}
	return string(one(a, b)) + " " + string(one(b, a))
}

// ada acts on bob in every standing that there is. Repeating it changes nothing.
func TestWhatOneMayDoAboutAnotherInEveryStanding(t *testing.T) {
	t.Parallel()
	const (
		strangers, sent, received = "NONE NONE", "REQUEST_SENT REQUEST_RECEIVED", "REQUEST_RECEIVED REQUEST_SENT"
		friends, blocked, hidden  = "FRIENDS FRIENDS", "BLOCKED NONE", "NONE BLOCKED"
		no                        = "NOT_FOUND"
	)
	type ways map[string]string // what it becomes, or the refusal; nothing: it stays
	for _, test := range []struct {
		from  string
		setup []string // by ada, or by bob when it ends in '
		to    ways
	}{
		{strangers, nil, ways{"request": sent, "accept": no, "block": blocked}},
		{sent, []string{"request"}, ways{"accept": no, "cancel": strangers, "block": blocked}},
		{received, []string{"request'"}, ways{"request": friends, "accept": friends, "decline": strangers, "block": blocked}},
		{friends, []string{"request", "accept'"}, ways{"remove": strangers, "block": blocked}},
		{blocked, []string{"block"}, ways{"request": no, "accept": no, "decline": no, "cancel": no, "remove": no, "unblock": strangers}},
		{hidden, []string{"block'"}, ways{"request": no, "accept": no, "decline": no, "cancel": no, "remove": no, "block": strangers}},
		// Both: neither is told anything, and each takes back his own alone.
		{strangers, []string{"block", "block'"}, ways{"request": no, "accept": no, "decline": no, "cancel": no, "remove": no, "unblock": hidden}},
		{blocked, []string{"block", "block'", "unblock'"}, ways{"request": no, "accept": no, "decline": no, "cancel": no, "remove": no, "unblock": strangers}},
	} {
		for name, do := range deeds() {
			s, _ := setup(t)
			ada, bob := register(t, s, "ada", "Ada"), register(t, s, "bob", "Bob")
			for _, step := range test.setup {
				a, b := ada, bob
				if step[len(step)-1] == '\'' {
					a, b, step = bob, ada, step[:len(step)-1]
				}
				if err := deeds()[step](s, t.Context(), a, b); err != nil {
					t.Fatalf("%s: %v", step, err)
				}
			}
			if got := standing(t, s, ada, bob); got != test.from {
				t.Fatalf("%v made %s", test.setup, got)
			}
			want, err := test.to[name], do(s, t.Context(), ada, bob)
			if refused := want == no; refused != (errs.KindOf(err) == errs.NotFound) || !refused && err != nil {
				t.Errorf("%s of %v: %v", name, test.setup, err)
			}
			if want == no || want == "" {
				want = test.from
			}
			if got := standing(t, s, ada, bob); got != want {
				t.Errorf("%s of %v makes %s, want %s", name, test.setup, got, want)
			}
			if again := do(s, t.Context(), ada, bob); errs.KindOf(again) != errs.KindOf(err) && name != "accept" {
				t.Errorf("%s of %v again: %v, then %v", name, test.setup, err, again)
			}
			if got := standing(t, s, ada, bob); got != want {
				t.Errorf("%s of %v twice makes %s, want %s", name, test.setup, got, want)
			}
		}
	}
}

// Whatever somebody who is blocked tries, he is answered as of nobody.
func TestWhoIsBlockedIsAnsweredAsOfNobody(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	ada, eve, nobody := register(t, s, "ada", "Ada"), register(t, s, "eve", "Eve"), ids.New[ids.User]()
	if err := s.Block(t.Context(), ada, eve); err != nil {
		t.Fatal(err)
	}
	for name, do := range deeds() {
		of, none := do(s, t.Context(), eve, ada), do(s, t.Context(), eve, nobody)
		if (of == nil) != (none == nil) || errs.KindOf(of) != errs.KindOf(none) || !errors.Is(of, user.ErrNoUser) && of != nil {
			t.Errorf("%s: %v, and of nobody %v", name, of, none)
		}
	}
	if got, err := s.See(t.Context(), as(eve), []ids.User{ada, eve}); err != nil || len(got) != 1 || got[eve].ID != eve {
		t.Errorf("sees %v, %v", got, err)
	}
	if _, err := s.SeeByUsername(t.Context(), as(eve), "Ada"); !errors.Is(err, user.ErrNoUser) {
		t.Errorf("by name: %v", err)
	}
	for viewer, want := range map[ids.User]int{ada: 1, eve: 1} { // themselves
		found, err := s.Search(t.Context(), as(viewer), "a", page.Args{})
		other, err2 := s.Search(t.Context(), as(viewer), "e", page.Args{})
		if err != nil || err2 != nil || len(found.Profiles)+len(other.Profiles) != want {
			t.Errorf("%s finds %v and %v, %v, %v", viewer, found.Profiles, other.Profiles, err, err2)
		}
	}
	if err := s.Unblock(t.Context(), eve, ada); err != nil { // one of the deeds, in any order
		t.Fatal(err)
	}
	if got, err := s.See(t.Context(), as(ada), []ids.User{eve}); err != nil || len(got) != 1 {
		t.Errorf("who has blocked sees %v, %v", got, err)
	}
}

func TestASearchIsFilledUpBehindThoseWhoAreApart(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	me := register(t, s, "me", "Me")
	var want []string
	for i := range 30 {
		name := fmt.Sprintf("anna%02d", i)
		if u := register(t, s, name, "Anna"); i%3 != 0 {
			if err := s.Block(t.Context(), u, me); err != nil {
				t.Fatal(err)
			}
		} else {
			want = append(want, name)
		}
	}
	var got []string
	size := int32(3)
	args := page.Args{First: &size}
	for {
		f, err := s.Search(t.Context(), as(me), "anna", args)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Profiles {
			got = append(got, p.Username)
		}
		if args.After = &f.Info.End; !f.Info.HasNext {
			break
		}
		if len(f.Profiles) != 3 {
			t.Errorf("a page of %d", len(f.Profiles))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// Twenty rounds of each race: the outcome is one of those in which one came
// before the other, and the same from both sides.
func TestARaceOfTwoHasAnOutcomeOfOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ setup, one, two, want string }{
		{"", "request", "request", "FRIENDS FRIENDS"},
		{"request", "cancel", "accept", "NONE NONE|FRIENDS FRIENDS"},
		{"request", "block", "accept", "BLOCKED NONE"},
		{"", "block", "block", "NONE NONE"}, // of each other, which shows neither
		{"", "block", "request", "BLOCKED NONE"},
	} {
		for round := range 20 {
			s, _ := setup(t)
			ada, bob := register(t, s, "ada", "Ada"), register(t, s, "bob", "Bob")
			if test.setup != "" {
				if err := deeds()[test.setup](s, t.Context(), ada, bob); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			for name, who := range map[int][2]ids.User{1: {ada, bob}, 2: {bob, ada}} {
				wg.Go(func() {
					do := deeds()[[]string{test.one, test.two}[name-1]]
					if err := do(s, t.Context(), who[0], who[1]); err != nil && errs.KindOf(err) != errs.NotFound {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got := standing(t, s, ada, bob)
			if !slices.Contains(strings.Split(test.want, "|"), got) {
				t.Fatalf("%s against %s, round %d: %s", test.one, test.two, round, got)
			}
			if apart := test.one == "block"; s.Apart(ada, bob) != apart || s.Apart(bob, ada) != apart {
				t.Fatalf("%s against %s, round %d: apart %v", test.one, test.two, round, s.Apart(ada, bob))
			}
		}
	}
}

// A block holds where it was said at once, on other nodes within a second, and
// on one that starts later from the beginning; those who listen are told there.
func TestABlockHoldsOnEveryNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := usertest.NewFake()
		ada, bob := usertest.Profile("ada", "Ada"), usertest.Profile("bob", "Bob")
		for _, p := range []user.Profile{ada, bob} {
			if err := store.Create(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		here, stopHere := node(t, store, nil, 0)
		defer stopHere()
		there, stopThere := node(t, store, nil, 0)
		defer stopThere()
		var mu sync.Mutex
		heard := map[ids.User][]user.Relationship{}
		for _, u := range []ids.User{ada.ID, bob.ID} {
			stop, err := there.Source().Follow(t.Context(), u, func(e feed.Entry) {
				mu.Lock()
				defer mu.Unlock()
				if c, ok := e.Event.(*user.RelationshipChanged); ok && c.Viewer == u && e.Pos > 0 {
					heard[u] = append(heard[u], c.Relationship)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
		}
		for _, step := range []struct {
			what string
			do   deed
			is   bool
		}{{"block", (*user.Service).Block, true}, {"unblock", (*user.Service).Unblock, false}, {"block again", (*user.Service).Block, true}} {
			if err := step.do(here, t.Context(), ada.ID, bob.ID); err != nil {
				t.Fatal(err)
			}
			if here.Apart(bob.ID, ada.ID) != step.is || here.Party(bob.ID) != step.is {
				t.Errorf("%s: not where it was said", step.what)
			}
			<-time.After(time.Second)
			if there.Apart(bob.ID, ada.ID) != step.is || there.Conceals(ada.ID, bob.ID) != step.is || there.Conceals(bob.ID, ada.ID) {
				t.Errorf("%s: not on the other node a second later", step.what)
			}
			late, stop := node(t, store, nil, 0)
			if late.Apart(ada.ID, bob.ID) != step.is {
				t.Errorf("%s: not on a node that starts", step.what)
			}
			stop()
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(heard[ada.ID], []user.Relationship{user.Blocked, user.Strangers, user.Blocked}) || len(heard[bob.ID]) != 0 {
			t.Errorf("told %v", heard)
		}
	})
}

func TestOneHasBoundsOfWhatHeBeginsHimself(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	me := register(t, s, "me", "Me")
	if err := s.Block(t.Context(), me, me); !errors.Is(err, user.ErrSelf) {
		t.Errorf("oneself: %v", err)
	}
	var last ids.User
	for i := range user.MaxRequests {
		last = register(t, s, fmt.Sprintf("user%04d", i), "User")
		if err := s.SendFriendRequest(t.Context(), as(me), last); err != nil {
			t.Fatal(err)
		}
	}
	more := register(t, s, "more", "More")
	if err := s.SendFriendRequest(t.Context(), as(me), more); !errors.Is(err, user.ErrTooManyRequests) {
		t.Errorf("one too many: %v", err)
	}
	if err := s.SendFriendRequest(t.Context(), as(me), last); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := s.CancelFriendRequest(t.Context(), me, last); err != nil {
		t.Fatal(err)
	}
	if err := s.SendFriendRequest(t.Context(), as(me), more); err != nil {
		t.Errorf("in the room of another: %v", err)
	}
}

func TestContactsAreListedInPages(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	me, other := register(t, s, "me", "Me"), register(t, s, "other", "Other")
	want := map[ids.User]bool{}
	for i := range 7 {
		u := register(t, s, fmt.Sprintf("user%d", i), "User")
		want[u] = true
		if err := s.SendFriendRequest(t.Context(), as(u), me); err != nil {
			t.Fatal(err)
		}
	}
	size := int32(3)
	args := page.Args{First: &size}
	var cursor string
	for n := range 3 {
		f, err := s.Contacts(t.Context(), me, user.RequestReceived, args)
		if err != nil || f.Info.HasNext != (n < 2) {
			t.Fatalf("page %d: %+v, %v", n, f, err)
		}
		for _, c := range f.Contacts {
			if !want[c.User] {
				t.Errorf("%s twice or never", c.User)
			}
			delete(want, c.User)
		}
		cursor = f.Info.End
		args.After = &cursor
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
	for _, bad := range []struct {
		viewer ids.User
		is     user.Relationship
	}{{other, user.RequestReceived}, {me, user.Friends}} {
		if _, err := s.Contacts(t.Context(), bad.viewer, bad.is, args); !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("a cursor of another list: %v", err)
		}
	}
	if _, err := s.Contacts(t.Context(), me, user.Strangers, page.Args{}); !errors.Is(err, user.ErrBadState) {
		t.Errorf("strangers: %v", err)
	}
}
