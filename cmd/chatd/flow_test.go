package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

func TestAMessageSentByOneIsSeenByTheOtherAndStays(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	live := listen(t, p.dial(t, bob), "1", room, nil)
	first, err := p.send(t.Context(), ada, room, "Hello, Bob", "k1")
	if err != nil {
		t.Fatal(err)
	}
	if m := receive(t, live); m.ID != first.ID || m.text() != "Hello, Bob" || m.Seq != first.Seq {
		t.Fatalf("%+v, sent %+v", m, first)
	}
	again, err := p.send(t.Context(), ada, room, "Hello, Bob", "k1")
	if err != nil || again.ID != first.ID {
		t.Fatalf("a retry made %+v, %v", again, err)
	}
	if _, err := p.send(t.Context(), ada, room, "Something else", "k1"); codeOf(err) != "CONFLICT" {
		t.Fatalf("a key used for another text: %v", err)
	}
	if err := p.stop(t); err != nil {
		t.Fatalf("stop: %v", err)
	}
	p.start(t)
	if h := p.history(t, bob, room); len(h) != 1 || h[0].text() != "Hello, Bob" {
		t.Fatalf("after a restart: %+v", h)
	}
	again, err = p.send(t.Context(), ada, room, "Hello, Bob", "k1")
	if err != nil || again.ID != first.ID {
		t.Fatalf("a retry after a restart made %+v, %v", again, err)
	}
}

// event is an event of `events` as tests ask for it.
type event struct {
	Type        string `json:"__typename"`
	Cursor      string
	Message     *message
	UnreadCount *int
	Reason      string
}

const eventsDoc = `subscription($a: String) { events(after: $a) { __typename cursor
	... on MessageAdded { message { id seq rev text } unreadCount }
	... on MessageChanged { message { id seq rev text } unreadCount }
	... on Reset { reason } } }`

// listenAll subscribes to everything but presence, which comes when it comes.
func listenAll(t testing.TB, c *wsclient.Conn, id string, after any) <-chan event {
	t.Helper()
	out := make(chan event, 1<<16)
	err := c.Subscribe(id, eventsDoc, vars("a", after), func(e wsclient.Event) {
		if e.Kind != wsclient.Next {
			close(out)
			return
		}
		var d struct{ Data struct{ Events event } }
		if json.Unmarshal(e.Payload, &d) == nil && !strings.HasPrefix(d.Data.Events.Type, "Presence") {
			out <- d.Data.Events
		}
	})
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	barrier(t, c)
	return out
}

func TestEventsResumeAfterARestartWithExactlyWhatWasMissed(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	live := listenAll(t, p.dial(t, bob), "1", nil)
	if e := receive(t, live); e.Type != "StreamStarted" {
		t.Fatalf("first %+v", e)
	}
	if _, err := p.send(t.Context(), ada, room, "one", ""); err != nil {
		t.Fatal(err)
	}
	e := receive(t, live)
	if e.Type != "MessageAdded" || e.Message.text() != "one" || *e.UnreadCount != 1 {
		t.Fatalf("%+v", e)
	}
	var texts []string
	for n := range 30 {
		text := fmt.Sprint("missed ", n)
		texts = append(texts, text)
		if _, err := p.send(t.Context(), ada, room, text, ""); err != nil {
			t.Fatal(err)
		}
	}
	p.kill()
	p.start(t)
	again := listenAll(t, p.dial(t, bob), "1", e.Cursor)
	if s := receive(t, again); s.Type != "StreamStarted" || s.Cursor != e.Cursor {
		t.Fatalf("resumed with %+v", s)
	}
	var got []string
	for {
		m := receive(t, again)
		if m.Type == "CaughtUp" {
			break
		}
		got = append(got, m.Message.text())
	}
	if !slices.Equal(got, texts) {
		t.Fatalf("replayed %q", got)
	}
	if _, err := p.send(t.Context(), ada, room, "live", ""); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, again); m.Message.text() != "live" || *m.UnreadCount != 32 {
		t.Fatalf("%+v", m)
	}
}

func TestAConversationThatABrandNewMemberComesIntoIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	live := listenAll(t, p.dial(t, bob), "1", nil)
	receive(t, live)
	room := p.group(t, ada, bob)
	if e := receive(t, live); e.Type != "ConversationChanged" {
		t.Fatalf("%+v", e)
	}
	if _, err := p.send(t.Context(), ada, room, "welcome", ""); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, live); e.Type != "MessageAdded" || e.Message.text() != "welcome" {
		t.Fatalf("%+v", e)
	}
}
