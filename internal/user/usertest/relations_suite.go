package usertest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// becomes makes of two users what it says, whatever they were.
func becomes(mine, theirs user.Relationship) func(user.Pair) (user.Pair, error) {
	return func(user.Pair) (user.Pair, error) { return user.Pair{Mine: mine, Theirs: theirs}, nil }
}

func relate(t *testing.T, s user.Store, a, b ids.User, at time.Time, mine, theirs user.Relationship) {
	t.Helper()
	_, after, err := s.Relate(t.Context(), a, b, at, becomes(mine, theirs))
	if err != nil || after != (user.Pair{Mine: mine, Theirs: theirs}) {
		t.Fatalf("relate: %v, %v", after, err)
	}
}

// relations returns the events of a viewer as "of state" in order.
func relations(t *testing.T, s user.Store, viewer ids.User, after, upTo int64, limit int) []string {
	t.Helper()
	events, err := s.Related(t.Context(), viewer, after, upTo, limit)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	last := after
	for _, e := range events {
		if e.Pos <= last || e.Pos > upTo || e.Key != viewer.String() {
			t.Errorf("event %+v after %d", e, last)
		}
		last = e.Pos
		_, state, _ := strings.Cut(string(e.Payload), `"state":"`)
		state, _, _ = strings.Cut(state, `"`)
		said = append(said, state)
	}
	return said
}

func keepsRelations(t *testing.T, s user.Store) {
	ada, bob, cyd := Profile("ada", "Ada"), Profile("bob", "Bob"), Profile("cyd", "Cyd")
	add(t, s, ada, bob, cyd)
	wants := func(mine, theirs map[ids.User]user.Relationship) {
		t.Helper()
		of := []ids.User{ada.ID, bob.ID, cyd.ID, ids.New[ids.User]()}
		for viewer, want := range map[ids.User]map[ids.User]user.Relationship{ada.ID: mine, bob.ID: theirs} {
			got, err := s.Relationships(t.Context(), viewer, of)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		}
	}
	type is = map[ids.User]user.Relationship
	wants(is{}, is{})
	relate(t, s, ada.ID, bob.ID, Born, user.RequestSent, user.RequestReceived)
	wants(is{bob.ID: user.RequestSent}, is{ada.ID: user.RequestReceived})
	relate(t, s, bob.ID, ada.ID, Born, user.Friends, user.Friends)
	relate(t, s, ada.ID, cyd.ID, Born, user.Blocked, user.Strangers)
	wants(is{bob.ID: user.Friends, cyd.ID: user.Blocked}, is{ada.ID: user.Friends})
	before, after, err := s.Relate(t.Context(), bob.ID, ada.ID, Born, func(p user.Pair) (user.Pair, error) { return p, nil })
	if friends := (user.Pair{Mine: user.Friends, Theirs: user.Friends}); err != nil || before != friends || after != friends {
		t.Errorf("what stays: %v, %v, %v", before, after, err)
	}
	relate(t, s, ada.ID, bob.ID, Born, user.Strangers, user.Strangers)
	wants(is{cyd.ID: user.Blocked}, is{})
	newest, err := s.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := relations(t, s, ada.ID, 0, newest, 10); !slices.Equal(got, []string{"REQUEST_SENT", "FRIENDS", "BLOCKED", "NONE"}) {
		t.Errorf("ada is told %v", got)
	}
	if got := relations(t, s, bob.ID, 0, newest, 10); !slices.Equal(got, []string{"REQUEST_RECEIVED", "FRIENDS", "NONE"}) {
		t.Errorf("bob is told %v", got)
	}
	if got := relations(t, s, cyd.ID, 0, newest, 10); len(got) != 0 {
		t.Errorf("who is blocked is told %v", got)
	}
	if got := relations(t, s, ada.ID, 1, newest-1, 1); !slices.Equal(got, []string{"FRIENDS"}) {
		t.Errorf("a part is %v", got)
	}
	all, _, err := s.Read(t.Context(), 0, 100)
	if err != nil || len(all) != 7 {
		t.Errorf("%d events in the log, %v", len(all), err)
	}
}

func refusesRelations(t *testing.T, s user.Store) {
	ada, bob := Profile("ada", "Ada"), Profile("bob", "Bob")
	add(t, s, ada, bob)
	no := errors.New("no")
	if _, _, err := s.Relate(t.Context(), ada.ID, bob.ID, Born, func(user.Pair) (user.Pair, error) {
		return user.Pair{Mine: user.Blocked, Theirs: user.Blocked}, no
	}); !errors.Is(err, no) {
		t.Errorf("a change that fails: %v", err)
	}
	for _, pair := range [][2]ids.User{{ada.ID, ids.New[ids.User]()}, {ids.New[ids.User](), ada.ID}} {
		if _, _, err := s.Relate(t.Context(), pair[0], pair[1], Born, becomes(user.Friends, user.Friends)); !errors.Is(err, user.ErrNoUser) {
			t.Errorf("with nobody: %v", err)
		}
	}
	if got, err := s.Relationships(t.Context(), ada.ID, []ids.User{bob.ID}); err != nil || len(got) != 0 {
		t.Errorf("stored %v, %v", got, err)
	}
	if events, _, err := s.Read(t.Context(), 0, 10); err != nil || len(events) != 0 {
		t.Errorf("logged %v, %v", events, err)
	}
}

// Twenty rounds in which both act on what they are at once: each sees what the
// other has made, whoever comes first.
func relatesAtOnce(t *testing.T, s user.Store) {
	ada := Profile("ada", "Ada")
	add(t, s, ada)
	for round := range 20 {
		other := Profile(fmt.Sprintf("user%02d", round), "User")
		add(t, s, other)
		var wg sync.WaitGroup
		for _, pair := range [][2]ids.User{{ada.ID, other.ID}, {other.ID, ada.ID}} {
			wg.Go(func() {
				_, _, err := s.Relate(t.Context(), pair[0], pair[1], Born, func(p user.Pair) (user.Pair, error) {
					if p.Mine == user.RequestReceived {
						return user.Pair{Mine: user.Friends, Theirs: user.Friends}, nil
					}
					return user.Pair{Mine: user.RequestSent, Theirs: user.RequestReceived}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		mine, _ := s.Relationships(t.Context(), ada.ID, []ids.User{other.ID})
		theirs, _ := s.Relationships(t.Context(), other.ID, []ids.User{ada.ID})
		if mine[other.ID] != user.Friends || theirs[ada.ID] != user.Friends {
			t.Fatalf("round %d: %v and %v", round, mine, theirs)
		}
	}
}

func listsContacts(t *testing.T, s user.Store) {
	ada := Profile("ada", "Ada")
	add(t, s, ada)
	var friends []user.Contact
	for i := range 7 {
		p := Profile(fmt.Sprintf("friend%d", i), "Friend")
		add(t, s, p)
		at := Born.Add(time.Duration(i/2) * time.Second) // two of a moment
		relate(t, s, ada.ID, p.ID, at, user.Friends, user.Friends)
		friends = append(friends, user.Contact{User: p.ID, Since: at})
	}
	other, hidden := Profile("other", "Other"), Profile("hidden", "Hidden")
	add(t, s, other, hidden)
	relate(t, s, ada.ID, other.ID, Born, user.Blocked, user.Strangers)
	relate(t, s, ada.ID, hidden.ID, Born, user.Blocked, user.Blocked) // not there for her
	slices.Reverse(friends)
	var got []user.Contact
	for before := (user.Contact{}); ; {
		part, err := s.Contacts(t.Context(), user.ContactQuery{Viewer: ada.ID, Is: user.Friends, Before: before, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, part...); len(part) < 3 {
			break
		}
		before = part[2]
	}
	if !slices.Equal(got, friends) {
		t.Errorf("contacts %v, want %v", got, friends)
	}
	blocked, err := s.Contacts(t.Context(), user.ContactQuery{Viewer: ada.ID, Is: user.Blocked, Limit: 10})
	if err != nil || !slices.Equal(blocked, []user.Contact{{User: other.ID, Since: Born}}) {
		t.Errorf("blocked %v, %v", blocked, err)
	}
	for is, want := range map[user.Relationship]int{user.Friends: 5, user.Blocked: 2, user.RequestSent: 0} {
		if n, err := s.CountContacts(t.Context(), ada.ID, is, 5); err != nil || n != want {
			t.Errorf("%d %s, %v, want %d", n, is, err, want)
		}
	}
}

func listsBlocks(t *testing.T, s user.Store) {
	people := []user.Profile{Profile("ada", "Ada"), Profile("bob", "Bob"), Profile("cyd", "Cyd")}
	add(t, s, people...)
	var want []user.Block
	for _, a := range people {
		for _, b := range people {
			if a != b && (a != people[0] || b != people[2]) {
				relate(t, s, a.ID, b.ID, Born, user.Blocked, user.Strangers)
				relate(t, s, a.ID, b.ID, Born, user.Blocked, user.Strangers)
				want = append(want, user.Block{By: a.ID, Of: b.ID})
			}
		}
	}
	// Each pair's later block has taken the other's away: only the last of a pair stays.
	want = slices.DeleteFunc(want, func(b user.Block) bool { return b.By.Compare(b.Of) < 0 })
	var got []user.Block
	for after := (user.Block{}); ; {
		part, err := s.Blocks(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, part...); len(part) < 2 {
			break
		}
		after = part[1]
	}
	if len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("blocks %v, want %v", got, want)
	}
}
