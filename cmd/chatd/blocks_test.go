package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// relate does something about another: sendFriendRequest and so on.
func (p *program) relate(t testing.TB, op string, who, other person) {
	t.Helper()
	if err := p.gql(t.Context(), who.token, relateDoc(op), vars("u", other.id), nil); err != nil {
		t.Fatalf("%s %s %s: %v", who.name, op, other.name, err)
	}
}

func relateDoc(op string) string {
	return `mutation($u: ID!) { ` + op + `(input: {userId: $u}) { user { id relationship } } }`
}

// befriend makes friends of two people.
func (p *program) befriend(t testing.TB, a, b person) {
	t.Helper()
	p.relate(t, "sendFriendRequest", a, b)
	p.relate(t, "acceptFriendRequest", b, a)
}

// relation is an event of what somebody is to a viewer, or a mark.
type relation struct {
	Type   string `json:"__typename"`
	Cursor string
	User   struct {
		ID           string
		Relationship string // as it is now
	}
	Relationship string
}

// hearRelations subscribes to everything and passes on what has to do with
// relationships, and the marks of the stream.
func hearRelations(t testing.TB, c *wsclient.Conn, id string, after any) <-chan relation {
	t.Helper()
	out := make(chan relation, 1<<10)
	err := c.Subscribe(id, `subscription($a: String) { events(after: $a) { __typename cursor
		... on RelationshipChanged { user { id relationship } relationship } } }`, vars("a", after), func(e wsclient.Event) {
		var d struct{ Data struct{ Events relation } }
		if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil {
			return
		}
		switch d.Data.Events.Type {
		case "RelationshipChanged", "StreamStarted", "CaughtUp", "Reset":
			out <- d.Data.Events
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	barrier(t, c)
	return out
}

func wantRelation(t testing.TB, from <-chan relation, of person, want string) relation {
	t.Helper()
	e := receive(t, from)
	if e.Type != "RelationshipChanged" || e.User.ID != of.id || e.Relationship != want {
		t.Errorf("%+v, want %s of %s", e, want, of.name)
	}
	return e
}

// contacts returns the names of a viewer's contacts, by two at a time.
func (p *program) contacts(t testing.TB, who person, state string) (names []string) {
	t.Helper()
	for after := any(nil); ; {
		var d struct {
			Contacts struct {
				Edges []struct {
					Since time.Time
					Node  struct{ Username, Relationship string }
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		err := p.gql(t.Context(), who.token, `query($s: RelationshipState, $a: String) { contacts(state: $s, first: 2, after: $a) {
			edges { since node { username relationship } } pageInfo { hasNextPage endCursor } } }`, vars("s", state, "a", after), &d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range d.Contacts.Edges {
			if e.Node.Relationship != state || e.Since.IsZero() {
				t.Errorf("listed as %s: %+v", state, e)
			}
			names = append(names, e.Node.Username)
		}
		if !d.Contacts.PageInfo.HasNextPage {
			return names
		}
		after = d.Contacts.PageInfo.EndCursor
	}
}

// Friendship from the request to its end, on all devices of both, live, after
// kill -9, by polling and in lists.
func TestFriendsAreMadeAndBothHearOfIt(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 5)
		ada, bob := all[0], all[1]
		phone, laptop := hearRelations(t, p.dial(t, ada), "1", nil), hearRelations(t, p.dial(t, ada), "1", nil)
		bobs := hearRelations(t, p.dial(t, bob), "1", nil)
		started := receive(t, phone)
		receive(t, laptop)
		receive(t, bobs)
		live := make(chan relation, 100)
		watch := p.dial(t, bob)
		if err := watch.Subscribe("own", `subscription { relationshipChanged { user { id } relationship } }`, nil, func(e wsclient.Event) {
			var d struct{ Data struct{ RelationshipChanged relation } }
			if e.Kind == wsclient.Next && json.Unmarshal(e.Payload, &d) == nil {
				d.Data.RelationshipChanged.Type = "RelationshipChanged"
				live <- d.Data.RelationshipChanged
			}
		}); err != nil {
			t.Fatal(err)
		}
		barrier(t, watch)
		for _, step := range []struct {
			op         string
			who, other person
			ada, bob   string
		}{
			{"sendFriendRequest", ada, bob, "REQUEST_SENT", "REQUEST_RECEIVED"},
			{"declineFriendRequest", bob, ada, "NONE", "NONE"},
			{"sendFriendRequest", bob, ada, "REQUEST_RECEIVED", "REQUEST_SENT"},
			{"cancelFriendRequest", bob, ada, "NONE", "NONE"},
			{"sendFriendRequest", ada, bob, "REQUEST_SENT", "REQUEST_RECEIVED"},
			{"acceptFriendRequest", bob, ada, "FRIENDS", "FRIENDS"},
			{"removeFriend", ada, bob, "NONE", "NONE"},
		} {
			for range 2 { // to say it again changes nothing, and nobody hears of it
				p.relate(t, step.op, step.who, step.other)
			}
			for _, adas := range []<-chan relation{phone, laptop} {
				wantRelation(t, adas, bob, step.ada)
			}
			wantRelation(t, bobs, ada, step.bob)
			wantRelation(t, live, ada, step.bob)
		}
		p.kill()
		p.start(t)
		missed := hearRelations(t, p.dial(t, ada), "1", started.Cursor)
		if e := receive(t, missed); e.Type != "StreamStarted" {
			t.Fatalf("%+v", e)
		}
		for _, want := range []string{"REQUEST_SENT", "NONE", "REQUEST_RECEIVED", "NONE", "REQUEST_SENT", "FRIENDS", "NONE"} {
			wantRelation(t, missed, bob, want)
		}
		if e := receive(t, missed); e.Type != "CaughtUp" {
			t.Errorf("%+v", e)
		}
		var poll struct {
			Events struct{ Edges []struct{ Node relation } }
		}
		if err := p.gql(t.Context(), ada.token, `query($a: String) { events(after: $a, first: 3) { edges { node { __typename cursor } } } }`, vars("a", started.Cursor), &poll); err != nil || len(poll.Events.Edges) != 3 {
			t.Errorf("polled %+v, %v", poll, err)
		}
		again := hearRelations(t, p.dial(t, ada), "1", poll.Events.Edges[2].Node.Cursor)
		receive(t, again)
		wantRelation(t, again, bob, "NONE") // the fourth

		for _, other := range all[1:] {
			p.befriend(t, ada, other)
		}
		if got := p.contacts(t, ada, "FRIENDS"); !slices.Equal(got, []string{all[4].name, all[3].name, all[2].name, all[1].name}) {
			t.Errorf("friends: %v", got)
		}
		if r := p.ask(t, ada.token, `{ contacts(state: NONE) { edges { cursor } } }`, nil); r.code() != "BAD_USER_INPUT" {
			t.Errorf("strangers are listed: %v", r)
		}
		if r := p.ask(t, ada.token, relateDoc("sendFriendRequest"), vars("u", ada.id)); r.code() != "BAD_USER_INPUT" {
			t.Errorf("friends with oneself: %v", r)
		}
	})
}

// pairOf is two people with all that two can have, and a third.
type pairOf struct {
	p                    *program
	ada, eve, cyd        person
	pair, shared         string            // conversations
	said, rooms, invites map[string]string // by the name of who has said or made it
}

func newPairOf(t *testing.T, p *program) *pairOf {
	t.Helper()
	all := p.people(t, "user", 3)
	b := &pairOf{p: p, ada: all[0], eve: all[1], cyd: all[2], said: map[string]string{}, rooms: map[string]string{}, invites: map[string]string{}}
	b.pair, b.shared = p.direct(t, b.ada, b.eve), p.group(t, b.cyd, b.ada, b.eve)
	for _, who := range []person{b.ada, b.eve} {
		b.said[who.name] = p.says(t, who, b.pair, "of old").ID
		b.rooms[who.name] = p.group(t, who)
		_, b.invites[who.name] = p.invite(t, who, b.rooms[who.name], nil)
	}
	return b
}

// channel is a way from one to another, which behind a block answers as if the
// other, or what is his, were not there.
type channel struct {
	name, doc string
	with      func(actor, other person) map[string]any // what goes with both
	absent    func(actor person) map[string]any        // what it is compared to
}

// channels are all ways of contact that answer with an error.
func (b *pairOf) channels() []channel {
	about := func(_, other person) map[string]any { return vars("u", other.id) }
	nobody := func(person) map[string]any { return vars("u", nobodys["user"]) }
	in := func(person, person) map[string]any { return vars("c", b.pair) }
	nowhere := func(person) map[string]any { return vars("c", nobodys["conversation"]) }
	own := func(actor, _ person) map[string]any { return vars("m", b.said[actor.name]) }
	theirs := func(_, other person) map[string]any { return vars("m", b.said[other.name]) }
	nothing := func(person) map[string]any { return vars("m", nobodys["message"]) }
	all := []channel{
		{"open", `mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, about, nobody},
		{"send", `mutation($c: ID!) { sendMessage(input: {conversationId: $c, text: "hello"}) { message { kind } } }`, in, nowhere},
		{"type", `mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, in, nowhere},
		{"edit", `mutation($m: ID!) { editMessage(input: {id: $m, text: "other"}) { message { kind } } }`, own, nothing},
		{"react", `mutation($m: ID!) { addReaction(input: {messageId: $m, emoji: "👍"}) { message { kind } } }`, theirs, nothing},
		{"pin", `mutation($m: ID!) { pinMessage(input: {messageId: $m}) { message { kind } } }`, theirs, nothing},
		{"make a group", `mutation($u: ID!) { createGroup(input: {name: "two", memberIds: [$u]}) { conversation { name } } }`, about, nobody},
		{
			"add", `mutation($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { name } } }`,
			func(actor, other person) map[string]any { return vars("c", b.rooms[actor.name], "u", other.id) },
			func(actor person) map[string]any { return vars("c", b.rooms[actor.name], "u", nobodys["user"]) },
		},
		{
			"join by code", `mutation($k: String!) { joinByInvite(input: {code: $k}) { conversation { name } } }`,
			func(_, other person) map[string]any { return vars("k", b.invites[other.name]) },
			func(person) map[string]any { return vars("k", "ABCDEFGHIJKLMNOPQRSTUVWXYZ") },
		},
	}
	for _, op := range []string{"sendFriendRequest", "acceptFriendRequest", "declineFriendRequest", "cancelFriendRequest", "removeFriend"} {
		all = append(all, channel{op, relateDoc(op), about, nobody})
	}
	return all
}

// Each channel both ways: with the block it answers, to both alike, what it
// answers of nobody, byte for byte; without it, it works.
func TestABlockStopsEveryChannelBothWays(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, args []string) {
		b := newPairOf(t, startProgram(t, args...))
		p, ada, eve := b.p, b.ada, b.eve
		p.befriend(t, ada, eve)
		p.relate(t, "blockUser", ada, eve)
		before := [2]reply{p.ask(t, ada.token, wholeRoom, vars("c", b.pair)), p.ask(t, eve.token, wholeRoom, vars("c", b.pair))}
		if !strings.Contains(before[0].body, "of old") || !strings.Contains(before[1].body, "of old") {
			t.Errorf("what was said is not there any more: %v", before)
		}
		ways := [][2]person{{ada, eve}, {eve, ada}}
		for _, way := range ways {
			for _, ch := range b.channels() {
				of, none := p.ask(t, way[0].token, ch.doc, ch.with(way[0], way[1])), p.ask(t, way[0].token, ch.doc, ch.absent(way[0]))
				if of.code() != "NOT_FOUND" || of.body != none.body || of.status != none.status {
					t.Errorf("%s by %s:\n%v\nof nobody:\n%v", ch.name, way[0].name, of, none)
				}
			}
			if can := p.canIn(t, way[0], b.pair); can != "send:false edit:false react:false pin:false reply:false delete:true" {
				t.Errorf("%s is told %s", way[0].name, can)
			}
		}
		// In the group that both are in they go on, and are mentioned by nobody who is apart.
		for _, way := range ways {
			m := p.mentioning(t, way[0], b.shared, "@"+way[1].name+" and @"+b.cyd.name)
			if want := []string{b.cyd.id}; !slices.Equal(m, want) {
				t.Errorf("%s mentions %v, want %v", way[0].name, m, want)
			}
		}
		if got := p.history(t, eve, b.shared); len(got) != 2 {
			t.Errorf("in the group eve reads %+v", got)
		}
		// What one has said oneself can be taken away.
		for i, who := range []person{ada, eve} {
			if now := p.ask(t, who.token, wholeRoom, vars("c", b.pair)); now.body != before[i].body {
				t.Errorf("the conversation was\n%v\nand is\n%v", before[i], now)
			}
		}
		p.relate(t, "unblockUser", ada, eve)
		for _, way := range ways {
			if can := p.canIn(t, way[0], b.pair); can != "send:true edit:true react:true pin:true reply:true delete:true" {
				t.Errorf("without the block %s is told %s", way[0].name, can)
			}
			for _, ch := range b.channels() {
				r := p.ask(t, way[0].token, ch.doc, ch.with(way[0], way[1]))
				if want := map[string]string{"acceptFriendRequest": "NOT_FOUND"}[ch.name]; r.code() != want && (ch.name != "acceptFriendRequest" || r.code() != "") {
					t.Errorf("without the block, %s by %s: %v", ch.name, way[0].name, r)
				}
			}
			if m := p.mentioning(t, way[0], b.shared, "@"+way[1].name); len(m) != 1 {
				t.Errorf("without the block %s mentions %v", way[0].name, m)
			}
		}
		if err := p.gql(t.Context(), eve.token, `mutation($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`, vars("m", b.said[eve.name]), nil); err != nil {
			t.Error(err)
		}
	})
}

// canIn is what the viewer may do in a conversation and with his first message
// in it.
func (p *program) canIn(t testing.TB, who person, room string) string {
	t.Helper()
	var d struct {
		Conversation struct{ ViewerCan struct{ Send bool } }
		Messages     struct {
			Edges []struct {
				Node struct {
					Sender    struct{ ID string }
					ViewerCan struct{ Edit, React, Pin, ReplyInThread, Delete bool }
				}
			}
		}
	}
	err := p.gql(t.Context(), who.token, `query($c: ID!) { conversation(id: $c) { viewerCan { send } }
		messages(conversationId: $c) { edges { node { sender { id } viewerCan { edit react pin replyInThread delete } } } } }`, vars("c", room), &d)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Messages.Edges {
		if can := e.Node.ViewerCan; e.Node.Sender.ID == who.id {
			return fmt.Sprintf("send:%v edit:%v react:%v pin:%v reply:%v delete:%v", d.Conversation.ViewerCan.Send, can.Edit, can.React, can.Pin, can.ReplyInThread, can.Delete)
		}
	}
	return "nothing"
}

// mentioning sends a text and returns whom it mentions.
func (p *program) mentioning(t testing.TB, who person, room, text string) (of []string) {
	t.Helper()
	var d struct {
		SendMessage struct {
			Message struct {
				Mentions struct {
					Users []struct{ ID string }
				}
			}
		}
	}
	err := p.gql(t.Context(), who.token, `mutation($c: ID!, $t: String!) { sendMessage(input: {conversationId: $c, text: $t}) { message { mentions { users { id } } } } }`,
		vars("c", room, "t", text), &d)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range d.SendMessage.Message.Mentions.Users {
		of = append(of, u.ID)
	}
	return of
}

// Who is blocked finds the other nowhere: he gets the bytes that he gets of
// nobody. Who has blocked goes on knowing whom.
func TestWhoIsBlockedCannotTellItFromAbsence(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		b := newPairOf(t, startProgram(t, args...))
		p, ada, eve := b.p, b.ada, b.eve
		fay := p.people(t, "fay", 1)[0]
		p.befriend(t, ada, eve)
		p.befriend(t, ada, fay)
		heard := map[string]<-chan relation{}
		for _, who := range []person{eve, fay} {
			heard[who.name] = hearRelations(t, p.dial(t, who), "1", nil)
			receive(t, heard[who.name])
		}
		p.relate(t, "removeFriend", ada, fay)
		p.relate(t, "blockUser", ada, eve)
		// What he is told is what somebody is told who is a friend no longer.
		for _, who := range []person{eve, fay} {
			if e := wantRelation(t, heard[who.name], ada, "NONE"); e.User.Relationship != "NONE" {
				t.Errorf("%s: %+v", who.name, e)
			}
		}
		lookups := map[string]string{
			"user": `query($u: ID!) { user(id: $u) { username } }`, "users": `query($u: ID!) { users(ids: [$u]) { username } }`,
			"node": `query($u: ID!) { node(id: $u) { id } }`, "nodes": `query($u: ID!) { nodes(ids: [$u]) { id } }`,
			"block": relateDoc("blockUser"), "unblock": relateDoc("unblockUser"),
		}
		for _, round := range []string{"blocked", "blocked and blocking"} {
			for _, name := range []string{"user", "users", "node", "nodes", "block"} {
				of, none := p.ask(t, eve.token, lookups[name], vars("u", ada.id)), p.ask(t, eve.token, lookups[name], vars("u", nobodys["user"]))
				if of.body != none.body || of.status != none.status {
					t.Errorf("%s, %s:\n%v\nof nobody:\n%v", round, name, of, none)
				}
			}
			for _, doc := range []string{`query($n: String!) { userByUsername(username: $n) { id } }`, `query($n: String!) { searchUsers(query: $n) { edges { node { id } } } }`} {
				of, none := p.ask(t, eve.token, doc, vars("n", ada.name)), p.ask(t, eve.token, doc, vars("n", "nobody"))
				if of.body != none.body || of.status != none.status {
					t.Errorf("%s, %s:\n%v\nof nobody:\n%v", round, doc, of, none)
				}
			}
			if got := p.contacts(t, eve, "BLOCKED"); len(got) != 0 {
				t.Errorf("%s: lists %v", round, got)
			}
		}
		// Each takes back his own.
		p.relate(t, "unblockUser", ada, eve)
		if got := p.contacts(t, eve, "BLOCKED"); !slices.Equal(got, []string{ada.name}) {
			t.Errorf("her own block: %v", got)
		}
		if r := p.ask(t, ada.token, lookups["user"], vars("u", eve.id)); r.code() != "NOT_FOUND" {
			t.Errorf("who is blocked by her sees %v", r)
		}
		if of, none := p.ask(t, eve.token, lookups["unblock"], vars("u", ada.id)), p.ask(t, eve.token, lookups["unblock"], vars("u", nobodys["user"])); of.code() != "" || none.code() != "" || !strings.Contains(none.body, `"user":null`) {
			t.Errorf("unblock: %v, of nobody %v", of, none)
		}
		if r := p.ask(t, ada.token, lookups["user"], vars("u", eve.id)); r.code() != "" {
			t.Errorf("without any block: %v", r)
		}
		if err := p.gql(t.Context(), ada.token, `mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, vars("u", eve.id), nil); err != nil {
			t.Error(err)
		}
		// Who has blocked sees whom, in no search and never there.
		p.relate(t, "blockUser", ada, eve)
		if got := p.contacts(t, ada, "BLOCKED"); !slices.Equal(got, []string{eve.name}) {
			t.Errorf("blocked: %v", got)
		}
		var d struct {
			User        struct{ Relationship string }
			SearchUsers struct{ Edges []any }
		}
		if err := p.gql(t.Context(), ada.token, `query($u: ID!, $n: String!) { user(id: $u) { relationship } searchUsers(query: $n) { edges { cursor } } }`,
			vars("u", eve.id, "n", eve.name), &d); err != nil || d.User.Relationship != "BLOCKED" || len(d.SearchUsers.Edges) != 0 {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// Presence and receipts of the two, in every place where they are told: in the
// stream, by name, asked for and beside messages.
func TestABlockHidesPresenceAndReceiptsBothWays(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		b := newPairOf(t, startProgram(t, args...))
		p := b.p
		two := []person{b.ada, b.eve}
		hears, named := map[string]<-chan presenceEvent{}, map[string]<-chan present{}
		for i, who := range two {
			c := p.dial(t, who)
			hears[who.name], named[who.name] = hearPresence(t, c, nil), hearWatched(t, c, two[1-i])
		}
		for i, who := range two {
			p.awaitSeen(t, 10*time.Second, who, two[1-i], "ONLINE")
		}
		const read = `mutation($c: ID!, $s: Int!) { markRead(input: {conversationId: $c, seq: $s}) { conversation { unreadCount lastReadSeq } } }`
		names := map[string]string{b.ada.id: "ada", b.eve.id: "eve", b.cyd.id: "cyd"}
		for _, room := range []string{b.pair, b.shared} {
			for _, who := range two {
				p.says(t, who, room, "to be read")
			}
		}
		for _, who := range two { // direct: four messages, group: two
			p.marks(t, read, who, b.pair, 4)
			p.marks(t, read, who, b.shared, 2)
		}
		if got := p.states(t, b.eve, b.pair, names); !strings.Contains(got, "READ [ada]") {
			t.Fatalf("before: %s", got)
		}
		receipts := map[string]<-chan receiptEvent{}
		for _, who := range two {
			receipts[who.name] = hearReceipts(t, p.dial(t, who), "r", nil, names)
		}
		p.relate(t, "blockUser", b.ada, b.eve)
		for i, who := range two {
			other := two[1-i]
			for e := receive(t, hears[who.name]); e.Type != "PresenceChanged" || e.User.ID != other.id || e.Status != "OFFLINE"; {
				e = receive(t, hears[who.name])
			}
			for e := receive(t, named[who.name]); e.Status != "OFFLINE"; {
				e = receive(t, named[who.name])
			}
			status, at := p.seenAsSender(t, who, b.pair, other)
			if status != "OFFLINE" || at != "" {
				t.Errorf("%s sees %s %s", who.name, status, at)
			}
			for _, room := range []string{b.pair, b.shared} {
				if got := p.states(t, who, room, names); strings.Contains(got, "READ") || strings.Contains(got, "DELIVERED") || strings.Contains(got, names[other.id]) {
					t.Errorf("%s reads %s", who.name, got)
				}
			}
		}
		// What they do now the other does not hear of; his own devices do.
		for _, who := range two {
			p.setPresence(t, who, "BUSY")
			wantOwn(t, hears[who.name], who, "BUSY")
			last := p.says(t, b.cyd, b.shared, "news")
			p.marks(t, read, who, b.shared, last.Seq)
			for e := receive(t, receipts[who.name]); e.Type != "ReceiptChanged" || !strings.HasPrefix(e.who, names[who.id]+" read"); {
				if e.Type == "ReceiptChanged" {
					t.Errorf("%s hears that %s", who.name, e.who)
				}
				e = receive(t, receipts[who.name])
			}
		}
		fence := p.dial(t, b.eve)
		barrier(t, fence)
		for i, who := range two {
			for len(hears[who.name]) > 0 {
				if e := receive(t, hears[who.name]); e.Type == "PresenceChanged" && e.User.ID == two[1-i].id {
					t.Errorf("%s hears %s", who.name, e)
				}
			}
			if len(named[who.name]) > 0 {
				t.Errorf("%s hears by name %+v", who.name, receive(t, named[who.name]))
			}
			resumed := hearPresence(t, p.dial(t, who), p.cursor(t, who))
			for e := receive(t, resumed); ; e = receive(t, resumed) {
				if e.Type == "PresenceSnapshot" {
					if slices.ContainsFunc(e.Presences, func(one present) bool { return one.User.ID == two[1-i].id }) {
						t.Errorf("the snapshot of %s has the other", who.name)
					}
					break
				}
			}
		}
		// And without the block they are there again.
		p.relate(t, "unblockUser", b.ada, b.eve)
		for i, who := range two {
			wantOwn(t, hears[who.name], two[1-i], "BUSY")
			if e := receive(t, named[who.name]); e.Status != "BUSY" {
				t.Errorf("%s hears by name %+v", who.name, e)
			}
		}
		if got := p.states(t, b.eve, b.pair, names); !strings.Contains(got, "READ [ada]") {
			t.Errorf("after: %s", got)
		}
	})
}

// wantOwn waits for somebody's presence to be told.
func wantOwn(t testing.TB, from <-chan presenceEvent, of person, status string) {
	t.Helper()
	for e := receive(t, from); e.Type != "PresenceChanged" || e.User.ID != of.id || e.Status != status; {
		e = receive(t, from)
	}
}

func (p *program) cursor(t testing.TB, who person) string {
	t.Helper()
	var d struct{ Viewer struct{ StreamCursor string } }
	if err := p.gql(t.Context(), who.token, `{ viewer { streamCursor } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.Viewer.StreamCursor
}

// seenAsSender is how a viewer sees the sender of a message.
func (p *program) seenAsSender(t testing.TB, viewer person, room string, of person) (status, lastActive string) {
	t.Helper()
	var d struct {
		Messages struct {
			Edges []struct {
				Node struct {
					Sender struct {
						ID       string
						Presence present
					}
				}
			}
		}
	}
	if err := p.gql(t.Context(), viewer.token, `query($c: ID!) { messages(conversationId: $c) { edges { node { sender { id presence { status lastActiveAt } } } } } }`, vars("c", room), &d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Messages.Edges {
		if s := e.Node.Sender; s.ID == of.id {
			if s.Presence.LastActiveAt != nil {
				lastActive = *s.Presence.LastActiveAt
			}
			return s.Presence.Status, lastActive
		}
	}
	t.Fatalf("%s has said nothing", of.name)
	return "", ""
}

// Ten rounds in which eve writes as fast as she can, on four connections, while
// she is blocked: what is there when the block is acknowledged is all there is.
func TestNothingIsSaidAfterABlockIsAcknowledged(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		b := newPairOf(t, startProgram(t, args...))
		p := b.p
		lastSeq := func() int {
			var d struct{ Conversation struct{ LastSeq int } }
			if err := p.gql(t.Context(), b.ada.token, `query($c: ID!) { conversation(id: $c) { lastSeq } }`, vars("c", b.pair), &d); err != nil {
				t.Error(err)
			}
			return d.Conversation.LastSeq
		}
		for round := range 10 {
			begin := lastSeq()
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						if _, err := p.send(t.Context(), b.eve, b.pair, "again", ""); err != nil {
							if codeOf(err) != "NOT_FOUND" {
								t.Error(err)
							}
							return
						}
					}
				})
			}
			await(t, 10*time.Second, "eve writes", func() bool { return lastSeq() > begin+4 })
			p.relate(t, "blockUser", b.ada, b.eve)
			at := lastSeq()
			wg.Wait()
			if got := lastSeq(); got != at {
				t.Errorf("round %d: %d messages after the block was acknowledged", round, got-at)
			}
			p.relate(t, "unblockUser", b.ada, b.eve)
		}
	})
}

// Said on one node, a block holds on the other within a second, also when that
// is cut off from the bus.
func TestABlockHoldsOnANodeThatIsCutOffFromTheBus(t *testing.T) {
	t.Parallel()
	here, there, way := startNodesOnAWay(t)
	here.peers = nil
	b := newPairOf(t, here)
	eves := hearRelations(t, there.dial(t, b.eve), "1", nil)
	receive(t, eves)
	for round, cut := range []bool{false, true} {
		if cut {
			way.suffer(t, isSilent)
		}
		if _, err := there.send(t.Context(), b.eve, b.pair, "before", ""); err != nil {
			t.Fatal(err)
		}
		here.befriend(t, b.ada, b.eve)
		here.relate(t, "blockUser", b.ada, b.eve)
		begin := time.Now()
		await(t, time.Second, "the block holds on the other node", func() bool {
			_, err := there.send(t.Context(), b.eve, b.pair, "after", "")
			return codeOf(err) == "NOT_FOUND"
		})
		t.Logf("round %d, cut %v: after %v", round, cut, time.Since(begin))
		for _, want := range []string{"REQUEST_RECEIVED", "FRIENDS", "NONE"} {
			wantRelation(t, eves, b.ada, want)
		}
		here.relate(t, "unblockUser", b.ada, b.eve)
		await(t, time.Second, "the block is over on the other node", func() bool {
			_, err := there.send(t.Context(), b.eve, b.pair, "again", "")
			return err == nil
		})
	}
}
