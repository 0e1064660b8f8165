package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// idKinds says what each argument of type ID names. A new one needs its row.
func idKinds(op operation, l leaf) []string {
	switch name := l.path[len(l.path)-1]; name {
	case "conversationId":
		return []string{"conversation"}
	case "identityId":
		return []string{"identity"}
	case "sessionId":
		return []string{"session"}
	case "tokenId":
		return []string{"token"}
	case "userId", "userIds", "memberIds", "senderId", "mentions", "actorId", "targetId":
		return []string{"user"}
	case "inviteId":
		if op.field == "revokeInvite" {
			return []string{"toServer"}
		}
		return []string{"invite"}
	case "replyToId", "threadRootId", "rootId", "messageId":
		return []string{"message"}
	case "reportId":
		return []string{"report"}
	case "attachmentIds", "avatarAttachmentId":
		return []string{"attachment"}
	case "id", "ids":
		switch op.field {
		case "node", "nodes":
			return []string{"conversation", "message", "session", "invite", "report", "attachment", "token", "toServer", "audit", "identity"}
		case "conversation":
			return []string{"conversation"}
		case "message", "editMessage", "deleteMessage":
			return []string{"message"}
		case "user", "users":
			return []string{"user"}
		}
	}
	return nil
}

// somewhere is one viewer's own world, or what he should not know of.
type somewhere map[string]string // kind to id

// nobodys are ids of the right form that name nothing.
var nobodys = somewhere{
	"conversation": "cnv_01m83rvxcnf479rx379ektzzzz", "message": "msg_01m83rvxcnf479rx379ektzzzz",
	"session": "ses_01m83rvxcnf479rx379ektzzzz", "invite": "giv_01m83rvxcnf479rx379ektzzzz", "user": "usr_01m83rvxcnf479rx379ektzzzz",
	"report": "rep_01m83rvxcnf479rx379ektzzzz", "attachment": "att_01m83rvxcnf479rx379ektzzzz",
	"identity": "idn_01m83rvxcnf479rx379ektzzzz",
	"token":    "pat_01m83rvxcnf479rx379ektzzzz", "toServer": "inv_01m83rvxcnf479rx379ektzzzz", "audit": "aud_01m83rvxcnf479rx379ektzzzz",
}

// ownValues gives every required argument a value that is good for the viewer.
func ownValues(own somewhere) func(operation) func(leaf) any {
	return func(op operation) func(leaf) any {
		return func(l leaf) any {
			switch l.typ {
			case "ID":
				if kinds := idKinds(op, l); len(kinds) > 0 {
					return own[kinds[0]]
				}
			case "Int":
				return 1
			case "Boolean":
				return true
			case "MemberRole":
				return "MEMBER"
			case "ReportResolution":
				return "DISMISSED"
			case "UserRole":
				return "MEMBER"
			case "AuditAction":
				return "SIGNED_IN"
			case "TokenScope":
				return "READ"
			case "Time":
				return "2040-01-01T00:00:00.000Z"
			case "_Any":
				return vars("__typename", "User", "id", own["user"])
			}
			if l.path[len(l.path)-1] == "emoji" {
				return "👍"
			}
			return "text"
		}
	}
}

func (p *program) report(t testing.TB, who person, message string) string {
	t.Helper()
	var d struct {
		ReportMessage struct{ Report struct{ ID string } }
	}
	if err := p.gql(t.Context(), who.token, `mutation($m: ID!) { reportMessage(input: {messageId: $m, reason: "canary"}) { report { id } } }`, vars("m", message), &d); err != nil {
		t.Fatal(err)
	}
	return d.ReportMessage.Report.ID
}

func (p *program) session(t testing.TB, who person) string {
	t.Helper()
	var d struct{ Sessions []struct{ ID string } }
	if err := p.gql(t.Context(), who.token, `{ sessions { id } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.Sessions[0].ID
}

// endsTheSession are operations that a test of all others leaves out.
func endsTheSession(field string) bool {
	return slices.Contains([]string{"logout", "logoutEverywhere", "register", "login", "refreshToken", "exchangeSignInCode"}, field)
}

// A stranger, and somebody who was a member, get for every argument that can
// name something of others the very bytes that they get for what is not there,
// over HTTP and on a socket, and nothing that they try is seen by anybody.
func TestWhatIsNotTheViewersIsTheSameAsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	p, op := startSigningIn(t)
	knows(op, "ada at corp")
	root := p.register(t, "root") // who comes first administers the server
	all := p.people(t, "user", 4)
	ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
	room := p.group(t, ada, bob, dan)
	mustSend := func(who person, to, text string) message {
		t.Helper()
		m, err := p.send(t.Context(), who, to, text, "")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	foreign := somewhere{"conversation": room, "message": mustSend(ada, room, "canary of ada").ID, "session": p.session(t, ada)}
	foreign["invite"], _ = p.invite(t, ada, room, nil)
	foreign["toServer"], _ = p.inviteToServer(t, root, nil)
	foreign["audit"] = p.audit(t, root, nil)[0].ID
	foreign["report"] = p.report(t, ada, foreign["message"])
	foreign["token"], _ = p.personal(t, ada, "", "READ")
	foreign["identity"] = p.linked(t, ada, "ada at corp").ID
	foreign["attachment"] = p.upload(t, ada, "canary", []byte("canary"))
	if _, err := p.sendFiles(t, ada, room, "canary with a file", "", foreign["attachment"]); err != nil {
		t.Fatal(err)
	}
	dans := mustSend(dan, room, "canary of dan").ID
	if err := p.gql(t.Context(), dan.token, `mutation($c: ID!) { leaveConversation(input: {conversationId: $c}) { ok } }`, vars("c", room), nil); err != nil {
		t.Fatal(err)
	}
	administered := p.marked(t, "admin")
	adas := listenAll(t, p.dial(t, ada), "1", nil)
	receive(t, adas)
	before := p.ask(t, ada.token, wholeRoom, vars("c", room))

	for _, who := range []person{cyd, dan} {
		own := somewhere{"conversation": p.group(t, who), "session": p.session(t, who), "user": bob.id}
		own["message"] = mustSend(who, own["conversation"], "own").ID
		own["invite"], _ = p.invite(t, who, own["conversation"], nil)
		own["token"], _ = p.personal(t, who, "", "READ")
		own["attachment"] = p.upload(t, who, "own", []byte("own"))
		value := ownValues(own)
		conn := p.dial(t, who)
		compare := func(op operation, l leaf, kind, id string) {
			t.Helper()
			theirs, none := op.variables(value(op), &l, id), op.variables(value(op), &l, nobodys[kind])
			if a, b := p.ask(t, who.token, op.doc, theirs), p.ask(t, who.token, op.doc, none); op.kind != "subscription" && (a.body != b.body || a.status != b.status) {
				t.Errorf("%s of %s %s for %s:\n%v\nof none:\n%v", op.field, l, kind, who.name, a, b)
			}
			a, b := askSocket(t, conn, op.doc, theirs), askSocket(t, conn, op.doc, none)
			if a != b {
				t.Errorf("%s of %s %s for %s:\n%s\nof none:\n%s", op.field, l, kind, who.name, a, b)
			}
			want := "NOT_FOUND"
			switch {
			case op.field == "node" || op.field == "nodes":
				want = "null"
			case slices.Contains([]string{"replyToId", "threadRootId"}, l.path[len(l.path)-1]), kind == "attachment":
				want = "BAD_USER_INPUT"
			case slices.Contains(administered, op.field): // whoever does not administer the server is told that, of any
				want = "FORBIDDEN"
			}
			if !strings.Contains(a, want) {
				t.Errorf("%s of %s %s for %s: %s", op.field, l, kind, who.name, a)
			}
		}
		tried := 0
		for _, op := range p.api(t).operations() {
			for _, l := range op.leaves {
				if l.typ != "ID" {
					continue
				}
				kinds := idKinds(op, l)
				if kinds == nil {
					t.Errorf("what does %s of %s name? Give it a row", l, op.field)
				}
				for _, kind := range kinds {
					if kind == "user" {
						continue // everybody may look up everybody
					}
					if tried++; own[kind] != "" && op.kind != "mutation" {
						if r := askSocket(t, conn, op.doc, op.variables(value(op), &l, own[kind])); strings.HasPrefix(r, "error") || strings.Contains(r, `"errors"`) {
							t.Errorf("%s of %s of one's own: %s", op.field, l, r)
						}
					}
					compare(op, l, kind, foreign[kind])
					if kind == "message" && who.name == dan.name {
						compare(op, l, kind, dans)
					}
				}
			}
		}
		if tried < 15 {
			t.Errorf("only %d arguments tried", tried)
		}
	}
	mustSend(ada, room, "fence")
	if e := receive(t, adas); e.Type != "MessageAdded" || e.Message.text() != "fence" {
		t.Errorf("ada saw %+v", e)
	}
	after := p.ask(t, ada.token, wholeRoom, vars("c", room))
	if strings.Count(after.body, "fence") != 1 || !strings.HasPrefix(after.body, before.body[:strings.Index(before.body, `"messages"`)]) {
		t.Errorf("the room was\n%v\nand is\n%v", before, after)
	}
}

const wholeRoom = `query($c: ID!) { conversation(id: $c) { name description memberCount members { edges { node { role user { id } } } } }
	messages(conversationId: $c) { edges { node { id seq text editedAt } } } }`

func TestWithoutATokenOnlyTheOpenOperationsRun(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	p.register(t, "ada")
	conn := dialAnonymously(t, p)
	value := ownValues(nobodys)
	for _, op := range p.api(t).operations() {
		v := op.variables(value(op), nil, nil)
		open := slices.Contains([]string{"register", "login", "refreshToken", "_service", "exchangeSignInCode", "signInProviders", "requestPasswordReset", "resetPassword", "verifyEmail"}, op.field)
		if !open && op.kind != "subscription" {
			for _, token := range []string{"", "nonsense"} {
				if r := p.ask(t, token, op.doc, v); r.status != 401 || r.code() != "UNAUTHENTICATED" {
					t.Errorf("%s with token %q: %v", op.field, token, r)
				}
			}
		}
		if !open {
			if r := askSocket(t, conn, op.doc, v); !strings.Contains(r, "UNAUTHENTICATED") {
				t.Errorf("%s on a socket: %s", op.field, r)
			}
		}
	}
	if r := p.ask(t, "nonsense", `{ __typename }`, nil); r.status != 200 {
		t.Errorf("an open operation with a bad token: %v", r)
	}
}

func TestNobodyCanBeWrittenOrReadInAnothersName(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, cyd := p.register(t, "ada"), p.register(t, "cyd")
	room := p.group(t, ada, cyd)
	for _, extra := range []string{"senderId", "userId", "role", "seq", "createdAt", "isAdmin"} {
		r := p.ask(t, cyd.token, `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } } }`,
			vars("i", vars("conversationId", room, "text", "forged", extra, ada.id)))
		if r.code() == "" || !strings.Contains(r.body, extra) {
			t.Errorf("with %s: %v", extra, r)
		}
	}
	if h := p.history(t, ada, room); len(h) != 0 {
		t.Errorf("something was sent: %+v", h)
	}
	// What is private in an account is on no way to another user.
	r := p.ask(t, cyd.token, `query($c: ID!, $u: ID!) { user(id: $u) { id username displayName }
		conversation(id: $c) { members { edges { node { user { id username displayName bio } } } } } searchUsers(query: "ada") { edges { node { id username } } } }`,
		vars("c", room, "u", ada.id))
	if r.code() != "" || strings.Contains(r.body, "@example.org") {
		t.Errorf("%v", r)
	}
	// To oneself; to administrators: all that leads there is refused to others.
	// What a mutation is called tells nothing.
	told := []string{"Account", "Identity", "Invite", "Mutation"}
	for name, typ := range p.api(t).types {
		for _, f := range typ.Fields {
			if strings.Contains(strings.ToLower(f.Name), "email") && !slices.Contains(told, name) {
				t.Errorf("%s.%s is told to everybody", name, f.Name)
			}
		}
	}
}

// Cursors of every list: changed in any place, of another list or of another
// viewer, they are refused and give nothing.
func TestACursorThatIsNotOnesOwnIsRefused(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, cyd := p.register(t, "ada"), p.register(t, "cyd")
	room, other := p.group(t, ada, cyd), p.group(t, ada, cyd)
	for n := range 3 {
		for _, to := range []string{room, other} {
			if _, err := p.send(t.Context(), ada, to, fmt.Sprint(n), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.channel(t, ada, "general")
	p.invite(t, ada, room, nil)
	p.invite(t, ada, other, nil)
	p.searchesAll(t)
	p.befriend(t, ada, cyd)
	p.relate(t, "blockUser", ada, p.register(t, "eve"))
	root := p.says(t, ada, room, "root")
	p.says(t, ada, room, "reply", "threadRootId", root.ID)
	type list struct {
		name, doc string
		where     string // its conversation, or root, none when empty
	}
	lists := []list{
		{"messages", `query($c: ID!, $a: String) { messages(conversationId: $c, after: $a) { edges { cursor } } }`, room},
		{"messages of another conversation", `query($c: ID!, $a: String) { messages(conversationId: $c, after: $a) { edges { cursor } } }`, other},
		{"conversations", `query($a: String) { conversations(after: $a) { edges { cursor } } }`, ""},
		{"contacts", `query($a: String) { contacts(after: $a) { edges { cursor } } }`, ""},
		{"contacts of another state", `query($a: String) { contacts(state: BLOCKED, after: $a) { edges { cursor } } }`, ""},
		{"searchUsers", `query($a: String) { searchUsers(query: "a", after: $a) { edges { cursor } } }`, ""},
		{"searchMessages", `query($a: String) { searchMessages(query: "1", after: $a) { edges { cursor } } }`, ""},
		{"searchMessages of a conversation", `query($c: ID!, $a: String) { searchMessages(query: "1", conversationId: $c, after: $a) { edges { cursor } } }`, room},
		{"thread", `query($c: ID!, $a: String) { thread(rootId: $c, after: $a) { edges { cursor } } }`, root.ID},
		{"members", `query($c: ID!, $a: String) { conversation(id: $c) { members(after: $a) { edges { cursor } } } }`, room},
		{"channels", `query($a: String) { channels(after: $a) { edges { cursor } } }`, ""},
		{"channels of a query", `query($a: String) { channels(query: "gen", after: $a) { edges { cursor } } }`, ""},
		{"groupInvites", `query($c: ID!, $a: String) { groupInvites(conversationId: $c, after: $a) { edges { cursor } } }`, room},
		{"groupInvites of another conversation", `query($c: ID!, $a: String) { groupInvites(conversationId: $c, after: $a) { edges { cursor } } }`, other},
		{"events", `query($a: String) { events(after: $a) { pageInfo { cursor: endCursor } } }`, ""},
	}
	variables := func(where string, after any) map[string]any {
		v := vars("a", after)
		if where != "" {
			v["c"] = where
		}
		return v
	}
	cursors := map[string]string{}
	for _, l := range lists {
		r := p.ask(t, ada.token, l.doc, variables(l.where, nil))
		_, rest, ok := strings.Cut(r.body, `"cursor":"`)
		if !ok {
			t.Fatalf("%s has no cursor: %v", l.name, r)
		}
		cursors[l.name], _, _ = strings.Cut(rest, `"`)
	}
	refused := func(l list, who person, what, cursor string) {
		t.Helper()
		if r := p.ask(t, who.token, l.doc, variables(l.where, cursor)); r.code() != "BAD_USER_INPUT" || strings.Contains(r.body, `"cursor":"`) {
			t.Errorf("%s after %s (%q): %v", l.name, what, cursor, r)
		}
	}
	for _, l := range lists {
		if r := p.ask(t, ada.token, l.doc, variables(l.where, cursors[l.name])); r.code() != "" {
			t.Errorf("%s after its own cursor: %v", l.name, r)
		}
		refused(l, cyd, "another's", cursors[l.name])
		for name, c := range cursors {
			if name != l.name {
				refused(l, ada, "a cursor of "+name, c)
			}
		}
		for i := range cursors[l.name] {
			b := []byte(cursors[l.name])
			b[i] ^= 1 << (i % 7)
			refused(l, ada, "a changed one", string(b))
		}
		for _, c := range []string{"0", "1", "null", "' OR 1=1 --", "cursor:1", "AAAA", strings.Repeat("A", 5000), "\x00", "é"} {
			refused(l, ada, "an invented one", c)
		}
	}
	// The stream says Reset instead, and nothing comes before it.
	conn := p.dial(t, cyd)
	for i, c := range []string{cursors["events"], cursors["messages"], "nonsense", cursors["events"] + "A"} {
		got := listenAll(t, conn, fmt.Sprint("e", i), c)
		for _, want := range []string{"StreamStarted", "Reset"} {
			e := receive(t, got)
			if e.Type == "Reset" && e.Reason != "UNKNOWN" || e.Type != want {
				t.Errorf("after %q: %+v, want %s", c, e, want)
			}
		}
	}
}
