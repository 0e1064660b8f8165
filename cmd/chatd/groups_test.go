package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

const (
	renameDoc   = `mutation($c: ID!, $n: String, $d: String) { updateGroup(input: {conversationId: $c, name: $n, description: $d}) { conversation { name description lastRev } } }`
	joinDoc     = `mutation($c: ID!) { joinChannel(input: {conversationId: $c}) { conversation { id memberCount } } }`
	inviteDoc   = `mutation($c: ID!, $e: Time, $m: Int) { createGroupInvite(input: {conversationId: $c, expiresAt: $e, maxUses: $m}) { code invite { id conversationId uses maxUses expiresAt revokedAt creator { id } } } }`
	invitesDoc  = `query($c: ID!, $a: String) { groupInvites(conversationId: $c, first: 2, after: $a) { edges { node { id uses maxUses creator { id } } } pageInfo { hasNextPage endCursor } } }`
	revokeDoc   = `mutation($i: ID!) { revokeGroupInvite(input: {inviteId: $i}) { invite { id revokedAt } } }`
	byInviteDoc = `mutation($k: String!) { joinByInvite(input: {code: $k}) { conversation { id memberCount } } }`
	leaveDoc    = `mutation($c: ID!) { leaveConversation(input: {conversationId: $c}) { ok } }`
	channelsDoc = `query($q: String, $f: Int, $a: String) { channels(query: $q, first: $f, after: $a) {
		edges { node { conversationId name description memberCount joined viewerCan { join } } } pageInfo { hasNextPage endCursor } } }`
)

// channel makes a public channel and returns its id.
func (p *program) channel(t testing.TB, owner person, name string) string {
	t.Helper()
	var d struct {
		CreateGroup struct{ Conversation struct{ ID string } }
	}
	err := p.gql(t.Context(), owner.token, `mutation($n: String!) { createGroup(input: {name: $n, visibility: PUBLIC}) { conversation { id } } }`,
		vars("n", name), &d)
	if err != nil {
		t.Fatal(err)
	}
	return d.CreateGroup.Conversation.ID
}

// invite makes an invitation; more are its further variables.
func (p *program) invite(t testing.TB, by person, room string, more map[string]any) (id, code string) {
	t.Helper()
	v := vars("c", room)
	maps.Copy(v, more)
	var d struct {
		CreateGroupInvite struct {
			Code   string
			Invite struct{ ID string }
		}
	}
	if err := p.gql(t.Context(), by.token, inviteDoc, v, &d); err != nil {
		t.Fatal(err)
	}
	return d.CreateGroupInvite.Invite.ID, d.CreateGroupInvite.Code
}

// A rename is heard by all members with the state after it, noted, and replayed
// to who was away.
func TestARenamedGroupIsHeardNotedAndReplayed(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		room := p.group(t, ada, bob, cyd)
		const doc = `subscription($a: String) { events(after: $a) { __typename cursor
			... on ConversationChanged { conversationId conversation { name description lastRev unreadCount } }
			... on MessageAdded { unreadCount message { rev kind text system { change name description userCount users { id } } } } } }`
		heard := func(c *wsclient.Conn, after any) <-chan string {
			t.Helper()
			out := make(chan string, 100)
			err := c.Subscribe(fmt.Sprint("s", after), doc, vars("a", after), func(e wsclient.Event) {
				if s := string(e.Payload); !strings.Contains(s, `"Presence`) {
					out <- s
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			barrier(t, c)
			return out
		}
		live := heard(p.dial(t, bob), nil)
		started := receive(t, live)
		var first struct {
			Data struct{ Events struct{ Cursor string } }
		}
		if err := json.Unmarshal([]byte(started), &first); err != nil {
			t.Fatal(err)
		}
		var d struct {
			UpdateGroup struct {
				Conversation struct {
					Name, Description string
					LastRev           int
				}
			}
		}
		if err := p.gql(t.Context(), ada.token, renameDoc, vars("c", room, "n", " Κήπος 🌱 ", "d", "Two\nlines"), &d); err != nil {
			t.Fatal(err)
		}
		c := d.UpdateGroup.Conversation
		if c.Name != "Κήπος 🌱" || c.Description != "Two\nlines" {
			t.Errorf("answered: %+v", c)
		}
		noted := []string{"MessageAdded", "SYSTEM", fmt.Sprintf(`"rev":%d`, c.LastRev), `"change":"UPDATED"`, `"name":"Κήπος 🌱"`, `"description":"Two\nlines"`, `"userCount":0`, `"unreadCount":0`}
		says(t, receive(t, live), "ConversationChanged", room, "Κήπος 🌱", `Two\nlines`, `"unreadCount":0`)
		says(t, receive(t, live), noted...)

		// What is so already, and what is refused, is not heard of.
		for _, v := range []map[string]any{vars("c", room), vars("c", room, "n", c.Name, "d", nil)} {
			if err := p.gql(t.Context(), ada.token, renameDoc, v, nil); err != nil {
				t.Error(err)
			}
		}
		for field, v := range map[string]map[string]any{"input.name": vars("c", room, "n", ""), "input.description": vars("c", room, "d", "\a")} {
			if r := p.ask(t, ada.token, renameDoc, v); r.code() != "BAD_USER_INPUT" || !strings.Contains(r.body, field) {
				t.Errorf("%s: %v", field, r)
			}
		}
		if err := p.gql(t.Context(), ada.token, renameDoc, vars("c", room, "d", ""), nil); err != nil {
			t.Fatal(err)
		}
		says(t, receive(t, live), "ConversationChanged", "Κήπος 🌱", `"description":""`)
		says(t, receive(t, live), "MessageAdded", `"name":null`, `"description":""`)

		p.kill()
		p.start(t)
		again := heard(p.dial(t, bob), first.Data.Events.Cursor)
		says(t, receive(t, again), "StreamStarted")
		says(t, receive(t, again), "ConversationChanged", "Κήπος 🌱")
		says(t, receive(t, again), noted...)
		says(t, receive(t, again), "ConversationChanged")
		says(t, receive(t, again), "MessageAdded")
		says(t, receive(t, again), "CaughtUp")
	})
}

// Who may do what about a group as such: every role, somebody removed, a
// stranger and somebody signed out. Refusals change nothing, and those who are
// not in are told what they would be told of nothing.
func TestGroupsAreChangedAndOpenedByRight(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 5)
		who := map[string]person{"owner": all[0], "admin": all[1], "member": all[2], "removed": all[3], "stranger": all[4], "signed out": {}}
		room, public := p.group(t, all[0], all[1:4]...), p.channel(t, all[0], "Open house")
		for _, step := range []error{
			p.gql(t.Context(), all[0].token, adminDoc, vars("c", room, "u", all[1].id), nil),
			p.gql(t.Context(), all[0].token, removeDoc, vars("c", room, "u", all[3].id), nil),
		} {
			if step != nil {
				t.Fatal(step)
			}
		}
		ofRoom := func(doc string) func(person) string {
			return func(as person) string {
				return codeOf(p.gql(t.Context(), as.token, doc, vars("c", room, "n", as.name), nil))
			}
		}
		byRight := map[string]string{"owner": "", "admin": "", "member": "FORBIDDEN", "removed": "NOT_FOUND", "stranger": "NOT_FOUND"}
		everybody := map[string]string{}
		for _, c := range []struct {
			name string
			do   func(person) string
			want map[string]string
		}{
			{"updateGroup", ofRoom(renameDoc), byRight},
			{"createGroupInvite", ofRoom(inviteDoc), byRight},
			{"groupInvites", ofRoom(invitesDoc), byRight},
			{"revokeGroupInvite", func(as person) string {
				id, _ := p.invite(t, all[0], room, nil)
				return codeOf(p.gql(t.Context(), as.token, revokeDoc, vars("i", id), nil))
			}, byRight},
			{"node of an invitation", func(as person) string {
				id, _ := p.invite(t, all[0], room, nil)
				var d struct{ Node *struct{ ID string } }
				if err := p.gql(t.Context(), as.token, `query($i: ID!) { node(id: $i) { id } }`, vars("i", id), &d); err != nil {
					return codeOf(err)
				}
				if d.Node == nil {
					return "null"
				}
				return ""
			}, map[string]string{"owner": "", "admin": "", "member": "null", "removed": "null", "stranger": "null"}},
			{"joinChannel of a private group", ofRoom(joinDoc), map[string]string{
				"owner": "NOT_FOUND", "admin": "NOT_FOUND", "member": "NOT_FOUND", "removed": "NOT_FOUND", "stranger": "NOT_FOUND",
			}},
			{"channels", func(as person) string { return codeOf(p.gql(t.Context(), as.token, channelsDoc, nil, nil)) }, everybody},
			{"joinChannel", func(as person) string {
				return codeOf(p.gql(t.Context(), as.token, joinDoc, vars("c", public), nil))
			}, everybody},
			{"joinByInvite", func(as person) string {
				_, code := p.invite(t, all[0], room, nil)
				return codeOf(p.gql(t.Context(), as.token, byInviteDoc, vars("k", code), nil))
			}, everybody},
		} {
			for name, as := range who {
				before := p.ask(t, all[0].token, wholeRoom, vars("c", room)).body
				want := c.want[name]
				if name == "signed out" {
					want = "UNAUTHENTICATED"
				}
				if got := c.do(as); got != want {
					t.Errorf("%s by %s: %q instead of %q", c.name, name, got, want)
				}
				if after := p.ask(t, all[0].token, wholeRoom, vars("c", room)).body; want != "" && after != before {
					t.Errorf("%s by %s was refused and made\n%s of\n%s", c.name, name, after, before)
				}
			}
		}
		if s := p.standings(t, all[0], room); s[all[3].id] != "MEMBER" || s[all[4].id] != "MEMBER" || s[all[1].id] != "ADMIN" {
			t.Errorf("in the end: %v", s)
		}
	})
}

// What viewerCan says of a conversation is what the operations then do.
func TestViewerCanSaysWhatMayBeDoneToAGroup(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 3)
	room := p.group(t, all[0], all[1:]...)
	if err := p.gql(t.Context(), all[0].token, adminDoc, vars("c", room, "u", all[1].id), nil); err != nil {
		t.Fatal(err)
	}
	pair := p.direct(t, all[0], all[1])
	for i, want := range []string{`{true true true true true}`, `{true true true true true}`, `{true true false false true}`, `{true false false false false}`} {
		var d struct {
			Conversation struct {
				ViewerCan struct{ Send, AddMembers, Update, Invite, Leave bool }
			}
		}
		who, of := all[min(i, 2)], room
		if i == 3 {
			who, of = all[0], pair
		}
		err := p.gql(t.Context(), who.token, `query($c: ID!) { conversation(id: $c) { viewerCan { send addMembers update invite leave } } }`, vars("c", of), &d)
		if got := fmt.Sprint(d.Conversation.ViewerCan); err != nil || got != want {
			t.Errorf("user %d of %s: %s instead of %s, %v", i, of, got, want, err)
		}
	}
}

// direct opens the conversation of two people.
func (p *program) direct(t testing.TB, a, b person) string {
	t.Helper()
	var d struct {
		OpenDirectConversation struct{ Conversation struct{ ID string } }
	}
	if err := p.gql(t.Context(), a.token, `mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, vars("u", b.id), &d); err != nil {
		t.Fatal(err)
	}
	return d.OpenDirectConversation.Conversation.ID
}

// channelNames returns the names of all channels of a query, page by page.
func (p *program) channelNames(t testing.TB, who person, query any, size int) (names []string) {
	t.Helper()
	var after any
	for {
		var d struct {
			Channels struct {
				Edges []struct {
					Node struct {
						Name   string
						Joined bool
					}
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		if err := p.gql(t.Context(), who.token, channelsDoc, vars("q", query, "f", size, "a", after), &d); err != nil {
			t.Fatal(err)
		}
		for _, e := range d.Channels.Edges {
			name := e.Node.Name
			if e.Node.Joined {
				name += "*"
			}
			names = append(names, name)
		}
		if !d.Channels.PageInfo.HasNextPage {
			return names
		}
		after = d.Channels.PageInfo.EndCursor
	}
}

func TestChannelsAreFoundAndJoinedByAnybody(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		p.group(t, ada, bob) // which nobody finds
		rooms := map[string]string{}
		for _, name := range []string{"Zürich Treff", "zebras", "Ärzte ohne Grenzen", "東京の食べ物", "über alles"} {
			rooms[name] = p.channel(t, ada, name)
		}
		want := []string{"Ärzte ohne Grenzen", "über alles", "zebras", "Zürich Treff", "東京の食べ物"}
		if got := p.channelNames(t, bob, nil, 2); !slices.Equal(got, want) {
			t.Errorf("all: %q", got)
		}
		for query, want := range map[string]string{
			"Z": "[zebras Zürich Treff]", "TREF zur": "[Zürich Treff]", "食べ": "[東京の食べ物]", "group": "[]", " ": fmt.Sprint(want), "ebras": "[]",
		} {
			if got := p.channelNames(t, bob, query, 100); fmt.Sprint(got) != want {
				t.Errorf("by %q: %q", query, got)
			}
		}
		for _, query := range []string{strings.Repeat("x", 101), "a b c d e f g h i j k"} {
			if r := p.ask(t, bob.token, channelsDoc, vars("q", query)); r.code() != "BAD_USER_INPUT" || !strings.Contains(r.body, `"query"`) {
				t.Errorf("%q: %v", query, r)
			}
		}
		// Nothing of it but what is told to everybody.
		if r := p.ask(t, bob.token, wholeRoom, vars("c", rooms["zebras"])); r.code() != "NOT_FOUND" {
			t.Errorf("before joining: %v", r)
		}
		if _, err := p.send(t.Context(), ada, rooms["zebras"], "before", ""); err != nil {
			t.Fatal(err)
		}
		adas := listenAll(t, p.dial(t, ada), "1", nil)
		receive(t, adas)
		var tries sync.WaitGroup
		for range 8 { // at once, as from an impatient finger
			tries.Go(func() {
				if err := p.gql(t.Context(), bob.token, joinDoc, vars("c", rooms["zebras"]), nil); err != nil {
					t.Error(err)
				}
			})
		}
		tries.Wait()
		if got := p.channelNames(t, bob, "zebr", 5); fmt.Sprint(got) != "[zebras*]" {
			t.Errorf("joined: %q", got)
		}
		if got := p.notes(t, bob, rooms["zebras"]); fmt.Sprint(got) != "[{JOINED }]" {
			t.Errorf("noted: %v", got)
		}
		if h := p.history(t, bob, rooms["zebras"]); len(h) != 2 || h[0].text() != "before" {
			t.Errorf("he reads %+v", h)
		}
		for _, want := range []string{"MembershipChanged", "MessageAdded"} {
			if e := receive(t, adas); e.Type != want {
				t.Errorf("ada hears %+v instead of %s", e, want)
			}
		}
		// Renamed, it is found by its new name; left by all, by none.
		if err := p.gql(t.Context(), ada.token, renameDoc, vars("c", rooms["zebras"], "n", "Horses"), nil); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.channelNames(t, cyd, "zebr", 5), p.channelNames(t, cyd, "hors", 5)); got != "[] [Horses]" {
			t.Errorf("renamed: %s", got)
		}
		for _, who := range []person{ada, bob} {
			if err := p.gql(t.Context(), who.token, leaveDoc, vars("c", rooms["zebras"]), nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.channelNames(t, cyd, "hors", 5); len(got) != 0 {
			t.Errorf("archived: %q", got)
		}
		if r := p.ask(t, cyd.token, joinDoc, vars("c", rooms["zebras"])); r.code() != "NOT_FOUND" {
			t.Errorf("joining what is archived: %v", r)
		}
	})
}

func TestAnInviteLetsInAsManyAsItSays(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 25)
		ada := all[0]
		room := p.group(t, ada)
		id, code := p.invite(t, ada, room, vars("m", 10))
		results := make([]string, len(all))
		var joins sync.WaitGroup
		for i, who := range all {
			joins.Go(func() { results[i] = codeOf(p.gql(t.Context(), who.token, byInviteDoc, vars("k", code), nil)) })
		}
		joins.Wait()
		in := 0
		for i, got := range results {
			switch {
			case got == "":
				in++
			case got != "NOT_FOUND" || i == 0:
				t.Errorf("user %d: %s", i, got)
			}
		}
		if s := p.standings(t, ada, room); in != 11 || len(s) != 11 { // the owner was in
			t.Errorf("%d were let in, %d are in", in, len(s))
		}
		list := p.ask(t, ada.token, invitesDoc, vars("c", room))
		says(t, list.body, id, `"uses":10`, `"maxUses":10`, ada.id)
		if strings.Contains(list.body, code) {
			t.Error("the list shows the code")
		}

		// Codes that are no good are alike.
		var late person
		for i, got := range results {
			if got == "NOT_FOUND" {
				late = all[i]
			}
		}
		revokedID, revoked := p.invite(t, ada, room, nil)
		if err := p.gql(t.Context(), ada.token, revokeDoc, vars("i", revokedID), nil); err != nil {
			t.Fatal(err)
		}
		soon := time.Now().Add(700 * time.Millisecond)
		_, ended := p.invite(t, ada, room, vars("e", soon.UTC().Format(time.RFC3339Nano)))
		pause(t.Context(), time.Until(soon.Add(50*time.Millisecond)))
		unknown := p.ask(t, late.token, byInviteDoc, vars("k", "NOSUCHCODE"))
		if unknown.code() != "NOT_FOUND" {
			t.Errorf("an unknown code: %v", unknown)
		}
		for what, k := range map[string]string{"used up": code, "revoked": revoked, "ended": ended, "empty": "", "long": strings.Repeat("A", 1000)} {
			if r := p.ask(t, late.token, byInviteDoc, vars("k", k)); r.body != unknown.body {
				t.Errorf("%s:\n%v\nunknown:\n%v", what, r, unknown)
			}
		}
		for _, v := range []map[string]any{vars("c", room, "m", 0), vars("c", room, "e", "2020-01-01T00:00:00Z")} {
			if r := p.ask(t, ada.token, inviteDoc, v); r.code() != "BAD_USER_INPUT" {
				t.Errorf("%v: %v", v, r)
			}
		}
	})
}

func TestTriesOfCodesAreCounted(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	_, code := p.invite(t, ada, p.group(t, ada), nil)
	var tries sync.WaitGroup
	codes := make([]string, 60)
	for i := range codes {
		tries.Go(func() { codes[i] = p.ask(t, bob.token, byInviteDoc, vars("k", fmt.Sprint("guess ", i))).code() })
	}
	tries.Wait()
	limited := 0
	for _, c := range codes {
		if c == "RATE_LIMITED" {
			limited++
		} else if c != "NOT_FOUND" {
			t.Errorf("a guess: %s", c)
		}
	}
	if limited == 0 || limited > 40 {
		t.Errorf("%d of 60 guesses were refused", limited)
	}
	if r := p.ask(t, bob.token, byInviteDoc, vars("k", code)); r.code() == "RATE_LIMITED" {
		says(t, r.body, "retryAfterMs")
	}
	if err := p.gql(t.Context(), ada.token, byInviteDoc, vars("k", code), nil); err != nil {
		t.Errorf("another's tries: %v", err)
	}
}
