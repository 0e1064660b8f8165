package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// The operations on members, by the role that is asked for.
const (
	removeDoc   = `mutation($c: ID!, $u: ID!) { removeMember(input: {conversationId: $c, userId: $u}) { conversation { memberCount } } }`
	adminDoc    = `mutation($c: ID!, $u: ID!) { setMemberRole(input: {conversationId: $c, userId: $u, role: ADMIN}) { conversation { id } } }`
	plainDoc    = `mutation($c: ID!, $u: ID!) { setMemberRole(input: {conversationId: $c, userId: $u, role: MEMBER}) { conversation { id } } }`
	transferDoc = `mutation($c: ID!, $u: ID!) { transferOwnership(input: {conversationId: $c, userId: $u}) { conversation { id } } }`
)

// standings returns the roles in a conversation by user.
func (p *program) standings(t testing.TB, who person, room string) map[string]string {
	t.Helper()
	var d struct {
		Conversation struct {
			Members struct {
				Edges []struct {
					Node struct {
						Role string
						User struct{ ID string }
					}
				}
			}
		}
	}
	err := p.gql(t.Context(), who.token, `query($c: ID!) { conversation(id: $c) { members(first: 100) { edges { node { role user { id } } } } } }`,
		vars("c", room), &d)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range d.Conversation.Members.Edges {
		all[e.Node.User.ID] = e.Node.Role
	}
	return all
}

// Who may do what to whom: every role, a stranger and somebody removed try
// everything on each other. Only what is listed happens; all else changes
// nothing, and strangers are told what they would be told of nothing.
func TestRolesChangeByRankOnly(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 7)
		who := map[string]person{
			"owner": all[0], "admin": all[1], "admin2": all[2], "member": all[3], "member2": all[4], "removed": all[5], "stranger": all[6],
		}
		ask := func(doc string, actor, target person, room string) string {
			t.Helper()
			return codeOf(p.gql(t.Context(), actor.token, doc, vars("c", room, "u", target.id), nil))
		}
		assemble := func() string {
			t.Helper()
			room := p.group(t, all[0], all[1:6]...)
			for _, admin := range all[1:3] {
				if got := ask(adminDoc, all[0], admin, room); got != "" {
					t.Fatal(got)
				}
			}
			if got := ask(removeDoc, all[0], who["removed"], room); got != "" {
				t.Fatal(got)
			}
			return room
		}
		allowed := map[string][]string{
			"remove":   {"owner admin", "owner admin2", "owner member", "owner member2", "admin member", "admin member2", "admin2 member", "admin2 member2"},
			"admin":    {"owner admin", "owner admin2", "owner member", "owner member2"},
			"plain":    {"owner admin", "owner admin2", "owner member", "owner member2"},
			"transfer": {"owner admin", "owner admin2", "owner member", "owner member2"},
		}
		docs := map[string]string{"remove": removeDoc, "admin": adminDoc, "plain": plainDoc, "transfer": transferDoc}
		room := assemble()
		for op, doc := range docs {
			for an, actor := range who {
				for tn, target := range who {
					before := p.standings(t, who["owner"], room)
					got := ask(doc, actor, target, room)
					want := "FORBIDDEN"
					switch {
					case slices.Contains(allowed[op], an+" "+tn):
						want = ""
					case an == "stranger" || an == "removed" || tn == "stranger" || tn == "removed":
						want = "NOT_FOUND"
					}
					if got != want {
						t.Errorf("%s by %s of %s: %q instead of %q", op, an, tn, got, want)
					}
					if got == "" {
						room = assemble()
						continue
					}
					if after := p.standings(t, who["owner"], room); fmt.Sprint(after) != fmt.Sprint(before) {
						t.Errorf("%s by %s of %s was refused and made %v of %v", op, an, tn, after, before)
					}
				}
			}
		}
		if got := codeOf(p.gql(t.Context(), who["owner"].token,
			`mutation($c: ID!, $u: ID!) { setMemberRole(input: {conversationId: $c, userId: $u, role: OWNER}) { conversation { id } } }`,
			vars("c", room, "u", all[1].id), nil)); got != "BAD_USER_INPUT" {
			t.Errorf("a second owner: %q", got)
		}
		if got := ask(transferDoc, who["owner"], who["member"], room); got != "" {
			t.Fatal(got)
		}
		if s := p.standings(t, who["owner"], room); s[who["member"].id] != "OWNER" || s[who["owner"].id] != "ADMIN" {
			t.Errorf("after the transfer: %v", s)
		}
	})
}

// What viewerCan says is what the operations then do.
func TestViewerCanSaysWhatMayBeDoneToAMember(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 3)
	room := p.group(t, all[0], all[1:]...)
	if err := p.gql(t.Context(), all[0].token, adminDoc, vars("c", room, "u", all[1].id), nil); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`[{OWNER {false false false}} {ADMIN {true true true}} {MEMBER {true true true}}]`,
		`[{OWNER {false false false}} {ADMIN {false false false}} {MEMBER {true false false}}]`,
		`[{OWNER {false false false}} {ADMIN {false false false}} {MEMBER {false false false}}]`,
	} {
		var d struct {
			Conversation struct {
				Members struct {
					Edges []struct {
						Node struct {
							Role      string
							ViewerCan struct{ Remove, SetRole, TransferOwnership bool }
						}
					}
				}
			}
		}
		err := p.gql(t.Context(), all[i].token, `query($c: ID!) { conversation(id: $c) { members { edges { node {
			role viewerCan { remove setRole transferOwnership } } } } } }`, vars("c", room), &d)
		if err != nil {
			t.Fatal(err)
		}
		type seen struct {
			role string
			can  struct{ Remove, SetRole, TransferOwnership bool }
		}
		var got []seen
		for _, e := range d.Conversation.Members.Edges {
			got = append(got, seen{e.Node.Role, e.Node.ViewerCan})
		}
		slices.SortFunc(got, func(a, b seen) int { return slices.Index(roleOrder, a.role) - slices.Index(roleOrder, b.role) })
		if fmt.Sprint(got) != want {
			t.Errorf("user %d sees %v, want %s", i, got, want)
		}
	}
}

var roleOrder = []string{"OWNER", "ADMIN", "MEMBER"}

// Changes of members and receipts are heard by who asked for them, noted in
// the conversation, and the last thing that a removed member hears of it.
func TestMembersHearOfEachOthersStandingAndReading(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 3)
	ada, bob, cyd := all[0], all[1], all[2]
	room := p.group(t, ada, bob, cyd)
	heard := make(chan string, 100)
	listen := func(conn *wsclient.Conn, id, doc string) {
		t.Helper()
		err := conn.Subscribe(id, doc, vars("c", room), func(e wsclient.Event) {
			heard <- id + " " + string(e.Payload)
		})
		if err != nil {
			t.Fatal(err)
		}
		barrier(t, conn)
	}
	wants := func(parts ...string) {
		t.Helper()
		select {
		case got := <-heard:
			for _, part := range parts {
				says(t, got, part)
			}
		case <-time.After(5*time.Second + grace):
			t.Fatalf("nothing heard of %v", parts)
		}
	}
	bobs, cyds := p.dial(t, bob), p.dial(t, cyd)
	listen(bobs, "members", `subscription($c: ID!) { membershipChanged(conversationId: $c) { user { id } change role } }`)
	listen(bobs, "receipts", `subscription($c: ID!) { receipts(conversationId: $c) { user { id } readSeq deliveredSeq } }`)

	m, err := p.send(t.Context(), ada, room, "to be read", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.gql(t.Context(), cyd.token, `mutation($c: ID!, $s: Int!) { markRead(input: {conversationId: $c, seq: $s}) { conversation { id } } }`,
		vars("c", room, "s", m.Seq), nil); err != nil {
		t.Fatal(err)
	}
	wants("receipts", cyd.id, fmt.Sprintf(`"readSeq":%d`, m.Seq))
	if err := p.gql(t.Context(), ada.token, adminDoc, vars("c", room, "u", cyd.id), nil); err != nil {
		t.Fatal(err)
	}
	wants("members", cyd.id, "ROLE", "ADMIN")
	listen(cyds, "own", `subscription($c: ID!) { membershipChanged(conversationId: $c) { user { id } change } }`)
	if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", cyd.id), nil); err != nil {
		t.Fatal(err)
	}
	first, second := <-heard, <-heard
	if first > second {
		first, second = second, first
	}
	says(t, first, "members", cyd.id, "REMOVED")
	says(t, second, "own", "NOT_FOUND", "MEMBERSHIP_ENDED")
	if _, err := p.send(t.Context(), cyd, room, "still here", ""); codeOf(err) != "NOT_FOUND" {
		t.Errorf("the removed member sends: %v", err)
	}
	if err := p.gql(t.Context(), ada.token, transferDoc, vars("c", room, "u", bob.id), nil); err != nil {
		t.Fatal(err)
	}
	wants("members", bob.id, "ROLE", "OWNER")
	wants("members", ada.id, "ROLE", "ADMIN")

	var notes []string
	for _, m := range p.notes(t, ada, room) {
		notes = append(notes, m.Change+" "+m.Role)
	}
	if got := fmt.Sprint(notes); got != "[ROLE ADMIN REMOVED  ROLE OWNER]" {
		t.Errorf("noted: %s", got)
	}
}

// notes returns the system messages of a conversation.
func (p *program) notes(t testing.TB, who person, room string) (all []struct{ Change, Role string }) {
	t.Helper()
	var d struct {
		Messages struct {
			Edges []struct {
				Node struct{ System json.RawMessage }
			}
		}
	}
	if err := p.gql(t.Context(), who.token, `query($c: ID!) { messages(conversationId: $c) { edges { node { system { change role } } } } }`,
		vars("c", room), &d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Messages.Edges {
		var note *struct{ Change, Role string }
		if err := json.Unmarshal(e.Node.System, &note); err != nil {
			t.Fatal(err)
		}
		if note != nil {
			all = append(all, *note)
		}
	}
	return all
}
