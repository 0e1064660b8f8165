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

	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

// town is some nodes over one store, and who knows whom.
type town struct {
	t     *testing.T
	store *usertest.Fake
	nodes []*user.PresenceService
	stop  []func()

	mu      sync.Mutex
	rooms   [][]ids.User
	asked   int  // of the circle
	away    bool // the circle
	cut     map[*user.PresenceService]bool
	deliver bool // what is cried
	cries   []string
}

// Companions implements user.Circle.
func (w *town) Companions(_ context.Context, of ids.User) ([]ids.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked++; w.away {
		return nil, errs.ErrUnavailable
	}
	var all []ids.User
	for _, room := range w.rooms {
		if slices.Contains(room, of) {
			all = append(all, room...)
		}
	}
	slices.SortFunc(all, ids.User.Compare)
	return slices.Compact(all), nil
}

// Together implements user.Circle.
func (w *town) Together(ctx context.Context, who ids.User, of []ids.User) ([]ids.User, error) {
	all, err := w.Companions(ctx, who)
	return slices.DeleteFunc(slices.Clone(of), func(u ids.User) bool { return !slices.Contains(all, u) }), err
}

func (w *town) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (w *town) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// crier carries what one node says to all.
type crier struct {
	w    *town
	from int
}

func (c crier) PublishLossy(_ context.Context, e bus.Envelope) {
	c.w.mu.Lock()
	c.w.cries = append(c.w.cries, string(e.Payload))
	deliver, nodes := c.w.deliver, c.w.nodes
	cut := c.w.cut
	c.w.mu.Unlock()
	if !deliver || cut[nodes[c.from]] {
		return
	}
	for _, n := range nodes {
		if !cut[n] {
			n.Hear(e)
		}
	}
}

// newTown starts nodes in a bubble; boards may be nil.
func newTown(t *testing.T, nodes int, boards ...user.Board) *town {
	t.Helper()
	w := &town{t: t, store: usertest.NewFake(), deliver: true, cut: map[*user.PresenceService]bool{}}
	for i := range nodes {
		deps := user.PresenceDeps{Store: w.store, Circle: w, Log: zerolog.Nop()}
		if nodes > 1 {
			deps.Crier = crier{w, i}
		}
		if len(boards) > i {
			deps.Board = boards[i]
		}
		w.nodes = append(w.nodes, user.NewPresence(deps, user.PresenceConfig{}))
	}
	for i := range w.nodes {
		w.stop = append(w.stop, w.run(i))
	}
	synctest.Wait()
	return w
}

// add adds a node.
func (w *town) add() {
	i := len(w.nodes)
	n := user.NewPresence(user.PresenceDeps{Store: w.store, Circle: w, Log: zerolog.Nop(), Crier: crier{w, i}}, user.PresenceConfig{})
	w.set(func() { w.nodes = append(w.nodes, n) })
	w.stop = append(w.stop, w.run(i))
}

// lose cuts a node off from what others cry.
func (w *town) lose(i int) { w.set(func() { w.cut[w.nodes[i]] = true }) }

// run runs a node until the test ends or stop is called.
func (w *town) run(i int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.nodes[i].Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// people makes users, all in one room when together.
func (w *town) people(together bool, names ...string) []ids.User {
	w.t.Helper()
	var all []ids.User
	for _, name := range names {
		p := usertest.Profile(name, strings.ToUpper(name))
		if err := w.store.Create(w.t.Context(), p); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, p.ID)
	}
	if together {
		w.set(func() { w.rooms = append(w.rooms, all) })
	}
	return all
}

func (w *town) choose(node int, who ids.User, choice user.Availability) {
	w.t.Helper()
	if _, err := w.nodes[node].Set(w.t.Context(), who, choice); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) sees(node int, viewer, of ids.User) user.Presence {
	w.t.Helper()
	found, err := w.nodes[node].Presences(w.t.Context(), viewer, []ids.User{of})
	if err != nil {
		w.t.Fatal(err)
	}
	return found[of]
}

// wantSeen checks a status as one node shows it.
func (w *town) wantSeen(when string, node int, viewer, of ids.User, want user.Availability) {
	w.t.Helper()
	if got := w.sees(node, viewer, of); got.Status != want {
		w.t.Errorf("%s: %s, want %s", when, got.Status, want)
	}
}

// ear hears signals, or a watch, of one viewer.
type ear struct {
	mu    sync.Mutex
	heard []user.Presence
}

func (e *ear) Offer(it feed.Item) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := it.Event.(*user.PresenceChanged); ok {
		e.heard = append(e.heard, c.Presence)
	}
	return true
}

func (e *ear) End(error) {}

// said returns what was heard since the last time, such as "ONLINE AWAY".
func (e *ear) said() string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, p := range e.heard {
		all = append(all, string(p.Status))
	}
	e.heard = nil
	return strings.Join(all, " ")
}

func (w *town) listen(node int, viewer ids.User) *ear {
	e := &ear{}
	w.t.Cleanup(w.nodes[node].Follow(viewer, func(s feed.Signal) { e.Offer(feed.Item{Event: s.Event}) }))
	return e
}

func (w *town) watch(node int, viewer ids.User, of ...ids.User) *ear {
	w.t.Helper()
	st, err := w.nodes[node].Watch(viewer, of)
	if err != nil {
		w.t.Fatal(err)
	}
	e := &ear{}
	st.Start(e)
	w.t.Cleanup(st.Close)
	return e
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() } //nolint:forbidigo // Of a bubble's clock.

func TestPresenceFollowsTheSocketsOfAllDevices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears, watches := w.listen(0, bob), w.watch(0, bob, ada, ids.New[ids.User]())
		own := w.listen(0, ada)
		one, two := w.nodes[0].Attend(ada), w.nodes[0].Attend(ada)
		pass(time.Second)
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("on coming: %q", got)
		}
		one.End()
		pass(time.Minute)
		if got := hears.said(); got != "" {
			t.Errorf("with one device of two: %q", got)
		}
		two.End()
		pass(2 * time.Second)
		again := w.nodes[0].Attend(ada)
		pass(time.Minute)
		if got := hears.said(); got != "" {
			t.Errorf("on a reconnect within the grace: %q", got)
		}
		again.End()
		w.wantSeen("at once", 0, bob, ada, user.Online)
		pass(5 * time.Second)
		if got := hears.said(); got != "OFFLINE" {
			t.Errorf("on going: %q", got)
		}
		w.wantSeen("after the grace", 0, bob, ada, user.Offline)
		if got := watches.said(); got != "ONLINE OFFLINE" {
			t.Errorf("by name: %q", got)
		}
		if got := own.said(); got != "" { // that she has come she knows
			t.Errorf("of herself: %q", got)
		}
	})
}

func TestWithoutActivityIsAwayAndActivityEndsItAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(0, bob)
		socket := w.nodes[0].Attend(ada)
		for range 10 {
			pass(4 * time.Minute)
			socket.Active()
		}
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("active all the time: %q", got)
		}
		pass(5*time.Minute + 2*time.Second)
		if got := hears.said(); got != "AWAY" {
			t.Errorf("after five minutes: %q", got)
		}
		idle := w.sees(0, bob, ada)
		if ago := time.Since(idle.LastActiveAt); idle.Status != user.Away || ago < 5*time.Minute || ago > 5*time.Minute+5*time.Second {
			t.Errorf("%+v: %v ago", idle, ago)
		}
		w.nodes[0].Active(ada) // over HTTP
		pass(300 * time.Millisecond)
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("on activity: %q", got)
		}
		pass(2 * time.Minute)
		socket.End()
		pass(10 * time.Second)
		if p := w.sees(0, bob, ada); p.Status != user.Offline || time.Since(p.LastActiveAt) < 2*time.Minute || time.Since(p.LastActiveAt) > 3*time.Minute {
			t.Errorf("after her time: %+v", p)
		}
	})
}

func TestAChoiceHoldsUntilTheNextAndSurvivesReconnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		w.choose(0, ada, user.Busy)
		w.wantSeen("busy without a socket", 0, bob, ada, user.Offline)
		hears, own := w.listen(0, bob), w.listen(0, ada)
		socket := w.nodes[0].Attend(ada)
		pass(time.Second)
		pass(10 * time.Minute)
		if got := hears.said(); got != "BUSY" {
			t.Errorf("busy: %q", got)
		}
		w.choose(0, ada, user.Away)
		socket.Active()
		pass(time.Second)
		w.choose(0, ada, user.Online)
		pass(time.Second)
		if got := hears.said(); got != "AWAY ONLINE" {
			t.Errorf("by hand: %q", got)
		}
		if got := own.said(); got != "AWAY ONLINE" {
			t.Errorf("her other devices: %q", got)
		}
		if _, err := w.nodes[0].Set(t.Context(), ada, "ASLEEP"); !errors.Is(err, user.ErrBadPresence) {
			t.Errorf("asleep: %v", err)
		}
	})
}

// Who hides is on all paths as one who has gone, and stays so.
func TestWhoHidesIsAsOneWhoHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(0, bob)
		socket := w.nodes[0].Attend(ada)
		pass(time.Minute)
		w.choose(0, ada, user.Offline)
		hid := time.Now()
		w.wantSeen("as soon as it is answered", 0, bob, ada, user.Offline)
		pass(time.Second)
		if got := hears.said(); got != "ONLINE OFFLINE" {
			t.Errorf("hears %q", got)
		}
		before := w.sees(0, bob, ada)
		if !before.LastActiveAt.Equal(hid.UTC().Truncate(time.Second)) {
			t.Errorf("she was active at %v, and hid at %v", before.LastActiveAt, hid)
		}
		for range 3 {
			pass(7 * time.Minute)
			socket.Active()
			socket.End()
			pass(7 * time.Minute)
			socket = w.nodes[0].Attend(ada)
			pass(time.Minute)
		}
		if after := w.sees(0, bob, ada); after != before {
			t.Errorf("was %+v, is %+v", before, after)
		}
		snapshot, err := w.nodes[0].Snapshot(t.Context(), bob)
		if err != nil || len(snapshot.Event.(*user.PresenceSnapshot).Presences) != 0 {
			t.Errorf("%+v, %v", snapshot.Event, err)
		}
		if got := hears.said(); got != "" {
			t.Errorf("while she hides: %q", got)
		}
		w.choose(0, ada, user.Online)
		pass(time.Second)
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("then: %q", got)
		}
	})
}

func TestAStrangerSeesAlwaysTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		ada, eve := w.people(false, "ada")[0], w.people(false, "eve")[0]
		never := ids.New[ids.User]()
		hears, watches := w.listen(0, eve), w.watch(0, eve, ada, never)
		constant := user.Presence{User: ada, Status: user.Offline}
		look := func(when string) {
			t.Helper()
			pass(10 * time.Second)
			if got := w.sees(0, eve, ada); got != constant {
				t.Errorf("%s: %+v", when, got)
			}
		}
		look("before")
		socket := w.nodes[0].Attend(ada)
		look("while she is there")
		w.choose(0, ada, user.Busy)
		look("while she is busy")
		socket.End()
		look("when she has gone")
		if got := hears.said() + watches.said(); got != "" {
			t.Errorf("heard %q", got)
		}
		// Once they share a conversation the same subscriptions hear of her.
		w.set(func() { w.rooms = append(w.rooms, []ids.User{ada, eve}) })
		socket = w.nodes[0].Attend(ada)
		pass(time.Second)
		if got := hears.said() + watches.said(); got != "BUSYBUSY" {
			t.Errorf("as her companion: %q", got)
		}
		w.set(func() { w.rooms = nil })
		socket.End()
		look("when that is over")
		if got := hears.said() + watches.said(); got != "" {
			t.Errorf("when that is over: %q", got)
		}
		if _, err := w.nodes[0].Watch(eve, make([]ids.User, user.MaxIDs+1)); !errors.Is(err, user.ErrTooMany) {
			t.Errorf("too many: %v", err)
		}
	})
}

func TestChangesAreToldTogetherAndActivityAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(0, bob)
		socket := w.nodes[0].Attend(ada)
		pass(time.Second)
		hears.said()
		asked := w.questions()
		for range 10_000 {
			socket.Active()
			w.nodes[0].Active(ada)
		}
		pass(time.Minute)
		if n := w.questions() - asked; n != 0 {
			t.Errorf("activity asked the circle %d times", n)
		}
		for _, c := range []user.Availability{user.Busy, user.Away, user.Busy, user.Online, user.Away} {
			w.choose(0, ada, c)
		}
		pass(time.Second)
		if got := hears.said(); got != "AWAY" {
			t.Errorf("five changes at once: %q", got)
		}
		if n := w.questions() - asked; n > 1+5 { // each Set looks at its own, which asks nobody
			t.Errorf("asked %d times", n)
		}
	})
}

func TestWhatTheStoreHindersIsToldWhenItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		ada, bob := u[0], u[1]
		hears := w.listen(0, bob)
		socket := w.nodes[0].Attend(ada)
		pass(time.Second)
		w.set(func() { w.away = true })
		socket.End()
		pass(time.Minute)
		if got := hears.said(); got != "ONLINE" {
			t.Errorf("meanwhile %q", got)
		}
		w.set(func() { w.away = false })
		pass(2 * time.Second)
		if got := hears.said(); got != "OFFLINE" {
			t.Errorf("then %q", got)
		}
	})
}

func TestLastActivitySurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		u := w.people(true, "ada", "bob")
		socket := w.nodes[0].Attend(u[0])
		pass(time.Second)
		socket.End()
		w.stop[0]()
		other := user.NewPresence(user.PresenceDeps{Store: w.store, Circle: w, Log: zerolog.Nop()}, user.PresenceConfig{})
		pass(2 * time.Second)
		found, err := other.Presences(t.Context(), u[1], u[:1])
		if p := found[u[0]]; err != nil || p.Status != user.Offline || p.LastActiveAt.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// A thousand people who come at once are told of in some steps, each once.
func TestManyAtOnceAreToldOnceEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		var names []string
		for n := range 1200 {
			names = append(names, fmt.Sprint("p", n))
		}
		u := w.people(true, names...)
		hears := w.listen(0, u[0])
		for _, who := range u[1:] {
			w.nodes[0].Attend(who)
		}
		pass(2 * time.Second)
		if n := len(strings.Fields(hears.said())); n != 1199 {
			t.Errorf("heard of %d", n)
		}
		snapshot, err := w.nodes[0].Snapshot(t.Context(), u[0])
		if err != nil || len(snapshot.Event.(*user.PresenceSnapshot).Presences) != 1199 {
			t.Errorf("a snapshot of %d, %v", len(snapshot.Event.(*user.PresenceSnapshot).Presences), err)
		}
	})
}
