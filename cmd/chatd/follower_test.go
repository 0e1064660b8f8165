package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// following is how a follower says where it was.
type following uint8

const (
	bySeq    following = iota // messageAdded(afterSeq) for each room
	byCursor                  // events(after)
	byInit                    // connection_init; the documents' variables stay those of the first time
	followings
)

// follower keeps its lists of some rooms complete through disconnects, as a
// good client does.
type follower struct {
	p     *program
	who   person
	rooms []string
	how   following
	start string        // a cursor from before the first message
	next  func() string // the address of the next connection; any node's

	mu     sync.Mutex
	lists  map[string][]message
	cursor string
	resets int
	// caughtUp is how often the replay of a resumed stream has ended.
	caughtUp int
	word     chan struct{} // has a word in it each time; nobody has to take it
	// refusals are the errors that subscriptions ended with; it connects again
	// after each.
	refusals []string
	closes   map[int]int // how often by close code
	cuts     int
	there    bool // it is connected and has subscribed
}

func follow(p *program, who person, rooms []string, how following, cursor string) *follower {
	return &follower{
		p: p, who: who, rooms: rooms, how: how, start: cursor, cursor: cursor,
		lists: map[string][]message{}, closes: map[int]int{}, next: p.anyWS, word: make(chan struct{}, 1),
	}
}

// run follows until ctx ends. Each connection lasts as long as last says, or
// until the server ends it.
func (f *follower) run(ctx context.Context, last func() time.Duration) {
	for ctx.Err() == nil {
		c, err := wsclient.Dial(ctx, f.next(), f.init())
		if err != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		err = f.subscribe(c)
		if err == nil {
			f.mu.Lock()
			f.there = true
			f.mu.Unlock()
			end, cancel := context.WithTimeout(ctx, last())
			select {
			case <-end.Done():
			case <-c.Done():
				f.noteClose(c.Err())
			}
			cancel()
		}
		_ = c.Close()
		f.mu.Lock()
		f.cuts++
		f.there = false
		f.mu.Unlock()
	}
}

// isOn says whether the follower is on a connection, after so many others.
func (f *follower) isOn(after int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.there && f.cuts >= after
}

// hops is how many connections have ended.
func (f *follower) hops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cuts
}

func forEver() time.Duration { return time.Hour }

func (f *follower) noteClose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closes[closeCode(err)]++
}

// closeCode is the code of the server's close frame, 0 when there was none.
func closeCode(err error) int {
	if e, ok := err.(*wsclient.CloseError); ok { //nolint:errorlint // The client gives it bare.
		return e.Code
	}
	return 0
}

func (f *follower) init() map[string]any {
	v := vars("authorization", "Bearer "+f.who.token)
	if f.how == byInit {
		f.mu.Lock()
		defer f.mu.Unlock()
		seq := map[string]int{}
		for _, room := range f.rooms {
			seq[room] = f.lastSeq(room)
		}
		v["resume"] = vars("cursor", f.cursor, "seq", seq)
	}
	return v
}

// lastSeq is the newest that the follower has; f.mu is held.
func (f *follower) lastSeq(room string) int {
	if l := f.lists[room]; len(l) > 0 {
		return l[len(l)-1].Seq
	}
	return 0
}

const addedDoc = `subscription($c: ID!, $a: Int) { messageAdded(conversationId: $c, afterSeq: $a) { id seq rev text } }`

func (f *follower) subscribe(c *wsclient.Conn) error {
	// A follower by connection_init uses both streams; the rooms of odd number
	// come by messageAdded, the others by events.
	for i, room := range f.rooms {
		if f.how == byCursor || f.how == byInit && i%2 == 0 {
			continue
		}
		after := 0
		if f.how == bySeq {
			f.mu.Lock()
			after = f.lastSeq(room)
			f.mu.Unlock()
		}
		if err := c.Subscribe(fmt.Sprint("m", i), addedDoc, vars("c", room, "a", after), f.unless(c, f.added(room))); err != nil {
			return err
		}
	}
	if f.how == bySeq {
		return nil
	}
	after := f.start
	if f.how == byCursor {
		f.mu.Lock()
		after = f.cursor
		f.mu.Unlock()
	}
	return c.Subscribe("e", followDoc, vars("a", after), f.unless(c, f.event))
}

// unless hands events on, and ends the connection when the subscription was
// refused, as where the server could not read what was missed.
func (f *follower) unless(c *wsclient.Conn, handle wsclient.Handler) wsclient.Handler {
	return func(e wsclient.Event) {
		if e.Kind == wsclient.Error {
			f.mu.Lock()
			f.refusals = append(f.refusals, string(e.Payload))
			f.mu.Unlock()
			_ = c.NetConn().Close()
			return
		}
		handle(e)
	}
}

func (f *follower) added(room string) wsclient.Handler {
	return func(e wsclient.Event) {
		var d struct {
			Data *struct{ MessageAdded message }
		}
		if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil || d.Data == nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lists[room] = append(f.lists[room], d.Data.MessageAdded)
	}
}

const followDoc = `subscription($a: String) { events(after: $a) { __typename cursor
	... on MessageAdded { message { id seq rev text conversationId } } } }`

func (f *follower) event(e wsclient.Event) {
	var d struct {
		Data *struct {
			Events struct {
				Type    string `json:"__typename"`
				Cursor  string
				Message struct {
					message
					ConversationID string
				}
			}
		}
	}
	if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil || d.Data == nil {
		return
	}
	ev := d.Data.Events
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cursor = ev.Cursor
	switch ev.Type {
	case "Reset":
		f.resets++
	case "CaughtUp":
		f.caughtUp++
		select {
		case f.word <- struct{}{}:
		default:
		}
	case "MessageAdded":
		for i, room := range f.rooms {
			if room == ev.Message.ConversationID && (f.how == byCursor || i%2 == 0) {
				f.lists[room] = append(f.lists[room], ev.Message.message)
			}
		}
	}
}

// has says whether the follower is where the histories end.
func (f *follower) has(stored map[string][]message) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, room := range f.rooms {
		if f.lastSeq(room) < len(stored[room]) {
			return false
		}
	}
	return true
}

// position is where the viewer's stream is now.
func (p *program) position(ctx context.Context, who person) (string, error) {
	var d struct{ Viewer struct{ StreamCursor string } }
	err := p.gql(ctx, who.token, `{ viewer { streamCursor } }`, nil, &d)
	return d.Viewer.StreamCursor, err
}

// crowd is a program's writers and followers, and what they know.
type crowd struct {
	p         *program
	rooms     []string
	people    []person
	log       *ledger
	writers   []*writer
	followers []*follower
	writing   sync.WaitGroup
	following sync.WaitGroup
	quiet     context.CancelFunc // ends the writers
	gone      context.CancelFunc // ends the followers
	calm      atomic.Bool        // followers are cut off no more
}
