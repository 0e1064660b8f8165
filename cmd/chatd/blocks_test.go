package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// By every argument of the schema that names a user, over HTTP and on a socket,
// the two are to each other as nobody; but who has blocked may look up whom.
func TestByNoArgumentIsWhoIsKeptApartMoreThanNobody(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	p.register(t, "root") // who comes first administers the server
	b := newPairOf(t, p)
	p.relate(t, "blockUser", b.ada, b.eve)
	for _, way := range [][2]person{{b.ada, b.eve}, {b.eve, b.ada}} {
		who, other := way[0], way[1]
		own := somewhere{"conversation": b.rooms[who.name], "user": other.id, "message": p.says(t, who, b.rooms[who.name], "own").ID}
		value, conn, tried := ownValues(own), p.dial(t, who), 0
		for _, op := range p.api(t).operations() {
			if who.id == b.ada.id && slices.Contains([]string{"user", "users", "unblockUser"}, op.field) {
				continue
			}
			for _, l := range op.leaves {
				if l.typ != "ID" || !slices.Contains(idKinds(op, l), "user") {
					continue
				}
				tried++
				theirs, none := op.variables(value(op), &l, other.id), op.variables(value(op), &l, nobodys["user"])
				if of, nobody := p.ask(t, who.token, op.doc, theirs), p.ask(t, who.token, op.doc, none); of.body != nobody.body || of.status != nobody.status {
					t.Errorf("%s of %s by %s:\n%v\nof nobody:\n%v", op.field, l, who.name, of, nobody)
				}
				if of, nobody := askSocket(t, conn, op.doc, theirs), askSocket(t, conn, op.doc, none); of != nobody {
					t.Errorf("%s of %s by %s:\n%s\nof nobody:\n%s", op.field, l, who.name, of, nobody)
				}
			}
		}
		if tried < 15 {
			t.Errorf("only %d arguments tried by %s", tried, who.name)
		}
	}
}
