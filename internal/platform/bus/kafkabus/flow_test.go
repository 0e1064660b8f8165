package kafkabus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/bus/kafkabus"
)

func TestWhatWasHandledButNotCommittedIsSeenAgain(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	var events []bus.Envelope
	for i := range int64(20) {
		events = append(events, event(fmt.Sprint("k", i%3), i+1))
	}

	lame := c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1,
	})
	first := newLog()
	before := open(t, quick(c))
	group(t, before, first.handle)
	start(t, before)
	if err := before.Publish(patient(t), events[:10]...); err != nil {
		t.Fatal(err)
	}
	first.until(t, "the first events", func() bool { return first.len() == 10 })
	stop(t, before)
	if lame.Hits() == 0 {
		t.Fatal("nothing tried to commit")
	}
	lame.Remove()

	second := newLog()
	after := open(t, quick(c))
	group(t, after, second.handle)
	start(t, after)
	if err := after.Publish(patient(t), events[10:]...); err != nil {
		t.Fatal(err)
	}
	second.until(t, "all events", func() bool { return second.len() == 20 })
	stop(t, after)

	third := newLog()
	last := open(t, quick(c))
	group(t, last, third.handle)
	start(t, last)
	if err := last.Publish(patient(t), event("k0", 21)); err != nil {
		t.Fatal(err)
	}
	third.until(t, "the event after all commits", func() bool { return third.len() > 0 })
	if got := third.key("k0"); !slices.Equal(got, []int64{21}) || third.len() != 1 {
		t.Errorf("handled and committed, and handled again: %v", got)
	}
}

func TestWhatWasNotHandledAtAnUntimelyEndIsHandledByTheNext(t *testing.T) {
	t.Parallel()
	each(t, untimelyEnd)
}

func untimelyEnd(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	first := newLog()
	before := open(t, cfg)
	entered := make(chan struct{})
	group(t, before, func(ctx context.Context, e bus.Envelope) error {
		if e.Pos < 3 {
			return first.handle(ctx, e)
		}
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	start(t, before)
	if err := before.Publish(patient(t), event("k", 1), event("k", 2), event("k", 3), event("k", 4)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-entered:
	case <-time.After(patience):
		t.Fatal("the third event was not handed out")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := before.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}

	second := newLog()
	after := open(t, cfg)
	group(t, after, second.handle)
	start(t, after)
	second.until(t, "the rest", func() bool { return slices.Contains(second.key("k"), 4) })
	if got := second.key("k"); !slices.Equal(got, []int64{3, 4}) {
		t.Errorf("the next handled %v", got)
	}
}

func TestPartitionsMoveBetweenNodesWithoutHolesOrDisorder(t *testing.T) {
	t.Parallel()
	each(t, moving)
}

func moving(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	const keys, each = 8, 60
	all, here, there := newLog(), newLog(), newLog()
	both := func(own *log) bus.Handler {
		return func(ctx context.Context, e bus.Envelope) error {
			return errors.Join(own.handle(ctx, e), all.handle(ctx, e))
		}
	}
	a, b := open(t, cfg), open(t, cfg)
	group(t, a, both(here))
	group(t, b, both(there))
	start(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience) // hundreds of events, one after the other
	defer cancel()
	publish := func(from, to int64) {
		for pos := from; pos <= to; pos++ {
			for k := range keys {
				if err := a.Publish(ctx, event(fmt.Sprint("k", k), pos)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	publish(1, each/3)
	start(t, b)
	publish(each/3+1, each/2)
	for pos := int64(1); ; pos++ { // until the second node has a part
		if err := a.Publish(ctx, event("probe", pos), event(fmt.Sprint("probe", pos), pos)); err != nil {
			t.Fatal(err)
		}
		if there.len() > 0 {
			break
		}
	}
	publish(each/2+1, each*2/3)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop(t, b)
	}()
	publish(each*2/3+1, each)
	<-stopped
	for k := range keys {
		key := fmt.Sprint("k", k)
		all.until(t, key, func() bool { return slices.Contains(all.key(key), each) })
		if got := all.key(key); !slices.Equal(firsts(got), upTo(each)) || !slices.IsSorted(got) {
			t.Errorf("%s was handled as %v", key, got)
		}
	}
}

func TestAnEventThatOverstaysAHandoverIsHandledByTheOtherNode(t *testing.T) {
	t.Parallel()
	each(t, overstaying)
}

func overstaying(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	cfg.Handover, cfg.Workers = 100*time.Millisecond, 64
	a, b := open(t, cfg), open(t, cfg)
	told := newLog()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) }) // before the stop
	var inHand atomic.Int64
	group(t, a, func(ctx context.Context, e bus.Envelope) error {
		inHand.Add(1)
		select {
		case <-ctx.Done():
			return errors.Join(told.handle(ctx, e), ctx.Err())
		case <-over:
			return nil
		}
	})
	there := newLog()
	group(t, b, there.handle)
	start(t, a)
	var events []bus.Envelope
	for i := range int64(32) { // of all partitions
		events = append(events, event(fmt.Sprint("k", i), 1))
	}
	if err := a.Publish(patient(t), events...); err != nil {
		t.Fatal(err)
	}
	soon(t, "all are in hand", func() bool { return inHand.Load() == int64(len(events)) })
	start(t, b)
	there.until(t, "an event of a partition that moved", func() bool { return there.len() > 0 })
	told.until(t, "the end of its context", func() bool { return told.len() > 0 })
}

func TestNothingIsLostWhileTheBrokerIsDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up := func(ports ...int) *kfake.Cluster {
		return cluster(t, kfake.DataDir(dir), kfake.SyncWrites(), kfake.Ports(ports...))
	}
	first := up(0)
	var port int
	if _, err := fmt.Sscanf(first.ListenAddrs()[0], "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	heard := newLog()
	cfg := quick(first)
	b, counts := counting(t, cfg)
	group(t, b, heard.handle)
	start(t, b)
	if err := b.Publish(patient(t), event("k", 1), event("k", 2)); err != nil {
		t.Fatal(err)
	}
	first.Close()

	to := b.Receivers()[0]
	var receipts []*bus.Receipt
	for pos := int64(3); pos <= 60; pos++ {
		r, err := to.Offer(patient(t), event("k", pos))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	select {
	case <-receipts[0].Done():
		t.Fatalf("safe without a broker: %v", receipts[0].Err())
	case <-time.After(2 * time.Second):
	}
	up(port)
	for _, r := range receipts {
		if err := r.Wait(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	heard.until(t, "all events", func() bool { return slices.Contains(heard.key("k"), 60) })
	if got := heard.key("k"); !slices.Equal(firsts(got), upTo(60)) {
		t.Errorf("handled %v", got)
	}
	if n := testutil.ToFloat64(counter(t, counts, "chatd_bus_published_total")); n != 60 {
		t.Errorf("%v events counted as published", n)
	}
}

func TestWhatTheBrokersNeverAnsweredIsGivenUpAtTheStop(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	cfg := quick(c)
	cfg.Queue = 4
	b := open(t, cfg)
	group(t, b, newLog().handle)
	start(t, b)
	c.Close()
	to := b.Receivers()[0]
	r, err := to.Offer(patient(t), event("k", 1), event("k", 2), event("k", 3), event("k", 4))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := to.Offer(ctx, event("k", 5)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("offered beyond the bound: %v", err)
	}
	begin := time.Now()
	stop(t, b)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if err := r.Wait(patient(t)); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("the receipt: %v", err)
	}
}

func TestAPublisherBeginsAgainAtWhatWasRefused(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	heard := newLog()
	b := open(t, quick(c))
	group(t, b, heard.handle)
	start(t, b)
	if err := b.Publish(patient(t), event("k", 1)); err != nil {
		t.Fatal(err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.UnknownServerError})
	if err := b.Publish(patient(t), event("k", 2)); !errors.Is(err, kerr.UnknownServerError) {
		t.Fatalf("refused with %v", err)
	}
	if err := b.Publish(patient(t), event("k", 3)); err == nil {
		t.Error("an event was taken before the one that was refused")
	}
	for pos := int64(2); pos <= 3; pos++ {
		if err := b.Publish(patient(t), event("k", pos)); err != nil {
			t.Fatal(err)
		}
	}
	heard.until(t, "all events", func() bool { return len(heard.key("k")) >= 3 })
	if got := heard.key("k"); !slices.Equal(got, upTo(3)) {
		t.Errorf("handled %v", got)
	}
}

func TestPoisonIsADeadLetterAndSurvivesABrokerThatRefusesIt(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	heard := newLog()
	cfg := quick(c)
	b, counts := counting(t, cfg)
	group(t, b, func(ctx context.Context, e bus.Envelope) error {
		if e.Pos == 1 {
			return errors.New("indigestible")
		}
		return heard.handle(ctx, e)
	})
	start(t, b)
	refused := c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: "chatd.dead-letters", Err: kerr.UnknownServerError, Count: 2,
	})
	poison := event("k", 1)
	poison.Trace = "trace"
	if err := b.Publish(patient(t), poison, event("k", 2)); err != nil {
		t.Fatal(err)
	}
	stranger := client(t, cfg.Brokers)
	if err := stranger.ProduceSync(patient(t), &kgo.Record{Topic: "chatd.a", Key: []byte("k"), Value: []byte("?")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(patient(t), event("k", 3)); err != nil {
		t.Fatal(err)
	}
	heard.until(t, "what follows", func() bool { return slices.Equal(heard.key("k"), []int64{2, 3}) })
	if refused.Hits() != 2 {
		t.Errorf("%d refusals", refused.Hits())
	}

	reader := client(t, cfg.Brokers, kgo.ConsumeTopics("chatd.dead-letters"))
	var dead []*kgo.Record
	for len(dead) < 2 {
		fetches := reader.PollFetches(patient(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		dead = append(dead, fetches.Records()...)
	}
	headers := map[string]string{}
	for _, h := range dead[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{
		"id": poison.ID, "name": poison.Name, "topic": "a", "pos": "1", "trace": "trace",
		"dead_group": "g", "dead_tries": "3", "dead_error": "indigestible",
	} {
		if headers[key] != want {
			t.Errorf("header %s: %q, want %q", key, headers[key], want)
		}
	}
	if !strings.HasPrefix(headers["dead_from"], "chatd.a/") || string(dead[0].Key) != "k" || string(dead[0].Value) != "{}" {
		t.Errorf("the dead letter: %+v", dead[0])
	}
	if string(dead[1].Value) != "?" {
		t.Errorf("what is no event: %+v", dead[1])
	}
	if n := len(b.Aside()); n != 2 {
		t.Errorf("%d events put aside", n)
	}
	if n := testutil.ToFloat64(counter(t, counts, "chatd_bus_aside_total")); n != 2 {
		t.Errorf("%v events counted as put aside", n)
	}
}

// An operator copies a dead letter, as it is, to the topic that it came from.
func TestADeadLetterThatIsPutBackIsHandled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg kafkabus.Config) {
		t.Helper()
		var mended atomic.Bool
		heard := newLog()
		b, counts := counting(t, cfg)
		group(t, b, func(ctx context.Context, e bus.Envelope) error {
			if e.Pos == 1 && !mended.Load() {
				return errors.New("indigestible")
			}
			return heard.handle(ctx, e)
		})
		start(t, b)
		poison := event("k", 1)
		if err := b.Publish(patient(t), poison, event("k", 2), event("other", 3)); err != nil {
			t.Fatal(err)
		}
		heard.until(t, "the rest", func() bool { return heard.len() == 2 })
		if n := testutil.ToFloat64(counter(t, counts, "chatd_bus_aside_total")); n != 1 {
			t.Errorf("%v events counted as put aside", n)
		}
		operator := client(t, cfg.Brokers, kgo.ConsumeTopics(cfg.Prefix+"dead-letters"))
		dead := operator.PollRecords(patient(t), 1).Records()
		if len(dead) != 1 {
			t.Fatalf("%d dead letters", len(dead))
		}
		mended.Store(true)
		back := &kgo.Record{Topic: cfg.Prefix + "a", Key: dead[0].Key, Value: dead[0].Value, Headers: dead[0].Headers}
		if err := operator.ProduceSync(patient(t), back).FirstErr(); err != nil {
			t.Fatal(err)
		}
		heard.until(t, "the dead letter", func() bool { return heard.len() == 3 })
		got := heard.seen[2]
		if got.ID != poison.ID || got.Name != poison.Name || got.Pos != 1 || !got.Time.Equal(poison.Time) || string(got.Payload) != string(poison.Payload) {
			t.Errorf("came back as %+v", got)
		}
	})
}

func TestAFailingKeyHoldsUpNoOtherPartition(t *testing.T) {
	t.Parallel()
	each(t, failingKey)
}

func failingKey(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	heard := newLog()
	hold := make(chan struct{})
	cfg.Window = 8
	b := open(t, cfg)
	group(t, b, func(ctx context.Context, e bus.Envelope) error {
		if e.Key == "stuck" {
			<-hold
		}
		return heard.handle(ctx, e)
	})
	start(t, b)
	var events []bus.Envelope
	for i := range int64(100) {
		events = append(events, event("stuck", i+1))
	}
	for i := range int64(400) {
		events = append(events, event(fmt.Sprint("k", i%40), i+1))
	}
	if err := b.Publish(patient(t), events...); err != nil {
		t.Fatal(err)
	}
	stuckWith := func() int { // keys on the stuck key's partition wait with it
		return 400 - heard.len()
	}
	heard.until(t, "the other partitions", func() bool { return stuckWith() < 200 })
	close(hold)
	heard.until(t, "all", func() bool { return stuckWith() == -100 })
	if got := heard.key("stuck"); !slices.Equal(got, upTo(100)) {
		t.Errorf("handled %v", got)
	}
}

func TestBroadcastReachesEveryNodeOnceFromItsStartOn(t *testing.T) {
	t.Parallel()
	each(t, broadcast)
}

func broadcast(t *testing.T, cfg kafkabus.Config) {
	t.Helper()
	a, b := open(t, cfg), open(t, cfg)
	atA, atB := newLog(), newLog()
	for to, at := range map[*kafkabus.Bus]*log{a: atA, b: atB} {
		err := to.Broadcast([]string{"a"}, func(e bus.Envelope) { _ = at.handle(t.Context(), e) })
		if err != nil {
			t.Fatal(err)
		}
	}
	start(t, a)
	a.PublishLossy(t.Context(), event("before", 1))
	atA.until(t, "one's own news", func() bool { return len(atA.key("before")) == 1 })
	flushed := client(t, cfg.Brokers, kgo.ConsumeTopics(cfg.Prefix+"a.live"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err := flushed.PollFetches(patient(t)).Err(); err != nil {
		t.Fatal(err)
	}
	start(t, b)
	sent := event("k", 7)
	sent.Trace = "trace"
	a.PublishLossy(t.Context(), sent)
	atB.until(t, "the other's news", func() bool { return atB.len() > 0 })
	b.PublishLossy(t.Context(), event("back", 1))
	atA.until(t, "the answer", func() bool { return len(atA.key("back")) == 1 })
	if len(atB.key("before")) != 0 {
		t.Error("a node heard what was told before its start")
	}
	if n := len(atA.key("k")); n != 1 {
		t.Errorf("a node heard its own news %d times", n)
	}
	if got := atB.seen[0]; got.ID != sent.ID || got.Trace != sent.Trace || !got.Time.Equal(sent.Time) {
		t.Errorf("arrived as %+v", got)
	}
}
