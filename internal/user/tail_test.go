package user_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

// lateStore is a store whose reads of profiles take a while after they have
// read, so that changes overtake them.
type lateStore struct {
	*usertest.Fake
	slow func()
}

func (s lateStore) Profiles(ctx context.Context, of []ids.User) ([]user.Profile, error) {
	found, err := s.Fake.Profiles(ctx, of)
	s.slow()
	return found, err
}

// slowShelf is the same of a shelf.
type slowShelf struct {
	*usertest.Shelf
	slow func()
}

func (s slowShelf) Take(ctx context.Context, of []ids.User) []user.Kept {
	found := s.Shelf.Take(ctx, of)
	s.slow()
	return found
}

func (s slowShelf) Put(ctx context.Context, profiles []user.Kept) {
	s.slow()
	s.Shelf.Put(ctx, profiles)
}

// node is a Service that reads the log until the test ends or it is stopped.
func node(t *testing.T, store user.Store, shelf user.Shelf, cache int) (s *user.Service, stop func()) {
	t.Helper()
	s = user.New(user.Deps{Store: store, Cursors: page.NewSealer(make([]byte, 16)), Log: zerolog.Nop(), Shelf: shelf}, user.Config{Cache: cache})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return s, stop
}

func bioOf(t *testing.T, s *user.Service, id ids.User) string {
	t.Helper()
	p, err := s.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p.Bio
}

func setBio(t *testing.T, s *user.Service, id ids.User, bio string) {
	t.Helper()
	if _, err := s.Update(t.Context(), id, user.Patch{Bio: &bio}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAnotherNodeChangesIsForgottenWithinASecond(t *testing.T) {
	t.Parallel()
	for _, shelf := range []user.Shelf{nil, usertest.NewShelf()} {
		synctest.Test(t, func(t *testing.T) {
			store := usertest.NewFake()
			ada := usertest.Profile("ada", "Ada")
			if err := store.Create(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
			a, _ := node(t, store, shelf, 0)
			b, _ := node(t, store, shelf, 0)
			for n := range 10 {
				bioOf(t, b, ada.ID)
				setBio(t, a, ada.ID, fmt.Sprint(n))
				if got := bioOf(t, a, ada.ID); got != fmt.Sprint(n) {
					t.Errorf("on the node itself: %q after %d", got, n)
				}
				pass(time.Second)
				if got := bioOf(t, b, ada.ID); got != fmt.Sprint(n) {
					t.Errorf("on the other: %q after %d", got, n)
				}
			}
		})
	}
}

func TestAShelfSparesTheStoreReadsOfOtherNodesAndOfARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, shelf := usertest.NewFake(), usertest.NewShelf()
		var of []ids.User
		for n := range 20 {
			p := usertest.Profile(fmt.Sprint("p", n), "P")
			of = append(of, p.ID)
			if err := store.Create(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		reads := func(s *user.Service, of []ids.User) int {
			t.Helper()
			before := store.Reads()
			found, err := s.Users(t.Context(), of)
			if err != nil || len(found) != len(of) {
				t.Fatalf("%d found, %v", len(found), err)
			}
			synctest.Wait()
			return store.Reads() - before
		}
		a, _ := node(t, store, shelf, 0)
		setBio(t, a, of[0], "changed")
		pass(time.Second)
		if n := reads(a, of); n != 1 {
			t.Errorf("cold: %d reads", n)
		}
		if n, takes := reads(a, of), shelf.Takes(); n != 0 || takes != 1 {
			t.Errorf("warm: %d reads, %d times at the shelf", n, takes)
		}
		b, stop := node(t, store, shelf, 0)
		if n := reads(b, of); n != 0 {
			t.Errorf("another node: %d reads", n)
		}
		stop()
		setBio(t, a, of[1], "while b is away")
		shelf.Away(true)
		setBio(t, a, of[2], "while the shelf is away, too")
		synctest.Wait()
		shelf.Away(false)
		b, _ = node(t, store, shelf, 0)
		if got := bioOf(t, b, of[2]); got != "while the shelf is away, too" {
			t.Errorf("an old profile from the shelf: %q", got)
		}
		if n := reads(b, append(of[:1:1], of[3:]...)); n != 0 {
			t.Errorf("after a restart: %d reads", n)
		}
		if got := bioOf(t, b, of[1]); got != "while b is away" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// Of more changes than a node looks back at when it starts it knows nothing,
// so it trusts nothing that was kept before them.
func TestWhatWasKeptLongAgoIsNotTrusted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, shelf := usertest.NewFake(), usertest.NewShelf()
		ada, bob := usertest.Profile("ada", "Ada"), usertest.Profile("bob", "Bob")
		for _, p := range []user.Profile{ada, bob} {
			if err := store.Create(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		a, _ := node(t, store, shelf, 0)
		bioOf(t, a, ada.ID)
		pass(time.Second)
		shelf.Away(true)
		setBio(t, a, ada.ID, "new")
		for n := range 2100 {
			setBio(t, a, bob.ID, fmt.Sprint(n))
		}
		synctest.Wait()
		shelf.Away(false)
		b, _ := node(t, store, shelf, 0)
		if got := bioOf(t, b, ada.ID); got != "new" {
			t.Errorf("%q", got)
		}
	})
}

func TestAReadThatAnotherNodesUpdateOvertakesIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := usertest.NewFake()
		ada := usertest.Profile("ada", "Ada")
		if err := fake.Create(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		late := sync.OnceFunc(func() { time.Sleep(3 * time.Second) }) //nolint:forbidigo // Of a bubble's clock.
		a, _ := node(t, fake, nil, 0)
		b, _ := node(t, lateStore{fake, late}, nil, 0)
		done := make(chan string, 1)
		go func() { done <- bioOf(t, b, ada.ID) }()
		pass(100 * time.Millisecond)
		setBio(t, a, ada.ID, "new")
		if got := <-done; got != "" {
			t.Errorf("the read was not overtaken: %q", got)
		}
		if got := bioOf(t, b, ada.ID); got != "new" {
			t.Errorf("%q is kept", got)
		}
	})
}

// Nodes with small caches read and write at random over a store and a shelf
// that are slow, forget, and go away. Nobody reads what is older than his own
// node's last update of it, nor, after a second without updates, anything but
// the newest.
func TestNoReadIsOlderThanOwnUpdatesWhateverTheShelfDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(seed, 1))
			dice := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(n)
			}
			nap := func() { time.Sleep(time.Duration(dice(300)) * time.Millisecond) } //nolint:forbidigo // Of a bubble's clock.
			fake, shelf := usertest.NewFake(), usertest.NewShelf()
			store, slow := lateStore{fake, nap}, slowShelf{shelf, nap}
			var of []ids.User
			for n := range 6 {
				p := usertest.Profile(fmt.Sprint("p", n), "P")
				of = append(of, p.ID)
				if err := fake.Create(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			const nodes = 3
			var wg sync.WaitGroup
			services := make([]*user.Service, nodes)
			own := [nodes]map[ids.User]time.Time{}
			var ownMu sync.Mutex
			for i := range nodes {
				services[i], _ = node(t, store, slow, 3)
				own[i] = map[ids.User]time.Time{}
			}
			for i, s := range services {
				for range 3 {
					wg.Go(func() {
						for range 60 {
							id := of[dice(len(of))]
							switch dice(10) {
							case 0:
								shelf.Away(dice(2) == 0)
							case 1:
								shelf.Empty()
							case 2, 3:
								bio := fmt.Sprint(dice(1 << 20))
								p, err := s.Update(t.Context(), id, user.Patch{Bio: &bio})
								if err != nil {
									t.Error(err)
									return
								}
								ownMu.Lock()
								if own[i][id].Before(p.UpdatedAt) {
									own[i][id] = p.UpdatedAt
								}
								ownMu.Unlock()
							default:
								ownMu.Lock()
								floor := own[i][id]
								ownMu.Unlock()
								p, err := s.User(t.Context(), id)
								if err != nil || p.UpdatedAt.Before(floor) {
									t.Errorf("seed %d: read %v, %v after an own update at %v", seed, p.UpdatedAt, err, floor)
									return
								}
							}
							nap()
						}
					})
				}
			}
			wg.Wait()
			shelf.Away(false)
			pass(2 * time.Second)
			truth, err := fake.Profiles(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range services {
				for _, want := range truth {
					if got, err := s.User(t.Context(), want.ID); err != nil || got != want {
						t.Errorf("seed %d: node %d says %q of %v, want %q; %v", seed, i, got.Bio, got.UpdatedAt, want.Bio, err)
					}
				}
			}
		})
	}
}
