package kafkabus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/relay"
	"chatd/internal/platform/relay/relaytest"
)

// journal is a relay.Log in memory, as a store has it: positions without holes.
type journal struct {
	mu  sync.Mutex
	all []bus.Envelope
}

const journalKeys = 10

// commit appends one event of one of some keys.
func (j *journal) commit() {
	j.mu.Lock()
	defer j.mu.Unlock()
	pos := int64(len(j.all) + 1)
	j.all = append(j.all, event(fmt.Sprint("k", pos%journalKeys), pos))
}

func (j *journal) Read(_ context.Context, after int64, limit int) ([]bus.Envelope, int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	part := slices.Clone(j.all[after:min(int(after)+limit, len(j.all))])
	return part, after + int64(len(part)), nil
}

func (j *journal) LastChange(context.Context) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(len(j.all)), nil
}

func (j *journal) len() int {
	n, _ := j.LastChange(context.Background())
	return int(n)
}

// ended is what a group did that knows repeats.
type ended struct {
	mu      sync.Mutex
	byKey   map[string][]int64 // what it did, in its order
	known   map[int64]bool
	repeats int
}

func newEnded() *ended { return &ended{byKey: map[string][]int64{}, known: map[int64]bool{}} }

func (e *ended) handle(_ context.Context, got bus.Envelope) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known[got.Pos] {
		e.repeats++
		return nil
	}
	e.known[got.Pos] = true
	e.byKey[got.Key] = append(e.byKey[got.Key], got.Pos)
	return nil
}

func (e *ended) len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.known)
}

// mustBeWhole waits until all of the journal is handled, and holds it to each
// event's effect once and each key's order.
func (e *ended) mustBeWhole(t *testing.T, j *journal) {
	t.Helper()
	soon(t, "all events", func() bool { return e.len() >= j.len() })
	e.mu.Lock()
	defer e.mu.Unlock()
	total := 0
	for key, got := range e.byKey {
		total += len(got)
		if !slices.IsSorted(got) {
			t.Errorf("%s was handled as %v", key, got)
		}
	}
	if total != j.len() {
		t.Errorf("%d effects of %d events", total, j.len())
	}
	t.Logf("%d events: lost 0, doubled 0, out of order 0 (%d were handed out again and known)", total, e.repeats)
}

// relayed runs a relay of the journal to the bus, until the test ends.
func relayed(t *testing.T, j *journal, to bus.Bus) {
	t.Helper()
	r := relay.New(relay.Deps{
		Events: j, Positions: &relaytest.Fake{}, To: to.Receivers()[0], Log: zerolog.New(zerolog.NewTestWriter(t)),
	}, relay.Config{Name: "a>kafka", Poll: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { // before the bus stops
		cancel()
		running.Wait()
	})
}

func TestEventsOutliveAKafkaThatIsKilled(t *testing.T) {
	t.Parallel()
	s := kafkabustest.Start(t)
	cfg := brisk([]string{s.Address(kafkabustest.Plain)})
	heard := newEnded()
	consumer := open(t, cfg)
	group(t, consumer, heard.handle)
	start(t, consumer)
	cfg.Publishes = []string{"a"}
	publisher, counts := counting(t, cfg)
	start(t, publisher)
	var j journal
	relayed(t, &j, publisher)

	ctx, stopWriting := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	t.Cleanup(func() { stopWriting(); writing.Wait() })
	writing.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			j.commit()
		}
	})
	for range brokerKills {
		calm := heard.len() + 400 // 2 s, in which all is committed that came before
		soon(t, "events before the kill", func() bool { return heard.len() > calm })
		s.Kill(t)
		dead, before := time.After(brokerDown), j.len()
		soon(t, "unhealthy", func() bool { return publisher.Healthy() != nil })
		soon(t, "what waits is told", func() bool { return testutil.ToFloat64(counter(t, counts, "chatd_bus_waiting")) > 0 })
		<-dead
		t.Logf("%d events while Kafka was away: %v", j.len()-before, publisher.Healthy())
		took := s.Again(t)
		back := time.Now()
		goal := j.len()
		soon(t, "what was committed meanwhile", func() bool { return heard.len() >= goal })
		t.Logf("Kafka started in %v; %d events were all handled %v after", took, goal, time.Since(back))
		soon(t, "healthy", func() bool { return publisher.Healthy() == nil && consumer.Healthy() == nil })
	}
	stopWriting()
	writing.Wait()
	heard.mustBeWhole(t, &j)
	soon(t, "nothing waits", func() bool { return testutil.ToFloat64(counter(t, counts, "chatd_bus_waiting")) == 0 })
}

// soon waits until ok, for no longer than patience.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

func TestEventsOutliveBrokersThatRefuseEveryFifthOfThem(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*kerr.Error{"not the leader": kerr.NotLeaderForPartition, "timed out": kerr.RequestTimedOut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			heard := newEnded()
			b := open(t, quick(c))
			group(t, b, heard.handle)
			start(t, b)
			asked := 0 // by the cluster's one goroutine
			refused := c.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Topic: "chatd.a", Err: err, Count: -1,
				When: func(kmsg.Request) bool { asked++; return asked%5 == 0 },
			})
			var j journal
			relayed(t, &j, b)
			for range 10 {
				for range 20 {
					j.commit()
				}
				goal := j.len()
				soon(t, "a batch", func() bool { return heard.len() >= goal })
			}
			heard.mustBeWhole(t, &j)
			if refused.Hits() == 0 {
				t.Error("nothing was refused")
			}
			if n := heard.repeats; n != 0 {
				t.Errorf("%d events were taken twice", n)
			}
		})
	}
}

// asConsumer makes the test binary a node of the group, which is killed right
// after it has handled an event.
const asConsumer = "CHATD_TEST_KAFKA_CONSUMER"

func TestMain(m *testing.M) {
	if plan := os.Getenv(asConsumer); plan != "" {
		consume(plan)
		return
	}
	os.Exit(m.Run())
}

type plan struct {
	Config kafkabus.Config
	File   string // gets "key position" of each event, as it is handled
	Last   int    // the how manieth event it is killed after
}

func consume(text string) {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(err)
	}
	file, err := os.OpenFile(p.File, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	b, err := kafkabus.New(kafkabus.Deps{Log: zerolog.Nop()}, p.Config)
	if err != nil {
		panic(err)
	}
	handled := 0 // by the one worker
	err = b.Group("g", []string{"a"}, func(_ context.Context, e bus.Envelope) error {
		<-time.After(20 * time.Millisecond) // so that some are committed meanwhile
		if _, err := fmt.Fprintln(file, e.Key, e.Pos); err != nil {
			panic(err)
		}
		if handled++; handled == p.Last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	if err == nil {
		err = b.Start(context.Background())
	}
	if err != nil {
		panic(err)
	}
	select {}
}

func TestANodeThatIsKilledBetweenHandlingAndCommittingLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg kafkabus.Config) {
		t.Helper()
		cfg.Session, cfg.Workers, cfg.Partitions = 2*time.Second, 1, 2
		var j journal
		for range 100 {
			j.commit()
		}
		publishing := cfg
		publishing.Publishes = []string{"a"}
		publisher := open(t, publishing)
		start(t, publisher)
		if err := publisher.Publish(patient(t), j.all...); err != nil {
			t.Fatal(err)
		}
		p := plan{Config: cfg, File: filepath.Join(t.TempDir(), "handled"), Last: 50}
		for range 2 {
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), asConsumer+"="+string(text))
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("it ended with %v:\n%s", err, out)
			}
			p.Last = 10
		}
		handled, err := os.ReadFile(p.File)
		if err != nil {
			t.Fatal(err)
		}
		all := newLog()
		var last bus.Envelope
		for line := range strings.Lines(string(handled)) {
			key, pos, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.ParseInt(pos, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			last = bus.Envelope{Key: key, Pos: n}
			_ = all.handle(t.Context(), last)
		}
		if all.len() != 60 {
			t.Errorf("%d events were handled before the kills", all.len())
		}
		again := newLog()
		rest := open(t, cfg)
		group(t, rest, again.handle)
		start(t, rest)
		for k := range journalKeys {
			key := fmt.Sprint("k", k)
			var want []int64
			for _, e := range j.all {
				if e.Key == key {
					want = append(want, e.Pos)
				}
			}
			again.until(t, key, func() bool { return slices.Contains(again.key(key), want[len(want)-1]) })
			got := append(all.key(key), again.key(key)...)
			if !slices.Equal(firsts(got), want) {
				t.Errorf("%s was handled as %v", key, got)
			}
		}
		if !slices.Contains(again.key(last.Key), last.Pos) {
			t.Error("what was handled and could not be committed was not handed out again")
		}
		if n := again.len(); n >= 100 {
			t.Errorf("%d of 100 events were handed out again: nothing was ever committed", n)
		}
	})
}
