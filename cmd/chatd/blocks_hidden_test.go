package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

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
			for len(named[who.name]) > 0 { // that the other has gone is told by the block and by the friendship's end
				if e := receive(t, named[who.name]); e.Status != "OFFLINE" {
					t.Errorf("%s hears by name %+v", who.name, e)
				}
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
