package relaytest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"chatd/internal/platform/relay"
)

// Fake is a relay.Positions in memory. Its zero value is empty.
type Fake struct {
	mu     sync.Mutex
	states map[string]relay.State
	err    error
}

// Fail makes all calls end with err, until it is nil again.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Load implements relay.Positions.
func (f *Fake) Load(_ context.Context, name string) (relay.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states[name], f.err
}

// Take implements relay.Positions.
func (f *Fake) Take(_ context.Context, name string, seen relay.State) (relay.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[name]
	if f.err != nil {
		return relay.State{}, f.err
	}
	if s.Term != seen.Term || s.Beat != seen.Beat {
		return relay.State{}, relay.ErrLost
	}
	s.Term, s.Beat, s.Free = s.Term+1, s.Beat+1, false
	f.put(name, s)
	return s, nil
}

// Save implements relay.Positions.
func (f *Fake) Save(_ context.Context, name string, s relay.State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	old := f.states[name]
	if old.Term != s.Term || s.Term == 0 {
		return relay.ErrLost
	}
	s.Beat = old.Beat + 1
	f.put(name, s)
	return nil
}

func (f *Fake) put(name string, s relay.State) {
	if f.states == nil {
		f.states = make(map[string]relay.State)
	}
	f.states[name] = s
}

// RunPositions holds an implementation to relay.Positions. open returns an
// empty one each time.
func RunPositions(t *testing.T, open func(t *testing.T) relay.Positions) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, relay.Positions){
		"a new relay begins at nothing":            begins,
		"a position is kept from term to term":     kept,
		"who has lost the lease stores nothing":    fenced,
		"of many who take the lease one has it":    contended,
		"a beat seen keeps others from taking":     beats,
		"relays of different names do not concern": apart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func take(t *testing.T, p relay.Positions, name string) relay.State {
	t.Helper()
	s, err := p.Take(t.Context(), name, load(t, p, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, p relay.Positions, name string) relay.State {
	t.Helper()
	s, err := p.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begins(t *testing.T, p relay.Positions) {
	if s := load(t, p, "a"); s != (relay.State{}) {
		t.Errorf("loaded %+v", s)
	}
	if err := p.Save(t.Context(), "a", relay.State{Pos: 1}); !errors.Is(err, relay.ErrLost) {
		t.Errorf("saved without a lease: %v", err)
	}
	if s := take(t, p, "a"); s.Pos != 0 || s.Term != 1 || s.Free {
		t.Errorf("took %+v", s)
	}
}

func kept(t *testing.T, p relay.Positions) {
	s := take(t, p, "a")
	s.Pos, s.Free = 1<<40, true
	if err := p.Save(t.Context(), "a", s); err != nil {
		t.Fatal(err)
	}
	if got := load(t, p, "a"); got.Pos != 1<<40 || !got.Free || got.Term != 1 || got.Beat == s.Beat {
		t.Errorf("loaded %+v", got)
	}
	if got := take(t, p, "a"); got.Pos != 1<<40 || got.Free || got.Term != 2 {
		t.Errorf("took %+v", got)
	}
}

func fenced(t *testing.T, p relay.Positions) {
	first := take(t, p, "a")
	second := take(t, p, "a")
	second.Pos = 10
	if err := p.Save(t.Context(), "a", second); err != nil {
		t.Fatal(err)
	}
	first.Pos, first.Free = 99, true
	if err := p.Save(t.Context(), "a", first); !errors.Is(err, relay.ErrLost) {
		t.Errorf("saved by an old term: %v", err)
	}
	if got := load(t, p, "a"); got.Pos != 10 || got.Free {
		t.Errorf("loaded %+v", got)
	}
}

func contended(t *testing.T, p relay.Positions) {
	for range 2 { // a new relay, then an old one
		seen := load(t, p, "a")
		var wg sync.WaitGroup
		var taken, lost atomic.Int32
		for range 8 {
			wg.Go(func() {
				switch _, err := p.Take(t.Context(), "a", seen); {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, relay.ErrLost):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 || lost.Load() != 7 {
			t.Errorf("%d took it and %d lost it", taken.Load(), lost.Load())
		}
	}
}

func beats(t *testing.T, p relay.Positions) {
	s := take(t, p, "a")
	seen := load(t, p, "a")
	if err := p.Save(t.Context(), "a", s); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Take(t.Context(), "a", seen); !errors.Is(err, relay.ErrLost) {
		t.Errorf("took it from one who lives: %v", err)
	}
}

func apart(t *testing.T, p relay.Positions) {
	a, b := take(t, p, "a>b"), take(t, p, "a>c")
	a.Pos, b.Pos = 5, 7
	for name, s := range map[string]relay.State{"a>b": a, "a>c": b} {
		if err := p.Save(t.Context(), name, s); err != nil {
			t.Fatal(err)
		}
	}
	if x, y := load(t, p, "a>b"), load(t, p, "a>c"); x.Pos != 5 || y.Pos != 7 {
		t.Errorf("loaded %+v and %+v", x, y)
	}
}
