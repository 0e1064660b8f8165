package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// stormer is a follower whose connections the test makes and breaks.
type stormer struct {
	*follower
	conn *wsclient.Conn
	why  error // the last connection that did not last ended
}

// back connects from an address of its own and subscribes where it was.
func (s *stormer) back(ctx context.Context, from net.IP) (err error) {
	o := wsclient.Options{Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}}
	if s.conn, err = wsclient.DialWith(ctx, s.p.ws(), s.init(), o); err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	if err := s.subscribe(s.conn); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// come connects until the follower has been told so many times that it has
// all, again where the server ends the connection, and says how often it did.
func (s *stormer) come(ctx context.Context, from net.IP, times int) (tries int) {
	for {
		tries++
		if err := s.back(ctx, from); err != nil {
			if ctx.Err() != nil {
				return tries
			}
			s.noteClose(err)
			s.why = err
			pause(ctx, 100*time.Millisecond+rand.N(400*time.Millisecond)) // as clients do
			continue
		}
		for !s.resumed(times) {
			select {
			case <-ctx.Done():
				return tries
			case <-s.word:
				continue
			case <-s.conn.Done():
			}
			s.noteClose(s.conn.Err())
			s.why = s.conn.Err()
			break
		}
		if s.resumed(times) {
			return tries
		}
	}
}

// cut ends the connection as a crash of the client does: without a word.
func (s *stormer) cut() {
	_ = s.conn.NetConn().(*net.TCPConn).SetLinger(0)
	_ = s.conn.NetConn().Close()
}

// resumed says whether the follower has been told so often that it has all.
func (s *stormer) resumed(times int) bool { return s.times() >= times }

func (s *stormer) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caughtUp
}

// All clients are cut off at once and all come back at once, each with the
// cursor that it had.
func TestAStormOfClientsThatComeBackIsWeathered(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	people := p.people(t, "user", stormPeople)
	owner, people := people[0], people[1:]
	c := &crowd{p: p, people: people, log: &ledger{}}
	for members := range slices.Chunk(people, stormRoom) {
		c.rooms = append(c.rooms, p.group(t, owner, members...))
	}
	for n := range 4 {
		c.writers = append(c.writers, &writer{p: p, n: n, who: owner, rooms: c.rooms, log: c.log, pause: stormPause, next: n * len(c.rooms) / 4})
	}
	httpClient.CloseIdleConnections()
	files := p.metric(t, "process_open_fds")
	clients := make([]*stormer, stormClients)
	for i := range clients {
		who := people[i%len(people)]
		at, err := p.position(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		rooms := c.rooms[i%len(people)/stormRoom:][:1]
		clients[i] = &stormer{follower: follow(p, who, rooms, byCursor, at)}
	}
	wave := func(n int) time.Duration {
		begin := time.Now()
		var coming sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 2*stormTime)
		defer cancel()
		from := net.IPv4(127, 0, 1, byte(1+n))
		var again atomic.Int64
		for _, s := range clients {
			coming.Go(func() { again.Add(int64(s.come(ctx, from, n+1) - 1)) })
		}
		coming.Wait()
		away, codes, why := 0, map[int]int{}, error(nil)
		for i, s := range clients {
			if !s.resumed(n + 1) {
				away++
			}
			if len(s.refusals) > 0 {
				t.Errorf("wave %d: client %d is told %v", n, i, s.refusals)
			}
			for code, times := range s.closes {
				codes[code] += times
			}
			if s.why != nil {
				why = s.why
			}
			s.why, s.closes = nil, map[int]int{}
		}
		if away != 0 || again.Load() != 0 {
			t.Logf("wave %d: %d have not come back; %d tries were in vain, by close code %v, as %v", n, away, again.Load(), codes, why)
		}
		if away != 0 {
			t.FailNow()
		}
		return time.Since(begin)
	}
	first := wave(0)
	c.write(t)
	t.Cleanup(c.hush)
	pause(t.Context(), time.Second)
	calm := len(c.log.all())
	t.Logf("%d clients of %d people in %d rooms were there after %v; sends meanwhile: %s", len(clients), len(people), len(c.rooms), first.Round(time.Millisecond), latency(c.log.all()[:calm]))
	for n := 1; n <= stormWaves; n++ {
		for _, s := range clients {
			s.cut()
		}
		pause(t.Context(), 300*time.Millisecond) // what they will have missed
		before := len(c.log.all())
		took := wave(n)
		t.Logf("wave %d: all resumed after %v; sends meanwhile: %s", n, took.Round(time.Millisecond), latency(c.log.all()[before:]))
		if took > stormTime {
			t.Errorf("wave %d took %v", n, took)
		}
	}
	c.hush()
	stored := p.histories(t, owner, c.rooms)
	lists := map[string][][]message{}
	ctx, cancel := context.WithTimeout(t.Context(), 2*stormTime)
	defer cancel()
	for i, s := range clients {
		await(t, time.Minute, fmt.Sprintf("client %d has all", i), func() bool {
			select {
			case <-s.conn.Done(): // by a server that heard nothing of a busy machine's client: it comes back
				t.Logf("client %d comes back: %v", i, s.conn.Err())
				s.come(ctx, net.IPv4(127, 0, 1, 100), s.times()+1)
			default:
			}
			return s.has(stored)
		})
		s.cut()
		if s.resets != 0 {
			t.Errorf("client %d was reset", i)
		}
		lists[s.rooms[0]] = append(lists[s.rooms[0]], s.lists[s.rooms[0]])
	}
	mustBeClean(t, judge(c.log, stored, lists))
	// A busy machine's writer may not answer a ping in time, and lose its connection.
	if refused, lost := c.log.count(refused), c.log.count(unknown); refused != 0 || soak && lost != 0 {
		t.Errorf("of %d sends %d were refused and %d had no answer", len(c.log.all()), refused, lost)
	}
	httpClient.CloseIdleConnections()
	var left float64
	await(t, 30*time.Second, "descriptors are back", func() bool {
		left = p.metric(t, "process_open_fds")
		return left <= files+10
	})
	t.Logf("descriptors: %v, then %v", files, left)
}

// latency tells how long sends took.
func latency(tries []*sent) string {
	if len(tries) == 0 {
		return "none"
	}
	var took []time.Duration
	for _, s := range tries {
		took = append(took, s.took)
	}
	slices.Sort(took)
	return fmt.Sprintf("%d, p50 %v, p99 %v, slowest %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
