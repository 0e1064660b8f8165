package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

// deeds cause each type of event that a stranger of the conversation must not
// hear of, by who may. A new type needs its row.
func deeds(t testing.TB, p *program, ada, bob person, room string) map[string]func() {
	t.Helper()
	do := func(who person, doc string, v map[string]any) {
		t.Helper()
		if err := p.gql(t.Context(), who.token, doc, v, nil); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
	}
	m := p.says(t, ada, room, "canary to be marked")
	return map[string]func(){
		"MessageAdded": func() { p.says(t, ada, room, "canary, reply", "threadRootId", m.ID) },
		"MessageChanged": func() {
			do(ada, `mutation($m: ID!) { editMessage(input: {id: $m, text: "canary anew"}) { message { id } } }`, vars("m", m.ID))
			do(ada, `mutation($m: ID!) { addReaction(input: {messageId: $m, emoji: "👍"}) { message { id } } }`, vars("m", m.ID))
			do(ada, `mutation($m: ID!) { pinMessage(input: {messageId: $m}) { message { id } } }`, vars("m", m.ID))
			do(ada, `mutation($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`, vars("m", m.ID))
		},
		"MembershipChanged":   func() { do(ada, adminDoc, vars("c", room, "u", bob.id)) },
		"ConversationChanged": func() { do(ada, renameDoc, vars("c", room, "n", "canary")) },
		"ReceiptChanged": func() {
			do(ada, readDoc, vars("c", room, "s", p.says(t, bob, room, "canary to be read").Seq))
		},
		"TypingChanged": func() {
			do(ada, `mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, vars("c", room))
		},
		"ConversationSettingsChanged": func() {
			do(bob, `mutation($c: ID!) { updateConversationSettings(input: {conversationId: $c, pinned: true}) { conversation { id } } }`, vars("c", room))
		},
		"PresenceChanged": func() { p.setPresence(t, ada, "BUSY") },
	}
}

// elsewhere are types of events that are no conversation's, and that tests of
// their own hold to those whom they concern; and the marks of the stream.
var elsewhere = []string{"StreamStarted", "CaughtUp", "Reset", "PresenceSnapshot", "RelationshipChanged", "NotificationAdded", "ProfileChanged"}

// hearTypes subscribes to everything and returns the types, with the text of
// what is added. Presence comes as "TYPE id".
func hearTypes(t testing.TB, c *wsclient.Conn) <-chan string {
	t.Helper()
	out := make(chan string, 1000)
	err := c.Subscribe("all", `subscription { events { __typename ... on MessageAdded { message { text } } ... on TypingChanged { user { id } } ... on PresenceChanged { user { id } } } }`,
		nil, func(e wsclient.Event) {
			var d struct {
				Data struct {
					Events struct {
						Type    string `json:"__typename"`
						Message message
						User    struct{ ID string }
					}
				}
			}
			if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil {
				out <- "ended " + string(e.Payload)
				return
			}
			out <- strings.TrimSpace(d.Data.Events.Type + " " + d.Data.Events.Message.text() + d.Data.Events.User.ID)
		})
	if err != nil {
		t.Fatal(err)
	}
	barrier(t, c)
	return out
}

// Whatever happens in a conversation, of every type that there is, those who
// are not in it hear nothing up to a fence of each way by which events come: a
// stranger, and somebody who was removed. Nor is a member's stream of presence
// a stranger's.
func TestNoEventOfAnyTypeReachesAnOutsider(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 5)
		ada, bob, cyd, dan, eve := all[0], all[1], all[2], all[3], all[4]
		room := p.group(t, ada, bob, dan)
		if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", dan.id), nil); err != nil {
			t.Fatal(err)
		}
		own := p.group(t, eve, cyd, dan) // where the fence is
		p.dial(t, ada)                   // so that there is a presence to hear of
		p.dial(t, eve)
		member := hearTypes(t, p.dial(t, bob))
		receive(t, member) // StreamStarted
		outside := map[string]<-chan string{}
		for name, who := range map[string]person{"a stranger": cyd, "a removed member": dan} {
			conn := p.dial(t, who)
			outside[name] = hearTypes(t, conn)
			receive(t, outside[name])
			for field, doc := range p.streamsOf(t) {
				if r := askSocket(t, conn, doc, vars("c", room)); !strings.Contains(r, "NOT_FOUND") {
					t.Errorf("%s of %s: %s", field, name, r)
				}
			}
			if err := conn.Subscribe("watch", `subscription($u: [ID!]!) { presenceChanged(userIds: $u) { user { id } status } }`,
				vars("u", []string{ada.id, bob.id}), func(e wsclient.Event) {
					if e.Kind == wsclient.Next && !strings.Contains(string(e.Payload), `"OFFLINE"`) {
						t.Errorf("%s watches %s", name, e.Payload)
					}
				}); err != nil {
				t.Fatal(err)
			}
			barrier(t, conn)
		}
		for name, from := range outside { // what was to be heard of the others' coming
			for drained := false; !drained; {
				select {
				case got := <-from:
					if !strings.HasPrefix(got, "PresenceChanged") || strings.Contains(got, ada.id) || strings.Contains(got, bob.id) {
						t.Errorf("%s heard %s", name, got)
					}
				default:
					drained = true
				}
			}
		}
		by := deeds(t, p, ada, bob, room)
		for _, typ := range p.api(t).types["Event"].PossibleTypes {
			if by[typ.Name] == nil && !slices.Contains(elsewhere, typ.Name) {
				t.Errorf("what causes a %s? Give it a row", typ.Name)
			}
		}
		for _, typ := range slices.Sorted(maps.Keys(by)) {
			by[typ]()
		}
		heard := map[string]bool{}
		p.says(t, ada, room, "fence")
		p.says(t, eve, own, "fence")
		if err := p.gql(t.Context(), eve.token, `mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, vars("c", own), nil); err != nil {
			t.Fatal(err)
		}
		p.setPresence(t, eve, "BUSY")
		for len(heard) < len(by) {
			got, _, _ := strings.Cut(receive(t, member), " ")
			if by[got] != nil {
				heard[got] = true
			}
		}
		for name, from := range outside {
			missing := []string{"MessageAdded fence", "TypingChanged " + eve.id, "PresenceChanged " + eve.id}
			for len(missing) > 0 {
				got := receive(t, from)
				i := slices.Index(missing, got)
				if i < 0 && !strings.HasPrefix(got, "PresenceChanged") || strings.Contains(got, ada.id) || strings.Contains(got, bob.id) {
					t.Errorf("%s heard %s", name, got)
				}
				if i >= 0 {
					missing = slices.Delete(missing, i, i+1)
				}
			}
		}
	})
}

// What outsiders try on a message and a conversation (receipts, reactions, pins,
// typing, reports, edits) is answered as of nothing, and heard by nobody.
func TestWhatOutsidersTryIsHeardByNobody(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 4)
	ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
	room := p.group(t, ada, bob, dan)
	m := p.says(t, ada, room, "canary")
	dans := p.says(t, dan, room, "of dan")
	if err := p.gql(t.Context(), dan.token, leaveDoc, vars("c", room), nil); err != nil {
		t.Fatal(err)
	}
	conn := p.dial(t, bob)
	heard := make(chan string, 1000)
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
	before := p.ask(t, ada.token, wholeRoom, vars("c", room)).body
	api := p.api(t)
	tries := 0
	for _, who := range []person{cyd, dan} {
		for _, of := range []string{m.ID, dans.ID} {
			value := ownValues(somewhere{"conversation": room, "message": of, "user": ada.id, "session": nobodys["session"], "invite": nobodys["invite"], "report": nobodys["report"]})
			for _, op := range api.operations() {
				if op.kind != "mutation" || endsTheSession(op.field) {
					continue
				}
				named := ""
				for _, l := range op.leaves {
					for _, kind := range idKinds(op, l) {
						if l.required && (kind == "conversation" || kind == "message") {
							named = kind
						}
					}
				}
				if named == "" {
					continue
				}
				tries++
				r := p.ask(t, who.token, op.doc, op.variables(value(op), nil, nil))
				if r.code() != "NOT_FOUND" {
					t.Errorf("%s by %s: %v", op.field, who.name, r)
				}
			}
		}
	}
	if tries < 60 {
		t.Errorf("only %d tries", tries)
	}
	// One fence of each way, after which all has come.
	fences := map[string]string{"messageAdded": "Message", "messageChanged": "Message", "typing": "Typing", "receipts": "Receipt", "membershipChanged": "Member"}
	for _, doc := range []string{
		`mutation($c: ID!, $m: ID!) { sendMessage(input: {conversationId: $c, text: "fence"}) { message { id } } editMessage(input: {id: $m, text: "fence"}) { message { id } } }`,
		`mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`,
		`mutation($c: ID!, $u: ID!) { setMemberRole(input: {conversationId: $c, userId: $u, role: ADMIN}) { conversation { id } } }`,
	} {
		v := vars("c", room, "m", m.ID, "u", bob.id)
		if r := p.ask(t, ada.token, doc, used(doc, v)); r.code() != "" {
			t.Fatalf("%s: %v", doc, r)
		}
	}
	if err := p.gql(t.Context(), ada.token, readDoc, vars("c", room, "s", p.says(t, bob, room, "fence").Seq), nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for len(got) < len(docs) {
		s := receive(t, heard)
		field, _, _ := strings.Cut(s, " ")
		if got[field]++; fences[field] == "" && field != "events" {
			t.Errorf("%s is a stream without a fence: give it a row", field)
			break
		}
		if strings.Contains(s, `"error`) || strings.Contains(s, cyd.id) || strings.Contains(s, dan.id) {
			t.Errorf("bob heard %s", s)
		}
	}
	var d struct {
		Messages struct {
			Edges []struct {
				Node struct {
					ID        string
					Text      *string
					Reactions []struct{ Count int }
					ReadBy    struct {
						Edges []struct {
							Node struct{ ID string }
						}
					}
				}
			}
		}
	}
	if err := p.gql(t.Context(), ada.token, `query($c: ID!) { messages(conversationId: $c, first: 20) { edges { node { id text reactions { count } readBy(first: 5) { edges { node { id } } } } } } }`, vars("c", room), &d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Messages.Edges {
		if len(e.Node.Reactions) > 0 || strings.Contains(fmt.Sprint(e.Node.ReadBy), cyd.id) {
			t.Errorf("%+v", e.Node)
		}
	}
	if n := strings.Count(before, `"id":"msg_`) + 3; n != len(d.Messages.Edges) { // the fences and the note of the role
		t.Errorf("%d messages, before there were %d: %s", len(d.Messages.Edges), n-3, before)
	}
}

// used are the variables that a document declares.
func used(doc string, of map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range of {
		if strings.Contains(doc, "$"+name+":") {
			out[name] = v
		}
	}
	return out
}
