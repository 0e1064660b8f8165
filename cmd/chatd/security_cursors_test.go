package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

// A cursor of any list, with bits changed anywhere 500 times over, is refused
// and gives nothing; every list that takes one has its row. On a stream it is a
// Reset before which nothing comes.
func TestEveryListRefusesAChangedCursor(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob") // ada administers the server
		room := p.group(t, ada, bob)
		p.channel(t, ada, "general")
		p.invite(t, ada, room, nil)
		m := p.says(t, ada, room, "a word")
		p.says(t, ada, room, "a reply", "threadRootId", m.ID)
		p.report(t, ada, m.ID)
		p.inviteToServer(t, ada, nil)
		for _, doc := range []string{
			`mutation($m: ID!) { editMessage(input: {id: $m, text: "a word anew"}) { message { id } } pinMessage(input: {messageId: $m}) { message { id } } }`,
		} {
			if err := p.gql(t.Context(), ada.token, doc, vars("m", m.ID), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.gql(t.Context(), bob.token, readDoc, vars("c", room, "s", m.Seq), nil); err != nil {
			t.Fatal(err)
		}
		p.searchesAll(t)
		p.befriend(t, ada, bob)
		of := func(list string) string { return `query($a: String) { ` + list + ` }` }
		message := `{ edges { cursor } } }`
		lists := map[string]string{
			"Query.messages": of(`messages(conversationId: "` + room + `", after: $a) { edges { cursor } }`), "Query.conversations": of(`conversations(after: $a) { edges { cursor } }`),
			"Query.contacts":    of(`contacts(after: $a) { edges { cursor } }`),
			"Query.searchUsers": of(`searchUsers(query: "b", after: $a) { edges { cursor } }`), "Query.channels": of(`channels(after: $a) { edges { cursor } }`),
			"Query.groupInvites":   of(`groupInvites(conversationId: "` + room + `", after: $a) { edges { cursor } }`),
			"Query.pinnedMessages": of(`pinnedMessages(conversationId: "` + room + `", after: $a) { edges { cursor } }`), "Query.reports": of(`reports(after: $a) { edges { cursor } }`),
			"Query.searchMessages": of(`searchMessages(query: "word", after: $a) { edges { cursor } }`), "Query.thread": of(`thread(rootId: "` + m.ID + `", after: $a) { edges { cursor } }`),
			"Query.invites": of(`invites(after: $a) { edges { cursor } }`), "Query.auditLog": of(`auditLog(after: $a) { edges { cursor } }`),
			"Query.events": of(`events(after: $a) { pageInfo { cursor: endCursor } }`), "Conversation.members": of(`conversation(id: "` + room + `") { members(after: $a) { edges { cursor } } }`),
			"Message.edits":  of(`message(id: "` + m.ID + `") { edits(after: $a) ` + message),
			"Message.readBy": of(`message(id: "` + m.ID + `") { readBy(after: $a) ` + message),
		}
		a := p.api(t)
		for _, typ := range a.types {
			for _, f := range typ.Fields {
				for _, arg := range f.Args {
					if name := typ.Name + "." + f.Name; arg.Name == "after" && typ.Name != "Subscription" && lists[name] == "" {
						t.Errorf("%s takes a cursor: give it a row", name)
					}
				}
			}
		}
		rnd := rand.New(rand.NewPCG(7, 8)) // the same each time
		changed := func(cursor string) string {
			b := []byte(cursor)
			for string(b) == cursor {
				for range 1 + rnd.IntN(3) {
					b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(7)
				}
			}
			return string(b)
		}
		var position string
		for name, doc := range lists {
			r := p.ask(t, ada.token, doc, nil)
			_, rest, ok := strings.Cut(r.body, `"cursor":"`)
			if !ok {
				t.Errorf("%s has no cursor: %v", name, r)
				continue
			}
			cursor, _, _ := strings.Cut(rest, `"`)
			if name == "Query.events" {
				position = cursor
			}
			for range 500 {
				odd := changed(cursor)
				if r := p.ask(t, ada.token, doc, vars("a", odd)); r.code() != "BAD_USER_INPUT" || strings.Contains(r.body, `"cursor":"`) {
					t.Errorf("%s after %q: %v", name, odd, r)
				}
			}
		}
		conn := p.dial(t, ada)
		for n := range 60 {
			first := make(chan string, 10)
			id := fmt.Sprint("s", n)
			if err := conn.Subscribe(id, `subscription($a: String) { events(after: $a) { __typename ... on Reset { reason } } }`, vars("a", changed(position)), func(e wsclient.Event) {
				select {
				case first <- string(e.Payload):
				default:
				}
			}); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, first); !strings.Contains(got, "StreamStarted") {
				t.Errorf("first %s", got)
			}
			if got := receive(t, first); !strings.Contains(got, "UNKNOWN") {
				t.Errorf("then %s", got)
			}
			_ = conn.Complete(id)
		}
	})
}
