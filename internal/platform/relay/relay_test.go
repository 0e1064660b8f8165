package relay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/localbus"
	"chatd/internal/platform/relay"
	"chatd/internal/platform/relay/relaytest"
)

var errBroken = errors.New("broken")

type world struct {
	log       events
	positions relaytest.Fake
	to        receiver
}

func (w *world) relay(cfg relay.Config) *relay.Relay {
	cfg.Name = "a>g"
	return relay.New(relay.Deps{Events: &w.log, Positions: &w.positions, To: &w.to, Log: zerolog.Nop()}, cfg)
}

// run runs a relay until the returned stop, which waits for it.
func run(t *testing.T, r *relay.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-done
	})
}

func (w *world) stored(t *testing.T) relay.State {
	t.Helper()
	s, err := w.positions.Load(t.Context(), "a>g")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) wantHeard(t *testing.T, want []int64) {
	t.Helper()
	if got := w.to.positions(); !slices.Equal(got, want) {
		t.Errorf("heard %v, want %v", got, want)
	}
}

func TestALogArrivesInOrderAndThePositionIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.log.commit(25)
		stop := run(t, w.relay(relay.Config{Batch: 10}))
		defer stop()
		synctest.Wait()
		w.wantHeard(t, upTo(1, 25))
		pass(250 * time.Millisecond)
		if s := w.stored(t); s.Pos != 25 {
			t.Errorf("stored %+v", s)
		}
	})
}

func TestAWokenRelayDoesNotWaitForItsPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		r := w.relay(relay.Config{})
		stop := run(t, r)
		defer stop()
		synctest.Wait()
		w.log.commit(1)
		r.Wake()
		synctest.Wait()
		w.wantHeard(t, upTo(1, 1))
		w.log.commit(1) // and by a poll if nobody wakes it
		pass(500 * time.Millisecond)
		w.wantHeard(t, upTo(1, 2))
	})
}

func TestWhatWasCommittedWhileNoneRanIsHeardAfterTheRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.log.commit(3)
		stop := run(t, w.relay(relay.Config{}))
		synctest.Wait()
		stop()
		w.log.commit(2)
		begin := time.Now()
		stop = run(t, w.relay(relay.Config{}))
		synctest.Wait() // the lease was let go: nobody waits for its end
		w.wantHeard(t, upTo(1, 5))
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %s", took)
		}
		stop()
		if s := w.stored(t); s.Pos != 5 || !s.Free || s.Term != 2 {
			t.Errorf("stored %+v", s)
		}
	})
}

func TestThePositionNeverPassesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.to.hold()
		w.log.commit(9)
		stop := run(t, w.relay(relay.Config{Batch: 3}))
		synctest.Wait()
		w.wantHeard(t, upTo(1, 9)) // offered ahead
		w.to.release(0, nil)
		w.to.release(2, nil) // but the second is in between
		pass(time.Second)
		if s := w.stored(t); s.Pos != 3 {
			t.Errorf("stored %+v", s)
		}
		stop()
		stop = run(t, w.relay(relay.Config{Batch: 3}))
		defer stop()
		synctest.Wait()
		w.wantHeard(t, slices.Concat(upTo(1, 9), upTo(4, 9)))
	})
}

func TestNoMoreIsOfferedThanTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.to.hold()
		w.log.commit(100)
		stop := run(t, w.relay(relay.Config{Batch: 1, Window: 4}))
		defer stop()
		synctest.Wait()
		if n := len(w.to.positions()); n > 5 { // one waits to be noted
			t.Errorf("%d offered", n)
		}
	})
}

func TestHowFarARelayIsBehindIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.to.hold()
		w.log.commit(1000)
		counts := prometheus.NewRegistry()
		stop := run(t, relay.New(relay.Deps{
			Events: &w.log, Positions: &w.positions, To: &w.to, Log: zerolog.Nop(), Metrics: relay.NewMetrics(counts),
		}, relay.Config{Name: "a>g", Batch: 10, Window: 4}))
		tells := func(want string) {
			t.Helper()
			pass(1500 * time.Millisecond)
			if want != "" {
				want = "# HELP chatd_relay_backlog Events in the log that are not yet safe with the receiver, by relay; on the node that holds it.\n" +
					"# TYPE chatd_relay_backlog gauge\nchatd_relay_backlog{relay=\"a>g\"} " + want + "\n"
			}
			if err := testutil.GatherAndCompare(counts, strings.NewReader(want), "chatd_relay_backlog"); err != nil {
				t.Error(err)
			}
		}
		tells("1000") // of which few are offered
		w.to.release(0, nil)
		tells("990")
		w.log.commit(5)
		tells("995")
		stop()
		tells("") // another node knows more now
	})
}

func TestWhatAReceiverGivesBackIsOfferedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		w.to.hold()
		w.log.commit(4)
		stop := run(t, w.relay(relay.Config{Batch: 2}))
		defer stop()
		synctest.Wait()
		w.to.release(0, nil)
		w.to.release(1, bus.ErrStopped)
		pass(time.Second)
		w.wantHeard(t, slices.Concat(upTo(1, 4), upTo(3, 4)))
	})
}

func TestAFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*world, error){
		"of the log":       func(w *world, err error) { w.log.fail(err) },
		"of the positions": func(w *world, err error) { w.positions.Fail(err) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w world
				w.log.commit(1)
				fail(&w, errBroken)
				stop := run(t, w.relay(relay.Config{}))
				defer stop()
				pass(10 * time.Second)
				w.wantHeard(t, nil)
				fail(&w, nil)
				pass(4 * time.Second)
				w.wantHeard(t, upTo(1, 1))
			})
		})
	}
}

func TestOneNodeRelaysAndAnotherTakesOverWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w, cut world // the same store, but cut can lose its connection
		failing := &cutOff{Positions: &w.positions}
		first := relay.New(relay.Deps{Events: &w.log, Positions: failing, To: &cut.to, Log: zerolog.Nop()},
			relay.Config{Name: "a>g"})
		stopFirst := run(t, first)
		defer stopFirst()
		synctest.Wait()
		second := w.relay(relay.Config{})
		stopSecond := run(t, second)
		defer stopSecond()
		w.log.commit(2)
		pass(time.Minute) // of beats
		w.wantHeard(t, nil)
		cut.wantHeard(t, upTo(1, 2))

		failing.cut(errBroken) // the first is alive, but cannot say so
		begin := time.Now()
		w.log.commit(1)
		for len(w.to.positions()) == 0 && time.Since(begin) < 10*time.Second {
			pass(100 * time.Millisecond)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took over after %s", took)
		}
		w.wantHeard(t, upTo(3, 3))
		failing.cut(nil)
		pass(time.Minute)
		if s := w.stored(t); s.Pos != 3 || s.Term != 2 {
			t.Errorf("stored %+v", s)
		}
	})
}

func TestAStopWhileAHandlerIsBusyLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		var mu sync.Mutex
		var handled []int64
		block := true
		life := func() (stop func(crash bool)) {
			b := localbus.New(localbus.Deps{Log: zerolog.Nop()}, localbus.Config{Workers: 1})
			err := b.Group("g", []string{"a"}, func(ctx context.Context, e bus.Envelope) error {
				if block && e.Pos == 3 {
					<-ctx.Done()
					return ctx.Err()
				}
				mu.Lock()
				defer mu.Unlock()
				handled = append(handled, e.Pos)
				return nil
			})
			if err == nil {
				err = b.Start(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			stop1 := run(t, relay.New(relay.Deps{
				Events: &w.log, Positions: &w.positions, To: b.Receivers()[0], Log: zerolog.Nop(),
			}, relay.Config{Name: "a>g", Batch: 1, Alone: true}))
			return func(crash bool) {
				if crash {
					w.positions.Fail(errBroken) // nothing is stored any more
				}
				stop1()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = b.Stop(ctx)
				w.positions.Fail(nil)
			}
		}
		w.log.commit(6)
		kill := life()
		synctest.Wait()
		kill(true)
		block = false
		stop := life()
		synctest.Wait()
		stop(false)
		if want := slices.Concat(upTo(1, 2), upTo(1, 6)); !slices.Equal(handled, want) {
			t.Errorf("handled %v, want %v", handled, want)
		}
	})
}
