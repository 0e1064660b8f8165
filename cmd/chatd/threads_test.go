package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

const (
	sayDoc    = `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { ...M } } } ` + messageParts
	threadDoc = `query($r: ID!) { thread(rootId: $r) { root { ...M } edges { node { ...M } } } } ` + messageParts
)

// say sends a message with more input than send has.
func (p *program) say(t testing.TB, who person, room, text string, more ...any) (foldMessage, error) {
	t.Helper()
	in := vars(more...)
	in["conversationId"], in["text"] = room, text
	var d struct{ SendMessage struct{ Message foldMessage } }
	err := p.gql(t.Context(), who.token, sayDoc, vars("i", in), &d)
	return d.SendMessage.Message, err
}

// says is say that must go well.
func (p *program) says(t testing.TB, who person, room, text string, more ...any) foldMessage {
	t.Helper()
	m, err := p.say(t, who, room, text, more...)
	if err != nil {
		t.Fatalf("%s says %q: %v", who.name, text, err)
	}
	return m
}

// fieldOf is the input field that an error names.
func fieldOf(err error) string {
	if e, ok := errors.AsType[*gqlError](err); ok {
		s, _ := e.Extensions["field"].(string)
		return s
	}
	return ""
}

// counters are what a root says of its thread.
func counters(m foldMessage) string {
	if m.Thread == nil {
		return "none"
	}
	return fmt.Sprintf("%d up to %d", m.Thread.ReplyCount, m.Thread.LastReplySeq)
}

func TestAThreadIsTheSameLiveResumedAndFresh(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		room := p.group(t, ada, bob)
		heard := make(chan foldEvent, 100)
		listen := func(conn *wsclient.Conn, id string, after any) {
			t.Helper()
			if err := conn.Subscribe(id, foldDoc, vars("a", after), func(e wsclient.Event) {
				var d struct{ Data *struct{ Events foldEvent } }
				if e.Kind == wsclient.Next && json.Unmarshal(e.Payload, &d) == nil && d.Data != nil {
					heard <- d.Data.Events
				}
			}); err != nil {
				t.Fatal(err)
			}
			barrier(t, conn)
		}
		tell := func(e foldEvent) string {
			return fmt.Sprintf("%s %d thread %s unread %d", e.Type, e.Message.Seq, counters(e.Message), e.UnreadCount)
		}
		next := func(want ...string) (last foldEvent) {
			t.Helper()
			for _, w := range want {
				last = receive(t, heard)
				if got := tell(last); !strings.HasPrefix(got, w) {
					t.Fatalf("heard %s, want %s", got, w)
				}
			}
			return last
		}
		listen(p.dial(t, bob), "live", nil)
		start := next("StreamStarted").Cursor
		root := p.says(t, ada, room, "root", "clientId", "root")
		next("MessageAdded 1 thread none unread 1")
		reply := p.says(t, ada, room, "reply", "threadRootId", root.ID, "clientId", "reply")
		if *reply.ThreadRootID != root.ID || reply.Seq != 2 || reply.Rev != root.Rev+2 {
			t.Errorf("%+v after %+v", reply, root)
		}
		next("MessageChanged 1 thread 1 up to 2 unread 1", "MessageAdded 2 thread none unread 2")
		if again := p.says(t, ada, room, "reply", "threadRootId", root.ID, "clientId", "reply"); again.ID != reply.ID {
			t.Errorf("a retry made %+v", again)
		}
		if again := p.says(t, ada, room, "root", "clientId", "root"); again.ID != root.ID || counters(again) != "1 up to 2" {
			t.Errorf("a retry of the root made %+v", again)
		}
		for _, other := range [][]any{{}, {"threadRootId", p.says(t, bob, room, "another").ID}, {"threadRootId", root.ID, "mentions", []string{}}} {
			if _, err := p.say(t, ada, room, "reply", append(other, "clientId", "reply")...); codeOf(err) != "CONFLICT" {
				t.Errorf("another input %v: %v", other, err)
			}
		}
		next("MessageAdded 3 thread none unread 0") // bob's own
		second := p.says(t, bob, room, "second", "threadRootId", root.ID)
		next("MessageChanged 1 thread 2 up to 4", "MessageAdded 4 thread none unread 0")
		if err := p.gql(t.Context(), bob.token, `mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { id } } }`, vars("i", vars("id", second.ID)), nil); err != nil {
			t.Fatal(err)
		}
		end := next("MessageChanged 1 thread 1 up to 4", "MessageChanged 4 thread none")

		var fresh struct {
			Thread struct {
				Root  foldMessage
				Edges []struct{ Node foldMessage }
			}
		}
		check := func() {
			t.Helper()
			if err := p.gql(t.Context(), ada.token, threadDoc, vars("r", root.ID), &fresh); err != nil {
				t.Fatal(err)
			}
			edges := fresh.Thread.Edges
			if counters(fresh.Thread.Root) != "1 up to 4" || len(edges) != 2 || edges[0].Node.text() != "reply" || edges[1].Node.Text != nil {
				t.Errorf("%+v", fresh)
			}
		}
		check()
		p.kill()
		p.start(t)
		check()
		listen(p.dial(t, bob), "resumed", start)
		// A deleted reply is not replayed as added; a root is told as it is now.
		next("StreamStarted", "MessageAdded 1 thread 1 up to 4", "MessageChanged 1 thread 1 up to 4", "MessageAdded 2",
			"MessageAdded 3", "MessageChanged 1 thread 1 up to 4", "MessageChanged 1 thread 1 up to 4", "MessageChanged 4")
		if last := next("CaughtUp"); last.Cursor != end.Cursor {
			t.Error("the resumed stream ends elsewhere")
		}
	})
}

func TestRepliesOfManyAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 5)
		room := p.group(t, all[0], all[1:]...)
		root := p.says(t, all[0], room, "root")
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if _, err := p.say(t, all[i%5], room, "reply", "threadRootId", root.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var d struct{ Message foldMessage }
		if err := p.gql(t.Context(), all[1].token, `query($m: ID!) { message(id: $m) { ...M } } `+messageParts, vars("m", root.ID), &d); err != nil {
			t.Fatal(err)
		}
		if got := counters(d.Message); got != "50 up to 51" {
			t.Errorf("the root says %s", got)
		}
	})
}

// What viewerCan says is what then happens, by owner, admin, member, removed
// member, stranger and without a token.
func TestWhoMayReplyInThreadsAndMentionAll(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 5)
	room := p.group(t, all[0], all[1:4]...)
	root := p.says(t, all[0], room, "root")
	p.says(t, all[0], room, "reply", "threadRootId", root.ID)
	for doc, who := range map[string]person{adminDoc: all[1], removeDoc: all[3]} {
		if err := p.gql(t.Context(), all[0].token, doc, vars("c", room, "u", who.id), nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, tt := range []struct {
		name, code string
		all        bool
	}{
		{"owner", "", true},
		{"admin", "", true},
		{"member", "", false},
		{"removed", "NOT_FOUND", false},
		{"stranger", "NOT_FOUND", false},
		{"signed out", "UNAUTHENTICATED", false},
	} {
		who := person{}
		if i < len(all) {
			who = all[i]
		}
		m, err := p.say(t, who, room, "come, @all!", "threadRootId", root.ID)
		if codeOf(err) != tt.code || (m.Mentions != nil) != tt.all || tt.all && !m.Mentions.All {
			t.Errorf("%s replies: %v, %+v", tt.name, err, m.Mentions)
		}
		if err := p.gql(t.Context(), who.token, threadDoc, vars("r", root.ID), nil); codeOf(err) != tt.code {
			t.Errorf("%s reads the thread: %v", tt.name, err)
		}
		var d struct {
			Message struct {
				ViewerCan    struct{ ReplyInThread bool }
				Conversation struct{ ViewerCan struct{ MentionAll bool } }
			}
		}
		err = p.gql(t.Context(), who.token, `query($m: ID!) { message(id: $m) { viewerCan { replyInThread } conversation { viewerCan { mentionAll } } } }`, vars("m", root.ID), &d)
		if codeOf(err) != tt.code || d.Message.ViewerCan.ReplyInThread != (tt.code == "") || d.Message.Conversation.ViewerCan.MentionAll != tt.all {
			t.Errorf("%s is told %v, %+v", tt.name, err, d)
		}
	}
}

func TestWhatBeginsNoThreadIsRefused(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room, other := p.group(t, ada), p.group(t, ada)
	root := p.says(t, ada, room, "root")
	reply := p.says(t, ada, room, "reply", "threadRootId", root.ID)
	if err := p.gql(t.Context(), ada.token, `mutation($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { id } } }`, vars("c", room, "u", bob.id), nil); err != nil {
		t.Fatal(err)
	}
	var note struct {
		Messages struct {
			Edges []struct{ Node struct{ ID string } }
		}
	}
	if err := p.gql(t.Context(), ada.token, `query($c: ID!) { messages(conversationId: $c, last: 1) { edges { node { id } } } }`, vars("c", room), &note); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 51)
	for i := range many {
		many[i] = bob.id
	}
	for _, tt := range []struct {
		room, field string
		more        []any
	}{
		{room, "input.threadRootId", []any{"threadRootId", reply.ID}},
		{room, "input.threadRootId", []any{"threadRootId", note.Messages.Edges[0].Node.ID}},
		{room, "input.threadRootId", []any{"threadRootId", nobodys["message"]}},
		{room, "input.threadRootId", []any{"threadRootId", "nonsense"}},
		{other, "input.threadRootId", []any{"threadRootId", root.ID}},
		{room, "input.mentions", []any{"mentions", many}},
		{room, "input.mentions", []any{"mentions", []string{"nonsense"}}},
	} {
		_, err := p.say(t, ada, tt.room, "text", tt.more...)
		if codeOf(err) != "BAD_USER_INPUT" || fieldOf(err) != tt.field {
			t.Errorf("%v: %v of %s", tt.more, err, fieldOf(err))
		}
	}
	for _, id := range []string{reply.ID, note.Messages.Edges[0].Node.ID} {
		if err := p.gql(t.Context(), ada.token, threadDoc, vars("r", id), nil); codeOf(err) != "BAD_USER_INPUT" || fieldOf(err) != "rootId" {
			t.Errorf("the thread of %s: %v of %s", id, err, fieldOf(err))
		}
	}
	if h := p.history(t, ada, room); len(h) != 3 {
		t.Errorf("%d messages", len(h))
	}
}

func TestMembersAreMentionedByNameAndByID(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob, cyd, eve := p.register(t, "ada"), p.register(t, "bob.b"), p.register(t, "cyd"), p.register(t, "eve")
		room := p.group(t, ada, bob, cyd)
		whom := func(m foldMessage) string {
			if m.Mentions == nil {
				return "nobody"
			}
			names := map[string]string{ada.id: "ada", bob.id: "bob", cyd.id: "cyd", eve.id: "eve"}
			var all []string
			for _, u := range m.Mentions.Users {
				all = append(all, names[u.ID])
			}
			return strings.Join(all, " ")
		}
		for _, tt := range []struct {
			text string
			more []any
			want string
		}{
			{"plain", nil, "nobody"},
			{"@Cyd, see @bob.b.", nil, "cyd bob"},
			{"@eve and @nobody", nil, "nobody"},
			{"`@cyd` cyd@example.org", nil, "nobody"},
			{"Cyd", []any{"mentions", []string{cyd.id, eve.id, nobodys["user"]}}, "cyd"},
			{"@cyd", []any{"mentions", []string{}}, "nobody"},
		} {
			m := p.says(t, ada, room, tt.text, tt.more...)
			if got := whom(m); got != tt.want {
				t.Errorf("%q mentions %s, not %s", tt.text, got, tt.want)
			}
			edit := func(text string, more ...any) string {
				t.Helper()
				in := vars(more...)
				in["id"], in["text"] = m.ID, text
				var d struct{ EditMessage struct{ Message foldMessage } }
				if err := p.gql(t.Context(), ada.token, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { ...M } } } `+messageParts, vars("i", in), &d); err != nil {
					t.Fatal(err)
				}
				return whom(d.EditMessage.Message)
			}
			if got := edit("now @bob.b") + ", " + edit("nobody") + ", " + edit("Cyd", "mentions", []string{cyd.id}); got != "bob, nobody, cyd" {
				t.Errorf("edited, it mentions %s", got)
			}
			var d struct{ DeleteMessage struct{ Message foldMessage } }
			if err := p.gql(t.Context(), ada.token, `mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { ...M } } } `+messageParts, vars("i", vars("id", m.ID)), &d); err != nil {
				t.Fatal(err)
			}
			if got := whom(d.DeleteMessage.Message); got != "nobody" {
				t.Errorf("the tombstone mentions %s", got)
			}
		}
	})
}
