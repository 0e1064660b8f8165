package main

import (
	"strings"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

// Of somebody who does not share how far he has read others see the very same
// before and after he reads what has been delivered to him: in every field that
// could tell, in every count, and on every stream, up to a fence.
func TestReadingOfWhoDoesNotShareItIsSeenNowhere(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		rooms := []string{p.group(t, ada, bob, cyd), p.direct(t, ada, bob)}
		p.shareReceipts(t, ada, false)
		const whole = `query($c: ID!, $u: ID!) { conversation(id: $c) { lastRev lastSeq unreadCount members(first: 5) { edges { node { user { id } role readSeq deliveredSeq joinedAt } } } lastMessage { id deliveryState readBy(first: 3) { edges { node { id } } } } }
			messages(conversationId: $c, last: 10) { edges { node { id rev deliveryState readBy(first: 5) { edges { cursor node { id } } } } } } user(id: $u) { id displayName } }`
		for _, room := range rooms {
			var last foldMessage
			for range 3 {
				last = p.says(t, bob, room, "to be read")
			}
			p.marks(t, deliveredDoc, ada, room, last.Seq)
			heard := make(chan string, 100)
			conn := p.dial(t, bob)
			docs := p.streamsOf(t)
			docs["events"] = `subscription { events { __typename ... on MessageAdded { message { text } } } }`
			for field, doc := range docs {
				v := vars("c", room)
				if field == "events" {
					v = nil
				}
				if err := conn.Subscribe(field, doc, v, func(e wsclient.Event) {
					if s := string(e.Payload); !strings.Contains(s, "StreamStarted") && !strings.Contains(s, "Presence") {
						heard <- field + " " + s
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			barrier(t, conn)
			before := p.ask(t, bob.token, whole, vars("c", room, "u", ada.id))
			if before.code() != "" {
				t.Fatalf("%v", before)
			}
			p.marks(t, readDoc, ada, room, last.Seq)
			p.marks(t, unreadDoc, ada, room, last.Seq)
			p.marks(t, readDoc, ada, room, last.Seq)
			if after := p.ask(t, bob.token, whole, vars("c", room, "u", ada.id)); after.body != before.body {
				t.Errorf("before ada read:\n%s\nafter:\n%s", before.body, after.body)
			}
			p.says(t, bob, room, "fence")
			if err := p.gql(t.Context(), ada.token, `mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, vars("c", room), nil); err != nil {
				t.Fatal(err)
			}
			for want := map[string]bool{"messageAdded": true, "events": true, "typing": true}; len(want) > 0; {
				got := receive(t, heard)
				field, _, _ := strings.Cut(got, " ")
				if !want[field] && field != "events" || strings.Contains(got, "Receipt") {
					t.Errorf("bob heard %s", got)
				}
				if field != "events" || strings.Contains(got, "fence") {
					delete(want, field)
				}
			}
		}
	})
}
