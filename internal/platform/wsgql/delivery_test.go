package wsgql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/wsgql"
	"chatd/internal/platform/wsgql/wsclient"
)

// narrow makes connections that take little at a time.
func narrow() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
	}}
}

// number is the n of an event's payload.
func number(t testing.TB, payload []byte) int {
	var p struct {
		Data struct{ N int } `json:"data"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Errorf("payload %q: %v", payload, err)
	}
	return p.Data.N
}

func TestEveryoneGetsEverythingInOrder(t *testing.T) {
	t.Parallel()
	const sockets, events = 50, 2000
	r := setup(t, wsgql.Config{Unlimited: true})
	var all sync.WaitGroup
	for i := range sockets {
		c, err := wsclient.Dial(t.Context(), r.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		all.Add(2)
		for _, id := range []string{"1", fmt.Sprint("own", i)} {
			next := 0
			err := c.Subscribe(id, "sub a", nil, func(e wsclient.Event) {
				if e.Kind != wsclient.Next {
					return
				}
				if n := number(t, e.Payload); n != next {
					t.Errorf("socket %d got %d, want %d", i, n, next)
				}
				if next++; next == events {
					all.Done()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Query(t.Context(), "{ok}", nil); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < events; n += 100 {
		r.publish("a", n, n+100)
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("not everything arrived")
	}
}

func TestNarrowConnectionsGetEverythingInOrder(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	s, err := wsclient.Open(t.Context(), r.url, wsclient.Options{Dialer: narrow(), ReadBuffer: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	p := &peer{t, s}
	_ = s.NetConn().SetDeadline(time.Now().Add(time.Minute))
	p.say(initMessage)
	p.hear()
	p.start("1", "sub a")
	p.start("2", "sub a after 3000")
	p.start("big", "{big 700000}")
	p.say(`{"type":"ping"}`)
	eventually(t, "live", func() bool { return r.hub.Topics() == 1 })
	padded := func(n int) feed.Item { // long events, so that writes are cut in the middle
		json := fmt.Sprintf(`{"data":{"n":%d,"pad":%q}}`, n, strings.Repeat("p", 5000))
		return feed.Item{Event: &event{&gqlx.Rendered{JSON: []byte(json)}}, Size: 5100}
	}
	for n := range 100 {
		r.hub.Publish("a", padded(n))
	}
	next := map[string]int{}
	for !(next["1"] == 100 && next["2"] >= 3000 && next["big"] == 2) {
		m := p.hear()
		switch {
		case m.ID == "big":
			next["big"]++
		case m.Type == "next" && m.ID == "1":
			if n := number(t, m.Payload); n != next["1"] {
				t.Fatalf("got %d, want %d", n, next["1"])
			}
			next["1"]++
		case m.Type == "next":
			if n := number(t, m.Payload); next["2"] < 3000 && n != next["2"] {
				t.Fatalf("replay got %d, want %d", n, next["2"])
			}
			next["2"]++
		}
	}
}

func TestASlowReaderIsClosedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  wsgql.Config
		size int
	}{
		{"by bytes", wsgql.Config{UnsentBytes: 64 << 10}, 16 << 10},
		{"by count", wsgql.Config{UnsentCount: 20}, 64 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, tt.cfg)
			slow := r.open(t, wsclient.Options{Dialer: narrow()})
			slow.say(initMessage)
			slow.hear()
			slow.start("1", "sub a")
			got := make(chan struct{}, 1)
			c, err := wsclient.Dial(t.Context(), r.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if err := c.Subscribe("1", "sub a", nil, func(wsclient.Event) { got <- struct{}{} }); err != nil {
				t.Fatal(err)
			}
			eventually(t, "subscribed", func() bool { return r.streams.Load() == 2 })
			if _, err := c.Query(t.Context(), "{ok}", nil); err != nil {
				t.Fatal(err)
			}
			payload := []byte(`{"data":"` + strings.Repeat("x", tt.size) + `"}`)
			sent := 0
			for taken := 2; taken == 2 && sent < 5000; sent++ {
				taken = r.hub.Publish("a", feed.Item{Event: &event{&gqlx.Rendered{JSON: payload}}, Size: tt.size})
				<-got
			}
			if sent == 5000 {
				t.Fatal("the slow reader was never refused")
			}
			slow.closedWith(1013)
			eventually(t, "closed", func() bool { return r.streams.Load() == 1 })
			r.publish("a", 1, 2)
			<-got
		})
	}
}

func TestAReaderThatNeverReadsIsCutOff(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{WriteTimeout: 100 * time.Millisecond})
	p := r.open(t, wsclient.Options{Dialer: narrow()})
	p.say(initMessage)
	p.hear()
	p.start("1", "sub a after 1000000")
	eventually(t, "opened", func() bool { return r.streams.Load() == 1 })
	eventually(t, "closed", func() bool { return r.streams.Load() == 0 })
}

func TestAReplayWaitsForItsReader(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{UnsentBytes: 16 << 10, CatchUps: 1})
	slow := r.open(t, wsclient.Options{Dialer: narrow()})
	slow.say(initMessage)
	slow.hear()
	slow.start("1", "sub a after 200000") // far more than the mailbox and the connection take
	quick := r.ready(t, "good")
	quick.start("1", "sub a after 100")
	for n := range 100 {
		quick.wants(fmt.Sprintf(`1 next {"data":{"n":%d}}`, n))
	}
	for n := range 30000 {
		got, err := slow.ReadMessage()
		if want := fmt.Sprintf(`{"id":"1","type":"next","payload":{"data":{"n":%d}}}`, n); err != nil || string(got) != want {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
	}
	_ = slow.Close()
	eventually(t, "ended", func() bool { return r.streams.Load() == 1 })
}

func TestRenderingThatHangsHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{PongWait: 200 * time.Millisecond})
	answer := make(chan struct{})
	var stuck []*peer
	for i := range 2*runtime.GOMAXPROCS(0) + 1 {
		p := r.ready(t, "good")
		p.start("1", fmt.Sprint("sub ", i))
		p.say(`{"type":"ping"}`)
		p.wants("pong")
		r.hub.Publish(fmt.Sprint(i), itemOf(answer))
		stuck = append(stuck, p)
	}
	other := r.ready(t, "good other")
	other.start("1", "{ok}")
	other.wants(`1 next {"data":{"ok":true}}`)
	close(answer)
	for _, p := range stuck {
		p.wants(`1 next {"data":{"n":-1}}`)
	}
}

func TestASharedEventIsSplicedPerSocket(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	p.start("1", "sub a")
	p.say(`{"type":"ping"}`)
	p.wants("pong")
	json := []byte(`{"data":{"cursor":"","unread":0}}`)
	shared := &event{&gqlx.Rendered{JSON: json, Splices: []gqlx.Splice{
		{Start: 18, End: 20, Kind: gqlx.SpliceCursor}, {Start: 30, End: 31, Kind: gqlx.SpliceUnread},
	}}}
	for _, n := range []int32{1, 70000} {
		r.hub.Publish("a", feed.Item{Event: shared, Size: 64, Local: local(n)})
		want := fmt.Sprintf(`1 next {"data":{"cursor":%q,"unread":%d}}`, strings.Repeat("c", int(n%300)), n)
		p.wants(want)
	}
}

type local int32

func (l local) AppendCursor(dst []byte) []byte {
	return append(dst, strings.Repeat("c", int(l%300))...)
}
func (l local) UnreadCount() int32 { return int32(l) }

func TestTheClientTellsErrors(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	c, err := wsclient.Dial(t.Context(), r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.Query(t.Context(), "nonsense", nil)
	var failed *wsclient.ErrorsError
	if !errors.As(err, &failed) || failed.Code() != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, "{wait}", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_, err = wsclient.Dial(t.Context(), r.url, map[string]string{"token": "bad"})
	var closed *wsclient.CloseError
	if !errors.As(err, &closed) || closed.Code != 4403 {
		t.Errorf("got %v", err)
	}
	lost := make(chan wsclient.Event, 1)
	if err := c.Subscribe("1", "sub a", nil, func(e wsclient.Event) { lost <- e }); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.server.Drain(context.WithoutCancel(t.Context())) }()
	if e := <-lost; e.Kind != wsclient.Lost {
		t.Errorf("got %+v", e)
	}
	<-c.Done()
	if !errors.As(c.Err(), &closed) || closed.Code != 1012 {
		t.Errorf("ended with %v", c.Err())
	}
}
