package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// stopwatch takes the times of messages whose text begins with when they were
// sent.
type stopwatch struct {
	mu    sync.Mutex
	times []time.Duration
}

func (s *stopwatch) handler(e wsclient.Event) {
	now := time.Now()
	var d struct {
		Data struct{ MessageAdded message }
	}
	if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil {
		return
	}
	text, _, _ := strings.Cut(d.Data.MessageAdded.text(), " ")
	if at, err := strconv.ParseInt(text, 10, 64); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.times = append(s.times, now.Sub(time.Unix(0, at)))
	}
}

func (s *stopwatch) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// p99 empties the stopwatch.
func (s *stopwatch) p99() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.times)
	p := s.times[len(s.times)*99/100]
	s.times = nil
	return p
}

// round sends so many messages of 2 KiB at an even pace, and waits until the
// watch has them as often as there are readers. After each message then is
// called.
func (s *stopwatch) round(t testing.TB, c *wsclient.Conn, log *ledger, room string, n, readers int, then func()) time.Duration {
	t.Helper()
	fill := strings.Repeat("x", 2048)
	for range n {
		try := &sent{n: len(log.tries), room: room}
		try.text = fmt.Sprintf("%d %s", time.Now().UnixNano(), fill)
		data, err := c.Query(t.Context(), sendDoc, vars("i", vars("conversationId", room, "text", try.text)))
		try.note(data, err)
		if try.fate != acked {
			t.Fatalf("send: %v", err)
		}
		log.add(try)
		then()
		pause(t.Context(), 3*time.Millisecond)
	}
	await(t, 30*time.Second, "every reader has every message", func() bool { return s.count() >= n*readers })
	return s.p99()
}

func TestAReaderThatStopsIsCutOffAndHarmsNobody(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, eve := p.register(t, "ada"), p.register(t, "eve")
	room := p.group(t, ada, eve)
	var watch stopwatch
	for i := range slowReaders {
		if err := p.dial(t, ada).Subscribe(fmt.Sprint(i), addedDoc, vars("c", room, "a", nil), watch.handler); err != nil {
			t.Fatal(err)
		}
	}
	await(t, 20*time.Second, "all are subscribed", func() bool { return p.metric(t, "chatd_ws_subscriptions") == slowReaders })
	log, c := &ledger{}, p.dial(t, ada)
	nothing := func() {}
	watch.round(t, c, log, room, 20, slowReaders, nothing) // warm
	before := watch.round(t, c, log, room, slowMessages, slowReaders, nothing)
	memory := p.metric(t, "process_resident_memory_bytes")
	from := len(log.tries)

	const copies = 60 // each subscription fills the same socket
	s := p.stalled(t, eve, room, copies)
	// It reads from when it is cut off: a write that it blocks for ten seconds is
	// given up, and with it the word why.
	var list []message
	var err error
	var reading sync.WaitGroup
	isCut := false
	cut := func() bool {
		if !isCut && p.metric(t, `chatd_ws_closed_total{code="1013"}`) == 1 {
			isCut = true
			reading.Go(func() { list, err = rest(s) })
		}
		return isCut
	}
	during := watch.round(t, c, log, room, slowMessages, slowReaders, func() { cut() })
	await(t, 30*time.Second, "the stalled reader is cut off", cut)
	reading.Wait()
	grown := p.metric(t, "process_resident_memory_bytes") - memory
	t.Logf("p99 of %d readers: %v, and %v beside the stalled one; %.1f MiB more memory", slowReaders, before, during, grown/(1<<20))
	if soak && during > before*12/10 {
		t.Errorf("the others' p99 went from %v to %v", before, during)
	}
	if grown > slowMemory {
		t.Errorf("memory grew by %.0f bytes", grown)
	}

	// It reads what had been sent before the cut, and resumes from there.
	f := follow(p, eve, []string{room}, bySeq, "")
	var closed *wsclient.CloseError
	if !errors.As(err, &closed) || closed.Code != 1013 {
		t.Errorf("the stalled reader was told %v", err)
	}
	t.Logf("the stalled reader got %d messages before it was cut off", len(list))
	f.lists[room] = append(f.lists[room], p.history(t, eve, room)[:from]...) // what was before it came
	f.lists[room] = append(f.lists[room], list...)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.run(ctx, forEver) })
	stored := p.histories(t, eve, f.rooms)
	await(t, 20*time.Second, "it has caught up", func() bool { return f.has(stored) })
	cancel()
	wg.Wait()
	mustBeClean(t, judge(log, stored, map[string][][]message{room: {f.lists[room]}}))
}

// stalled opens a socket with small buffers that subscribes to a room many
// times and is never read.
func (p *program) stalled(t testing.TB, who person, room string, copies int) *wsclient.Socket {
	t.Helper()
	small := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		return errors.Join(e, err)
	}}
	s, err := wsclient.Open(t.Context(), p.ws(), wsclient.Options{Dialer: small})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	init, err := json.Marshal(vars("type", "connection_init", "payload", vars("authorization", "Bearer "+who.token)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteText(init); err != nil {
		t.Fatal(err)
	}
	if m, err := s.ReadMessage(); err != nil || !strings.Contains(string(m), "connection_ack") {
		t.Fatalf("%s, %v", m, err)
	}
	already := p.metric(t, "chatd_ws_subscriptions")
	for i := range copies {
		r, err := wsclient.Request(fmt.Sprint("s", i), addedDoc, vars("c", room, "a", nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteText(r); err != nil {
			t.Fatal(err)
		}
	}
	await(t, 20*time.Second, "it is subscribed", func() bool {
		return p.metric(t, "chatd_ws_subscriptions") == already+float64(copies)
	})
	return s
}

// rest reads a stalled socket to its end and returns the messages of its first
// subscription.
func rest(s *wsclient.Socket) (list []message, err error) {
	_ = s.NetConn().SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		b, err := s.ReadMessage()
		if err != nil {
			return list, err
		}
		var m struct {
			ID      string
			Payload struct {
				Data struct{ MessageAdded *message }
			}
		}
		if json.Unmarshal(b, &m) == nil && m.ID == "s0" && m.Payload.Data.MessageAdded != nil {
			list = append(list, *m.Payload.Data.MessageAdded)
		}
	}
}
