package feed_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// lamps is a Signals of switches that everybody sees.
type lamps struct {
	mu sync.Mutex
	on map[string]bool
	to map[int]func(feed.Signal)
	// during is called in the middle of a snapshot, after it was taken.
	during func()
}

type (
	lamp  struct{ what string }
	state struct{ what string }
)

func newLamps() *lamps { return &lamps{on: map[string]bool{}, to: map[int]func(feed.Signal){}} }

func (l *lamps) set(name string, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on[name] = on
	for _, to := range l.to {
		to(feed.Signal{Event: &lamp{fmt.Sprint(name, " ", on)}, Size: 10})
	}
}

func (l *lamps) Follow(_ ids.User, to func(feed.Signal)) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.to)
	l.to[n] = to
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.to, n)
	}
}

func (l *lamps) Snapshot(context.Context, ids.User) (feed.Signal, error) {
	l.mu.Lock()
	var on []string
	for name, lit := range l.on {
		if lit {
			on = append(on, name)
		}
	}
	during := l.during
	l.mu.Unlock()
	if during != nil {
		during()
	}
	slices.Sort(on)
	return feed.Signal{Event: &state{"lit " + strings.Join(on, " ")}, Size: 10}, nil
}

func (l *lamps) followers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.to)
}

// lit is what a client that has seen the events takes for lit.
func lit(seen []string) string {
	on := map[string]bool{}
	for _, what := range seen {
		if list, ok := strings.CutPrefix(what, "lit "); ok {
			clear(on)
			for name := range strings.FieldsSeq(list) {
				on[name] = true
			}
		} else if name, value, ok := strings.Cut(what, " "); ok {
			on[name] = value == "true"
		}
	}
	var all []string
	for name, is := range on {
		if is {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestSignalsBeginWithASnapshotAfterWhatWasMissed(t *testing.T) {
	t.Parallel()
	src, l, who := newSource(), newLamps(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{Signals: l}, src)
	from, err := v.Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	l.set("red", true)
	src.add()
	c, stop := listen(t, v, who, from)
	l.set("green", true)
	src.add()
	if got, want := c.whats(), []string{"started", "1", "caught up", "lit red", "green true", "2"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if c.seen[3].cursor != c.seen[2].cursor || c.seen[4].cursor != c.seen[2].cursor {
		t.Error("a signal has moved the cursor")
	}
	live, stopLive := listen(t, v, who, "")
	l.set("red", false)
	if got, want := live.whats(), []string{"started", "red false"}; !slices.Equal(got, want) {
		t.Errorf("without a position: %v, want %v", got, want)
	}
	stop()
	stopLive()
	if n := l.followers(); n != 0 {
		t.Errorf("%d followers are left", n)
	}
}

// What is switched between the snapshot and the first live event is not lost,
// and its cursor is not ahead of what the client has.
func TestNoSignalIsLostBetweenTheSnapshotAndWhatIsLive(t *testing.T) {
	t.Parallel()
	for _, many := range []int{1, 3000} { // more than are kept
		src, l, who := newSource(), newLamps(), ids.New[ids.User]()
		v := feed.NewViewers(codec(t, nil), feed.Config{Signals: l}, src)
		from, err := v.Now(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		l.set("red", true)
		once := sync.OnceFunc(func() {
			l.set("red", false)
			src.add()
			for n := range many {
				l.set("green", n%2 == 0)
				l.set("blue", true)
			}
		})
		l.mu.Lock()
		l.during = once
		l.mu.Unlock()
		c, stop := listen(t, v, who, from)
		want := "blue green"
		if many%2 == 0 {
			want = "blue"
		}
		got := c.whats()
		if lit(got) != want {
			t.Errorf("after %d signals %q are lit, want %q", 2*many, lit(got), want)
		}
		if n := slices.Index(got, "1"); n < 0 || slices.Index(got, "green true") >= 0 && n > slices.Index(got, "green true") {
			t.Errorf("a signal whose cursor is after an event came before it: %.10v", got)
		}
		stop()
	}
}

// Another node's events are in the store before this node hears of them. Who
// has replayed them is given no cursor from before them by what happens live.
func TestASignalTakesNobodysCursorBack(t *testing.T) {
	t.Parallel()
	src, l, who := newSource(), newLamps(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{Signals: l}, src)
	src.add()
	from, err := v.Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	slow, stopSlow := listen(t, v, who, "") // holds the viewer's feed at 1
	defer stopSlow()
	src.mu.Lock()
	src.newest += 3 // told to nobody yet
	src.mu.Unlock()
	c, stop := listen(t, v, who, from)
	l.set("red", true)
	stop()
	if got, want := c.whats(), []string{"started", "2", "3", "4", "caught up", "lit ", "red true"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	again, stopAgain := listen(t, v, who, c.seen[len(c.seen)-1].cursor)
	defer stopAgain()
	for pos := int64(2); pos <= 4; pos++ { // now this node hears of them
		src.mu.Lock()
		for _, to := range src.to {
			to(entry(pos))
		}
		src.mu.Unlock()
	}
	if got, want := again.whats(), []string{"started", "caught up", "lit red"}; !slices.Equal(got, want) {
		t.Errorf("after the signal's cursor: %q, want %q", got, want)
	}
	if got, want := slow.whats(), []string{"started", "red true", "2", "3", "4"}; !slices.Equal(got, want) {
		t.Errorf("live only: %q, want %q", got, want)
	}
}
