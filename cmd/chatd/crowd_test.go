package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// assemble makes rooms with all people in each, and writers and followers that
// do not run yet. The program must have no limits of rate. Few people stand for
// many sockets, since each account costs a slow hash.
func assemble(t testing.TB, p *program, rooms, writers, followers int) *crowd {
	t.Helper()
	c := &crowd{p: p, people: p.people(t, "user", min(8, max(writers, followers))), log: &ledger{}}
	for range rooms {
		c.rooms = append(c.rooms, p.group(t, c.people[0], c.people[1:]...))
	}
	for n := range writers {
		c.writers = append(c.writers, &writer{p: p, n: n, who: c.people[n%len(c.people)], rooms: c.rooms, log: c.log, next: n})
	}
	for n := range followers {
		who := c.people[n%len(c.people)]
		at, err := p.position(t.Context(), who)
		if err != nil {
			t.Fatalf("streamCursor: %v", err)
		}
		c.followers = append(c.followers, follow(p, who, c.rooms, following(n)%followings, at))
	}
	return c
}

// start runs the followers, whose connections last as last says, and then the
// writers. All of them end with the test.
func (c *crowd) start(t testing.TB, last func() time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c.gone = cancel
	for _, f := range c.followers {
		c.following.Go(func() {
			f.run(ctx, func() time.Duration {
				if c.calm.Load() {
					return forEver()
				}
				return last()
			})
		})
	}
	c.write(t)
	t.Cleanup(func() {
		c.quiet()
		c.gone()
		c.writing.Wait()
		c.following.Wait()
	})
}

// write runs the writers, again after hush.
func (c *crowd) write(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c.quiet = cancel
	for _, w := range c.writers {
		c.writing.Go(func() { w.run(ctx) })
	}
}

// hush ends the writers and waits for their last answers.
func (c *crowd) hush() {
	c.quiet()
	c.writing.Wait()
}

// settle ends the crowd and judges.
func (c *crowd) settle(t testing.TB) verdict {
	t.Helper()
	stored, lists := c.end(t)
	v := judge(c.log, stored, lists)
	mustBeClean(t, v)
	return v
}

// end retries what has no answer and waits until the followers, whose
// connections last from now on, have what is stored. Then it ends them, and
// returns what is stored and what they have.
func (c *crowd) end(t testing.TB) (stored map[string][]message, lists map[string][][]message) {
	t.Helper()
	c.hush()
	c.calm.Store(true)
	own := make([][]*sent, len(c.writers))
	for _, s := range c.log.all() {
		if s.writer < len(own) {
			own[s.writer] = append(own[s.writer], s)
		}
	}
	var retrying sync.WaitGroup
	var differing atomic.Int64
	for n, w := range c.writers {
		retrying.Go(func() { differing.Add(int64(w.retry(t, own[n]))) })
	}
	retrying.Wait()
	differ := differing.Load()
	stored = c.p.histories(t, c.people[0], c.rooms)
	c.awaitAll(t, stored)
	c.gone()
	c.following.Wait()
	lists = map[string][][]message{}
	resets := 0
	for i, f := range c.followers {
		resets += f.resets
		for _, why := range f.refusals {
			if !strings.Contains(why, "UNAVAILABLE") {
				t.Errorf("follower %d was refused: %s", i, why)
			}
		}
		if len(f.refusals) > 0 || len(f.closes) > 0 {
			t.Logf("follower %d: %d subscriptions refused; connections ended by the server, by code: %v", i, len(f.refusals), f.closes)
		}
		for _, room := range c.rooms {
			lists[room] = append(lists[room], f.lists[room])
		}
	}
	if differ != 0 || resets != 0 {
		t.Errorf("%d retries told another message, %d streams were reset", differ, resets)
	}
	return stored, lists
}

// awaitAll waits until all followers have what is stored.
func (c *crowd) awaitAll(t testing.TB, stored map[string][]message) {
	t.Helper()
	behind := func(f *follower) bool { return !f.has(stored) }
	for end := time.Now().Add(30*time.Second + grace); slices.ContainsFunc(c.followers, behind); pause(t.Context(), 10*time.Millisecond) {
		if time.Now().Before(end) {
			continue
		}
		for i, f := range c.followers {
			f.mu.Lock()
			for _, room := range c.rooms {
				t.Logf("follower %d has %d of %d; %d connections, ended by %v, refused %v", i, f.lastSeq(room), len(stored[room]), f.cuts+1, f.closes, f.refusals)
			}
			f.mu.Unlock()
		}
		_, ready := c.p.get(t, "/readyz")
		t.Fatalf("not all followers have all after 30 s; /readyz says %s", ready)
	}
}
