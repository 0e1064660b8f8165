package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// streamsOf are the subscriptions of one conversation, by the schema: what is
// added to it is tried, too.
func (p *program) streamsOf(t testing.TB) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, op := range p.api(t).operations() {
		for _, l := range op.leaves {
			if op.kind == "subscription" && l.typ == "ID" && l.path[len(l.path)-1] == "conversationId" {
				docs[op.field] = fmt.Sprintf(`subscription($c: ID!) { %s(conversationId: $c) { __typename } }`, op.field)
			}
		}
	}
	for _, must := range []string{"messageAdded", "messageChanged", "typing", "receipts", "membershipChanged"} {
		if docs[must] == "" {
			t.Fatalf("%s is not among %v", must, docs)
		}
	}
	return docs
}

// ends opens all streams of a conversation, has the membership end, and waits
// for each to say so and for nothing after it.
func ends(t *testing.T, p *program, who person, room string, end func() error) {
	t.Helper()
	docs := p.streamsOf(t)
	conn := p.dial(t, who)
	over := make(chan string, 100)
	for field, doc := range docs {
		err := conn.Subscribe(field, doc, vars("c", room), func(e wsclient.Event) {
			if s := string(e.Payload); e.Kind != wsclient.Next {
				over <- field + " " + s
			} else if strings.Contains(s, "Added") || strings.Contains(s, "Message") {
				over <- field + " heard " + s
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	barrier(t, conn)
	begin := time.Now()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	var ended []string
	for range docs {
		got := receive(t, over)
		field, _, _ := strings.Cut(got, " ")
		if !strings.Contains(got, "NOT_FOUND") || !strings.Contains(got, "MEMBERSHIP_ENDED") || slices.Contains(ended, field) {
			t.Errorf("%s", got)
		}
		ended = append(ended, field)
	}
	t.Logf("%d streams had ended after %v", len(docs), time.Since(begin))
	for field, doc := range docs {
		if r := askSocket(t, conn, doc, vars("c", room)); !strings.Contains(r, "NOT_FOUND") {
			t.Errorf("%s again: %s", field, r)
		}
	}
	for _, doc := range []string{
		wholeRoom, `query($c: ID!) { messages(conversationId: $c) { edges { node { id } } } }`,
		`mutation($c: ID!) { markRead(input: {conversationId: $c, seq: 1}) { conversation { id } } }`,
		`mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`,
		`mutation($c: ID!) { sendMessage(input: {conversationId: $c, text: "still here"}) { message { id } } }`,
	} {
		if r := p.ask(t, who.token, doc, vars("c", room)); r.code() != "NOT_FOUND" {
			t.Errorf("%s: %v", doc, r)
		}
	}
}

func TestEveryStreamOfAConversationEndsWithTheMembership(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		room := p.group(t, all[0], all[1:]...)
		t.Run("removed", func(t *testing.T) {
			ends(t, p, all[1], room, func() error {
				return p.gql(t.Context(), all[0].token, removeDoc, vars("c", room, "u", all[1].id), nil)
			})
		})
		t.Run("left", func(t *testing.T) {
			ends(t, p, all[2], room, func() error { return p.gql(t.Context(), all[2].token, leaveDoc, vars("c", room), nil) })
		})
	})
}

func TestTheStreamsOfARemovedMemberEndOnEveryNode(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	here, there := nodes[0], nodes[1]
	ada, bob := here.register(t, "ada"), here.register(t, "bob")
	room := here.group(t, ada, bob)
	ends(t, there, bob, room, func() error {
		return here.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", bob.id), nil)
	})
}
