package main

import (
	"encoding/json"
	"slices"
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
			var d struct {
				Data struct{ RelationshipChanged relation }
			}
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

// What a list asks of relationships, and of rights behind blocks, costs the
// store the same however long it is.
func TestRelationshipsOfAListCostOneRead(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 13)
	me := all[0]
	for _, other := range all[1:] {
		p.direct(t, me, other)
		p.relate(t, "sendFriendRequest", me, other)
	}
	p.relate(t, "blockUser", me, all[1])
	const people = `query($n: Int) { contacts(state: REQUEST_SENT, first: $n) { edges { node { username relationship } } } }`
	const rooms = `query($n: Int) { conversations(first: $n) { edges { node { id viewerCan { send } } } } }`
	for _, test := range []struct {
		doc   string
		reads float64 // at most; the first is the list itself
	}{{people, 2}, {rooms, 2}} {
		var took [2]float64
		for i, n := range []int{2, 12} {
			took[i] = p.cost(t, 5, func(int) {
				if r := p.ask(t, me.token, test.doc, vars("n", n)); r.code() != "" {
					t.Error(r)
				}
			})
		}
		if took[0] > test.reads || took[1] > test.reads {
			t.Errorf("%s: %v reads of 2 and of 12", test.doc, took)
		}
	}
	var d struct {
		Conversations struct {
			Edges []struct {
				Node struct{ ViewerCan struct{ Send bool } }
			}
		}
	}
	if err := p.gql(t.Context(), me.token, rooms, vars("n", 50), &d); err != nil {
		t.Fatal(err)
	}
	shut := 0
	for _, e := range d.Conversations.Edges {
		if !e.Node.ViewerCan.Send {
			shut++
		}
	}
	if shut != 1 || len(d.Conversations.Edges) != 12 {
		t.Errorf("%d of %d are shut", shut, len(d.Conversations.Edges))
	}
}
