package chatgraph_test

import (
	"maps"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

const messagesDoc = `query M($c: ID!, $first: Int, $after: String, $last: Int, $before: String, $around: Int) {
	messages(conversationId: $c, first: $first, after: $after, last: $last, before: $before, aroundSeq: $around) {
		edges { cursor node { seq } }
		pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
	}
}`

func TestPagesOfMessages(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 9).ID.String()
	for _, tt := range []struct {
		name           string
		args           map[string]any
		want           string
		next, previous bool
	}{
		{"the first", map[string]any{"first": 3}, "1 2 3", true, false},
		{"the newest", map[string]any{"last": 3}, "7 8 9", false, true},
		{"around one", map[string]any{"around": 5, "first": 3}, "4 5 6", true, true},
		{"around the first", map[string]any{"around": 1, "first": 3}, "1 2 3", true, false},
		{"around the newest", map[string]any{"around": 9, "last": 3}, "7 8 9", false, true},
		{"around one that is not there yet", map[string]any{"around": 99, "first": 3}, "7 8 9", false, true},
		{"around one in a short conversation", map[string]any{"around": 5}, "1 2 3 4 5 6 7 8 9", false, false},
		{"all", nil, "1 2 3 4 5 6 7 8 9", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vars := map[string]any{"c": c}
			maps.Copy(vars, tt.args)
			var got struct{ Messages connection }
			r.run(&got, messagesDoc, vars)
			if s := got.Messages.of("seq"); s != tt.want {
				t.Fatalf("got %s, want %s", s, tt.want)
			}
			if p := got.Messages.PageInfo; p.HasNextPage != tt.next || p.HasPreviousPage != tt.previous {
				t.Fatalf("%+v", p)
			}
		})
	}
}

func TestEveryMessageIsOnOnePageWhicheverWayOnePages(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 7).ID.String()
	var forward, backward string
	var at *string
	for {
		var got struct{ Messages connection }
		r.run(&got, messagesDoc, map[string]any{"c": c, "first": 3, "after": at})
		forward += got.Messages.of("seq") + "|"
		if at = got.Messages.PageInfo.EndCursor; !got.Messages.PageInfo.HasNextPage {
			break
		}
	}
	at = nil
	for {
		var got struct{ Messages connection }
		r.run(&got, messagesDoc, map[string]any{"c": c, "last": 3, "before": at})
		backward += got.Messages.of("seq") + "|"
		if at = got.Messages.PageInfo.StartCursor; !got.Messages.PageInfo.HasPreviousPage {
			break
		}
	}
	if forward != "1 2 3|4 5 6|7|" || backward != "5 6 7|2 3 4|1|" {
		t.Fatal(forward, backward)
	}
}

func TestBadPagesAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c, other := r.conversation(r.viewer, 3).ID.String(), r.conversation(r.viewer, 3).ID.String()
	var got struct{ Messages connection }
	r.run(&got, messagesDoc, map[string]any{"c": other})
	foreign := got.Messages.Edges[0].Cursor
	for _, tt := range []struct {
		args  map[string]any
		field string
	}{
		{map[string]any{"first": 101}, "first"},
		{map[string]any{"first": 0}, "first"},
		{map[string]any{"last": -1}, "last"},
		{map[string]any{"first": 1, "last": 1}, "last"},
		{map[string]any{"after": "made up"}, "after"},
		{map[string]any{"before": "made up"}, "before"},
		{map[string]any{"after": foreign}, "after"},
		{map[string]any{"around": -1}, "aroundSeq"},
		{map[string]any{"around": 1, "before": foreign}, "aroundSeq"},
	} {
		vars := map[string]any{"c": c}
		maps.Copy(vars, tt.args)
		r.refuses(messagesDoc, vars, "BAD_USER_INPUT", tt.field)
	}
	r.viewer = ids.New[ids.User]() // Cursors are not handed on either.
	r.refuses(messagesDoc, map[string]any{"c": other, "after": foreign}, "BAD_USER_INPUT", "after")
}

func TestWhatIsNotTheViewersDoesNotExist(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, id := range []string{"", "x", ids.New[ids.Conversation]().String(), ids.New[ids.Message]().String()} {
		v := map[string]any{"c": id}
		r.refuses(`query Q($c: ID!) { conversation(id: $c) { id } }`, v, "NOT_FOUND", "")
		r.refuses(`query Q($c: ID!) { message(id: $c) { id } }`, v, "NOT_FOUND", "")
		r.refuses(`query Q($c: ID!) { messages(conversationId: $c) { edges { cursor } } }`, v, "NOT_FOUND", "")
		r.refuses(`mutation Q($c: ID!) { sendMessage(input: {conversationId: $c, text: "x"}) { message { id } } }`, v, "NOT_FOUND", "")
		r.refuses(`mutation Q($c: ID!) { leaveConversation(input: {conversationId: $c}) { ok } }`, v, "NOT_FOUND", "")
		r.refuses(`mutation Q($c: ID!) { markRead(input: {conversationId: $c, seq: 1}) { conversation { id } } }`, v, "NOT_FOUND", "")
		r.refuses(`mutation Q($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, v, "NOT_FOUND", "")
	}
}

func TestConversationsComeNewestFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	var want []string
	for range 5 {
		want = append(want, r.conversation(r.viewer, 2).ID.String())
	}
	var got []string
	var at *string
	for {
		var page struct{ Conversations connection }
		r.run(&page, `query L($at: String) { conversations(first: 2, after: $at) {
			edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor }
		} }`, map[string]any{"at": at})
		for _, e := range page.Conversations.Edges {
			got = append(got, e.Node["id"].(string))
		}
		if at = page.Conversations.PageInfo.EndCursor; !page.Conversations.PageInfo.HasNextPage {
			break
		}
	}
	if len(got) != 5 || got[0] != want[4] || got[2] != want[2] || got[4] != want[0] {
		t.Fatal(got, want)
	}
}

func TestMembersArePagedByWhenTheyJoined(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 0)
	for i := range 5 {
		r.members = append(r.members, chat.Member{
			Conversation: v.ID, User: ids.New[ids.User](), Role: chat.Plain, JoinedAt: created.Add(time.Duration(i/2) * time.Minute),
		})
	}
	var at *string
	pages, seen := 0, 0
	for {
		var got struct{ Conversation struct{ Members connection } }
		r.run(&got, `query L($c: ID!, $at: String) { conversation(id: $c) { members(first: 2, after: $at) {
			edges { cursor node { role joinedAt user { id } } } pageInfo { hasNextPage endCursor }
		} } }`, map[string]any{"c": v.ID.String(), "at": at})
		m := got.Conversation.Members
		pages, seen, at = pages+1, seen+len(m.Edges), m.PageInfo.EndCursor
		if !m.PageInfo.HasNextPage {
			break
		}
	}
	if pages != 3 || seen != 5 {
		t.Fatalf("%d members on %d pages", seen, pages)
	}
}

// A list costs the same number of calls, each of which is a constant number of
// reads of the store, however long it is.
func TestTheReadsOfAListDoNotGrowWithIt(t *testing.T) {
	t.Parallel()
	r := setup(t)
	const conversations = `query L($n: Int) { conversations(first: $n) { edges { cursor node {
		id kind name unreadCount lastReadSeq memberCount viewerMembership { role joinedAt }
		lastMessage { id text sender { id } replyTo { text sender { id } viewerCan { edit } } viewerCan { edit delete } }
	} } } }`
	const messages = `query L($n: Int, $c: ID!) { messages(conversationId: $c, first: $n) { edges { node {
		seq text sender { id } replyTo { seq sender { id } replyTo { seq sender { id } } } conversation { id lastMessage { seq } }
		viewerCan { edit delete }
	} } } }`
	var c string
	for range 12 {
		c = r.conversation(r.viewer, 12).ID.String()
	}
	for _, tt := range []struct {
		doc  string
		want map[string]int
	}{
		{conversations, map[string]int{"List": 1, "MessagesAt": 1, "MessagesByID": 1, "Conversations": 2, "People.Many": 2}},
		{messages, map[string]int{"Page": 1, "MessagesByID": 2, "Conversations": 1, "MessagesAt": 1, "People.Many": 3}},
	} {
		for _, n := range []int{4, 12} {
			r.reads()
			r.run(nil, tt.doc, map[string]any{"n": n, "c": c})
			if got := r.reads(); !maps.Equal(got, tt.want) {
				t.Errorf("%d entries cost %v, want %v", n, got, tt.want)
			}
		}
	}
}

func TestATombstoneHasNoText(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 1)
	m := &r.messages[0]
	m.Text, m.DeletedAt = "must not be seen", created
	var got struct{ Message map[string]any }
	r.run(&got, `query G($id: ID!) { message(id: $id) { text deletedAt editedAt viewerCan { edit delete } } }`,
		map[string]any{"id": m.ID.String()})
	if got.Message["text"] != nil || got.Message["deletedAt"] != "2026-11-22T09:30:00.000Z" || got.Message["editedAt"] != nil {
		t.Fatal(got.Message)
	}
	if can := got.Message["viewerCan"].(map[string]any); can["edit"] != false || can["delete"] != false {
		t.Fatal(can)
	}
}

func TestAClientIDIsItsSendersAlone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 2)
	for i, sender := range []ids.User{r.viewer, ids.New[ids.User]()} {
		m := &r.messages[i]
		m.Sender, m.ClientID = sender, "mine"
		var got struct{ Message struct{ ClientID *string } }
		r.run(&got, `query G($id: ID!) { message(id: $id) { clientId } }`, map[string]any{"id": m.ID.String()})
		if seen := got.Message.ClientID != nil; seen != (sender == r.viewer) {
			t.Errorf("clientId seen: %v by another: %v", seen, sender != r.viewer)
		}
	}
}

func TestEditsAndNotes(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 1)
	r.edits = []chat.Edit{{Rev: 3, Text: "one", EditedAt: created}, {Rev: 4, Text: "two", EditedAt: created}}
	m := &r.messages[0]
	m.Kind, m.Note = chat.System, &chat.Note{Change: chat.Joined, Users: []ids.User{ids.New[ids.User](), ids.New[ids.User]()}}
	var got struct {
		Message struct {
			Kind   string
			System struct {
				Change    string
				UserCount int
				Users     []any
			}
			Edits connection
		}
	}
	r.run(&got, `query G($id: ID!) { message(id: $id) { kind system { change userCount users(first: 1) { id } }
		edits(first: 1) { edges { cursor node { rev text replacedAt } } pageInfo { hasNextPage endCursor } } } }`,
		map[string]any{"id": m.ID.String()})
	g := got.Message
	if g.Kind != "SYSTEM" || g.System.Change != "JOINED" || g.System.UserCount != 2 || len(g.System.Users) != 1 {
		t.Fatalf("%+v", g)
	}
	if g.Edits.of("text") != "one" || !g.Edits.PageInfo.HasNextPage {
		t.Fatalf("%+v", g.Edits)
	}
}
