package main

import (
	"context"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

func TestACursorThatCannotBeFollowedResetsTheStream(t *testing.T) {
	t.Parallel()
	p, other := startProgram(t, unlimited...), startProgram(t, unlimited...)
	ada, bob, stranger := p.register(t, "ada"), p.register(t, "bob"), other.register(t, "ada")
	room := p.group(t, ada, bob)
	at := func(p *program, who person) string {
		c, err := p.position(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good, bobs, foreign := at(p, ada), at(p, bob), at(other, stranger)
	missed := max(10, missedTooMany)
	log := &ledger{}
	w := &writer{p: p, who: bob, rooms: []string{room}, log: log}
	c := p.dial(t, bob)
	for range missed {
		if s := w.send(t.Context(), c); s.fate != acked {
			t.Fatalf("send: %s", s.code)
		}
	}
	wrong := []byte(good)
	wrong[len(wrong)/2] ^= 1
	type row struct{ cursor, reason, code string }
	table := map[string]row{
		"made up":               {"AAAABBBBCCCC", "UNKNOWN", "BAD_USER_INPUT"},
		"empty":                 {"", "UNKNOWN", "BAD_USER_INPUT"},
		"no cursor at all":      {`x"y\`, "UNKNOWN", "BAD_USER_INPUT"},
		"one bit changed":       {string(wrong), "UNKNOWN", "BAD_USER_INPUT"},
		"cut off":               {good[:len(good)-4], "UNKNOWN", "BAD_USER_INPUT"},
		"of another viewer":     {bobs, "UNKNOWN", "BAD_USER_INPUT"},
		"of other data":         {foreign, "UNKNOWN", "BAD_USER_INPUT"},
		"good, after a restart": {good, "", ""},
	}
	if missedTooMany > 0 {
		table["too far back"] = row{good, "TOO_MANY", "FAILED_PRECONDITION"}
		delete(table, "good, after a restart")
	}
	p.kill()
	p.start(t)
	for name, r := range table {
		for how, open := range map[string]func(t *testing.T) <-chan event{
			"argument":        func(t *testing.T) <-chan event { return listenAll(t, p.dial(t, ada), "1", r.cursor) },
			"connection_init": func(t *testing.T) <-chan event { return listenAll(t, p.dialFrom(t, ada, r.cursor), "1", nil) },
		} {
			t.Run(name+" by "+how, func(t *testing.T) {
				events := open(t)
				if e := receive(t, events); e.Type != "StreamStarted" {
					t.Fatalf("first %+v", e)
				}
				before := 0
				e := receive(t, events)
				for ; e.Type == "MessageAdded"; e = receive(t, events) {
					before++
				}
				if r.reason == "" {
					if before != missed || e.Type != "CaughtUp" {
						t.Errorf("%d of %d missed events, then %+v", before, missed, e)
					}
					return
				}
				if before != 0 || e.Type != "Reset" || e.Reason != r.reason {
					t.Errorf("%d events, then %+v", before, e)
				}
				if next := receive(t, events); next.Type != "CaughtUp" {
					t.Errorf("after Reset %+v", next)
				}
				// The cursor of Reset is one to go on from.
				again := listenAll(t, p.dial(t, ada), "1", e.Cursor)
				if receive(t, again); receive(t, again).Type != "CaughtUp" {
					t.Error("the cursor of Reset cannot be followed")
				}
			})
		}
		err := p.gql(t.Context(), ada.token, `query($a: String) { events(after: $a) { edges { cursor } } }`, vars("a", r.cursor), nil)
		if codeOf(err) != r.code {
			t.Errorf("the query with a cursor %s: %v", name, err)
		}
	}
}

// dialFrom is dial with a position to resume from.
func (p *program) dialFrom(t testing.TB, who person, resume any) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+grace)
	defer cancel()
	c, err := wsclient.Dial(ctx, p.ws(), vars("authorization", "Bearer "+who.token, "resume", resume))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
