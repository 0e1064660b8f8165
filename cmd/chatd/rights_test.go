package main

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

// attempt is a mutation of a conversation, and what comes of it by the
// standing of who tries: a mark each, in the order of ofMany and ofTwo.
type attempt struct {
	op, more, doc string
	group         string // in a private group
	channel       string // as in a group where empty
	direct        string
	moves         bool // a success changes who is what, or what is to be tried on
}

// The standings that somebody has to a group or channel, and to a direct
// conversation. Blocked is who was blocked by the author, whose message is
// tried on: in the first a member like others, in the second the other one.
var (
	ofMany = []string{"owner", "admin", "member", "blocked", "removed", "stranger"}
	ofTwo  = []string{"member", "blocked", "stranger"}
)

// outcomes says what a mark stands for. Whoever is not signed in gets
// UNAUTHENTICATED, whatever it is.
var outcomes = map[byte]string{'+': "", 'F': "FORBIDDEN", '-': "NOT_FOUND", 'B': "BAD_USER_INPUT", 'P': "FAILED_PRECONDITION"}

// attempts is every mutation of a conversation or of what is in one. $c is the
// conversation, $m the author's message, $o the one of who tries, $u the
// author, $n somebody who is not in it, $i and $k an invitation and its code.
var attempts = []attempt{
	{op: "updateGroup", doc: `($c: ID!) { updateGroup(input: {conversationId: $c, description: "new"}) { conversation { id } } }`, group: "++FF--", direct: "PP-", moves: true},
	{op: "createGroupInvite", doc: `($c: ID!) { createGroupInvite(input: {conversationId: $c}) { code } }`, group: "++FF--", direct: "PP-"},
	{op: "revokeGroupInvite", doc: `($i: ID!) { revokeGroupInvite(input: {inviteId: $i}) { invite { id } } }`, group: "++FF--"},
	{op: "joinByInvite", doc: `($k: String!) { joinByInvite(input: {code: $k}) { conversation { id } } }`, group: "++++++", moves: true},
	{op: "joinChannel", doc: `($c: ID!) { joinChannel(input: {conversationId: $c}) { conversation { id } } }`, group: "------", channel: "++++++", direct: "---", moves: true},
	{op: "addMembers", doc: `($c: ID!, $n: ID!) { addMembers(input: {conversationId: $c, userIds: [$n]}) { conversation { id } } }`, group: "++++--", direct: "PP-", moves: true},
	{op: "removeMember", doc: `($c: ID!, $u: ID!) { removeMember(input: {conversationId: $c, userId: $u}) { conversation { id } } }`, group: "++FF--", direct: "PP-", moves: true},
	{op: "setMemberRole", doc: `($c: ID!, $u: ID!) { setMemberRole(input: {conversationId: $c, userId: $u, role: ADMIN}) { conversation { id } } }`, group: "+FFF--", direct: "PP-", moves: true},
	{op: "transferOwnership", doc: `($c: ID!, $u: ID!) { transferOwnership(input: {conversationId: $c, userId: $u}) { conversation { id } } }`, group: "+FFF--", direct: "PP-", moves: true},
	{op: "leaveConversation", doc: `($c: ID!) { leaveConversation(input: {conversationId: $c}) { ok } }`, group: "++++--", direct: "PP-", moves: true},

	{op: "sendMessage", doc: `($c: ID!) { sendMessage(input: {conversationId: $c, text: "hello"}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "sendMessage", more: " in reply", doc: `($c: ID!, $m: ID!) { sendMessage(input: {conversationId: $c, text: "hello", replyToId: $m}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "sendMessage", more: " in a thread", doc: `($c: ID!, $m: ID!) { sendMessage(input: {conversationId: $c, text: "hello", threadRootId: $m}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "editMessage", more: " of one's own", doc: `($o: ID!) { editMessage(input: {id: $o, text: "new"}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "editMessage", more: " of another's", doc: `($m: ID!) { editMessage(input: {id: $m, text: "new"}) { message { id } } }`, group: "FFFF--", direct: "FF-"},
	{op: "deleteMessage", more: " of one's own", doc: `($o: ID!) { deleteMessage(input: {id: $o}) { message { id } } }`, group: "++++--", direct: "++-", moves: true},
	{op: "deleteMessage", more: " of another's", doc: `($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`, group: "++FF--", direct: "FF-", moves: true},
	{op: "pinMessage", doc: `($m: ID!) { pinMessage(input: {messageId: $m}) { message { id } } }`, group: "++++--", channel: "++FF--", direct: "+--", moves: true},
	{op: "unpinMessage", doc: `($m: ID!) { unpinMessage(input: {messageId: $m}) { message { id } } }`, group: "++++--", channel: "++FF--", direct: "+--"},
	{op: "addReaction", doc: `($m: ID!) { addReaction(input: {messageId: $m, emoji: "👍"}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "removeReaction", doc: `($m: ID!) { removeReaction(input: {messageId: $m, emoji: "👍"}) { message { id } } }`, group: "++++--", direct: "+--"},
	{op: "setTyping", doc: `($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, group: "++++--", direct: "+--"},

	{op: "markRead", doc: `($c: ID!) { markRead(input: {conversationId: $c, seq: 1}) { conversation { id } } }`, group: "++++--", direct: "++-"},
	{op: "markDelivered", doc: `($c: ID!) { markDelivered(input: {conversationId: $c, seq: 1}) { conversation { id } } }`, group: "++++--", direct: "++-"},
	{op: "markUnread", doc: `($c: ID!) { markUnread(input: {conversationId: $c, seq: 1}) { conversation { id } } }`, group: "++++--", direct: "++-"},
	{op: "updateConversationSettings", doc: `($c: ID!) { updateConversationSettings(input: {conversationId: $c, pinned: true}) { conversation { id } } }`, group: "++++--", direct: "++-"},
	{op: "reportMessage", doc: `($m: ID!) { reportMessage(input: {messageId: $m, reason: "spam"}) { report { id } } }`, group: "++++--", direct: "++-"},
	{op: "resolveReport", doc: `($r: ID!) { resolveReport(input: {reportId: $r, resolution: DISMISSED}) { report { id } } }`, group: "FFFFFF", direct: "FFF"},
}

// standpoint is a conversation of one kind with somebody of every standing.
type standpoint struct {
	p                *program
	author, newcomer person
	who              map[string]person
	room, own        map[string]string // of each standing: the conversation, his own message in it
	message          map[string]string // the author's there
}

// many makes a group or channel anew.
func (c *standpoint) many(t testing.TB, visibility string) {
	t.Helper()
	var d struct {
		CreateGroup struct{ Conversation struct{ ID string } }
	}
	members := []string{c.author.id}
	for _, name := range ofMany[1:5] {
		members = append(members, c.who[name].id)
	}
	err := c.p.gql(t.Context(), c.who["owner"].token, `mutation($u: [ID!], $v: Visibility) { createGroup(input: {name: "a place", visibility: $v, memberIds: $u}) { conversation { id } } }`,
		vars("u", members, "v", visibility), &d)
	if err != nil {
		t.Fatal(err)
	}
	room := d.CreateGroup.Conversation.ID
	said := c.p.says(t, c.author, room, "of the author").ID
	for _, name := range ofMany {
		c.room[name], c.message[name], c.own[name] = room, said, said
		if name != "stranger" {
			c.own[name] = c.p.says(t, c.who[name], room, "of the "+name).ID
		}
	}
	c.p.mustDo(t, c.who["owner"].token, adminDoc, vars("c", room, "u", c.who["admin"].id))
	c.p.mustDo(t, c.who["owner"].token, removeDoc, vars("c", room, "u", c.who["removed"].id))
}

// two says something anew in the direct conversations, which have to be there:
// nobody opens one to who has blocked him.
func (c *standpoint) two(t testing.TB) {
	t.Helper()
	c.p.relate(t, "unblockUser", c.author, c.who["blocked"])
	for _, name := range ofTwo[:2] {
		c.room[name] = c.p.direct(t, c.author, c.who[name])
		c.message[name], c.own[name] = c.p.says(t, c.author, c.room[name], "of the author").ID, c.p.says(t, c.who[name], c.room[name], "of the "+name).ID
	}
	c.room["stranger"], c.message["stranger"], c.own["stranger"] = c.room["member"], c.message["member"], c.message["member"]
	c.p.relate(t, "blockUser", c.author, c.who["blocked"])
}

// The rights table, whole: every mutation that names a conversation or what is
// in one, in each kind of conversation, by everybody that there can be. What is
// refused changes nothing. A new mutation needs its row.
func TestEveryMutationOfAConversationAsksForItsRight(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		p.register(t, "root") // administers the server
		all := p.people(t, "user", 8)
		c := &standpoint{p: p, author: all[6], newcomer: all[7], who: map[string]person{}, room: map[string]string{}, own: map[string]string{}, message: map[string]string{}}
		for i, name := range ofMany {
			c.who[name] = all[i]
		}
		for _, op := range p.api(t).operations() {
			ofOne := slices.ContainsFunc(op.leaves, func(l leaf) bool {
				return l.typ == "ID" && slices.ContainsFunc(idKinds(op, l), func(kind string) bool {
					return slices.Contains([]string{"conversation", "message", "invite", "report"}, kind)
				})
			})
			if op.kind == "mutation" && ofOne && !slices.ContainsFunc(attempts, func(a attempt) bool { return a.op == op.field }) {
				t.Errorf("who may %s? Give it a row", op.field)
			}
		}
		tried := 0
		for _, kind := range []string{"group", "channel", "direct"} {
			anew, standings := func() { c.many(t, "PRIVATE") }, ofMany
			switch kind {
			case "channel":
				anew = func() { c.many(t, "PUBLIC") }
			case "direct":
				anew, standings = func() { c.two(t) }, ofTwo
			}
			anew()
			for _, a := range attempts {
				marks := a.group
				switch kind {
				case "channel":
					marks = cmp.Or(a.channel, a.group)
				case "direct":
					marks = a.direct
				}
				for i, mark := range []byte(marks) {
					tried++
					if c.try(t, kind, a, standings[i], outcomes[mark]) && a.moves {
						anew()
					}
				}
			}
		}
		if tried < 350 {
			t.Errorf("only %d tried", tried)
		}
	})
}

// try has somebody of a standing, and somebody signed out, try one thing.
func (c *standpoint) try(t *testing.T, kind string, a attempt, standing, want string) (done bool) {
	t.Helper()
	room := c.room[standing]
	v := vars("c", room, "m", c.message[standing], "o", c.own[standing], "u", c.author.id, "n", c.newcomer.id)
	switch {
	case strings.Contains(a.doc, "$i:") || strings.Contains(a.doc, "$k:"):
		v["i"], v["k"] = c.p.invite(t, c.who["owner"], room, nil)
	case strings.Contains(a.doc, "$r:"):
		v["r"] = c.p.report(t, c.author, c.message[standing])
	}
	const state = `query($c: ID!, $m: ID!) { conversation(id: $c) { name description lastSeq lastRev memberCount members { edges { node { role user { id } } } } }
		message(id: $m) { text editedAt deletedAt pinnedAt reactions { emoji count } } }`
	before := c.p.ask(t, c.author.token, state, v)
	if before.code() != "" {
		t.Fatalf("the author, before %s: %v", a.op, before)
	}
	if out := c.p.ask(t, "", "mutation"+a.doc, v); out.code() != "UNAUTHENTICATED" {
		t.Errorf("%s%s in a %s by somebody signed out: %v", a.op, a.more, kind, out)
	}
	got := c.p.ask(t, c.who[standing].token, "mutation"+a.doc, v)
	if got.code() != want {
		t.Errorf("%s%s in a %s by %s: %v instead of %q", a.op, a.more, kind, standing, got, want)
	}
	if got.code() == "" {
		return true
	}
	if after := c.p.ask(t, c.author.token, state, v); after.body != before.body {
		t.Errorf("%s%s in a %s by %s was refused, and of\n%s made\n%s", a.op, a.more, kind, standing, before.body, after.body)
	}
	return false
}
