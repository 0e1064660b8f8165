package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A role counts on the node that gave it from the answer on, and on every other
// within a second; sockets are closed so that they come back with it.
func TestARoleCountsForRunningSessionsOnEveryNode(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	here, there := nodes[0], nodes[1]
	root, ada := here.register(t, "root"), here.register(t, "ada")
	for round, role := range []string{"ADMIN", "MEMBER", "ADMIN", "GUEST"} {
		want := map[string]string{"ADMIN": "", "MEMBER": "FORBIDDEN", "GUEST": "FORBIDDEN"}[role]
		near, far := here.dial(t, ada), there.dial(t, ada)
		for _, p := range nodes { // both remember what the token was good for
			p.ask(t, ada.token, auditDoc, nil)
		}
		barrier(t, far)
		here.setRole(t, root, ada.id, role)
		if r := here.ask(t, ada.token, auditDoc, nil); r.code() != want {
			t.Errorf("round %d: as %s at once: %v", round, role, r)
		}
		begin := time.Now()
		closesWith(t, near, 1012, time.Second+slack)
		closesWith(t, far, 1012, time.Second+slack)
		t.Logf("the socket of the other node was closed within %v", time.Since(begin))
		if r := there.ask(t, ada.token, auditDoc, nil); r.code() != want {
			t.Errorf("round %d: as %s on the other node: %v", round, role, r)
		}
		again := there.dial(t, ada) // with the same token
		if r := askSocket(t, again, auditDoc, nil); strings.Contains(r, "FORBIDDEN") != (want != "") {
			t.Errorf("round %d: as %s on a new socket: %s", round, role, r)
		}
		_ = again.Close()
	}
}

// Whoever is suspended is out: requests, refresh tokens, sockets and personal
// tokens, on every node, his programs too; he hears nothing of what is said
// after a second, and signs in no more, with the answer that a wrong password
// gets. What ended stays ended when he is reinstated.
func TestASuspensionEndsEverythingOnEveryNode(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	here, there := nodes[0], nodes[1]
	root, ada, bob := here.register(t, "root"), here.register(t, "ada"), here.register(t, "bob")
	room := here.group(t, bob, ada)
	here.setRole(t, root, ada.id, "ADMIN")
	ada = here.login(t, ada)
	second := there.login(t, ada)
	bot := here.bot(t, ada, "robot")
	_, text := here.personal(t, ada, "", "READ")
	socket, events := there.dial(t, second), there.dial(t, second)
	heard := listenAll(t, events, "1", nil)
	receive(t, heard)
	if err := here.gql(t.Context(), root.token, suspendDoc, vars("u", ada.id), nil); err != nil {
		t.Fatal(err)
	}
	here.mustBeNoToken(t, "an access token at once", ada.token)
	there.mustBeOver(t, second, socket)
	closesWith(t, events, 4403, time.Second+slack)
	here.says(t, bob, room, "canary")
	for len(heard) > 0 {
		if e := <-heard; strings.Contains(fmt.Sprintf("%+v", e), "canary") {
			t.Errorf("heard %+v", e)
		}
	}
	for what, token := range map[string]string{"a personal token": text, "a token of his bot": bot.token} {
		here.mustBeNoToken(t, what, token)
		there.mustBeNoToken(t, what, token)
	}
	login := `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { user { id } } }`
	suspended := there.ask(t, "", login, vars("l", "ada", "p", password("ada")))
	wrong := there.ask(t, "", login, vars("l", "bob", "p", "another long passphrase"))
	if suspended.status != wrong.status || suspended.body != wrong.body {
		t.Errorf("a suspended one is told\n%v\nwho is wrong\n%v", suspended, wrong)
	}
	if err := there.gql(t.Context(), root.token, reinstateDoc, vars("u", ada.id), nil); err != nil {
		t.Fatal(err)
	}
	there.mustBeNoToken(t, "an old access token", second.token)
	here.mustBeNoToken(t, "an old personal token", text)
	if _, err := there.renew(t, second.refresh); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("an old refresh token: %v", err)
	}
	if back := here.login(t, ada); !strings.Contains(here.ask(t, back.token, whoAmI, nil).body, ada.id) {
		t.Error("the reinstated one does not get in")
	}
}

// Nobody changes his own standing, bots stay bots, and of two administrators
// who would take the right from each other one does: there is always one.
func TestThereIsAlwaysAnAdministrator(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		root, ada := p.register(t, "root"), p.register(t, "ada")
		bot := p.bot(t, root, "robot")
		reasonOf := func(doc string, who person, of string) string {
			t.Helper()
			v := vars("u", of)
			if doc == setRoleDoc {
				v["r"] = "MEMBER"
			}
			r := p.ask(t, who.token, doc, v)
			_, reason, _ := strings.Cut(r.body, `"reason":"`)
			reason, _, _ = strings.Cut(reason, `"`)
			return r.code() + " " + reason
		}
		for _, doc := range []string{setRoleDoc, suspendDoc, reinstateDoc} {
			if got := reasonOf(doc, root, root.id); got != "FAILED_PRECONDITION ONESELF" {
				t.Errorf("of oneself: %s", got)
			}
			if got := reasonOf(doc, root, nobodys["user"]); !strings.HasPrefix(got, "NOT_FOUND") {
				t.Errorf("of nobody: %s", got)
			}
		}
		for _, c := range []struct{ of, role string }{{bot.id, "MEMBER"}, {bot.id, "ADMIN"}, {ada.id, "BOT"}} {
			if r := p.ask(t, root.token, setRoleDoc, vars("u", c.of, "r", c.role)); r.code() != "FAILED_PRECONDITION" || !strings.Contains(r.body, `"BOT"`) {
				t.Errorf("%s to %s: %v", c.of, c.role, r)
			}
		}
		for round := range 20 {
			p.setRole(t, root, ada.id, "ADMIN")
			var wg sync.WaitGroup
			codes := make([]string, 2)
			for i, who := range []person{root, ada} {
				doc, of := []string{setRoleDoc, suspendDoc}[round%2], []person{ada, root}[i].id
				v := vars("u", of)
				if round%2 == 0 {
					v["r"] = "MEMBER"
				}
				wg.Go(func() { codes[i] = p.ask(t, who.token, doc, v).code() })
			}
			wg.Wait()
			slices.Sort(codes)
			if codes[0] != "" || codes[1] != "FORBIDDEN" && codes[1] != "UNAUTHENTICATED" {
				t.Fatalf("round %d: %v", round, codes)
			}
			// Whoever lost is brought back by who won.
			won, lost := root, ada
			if p.ask(t, root.token, auditDoc, nil).code() != "" {
				won, lost = ada, root
			}
			if round%2 == 1 {
				if err := p.gql(t.Context(), won.token, reinstateDoc, vars("u", lost.id), nil); err != nil {
					t.Fatal(err)
				}
				back := p.login(t, lost)
				if lost.id == root.id {
					root = back
				} else {
					ada = back
				}
			} else if lost.id == root.id {
				p.setRole(t, won, root.id, "ADMIN")
			}
		}
	})
}

// A guest is where he was brought in, with those who are there, and finds
// nobody and nothing else; being told what he may, he is told so.
func TestAGuestIsWhereHeWasBroughtIn(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, append(slices.Clone(args), "--rate-limits", "off")...)
		root := p.register(t, "root")
		all := p.people(t, "user", 4)
		gus, ada, bob, cyd := all[0], all[1], all[2], all[3]
		p.setRole(t, root, gus.id, "GUEST")
		room := p.group(t, ada, gus, bob)
		p.channel(t, cyd, "general")
		own := p.group(t, cyd, gus) // in which he is given a high standing
		if err := p.gql(t.Context(), cyd.token, transferDoc, vars("c", own, "u", gus.id), nil); err != nil {
			t.Fatal(err)
		}
		_, code := p.invite(t, ada, p.group(t, ada), nil)
		dan := p.register(t, "dan") // whom he is with nowhere
		for what, c := range map[string]struct {
			doc  string
			vars map[string]any
			want string
		}{
			"a group":                   {`mutation { createGroup(input: {name: "own"}) { conversation { id } } }`, nil, "FORBIDDEN"},
			"a channel":                 {`mutation { createGroup(input: {name: "own", visibility: PUBLIC}) { conversation { id } } }`, nil, "FORBIDDEN"},
			"channels":                  {`{ channels { edges { cursor } } }`, nil, "FORBIDDEN"},
			"others into his own":       {`mutation($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { id } } }`, vars("c", own, "u", ada.id), "FORBIDDEN"},
			"an invitation":             {`mutation($c: ID!) { createGroupInvite(input: {conversationId: $c}) { code } }`, vars("c", own), "FORBIDDEN"},
			"a stranger by id":          {`query($u: ID!) { user(id: $u) { id } }`, vars("u", dan.id), "NOT_FOUND"},
			"a stranger by name":        {`{ userByUsername(username: "dan") { id } }`, nil, "NOT_FOUND"},
			"a stranger to write to":    {`mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, vars("u", dan.id), "NOT_FOUND"},
			"somebody he is with":       {`query($u: ID!) { user(id: $u) { id } }`, vars("u", bob.id), ""},
			"him by name":               {`{ userByUsername(username: "user2") { id } }`, nil, ""},
			"him to write to":           {`mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`, vars("u", bob.id), ""},
			"himself":                   {`query($u: ID!) { user(id: $u) { id } }`, vars("u", gus.id), ""},
			"a message":                 {`mutation($c: ID!) { sendMessage(input: {conversationId: $c, text: "hello"}) { message { id } } }`, vars("c", room), ""},
			"a code that he was given":  {`mutation($c: String!) { joinByInvite(input: {code: $c}) { conversation { id } } }`, vars("c", code), ""},
			"a new name of his own one": {`mutation($c: ID!) { updateGroup(input: {conversationId: $c, name: "his"}) { conversation { id } } }`, vars("c", own), ""},
		} {
			if r := p.ask(t, gus.token, c.doc, c.vars); r.code() != c.want {
				t.Errorf("%s: %v, want %q", what, r, c.want)
			}
		}
		a := p.ask(t, gus.token, `query($u: ID!) { user(id: $u) { id } }`, vars("u", dan.id))
		if b := p.ask(t, gus.token, `query($u: ID!) { user(id: $u) { id } }`, vars("u", nobodys["user"])); a.body != b.body {
			t.Errorf("a stranger is\n%v\nand nobody\n%v", a, b)
		}
		for _, doc := range []string{
			`query($of: [ID!]!) { users(ids: $of) { id } }`, `query($of: [ID!]!) { nodes(ids: $of) { id } }`,
		} {
			r := p.ask(t, gus.token, doc, vars("of", []string{dan.id, bob.id, gus.id}))
			if strings.Contains(r.body, dan.id) || !strings.Contains(r.body, bob.id) || !strings.Contains(r.body, gus.id) {
				t.Errorf("%s: %v", doc, r)
			}
		}
		found := func(who person, query string) (names []string) {
			t.Helper()
			var after any
			for {
				var d struct {
					SearchUsers struct {
						Edges    []struct{ Node struct{ Username string } }
						PageInfo struct {
							HasNextPage bool
							EndCursor   string
						}
					}
				}
				if err := p.gql(t.Context(), who.token, `query($q: String!, $a: String) { searchUsers(query: $q, first: 1, after: $a) { edges { node { username } } pageInfo { hasNextPage endCursor } } }`,
					vars("q", query, "a", after), &d); err != nil {
					t.Fatal(err)
				}
				for _, e := range d.SearchUsers.Edges {
					names = append(names, e.Node.Username)
				}
				if after = d.SearchUsers.PageInfo.EndCursor; !d.SearchUsers.PageInfo.HasNextPage {
					return names
				}
			}
		}
		if got := found(gus, "dan"); got != nil {
			t.Errorf("a guest finds %v", got)
		}
		if got := fmt.Sprint(found(gus, "user")); got != "[user0 user1 user2 user3]" {
			t.Errorf("a guest finds %v", got)
		}
		if got := fmt.Sprint(found(ada, "dan")); got != "[dan]" {
			t.Errorf("a member finds %v", got)
		}
		const can = `query($c: ID!) { conversation(id: $c) { viewerCan { addMembers invite send } } }`
		if r := p.ask(t, gus.token, can, vars("c", own)); !strings.Contains(r.body, `"addMembers":false,"invite":false,"send":true`) {
			t.Errorf("an owner who is a guest is told %v", r)
		}
		p.setRole(t, root, gus.id, "MEMBER")
		if r := p.ask(t, gus.token, can, vars("c", own)); !strings.Contains(r.body, `"addMembers":true,"invite":true,"send":true`) {
			t.Errorf("an owner who is a member is told %v", r)
		}
	})
}

// A flood of guesses leaves a mark in the audit log, not a row for each.
func TestAFloodOfGuessesLeavesFewEntries(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root := p.register(t, "root")
	p.register(t, "ada")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				_ = p.gql(t.Context(), "", `mutation { login(input: {login: "ada", password: "not the passphrase"}) { user { id } } }`, nil, nil)
				_ = p.gql(t.Context(), "", `mutation { login(input: {login: "nobody", password: "not the passphrase"}) { user { id } } }`, nil, nil)
			}
		})
	}
	wg.Wait()
	failed := func() int { return len(p.audit(t, root, vars("actions", []string{"SIGN_IN_FAILED"}))) }
	eventually(t, "the mark", func() bool { return failed() == 20 })
	if err := p.stop(t); err != nil { // which stores what waits
		t.Fatal(err)
	}
	p.start(t)
	if n := failed(); n != 20 {
		t.Errorf("%d entries", n)
	}
}

// operator runs a command of `chatd user` or `chatd invite` on the program's
// data with something on standard input.
func (p *program) operator(t testing.TB, stdin string, args ...string) (out, said string, err error) {
	t.Helper()
	where := []string{"--data-dir", p.dir}
	for i, a := range p.args {
		if slices.Contains([]string{"--postgres-url", "--durability", "--env", "--public-url"}, a) {
			where = append(where, p.args[i:i+2]...)
		}
	}
	cmd, errs := command(t.Context(), append(args, where...)...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stdin = &text, strings.NewReader(stdin)
	cmd.Env = append(cmd.Env, p.env...)
	err = cmd.Run()
	return strings.TrimSpace(text.String()), errs.String(), err
}

// What an operator does by the command line counts in the server that runs
// beside, and in one that starts later.
func TestTheCommandLineAdministersBesideTheServer(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		must := func(stdin string, args ...string) string {
			t.Helper()
			out, said, err := p.operator(t, stdin, args...)
			if err != nil {
				t.Fatalf("%v: %v %s", args, err, said)
			}
			return out
		}
		must(password("root")+"\n", "user", "create", "--username", "root", "--email", "root@example.org", "--role", "admin", "--display-name", "The Root")
		root := p.login(t, person{name: "root"})
		if r := p.ask(t, root.token, `{ viewer { user { displayName } account { role email } } }`, nil); !strings.Contains(r.body, `"displayName":"The Root"},"account":{"role":"ADMIN","email":"root@example.org"}`) {
			t.Errorf("%v", r)
		}
		var made struct{ ID, Username, Password, Role, State string }
		if err := json.Unmarshal([]byte(must("", "user", "create", "--username", "ada", "--email", "ada@example.org", "--generate", "--json")), &made); err != nil {
			t.Fatal(err)
		}
		ada := person{id: made.ID, name: "ada"}
		login := func(password string) error {
			return p.gql(t.Context(), "", `mutation($p: String!) { login(input: {login: "ada", password: $p}) { user { id } } }`, vars("p", password), nil)
		}
		if err := login(made.Password); err != nil || made.Role != "MEMBER" || made.State != "ACTIVE" {
			t.Errorf("%+v: %v", made, err)
		}
		must(password("ada")+"\n", "user", "reset-password", "ada", "--stdin")
		ada = p.login(t, ada)
		p.group(t, ada) // the server goes on writing
		socket := p.dial(t, ada)
		must("", "user", "promote", "ada@example.org")
		closesWith(t, socket, 1012, time.Second+slack)
		if r := p.ask(t, ada.token, auditDoc, nil); r.code() != "" {
			t.Errorf("promoted: %v", r)
		}
		socket = p.dial(t, ada)
		must("", "user", "suspend", made.ID, "--reason", "left us")
		p.mustBeOver(t, ada, socket)
		if out := must("", "user", "list", "--state", "suspended"); !strings.Contains(out, "ada") || strings.Contains(out, "root") {
			t.Errorf("the list is\n%s", out)
		}
		must("", "user", "reinstate", "ada")
		ada = p.login(t, ada)
		socket = p.dial(t, ada)
		reset := must("", "user", "reset-password", "ada", "--json")
		p.mustBeOver(t, ada, socket)
		if err := json.Unmarshal([]byte(reset), &made); err != nil {
			t.Fatal(err)
		}
		if err := login(password("ada")); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("the old password: %v", err)
		}
		if err := login(made.Password); err != nil {
			t.Errorf("the new password: %v", err)
		}
		lost := p.register(t, "lost")
		p.secure(t, lost)
		socket = p.dial(t, lost)
		must("", "user", "reset-totp", "lost")
		p.mustBeOver(t, lost, socket)
		if err := p.signIn(t, "lost"); err != nil {
			t.Errorf("without the second factor that was lost: %v", err)
		}
		code := must("", "invite", "create", "--role", "guest", "--lasts", "1h")
		if err := p.gql(t.Context(), "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", vars(
			"email", "eve@example.org", "username", "eve", "password", password("eve"), "inviteCode", code)), nil); err != nil {
			t.Errorf("by the invitation: %v", err)
		}
		for _, bad := range [][]string{
			{"user", "suspend", "nobody"},
			{"user", "promote", "ada", "--role", "king"},
			{"user", "reset-totp", "lost"}, // it has none any more
			{"user", "create", "--username", "ada", "--email", "x@example.org", "--generate"},
			{"user", "create", "--username", "x", "--email", "x@example.org", "--generate"},
			{"user", "create", "--username", "empty", "--email", "x@example.org"},
			{"invite", "create", "--lasts", "100000h"},
			{"user", "create", "--username", "xyz", "--email", "x@example.org", "--password", "a long passphrase"},
		} {
			if out, said, err := p.operator(t, "", bad...); err == nil || out != "" || said == "" {
				t.Errorf("%v: %q %q", bad, out, said)
			}
		}
		// Each is in the audit log, without an actor and with the command.
		got := map[string]string{}
		for _, e := range p.audit(t, root, nil) {
			if strings.HasPrefix(e.Device, "chatd ") {
				got[e.Action] = e.Device
				if e.ActorID != "" || e.Address != "" {
					t.Errorf("%+v", e)
				}
			}
		}
		for action, command := range map[string]string{
			"REGISTERED": "chatd user create", "PASSWORD_RESET": "chatd user reset-password", "ROLE_CHANGED": "chatd user promote",
			"SUSPENDED": "chatd user suspend", "REINSTATED": "chatd user reinstate", "INVITE_CREATED": "chatd invite create",
			"SECOND_FACTOR_DISABLED": "chatd user reset-totp",
		} {
			if !strings.HasPrefix(got[action], command+", uid ") {
				t.Errorf("%s by %q", action, got[action])
			}
		}
		if err := p.stop(t); err != nil {
			t.Fatal(err)
		}
		must("", "user", "promote", "ada", "--role", "member")
		if _, said, err := p.operator(t, "", "user", "promote", "root", "--role", "member"); err == nil || !strings.Contains(said, "no administrator left") {
			t.Errorf("the last administrator: %v %s", err, said)
		}
		p.start(t)
		if again := p.login(t, root); p.ask(t, again.token, auditDoc, nil).code() != "" {
			t.Error("the administrator is none")
		}
	})
}

// The first administrator of a server in production is made before its start.
func TestTheFirstAdministratorIsMadeBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), args: []string{
		"--env", "production", "--public-url", "https://chat.example.org", "--registration", "closed",
	}, env: []string{"CHATD_SECRET=" + rand.Text() + rand.Text()}}
	if _, said, err := p.operator(t, password("root"), "user", "create", "--username", "root", "--email", "root@example.org", "--role", "admin"); err != nil {
		t.Fatal(err, said)
	}
	p.start(t)
	t.Cleanup(p.kill)
	root := p.login(t, person{name: "root"})
	if r := p.ask(t, root.token, auditDoc, nil); r.code() != "" {
		t.Errorf("%v", r)
	}
	if log, err := os.ReadFile(p.logFile()); err != nil || bytes.Contains(log, []byte("setup token")) {
		t.Error("a setup token was printed", err)
	}
}
