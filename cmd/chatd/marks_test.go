package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// someEmoji are of one and of many characters.
var someEmoji = []string{"👍", "❤️", "👩🏿‍❤️‍💋‍👨🏻"}

// marks are what is on a message, as tests ask for it by markParts.
type marks struct {
	Reactions []struct {
		Emoji string
		Count int
	}
	PinnedAt *string
	PinnedBy *struct{ ID string }
}

const markParts = `fragment K on Message { reactions { emoji count } pinnedAt pinnedBy { id } }`

func (m marks) String() string {
	pin := ""
	if m.PinnedAt != nil && m.PinnedBy != nil {
		pin = " pinned " + *m.PinnedAt + " " + m.PinnedBy.ID
	}
	return fmt.Sprint(m.Reactions) + pin
}

type markedMessage struct {
	message
	marks
}

// mark runs one of the mutations of reactions and pins.
func (p *program) mark(ctx context.Context, who person, op, message, emoji string, out *markedMessage) error {
	in := vars("messageId", message)
	if emoji != "" {
		in["emoji"] = emoji
	}
	input := strings.ToUpper(op[:1]) + op[1:] + "Input"
	var d map[string]struct{ Message markedMessage }
	err := p.gql(ctx, who.token, `mutation($i: `+input+`!) { `+op+`(input: $i) { message { id seq rev text ...K } } } `+markParts, vars("i", in), &d)
	if err == nil && out != nil {
		*out = d[op].Message
	}
	return err
}

func (p *program) mustMark(t testing.TB, who person, op, message, emoji string) (m markedMessage) {
	t.Helper()
	if err := p.mark(t.Context(), who, op, message, emoji, &m); err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return m
}

// changes subscribes to a document with messageChanged, or events, in it.
func changes(t testing.TB, c *wsclient.Conn, id, doc string, v map[string]any) <-chan markedMessage {
	t.Helper()
	out := make(chan markedMessage, 1<<12)
	err := c.Subscribe(id, doc+markParts, v, func(e wsclient.Event) {
		if e.Kind != wsclient.Next {
			close(out)
			return
		}
		var d struct {
			Data struct {
				MessageChanged *markedMessage
				Events         struct{ Message *markedMessage }
			}
		}
		if json.Unmarshal(e.Payload, &d) != nil {
			return
		}
		if m := cmp.Or(d.Data.MessageChanged, d.Data.Events.Message); m != nil {
			out <- *m
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	barrier(t, c)
	return out
}

const (
	changedDoc = `subscription($c: ID!, $r: Int) { messageChanged(conversationId: $c, afterRev: $r) { id seq rev text ...K } }`
	markedDoc  = `subscription($a: String) { events(after: $a) { ... on MessageChanged { message { id seq rev text ...K } } } }`
)

func TestReactionsAndPinsAreHeardInOrderLiveAndAfterAResume(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, append(args, unlimited...)...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		room := p.group(t, ada, bob)
		m, err := p.send(t.Context(), ada, room, "text", "")
		if err != nil {
			t.Fatal(err)
		}
		other, err := p.send(t.Context(), ada, room, "another", "")
		if err != nil {
			t.Fatal(err)
		}
		at, err := p.position(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		conn := p.dial(t, bob)
		streams := []<-chan markedMessage{
			changes(t, conn, "1", changedDoc, vars("c", room)), changes(t, conn, "2", markedDoc, nil),
		}
		rev := other.Rev
		heard := func(want markedMessage) {
			t.Helper()
			rev++
			for i, s := range streams {
				if got := receive(t, s); got.ID != want.ID || got.Rev != rev || want.Rev != rev || got.String() != want.String() {
					t.Fatalf("stream %d told %+v, want %+v at %d", i, got, want, rev)
				}
			}
		}
		heard(p.mustMark(t, ada, "addReaction", m.ID, "❤")) // without its selector
		if got := p.mustMark(t, ada, "addReaction", m.ID, "❤️"); got.Rev != rev || fmt.Sprint(got.Reactions) != "[{❤️ 1}]" {
			t.Errorf("the same again made %+v", got)
		}
		heard(p.mustMark(t, bob, "addReaction", m.ID, someEmoji[2]))
		heard(p.mustMark(t, bob, "addReaction", m.ID, "❤️"))
		heard(p.mustMark(t, bob, "pinMessage", other.ID, ""))
		if got := p.mustMark(t, bob, "removeReaction", other.ID, "👍"); got.Rev != rev {
			t.Errorf("what is not there was removed: %+v", got)
		}
		half := rev
		heard(p.mustMark(t, ada, "removeReaction", m.ID, "❤️"))
		heard(p.mustMark(t, ada, "unpinMessage", other.ID, ""))
		heard(p.mustMark(t, bob, "removeReaction", m.ID, "❤️"))
		newest := p.mustMark(t, bob, "removeReaction", m.ID, someEmoji[2])
		heard(newest)
		if s := newest.String(); s != "[]" {
			t.Errorf("all are gone: %s", s)
		}
		for _, bad := range []string{"", "a", "👍👍", ":shipit:", "👍 ", strings.Repeat("👍", 1000), "\x00"} {
			err := p.mark(t.Context(), bob, "addReaction", m.ID, cmp.Or(bad, " "), nil)
			if e, ok := errors.AsType[*gqlError](err); !ok || e.code() != "BAD_USER_INPUT" || e.Extensions["field"] != "input.emoji" {
				t.Errorf("%q: %v", bad, err)
			}
		}
		again := p.dial(t, bob)
		once := changes(t, again, "1", changedDoc, vars("c", room, "r", half))
		for _, want := range []markedMessage{{message: message{ID: other.ID, Rev: half + 2}}, newest} {
			if got := receive(t, once); got.ID != want.ID || got.Rev != want.Rev || got.String() != want.String() {
				t.Errorf("replayed %+v, want %+v", got, want)
			}
		}
		missed := changes(t, again, "2", markedDoc, vars("a", at))
		for n := range rev - other.Rev { // each change, with the message as it is now
			if got := receive(t, missed); len(got.Reactions) != 0 || got.PinnedAt != nil {
				t.Errorf("missed %d: %+v", n, got)
			}
		}
		streams = append(streams, once, missed)
		heard(p.mustMark(t, ada, "addReaction", m.ID, "👍"))
	})
}

// Who may mark: each role in each kind of conversation, somebody removed, a
// stranger and nobody. What is refused changes nothing, and viewerCan says it.
func TestWhoMayReactAndPin(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 5)
	who := map[string]person{
		"owner": all[0], "admin": all[1], "member": all[2], "removed": all[3], "stranger": all[4], "nobody": {},
	}
	var made struct {
		CreateGroup            struct{ Conversation struct{ ID string } }
		OpenDirectConversation struct{ Conversation struct{ ID string } }
	}
	do := func(actor person, doc string, v map[string]any) {
		t.Helper()
		if err := p.gql(t.Context(), actor.token, doc, v, &made); err != nil {
			t.Fatal(err)
		}
	}
	do(all[0], `mutation($m: [ID!]!) { createGroup(input: {name: "channel", memberIds: $m, visibility: PUBLIC}) { conversation { id } } }`,
		vars("m", []string{all[1].id, all[2].id, all[3].id}))
	do(all[0], `mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, vars("u", all[2].id))
	rooms := map[string]string{
		"group": p.group(t, all[0], all[1:4]...), "channel": made.CreateGroup.Conversation.ID, "direct": made.OpenDirectConversation.Conversation.ID,
	}
	for _, kind := range []string{"group", "channel"} {
		do(all[0], adminDoc, vars("c", rooms[kind], "u", all[1].id))
		do(all[0], removeDoc, vars("c", rooms[kind], "u", all[3].id))
	}
	mayPin := []string{"group owner", "group admin", "group member", "channel owner", "channel admin", "direct owner", "direct member"}
	mayReact := append(slices.Clone(mayPin), "channel member")
	for kind, room := range rooms {
		m, err := p.send(t.Context(), all[0], room, "text", "")
		if err != nil {
			t.Fatal(err)
		}
		for name, actor := range who {
			in := kind + " " + name
			state := func() string {
				t.Helper()
				return p.ask(t, all[0].token, `query($c: ID!, $m: ID!) { conversation(id: $c) { lastRev } message(id: $m) { rev ...K } } `+markParts,
					vars("c", room, "m", m.ID)).body
			}
			for _, op := range []string{"addReaction", "removeReaction", "pinMessage", "unpinMessage"} {
				allowed, emoji := mayReact, "👍"
				if strings.HasSuffix(op, "pinMessage") {
					allowed, emoji = mayPin, ""
				}
				want := "FORBIDDEN"
				switch {
				case name == "nobody":
					want = "UNAUTHENTICATED"
				case slices.Contains(allowed, in):
					want = ""
				case !slices.Contains(mayReact, in):
					want = "NOT_FOUND"
				}
				before := state()
				if got := codeOf(p.mark(t.Context(), actor, op, m.ID, emoji, nil)); got != want {
					t.Errorf("%s by %s: %q instead of %q", op, in, got, want)
				}
				if after := state(); (after == before) != (want != "") {
					t.Errorf("%s by %s made %s of %s", op, in, after, before)
				}
			}
			var d struct {
				Message        struct{ ViewerCan struct{ React, Pin bool } }
				PinnedMessages *struct{ Edges []any }
			}
			err := p.gql(t.Context(), actor.token, `query($c: ID!, $m: ID!) { message(id: $m) { viewerCan { react pin } } pinnedMessages(conversationId: $c) { edges { cursor } } }`,
				vars("c", room, "m", m.ID), &d)
			if can := d.Message.ViewerCan; can.React != slices.Contains(mayReact, in) || can.Pin != slices.Contains(mayPin, in) {
				t.Errorf("%s is told %+v", in, can)
			}
			if (err == nil) != slices.Contains(mayReact, in) {
				t.Errorf("%s lists pins: %v", in, err)
			}
		}
	}
	note := p.history(t, all[0], rooms["group"])[0] // of the new admin
	gone, err := p.send(t.Context(), all[0], rooms["group"], "gone", "")
	if err != nil {
		t.Fatal(err)
	}
	do(all[0], `mutation($i: ID!) { deleteMessage(input: {id: $i}) { message { id } } }`, vars("i", gone.ID))
	for _, id := range []string{note.ID, gone.ID} {
		for _, op := range []string{"addReaction", "removeReaction", "pinMessage", "unpinMessage"} {
			emoji := "👍"
			if strings.HasSuffix(op, "pinMessage") {
				emoji = ""
			}
			if got := codeOf(p.mark(t.Context(), all[0], op, id, emoji, nil)); got != "FAILED_PRECONDITION" {
				t.Errorf("%s of a note or tombstone: %q", op, got)
			}
		}
	}
}

// Reactions on both nodes at once: everybody on both ends with the exact
// counts, in order.
func TestReactionsOnTwoNodesAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2, unlimited...)
	all := nodes[0].people(t, "user", 10)
	room := nodes[0].group(t, all[0], all[1:]...)
	m, err := nodes[0].send(t.Context(), all[0], room, "text", "")
	if err != nil {
		t.Fatal(err)
	}
	streams := make([]<-chan markedMessage, 2)
	for i, p := range nodes {
		streams[i] = changes(t, p.dial(t, all[i]), "1", changedDoc, vars("c", room))
	}
	const each = 10 // emoji a user
	var acting sync.WaitGroup
	for i, who := range all {
		for n := range each {
			acting.Go(func() {
				if err := nodes[(i+n)%2].mark(t.Context(), who, "addReaction", m.ID, string(rune(0x1f400+n)), nil); err != nil {
					t.Error(err)
				}
			})
		}
	}
	acting.Wait()
	last := m.Rev + each*len(all)
	for i, s := range streams {
		for rev := m.Rev + 1; rev <= last; rev++ {
			got := receive(t, s)
			total := 0
			for _, r := range got.Reactions {
				total += r.Count
			}
			// What a node reads late it tells as it is by then.
			if got.Rev < rev || got.Rev > last || total != got.Rev-m.Rev {
				t.Fatalf("node %d told rev %d with %d reactions as change %d", i, got.Rev, total, rev)
			}
			if rev == last && (len(got.Reactions) != each || got.Reactions[each-1].Count != len(all)) {
				t.Errorf("node %d ends with %v", i, got.Reactions)
			}
		}
	}
	var d struct {
		Message struct {
			Reactions []struct {
				Count         int
				ViewerReacted bool
				Users         []struct{ ID string }
			}
		}
	}
	await(t, 10*time.Second, "a query on the other node", func() bool {
		return nodes[1].gql(t.Context(), all[3].token, `query($m: ID!) { message(id: $m) { reactions { count viewerReacted users { id } } } }`, vars("m", m.ID), &d) == nil
	})
	for _, r := range d.Message.Reactions {
		if r.Count != len(all) || !r.ViewerReacted || len(r.Users) != len(all) {
			t.Errorf("%+v", r)
		}
	}
}
