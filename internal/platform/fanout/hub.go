package fanout

import (
	"hash/maphash"
	"sync"
)

const hubShards = 64

// Subscriber receives the events of a topic, in the order of Publish.
type Subscriber[E any] interface {
	// Offer hands over an event. It must not block and must not call the Hub.
	// False means that the subscriber is full or gone: it is offered nothing
	// more on that topic.
	Offer(e E) bool
}

// Hub delivers events to the subscribers of topics. All its methods may be
// called at once. A topic exists while it has subscribers. Make it with
// NewHub.
type Hub[K comparable, E any] struct {
	seed   maphash.Seed
	shards [hubShards]hubShard[K, E]
}

type hubShard[K comparable, E any] struct {
	mu     sync.RWMutex
	topics map[K]*topic[K, E]
}

// topic has a lock of its own, so that a long delivery on one topic does not
// hold up the others of its shard. Lock order: shard, then topic.
type topic[K comparable, E any] struct {
	mu   sync.Mutex
	key  K
	subs []*Subscription[K, E]
	gone bool // removed from its shard; must not be used again
}

// Subscription is one subscriber's place in a topic.
type Subscription[K comparable, E any] struct {
	hub   *Hub[K, E]
	topic *topic[K, E]
	to    Subscriber[E]
	index int // in topic.subs; -1 once it is out
}

// NewHub returns a Hub without topics.
func NewHub[K comparable, E any]() *Hub[K, E] {
	h := &Hub[K, E]{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].topics = map[K]*topic[K, E]{}
	}
	return h
}

func (h *Hub[K, E]) shard(k K) *hubShard[K, E] {
	return &h.shards[maphash.Comparable(h.seed, k)%hubShards]
}

// Subscribe adds s to topic k, in constant time. Every event whose Publish
// begins after Subscribe has returned is offered to s.
func (h *Hub[K, E]) Subscribe(k K, s Subscriber[E]) *Subscription[K, E] {
	sh := h.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.topics[k]
	if t == nil {
		t = &topic[K, E]{key: k}
		sh.topics[k] = t
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sub := &Subscription[K, E]{hub: h, topic: t, to: s, index: len(t.subs)}
	t.subs = append(t.subs, sub)
	return sub
}

// Publish offers e to every subscriber of k and returns how many took it.
// Events of one topic reach all its subscribers in one order, even when
// several goroutines publish.
func (h *Hub[K, E]) Publish(k K, e E) int {
	sh := h.shard(k)
	sh.mu.RLock()
	t := sh.topics[k]
	sh.mu.RUnlock()
	if t == nil {
		return 0
	}
	taken, empty := t.publish(e)
	if empty {
		h.free(t)
	}
	return taken
}

func (t *topic[K, E]) publish(e E) (taken int, empty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := 0; i < len(t.subs); {
		if t.subs[i].to.Offer(e) {
			taken++
			i++
			continue
		}
		t.remove(t.subs[i]) // another one is at i now
	}
	return taken, len(t.subs) == 0
}

// Subscribers returns how many there are of k.
func (h *Hub[K, E]) Subscribers(k K) int {
	sh := h.shard(k)
	sh.mu.RLock()
	t := sh.topics[k]
	sh.mu.RUnlock()
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.subs)
}

// Unsubscribe ends the subscription, in constant time; more than one call
// does no harm. Once it has returned, nothing is offered any more.
func (s *Subscription[K, E]) Unsubscribe() {
	t := s.topic
	t.mu.Lock()
	if s.index >= 0 {
		t.remove(s)
	}
	empty := len(t.subs) == 0 && !t.gone
	t.mu.Unlock()
	if empty {
		s.hub.free(t)
	}
}

// Topics returns how many topics have subscribers.
func (h *Hub[K, E]) Topics() int {
	n := 0
	for i := range h.shards {
		h.shards[i].mu.RLock()
		n += len(h.shards[i].topics)
		h.shards[i].mu.RUnlock()
	}
	return n
}

// remove takes s out; the last subscriber moves to its place. t.mu is held.
func (t *topic[K, E]) remove(s *Subscription[K, E]) {
	last := len(t.subs) - 1
	moved := t.subs[last]
	t.subs[s.index], moved.index = moved, s.index
	t.subs[last] = nil
	t.subs = t.subs[:last]
	s.index, s.to = -1, nil
	if len(t.subs) > 16 && len(t.subs) < cap(t.subs)/4 {
		t.subs = append(make([]*Subscription[K, E], 0, 2*len(t.subs)), t.subs...)
	}
}

// free forgets t unless somebody has subscribed since.
func (h *Hub[K, E]) free(t *topic[K, E]) {
	sh := h.shard(t.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.subs) == 0 && !t.gone {
		t.gone = true
		delete(sh.topics, t.key)
	}
}
