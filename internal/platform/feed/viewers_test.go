package feed_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// source is a log of numbers that everybody may see, as a store would have
// it: visible first, told live afterwards.
type source struct {
	mu     sync.Mutex
	epoch  string
	newest int64
	to     map[int]func(feed.Entry)
	next   int
}

func newSource() *source { return &source{epoch: "one", to: map[int]func(feed.Entry){}} }

func entry(pos int64) feed.Entry {
	return feed.Entry{Pos: pos, Event: &pos, Size: 10, Unread: int32(pos)}
}

func (s *source) add() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest++
	for _, to := range s.to {
		to(entry(s.newest))
	}
}

func (s *source) Follow(_ context.Context, _ ids.User, to func(feed.Entry)) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	s.to[n] = to
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.to, n)
	}, nil
}

func (s *source) followers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.to)
}

func (s *source) Position(context.Context) (string, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch, s.newest, nil
}

func (s *source) Missed(_ context.Context, _ ids.User, after, upTo int64, limit int) ([]feed.Ref, error) {
	var refs []feed.Ref
	for p := after + 1; p <= upTo; p++ {
		if len(refs) == limit {
			return nil, fmt.Errorf("source: %w", feed.ErrTooMany)
		}
		refs = append(refs, feed.Ref{Pos: p})
	}
	return refs, nil
}

func (s *source) Load(_ context.Context, _ ids.User, refs []feed.Ref) ([]feed.Entry, error) {
	var out []feed.Entry
	for _, r := range refs {
		out = append(out, entry(r.Pos))
	}
	return out, nil
}

func codec(t *testing.T, now func() time.Time) *feed.Codec {
	t.Helper()
	c, err := feed.NewCodec([]byte("0123456789abcdef0123456789abcdef"), now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seen is one event as a client has it.
type seen struct {
	what   string // "started", "caught up", "reset UNKNOWN" or the number
	cursor string
}

type client struct {
	mu   sync.Mutex
	seen []seen
}

func (c *client) take(items ...feed.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		s := seen{cursor: string(it.Local.AppendCursor(nil))}
		switch e := it.Event.(type) {
		case *feed.Started:
			s.what = "started"
		case *feed.CaughtUp:
			s.what = "caught up"
		case *feed.Reset:
			s.what = "reset " + string(e.Reason)
		case *int64:
			s.what = fmt.Sprint(*e)
		case *lamp:
			s.what = e.what
		case *state:
			s.what = e.what
		}
		c.seen = append(c.seen, s)
	}
}

func (c *client) Offer(it feed.Item) bool { c.take(it); return true }
func (c *client) End(error)               {}

func (c *client) whats() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, s := range c.seen {
		out = append(out, s.what)
	}
	return out
}

func (c *client) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[len(c.seen)-1].cursor
}

func listen(t *testing.T, v *feed.Viewers, who ids.User, after string) (*client, func()) {
	t.Helper()
	st, err := v.Open(t.Context(), who, after)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{}
	st.Start(c)
	if err := st.CatchUp(t.Context(), func(items []feed.Item) error { c.take(items...); return nil }); err != nil {
		t.Fatal(err)
	}
	return c, st.Close
}

func TestAStreamResumesFromEveryCursorItEverSaw(t *testing.T) {
	t.Parallel()
	src := newSource()
	v := feed.NewViewers(codec(t, nil), feed.Config{PageSize: 3}, src)
	who := ids.New[ids.User]()
	src.add()
	c, stop := listen(t, v, who, "")
	for range 10 {
		src.add()
	}
	stop()
	src.add()
	if got, want := c.whats(), []string{"started", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}; !slices.Equal(got, want) {
		t.Fatalf("live: %v", got)
	}
	for i, s := range c.seen {
		again, stop := listen(t, v, who, s.cursor)
		want := []string{"started"}
		for n := i + 2; n <= 12; n++ {
			want = append(want, fmt.Sprint(n))
		}
		want = append(want, "caught up")
		if got := again.whats(); !slices.Equal(got, want) {
			t.Fatalf("resumed after %s: %v, want %v", s.what, got, want)
		}
		if again.seen[0].cursor != s.cursor {
			t.Fatal("StreamStarted of a resumed stream has not the position that was given")
		}
		stop()
	}
	if n := src.followers(); n != 0 {
		t.Fatalf("%d followers are left", n)
	}
}

// A subscription is in force once it has started, not once it has said so.
func TestALiveStreamHasWhatComesBeforeItSaysThatItHasStarted(t *testing.T) {
	t.Parallel()
	src, who := newSource(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{}, src)
	src.add()
	for _, crowd := range []int{2, 3000} { // held, and more than is held
		st, err := v.Open(t.Context(), who, "")
		if err != nil {
			t.Fatal(err)
		}
		c := &client{}
		st.Start(c)
		_, first, _ := src.Position(t.Context())
		want := []string{"started"}
		for n := range crowd {
			src.add()
			want = append(want, fmt.Sprint(int(first)+n+1))
		}
		if err := st.CatchUp(t.Context(), func(items []feed.Item) error { c.take(items...); return nil }); err != nil {
			t.Fatal(err)
		}
		if got := c.whats(); !slices.Equal(got, want) {
			t.Errorf("%d events: %d of them, from %v", crowd, len(got)-1, got[:min(len(got), 3)])
		}
		again, stop := listen(t, v, who, c.seen[0].cursor)
		if got := again.whats(); len(got) != crowd+2 {
			t.Errorf("from StreamStarted on: %d events", len(got)-2)
		}
		stop()
		st.Close()
	}
}

func TestWhatCannotBeReplayedIsOneReset(t *testing.T) {
	t.Parallel()
	src, who := newSource(), ids.New[ids.User]()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	v := feed.NewViewers(codec(t, func() time.Time { return now }), feed.Config{MaxReplay: 20}, src)
	good, err := v.Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	others, _ := v.Now(t.Context(), ids.New[ids.User]())
	for range 5 {
		src.add()
	}
	ahead, _ := v.Now(t.Context(), who)
	flipped := []byte(good)
	flipped[7] ^= 1
	check := func(name, cursor, want string) {
		t.Helper()
		c, stop := listen(t, v, who, cursor)
		defer stop()
		src.add()
		got := c.whats()
		if len(got) != 4 || got[0] != "started" || got[1] != "reset "+want || got[2] != "caught up" {
			t.Errorf("%s: %v", name, got)
		}
		if _, _, _, err := v.Poll(t.Context(), who, cursor, 10); err == nil {
			t.Errorf("%s: the query takes it", name)
		} else if want != "TOO_MANY" && !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("%s: the query says %v", name, err)
		}
	}
	check("forged", string(flipped), "UNKNOWN")
	check("rubbish", "\"}\n", "UNKNOWN")
	check("very long", string(make([]byte, 1<<16)), "UNKNOWN")
	check("another viewer's", others, "UNKNOWN")
	for range 20 {
		src.add()
	}
	check("too old a position", good, "TOO_MANY")
	now = now.Add(feed.GoodFor + 3*time.Hour)
	check("an old cursor", good, "EXPIRED")
	src.mu.Lock()
	src.newest = 0
	src.mu.Unlock()
	now = now.Add(-feed.GoodFor)
	check("beyond the newest", ahead, "UNKNOWN")
	src.mu.Lock()
	src.newest, src.epoch = 100, "two"
	src.mu.Unlock()
	check("of other data", ahead, "UNKNOWN")
}

func TestTheFurtherOfTwoCursorsCounts(t *testing.T) {
	t.Parallel()
	src, who := newSource(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{}, src)
	early, _ := v.Now(t.Context(), who)
	src.add()
	late, _ := v.Now(t.Context(), who)
	for _, c := range []struct{ a, b, want string }{
		{early, late, late},
		{late, early, late},
		{"", early, early},
		{late, "", late},
		{"", "", ""},
		{"rubbish", early, early},
		{late, "rubbish", late},
		{"rubbish", "", "rubbish"},
	} {
		if got := v.Further(who, c.a, c.b); got != c.want {
			t.Errorf("of %q and %q: %q", c.a, c.b, got)
		}
	}
}

func TestPollingGoesThroughEverythingOnce(t *testing.T) {
	t.Parallel()
	a, b, who := newSource(), newSource(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{}, a, b)
	_, at, _, err := v.Poll(t.Context(), who, "", 5)
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		a.add()
		b.add()
	}
	var got []int64
	for pages := 0; ; pages++ {
		items, end, more, err := v.Poll(t.Context(), who, at, 4)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range items {
			got = append(got, *it.Event.(*int64))
			if c := string(it.Local.AppendCursor(nil)); i == len(items)-1 && more && c != end {
				t.Fatal("the page's end is not its last event's cursor")
			}
		}
		at = end
		if !more {
			break
		}
		if pages > 10 {
			t.Fatal("no end")
		}
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7}; !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
}

func TestWhoeverReadsMoreSlowlyThanThingsHappenIsToldToReadAfresh(t *testing.T) {
	t.Parallel()
	src, who := newSource(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{MaxReplay: 1500}, src)
	begin, err := v.Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	src.add()
	st, err := v.Open(t.Context(), who, begin)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	c := &client{}
	st.Start(c)
	slow := 2 // emissions during which more happens than is held, or replayed
	err = st.CatchUp(t.Context(), func(items []feed.Item) error {
		if slow--; slow == 0 {
			for range 2000 {
				src.add()
			}
		}
		c.take(items...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	src.add()
	want := []string{"started", "1", "caught up", "reset TOO_MANY", "caught up", "2002"}
	if got := c.whats(); !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestManyStreamsThatComeAndGoMissNothing(t *testing.T) {
	t.Parallel()
	src, who := newSource(), ids.New[ids.User]()
	v := feed.NewViewers(codec(t, nil), feed.Config{PageSize: 16, MaxReplay: 1 << 30}, src)
	begin, err := v.Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for range 20_000 { // without an end it could outrun the readers for ever
			src.add()
			runtime.Gosched()
		}
	})
	for range 8 {
		readers.Go(func() {
			at, last := begin, int64(0)
			for range 60 {
				c, done := listen(t, v, who, at)
				done()
				for _, w := range c.whats() {
					if w == "started" || w == "caught up" {
						continue
					}
					if last++; w != strconv.FormatInt(last, 10) {
						t.Errorf("%s, want %d", w, last)
						return
					}
				}
				at = c.last()
			}
		})
	}
	readers.Wait()
	writer.Wait()
}

func FuzzResume(f *testing.F) {
	src, who := newSource(), ids.New[ids.User]()
	c, err := feed.NewCodec([]byte("0123456789abcdef0123456789abcdef"), nil)
	if err != nil {
		f.Fatal(err)
	}
	v := feed.NewViewers(c, feed.Config{}, src)
	good, _ := v.Now(context.Background(), who)
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		_, _, _, err := v.Poll(t.Context(), who, text, 1)
		if err == nil && text != "" && text != good {
			t.Fatalf("%q passes for a cursor", text)
		}
	})
}
