package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/lifecycle"
)

var errBroken = errors.New("broken")

// diary notes what the parts were told.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) part(name string) lifecycle.Part {
	return lifecycle.Part{
		Name:  name,
		Start: func(context.Context) error { d.note("start " + name); return nil },
		Stop:  func(context.Context) error { d.note("stop " + name); return nil },
	}
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("it went\n\t%s\nwant\n\t%s", strings.Join(d.lines, ", "), strings.Join(lines, ", "))
	}
}

func setup(t *testing.T) (*diary, *lifecycle.Group) {
	t.Helper()
	return &diary{}, lifecycle.New(zerolog.Nop())
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	t.Parallel()
	d, g := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	last := d.part("c")
	last.Start = func(context.Context) error { d.note("start c"); cancel(); return nil }
	g.Add(d.part("a"), d.part("b"), last)
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	d.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
}

func TestAStartThatFailsStopsWhatHadStarted(t *testing.T) {
	t.Parallel()
	d, g := setup(t)
	bad := d.part("b")
	bad.Start = func(context.Context) error { return errBroken }
	g.Add(d.part("a"), bad, d.part("c"))
	err := g.Run(t.Context())
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "start b") {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "stop a")
}

func TestAnEndDuringTheStartIsNoFailure(t *testing.T) {
	t.Parallel()
	d, g := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	slow := d.part("b")
	slow.Start = func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }
	g.Add(d.part("a"), slow, d.part("c"))
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	d.want(t, "start a", "stop a")
}

func TestADeadPartStopsAll(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dies, want error }{
		"with an error":     {errBroken, errBroken},
		"without an error":  {nil, lifecycle.ErrEnded},
		"of its own cancel": {context.Canceled, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, g := setup(t)
			mortal := d.part("b")
			mortal.Run = func(context.Context) error { return test.dies }
			g.Add(d.part("a"), mortal)
			err := g.Run(t.Context())
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "b:") {
				t.Errorf("got %v", err)
			}
			d.want(t, "start a", "start b", "stop b", "stop a")
		})
	}
}

func TestRunEndsAfterStopAndBeforeThePartBelow(t *testing.T) {
	t.Parallel()
	d, g := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := d.part("b")
	p.Run = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		d.note("end b")
		return ctx.Err()
	}
	g.Add(d.part("a"), p)
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	d.want(t, "start a", "start b", "stop b", "end b", "stop a")
}

func TestAPartThatDoesNotStopIsLeftAfterItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := make(chan struct{})
		stuck := lifecycle.Part{
			Name:  "stuck",
			Limit: 3 * time.Second,
			Start: func(context.Context) error { return nil },
			Stop:  func(context.Context) error { <-cancelled; return nil }, // deaf to its ctx
		}
		trigger := d.part("c")
		trigger.Start = func(context.Context) error { cancel(); return nil }
		g.Add(d.part("a"), stuck, trigger)
		begin := time.Now()
		err := g.Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop stuck") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		d.want(t, "start a", "stop c", "stop a")
		close(cancelled)
	})
}

func TestAPartWhoseStopEndsItsRunHasNotDied(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	g := lifecycle.New(zerolog.Nop())
	g.Add(
		lifecycle.Part{
			Name: "server",
			Run:  func(context.Context) error { <-served; return nil },
			Stop: func(context.Context) error { close(served); return nil },
		},
		lifecycle.Part{Name: "last", Start: func(context.Context) error { cancel(); return nil }},
	)
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
