package fanout_test

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"chatd/internal/platform/fanout"
)

// list remembers what it is offered, up to a limit (0 is none).
type list struct {
	limit int

	mu  sync.Mutex
	got []int
}

func (l *list) Offer(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit > 0 && len(l.got) >= l.limit {
		return false
	}
	l.got = append(l.got, n)
	return true
}

func (l *list) want(t *testing.T, want ...int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.got, want) {
		t.Errorf("got %v, want %v", l.got, want)
	}
}

func TestSubscribersGetTheEventsOfTheirTopicInOrder(t *testing.T) {
	t.Parallel()
	h := fanout.NewHub[string, int]()
	a, b, other := &list{}, &list{}, &list{}
	h.Subscribe("x", a)
	h.Publish("x", 1)
	sb := h.Subscribe("x", b)
	h.Subscribe("y", other)
	if n := h.Publish("x", 2); n != 2 {
		t.Errorf("2 subscribers, %d took it", n)
	}
	sb.Unsubscribe()
	sb.Unsubscribe()
	h.Publish("x", 3)
	a.want(t, 1, 2, 3)
	b.want(t, 2)
	other.want(t)
	if n := h.Publish("nobody's", 1); n != 0 {
		t.Errorf("nobody's event was taken by %d", n)
	}
}

func TestWhoIsFullIsOfferedNothingMore(t *testing.T) {
	t.Parallel()
	h := fanout.NewHub[string, int]()
	full, rest := &list{limit: 1}, &list{}
	s := h.Subscribe("x", full)
	h.Subscribe("x", rest)
	for n := range 3 {
		h.Publish("x", n)
	}
	full.want(t, 0)
	rest.want(t, 0, 1, 2)
	s.Unsubscribe()
}

func TestTopicsWithoutSubscribersAreForgotten(t *testing.T) {
	t.Parallel()
	h := fanout.NewHub[int, int]()
	var subs []*fanout.Subscription[int, int]
	for k := range 500 {
		subs = append(subs, h.Subscribe(k/2, &list{limit: 1}))
	}
	if n := h.Topics(); n != 250 {
		t.Errorf("%d topics, want 250", n)
	}
	for _, s := range subs[:250] {
		s.Unsubscribe()
	}
	for k := 125; k < 250; k++ { // the others leave by being full
		h.Publish(k, 1)
		h.Publish(k, 2)
	}
	if n := h.Topics(); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

func TestAllSubscribersSeeOneOrderWhoeverPublishes(t *testing.T) {
	t.Parallel()
	h := fanout.NewHub[string, int]()
	a, b := &list{}, &list{}
	h.Subscribe("x", a)
	h.Subscribe("x", b)
	var all sync.WaitGroup
	for p := range 4 {
		all.Go(func() {
			for n := range 500 {
				h.Publish("x", p*1000+n)
			}
		})
	}
	all.Wait()
	if len(a.got) != 2000 {
		t.Errorf("%d events", len(a.got))
	}
	b.want(t, a.got...)
}

func TestNothingIsOfferedAfterUnsubscribe(t *testing.T) {
	t.Parallel()
	h := fanout.NewHub[string, int]()
	var publishers, comers sync.WaitGroup
	var stop atomic.Bool
	for range 2 {
		publishers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				h.Publish("x", n)
			}
		})
	}
	for range 4 {
		comers.Go(func() {
			for range 300 {
				l := &list{}
				s := h.Subscribe("x", l)
				s.Unsubscribe()
				l.mu.Lock()
				n := len(l.got)
				l.mu.Unlock()
				h.Publish("x", 0)
				if len(l.got) != n {
					t.Error("an event came after Unsubscribe")
				}
			}
		})
	}
	comers.Wait()
	stop.Store(true)
	publishers.Wait()
	if n := h.Topics(); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

type ignore struct{}

func (ignore) Offer(int) bool { return true }

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{1, 10, 1000} {
		b.Run(strconv.Itoa(subscribers), func(b *testing.B) {
			h := fanout.NewHub[int, int]()
			for range subscribers {
				h.Subscribe(1, ignore{})
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(1, 1)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
		})
	}
}

// BenchmarkSubscribe comes and goes beside many others in one topic.
func BenchmarkSubscribe(b *testing.B) {
	h := fanout.NewHub[int, int]()
	for range 10000 {
		h.Subscribe(1, ignore{})
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Subscribe(1, ignore{}).Unsubscribe()
	}
}
