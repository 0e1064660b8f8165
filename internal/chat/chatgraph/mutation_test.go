package chatgraph_test

import (
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func TestSendingHandsEverythingOver(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 1).ID
	var got struct {
		SendMessage struct{ Message map[string]any }
	}
	r.run(&got, `mutation S($in: SendMessageInput!) { sendMessage(input: $in) { message { seq text clientId replyToId replyTo { seq } } } }`,
		map[string]any{"in": map[string]any{
			"conversationId": c.String(), "text": "hello", "clientId": "k", "replyToId": r.messages[0].ID.String(),
		}})
	if r.sent.Conversation != c || r.sent.Sender != r.viewer || r.sent.Text != "hello" || r.sent.ClientID != "k" || r.sent.ReplyTo != r.messages[0].ID {
		t.Fatalf("%+v", r.sent)
	}
	m := got.SendMessage.Message
	if m["text"] != "hello" || m["clientId"] != "k" || m["seq"] != float64(1<<31-1) || m["replyTo"].(map[string]any)["seq"] != 1.0 {
		t.Fatal(m)
	}
	r.refuses(`mutation S($c: ID!) { sendMessage(input: {conversationId: $c, text: "x", replyToId: "none"}) { message { id } } }`,
		map[string]any{"c": c.String()}, "BAD_USER_INPUT", "input.replyToId")
}

func TestGroupsAreMadeOfTheirInput(t *testing.T) {
	t.Parallel()
	r := setup(t)
	a, b := ids.New[ids.User](), ids.New[ids.User]()
	const doc = `mutation G($in: CreateGroupInput!) { createGroup(input: $in) { conversation { id kind name lastMessage { id } } } }`
	r.run(nil, doc, map[string]any{"in": map[string]any{"name": "n"}})
	if r.group.Name != "n" || r.group.Description != "" || r.group.Public || len(r.group.Members) != 0 {
		t.Fatalf("%+v", r.group)
	}
	r.run(nil, doc, map[string]any{"in": map[string]any{
		"name": "n", "description": "d", "visibility": "PUBLIC", "memberIds": []any{a.String(), b.String()},
	}})
	if !r.group.Public || r.group.Description != "d" || !slices.Equal(r.group.Members, []ids.User{a, b}) {
		t.Fatalf("%+v", r.group)
	}
	r.run(nil, doc, map[string]any{"in": map[string]any{"name": "n", "description": nil, "visibility": nil, "memberIds": nil}})
	if r.group.Public {
		t.Fatal("null is not PRIVATE")
	}
	r.refuses(doc, map[string]any{"in": map[string]any{"name": "n", "memberIds": []any{"nobody"}}}, "NOT_FOUND", "input.memberIds")
}

func TestMembershipAndReading(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 4)
	c, other := map[string]any{"c": v.ID.String()}, ids.New[ids.User]()
	r.run(nil, `mutation A($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, map[string]any{"u": other.String()})
	if !slices.Equal(r.added, []ids.User{other}) {
		t.Fatal(r.added)
	}
	r.run(nil, `mutation A($c: ID!, $u: [ID!]!) { addMembers(input: {conversationId: $c, userIds: $u}) { conversation { memberCount } } }`,
		map[string]any{"c": v.ID.String(), "u": []any{other.String()}})
	if !slices.Equal(r.added, []ids.User{other}) {
		t.Fatal(r.added)
	}
	var read struct {
		MarkRead struct {
			Conversation struct{ UnreadCount, LastReadSeq int }
		}
	}
	r.run(&read, `mutation A($c: ID!) { markRead(input: {conversationId: $c, seq: 3}) { conversation { unreadCount lastReadSeq } } }`, c)
	if got := read.MarkRead.Conversation; r.readTo != 3 || got.UnreadCount != 1 || got.LastReadSeq != 3 {
		t.Fatal(r.readTo, got)
	}
	r.run(nil, `mutation A($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, c)
	if !r.typing {
		t.Fatal("not typing")
	}
	for field, more := range map[string]string{"removeMember": "", "setMemberRole": ", role: ADMIN", "transferOwnership": ""} {
		r.about = ids.User{}
		r.run(nil, `mutation A($c: ID!, $u: ID!) { `+field+`(input: {conversationId: $c, userId: $u`+more+`}) { conversation { id } } }`,
			map[string]any{"c": v.ID.String(), "u": other.String()})
		if r.about != other {
			t.Errorf("%s was of %s", field, r.about)
		}
	}
	if r.role != chat.Admin {
		t.Errorf("the role is %q", r.role)
	}
	r.run(nil, `mutation A($c: ID!) { leaveConversation(input: {conversationId: $c}) { ok } }`, c)
	if len(r.views) != 0 {
		t.Fatal("still there")
	}
}

func TestEditingAndDeletingReturnTheMessage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 1)
	var got struct {
		EditMessage, DeleteMessage struct{ Message map[string]any }
	}
	r.run(&got, `mutation E($id: ID!) {
		editMessage(input: {id: $id, text: "new"}) { message { text editedAt } }
		deleteMessage(input: {id: $id}) { message { text deletedAt } }
	}`, map[string]any{"id": r.messages[0].ID.String()})
	if e := got.EditMessage.Message; e["text"] != "new" || e["editedAt"] == nil {
		t.Fatal(e)
	}
	if d := got.DeleteMessage.Message; d["text"] != nil || d["deletedAt"] == nil {
		t.Fatal(d)
	}
}
