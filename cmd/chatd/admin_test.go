package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

const (
	setRoleDoc   = `mutation($u: ID!, $r: UserRole!) { setUserRole(input: {userId: $u, role: $r}) { user { id } role } }`
	suspendDoc   = `mutation($u: ID!) { suspendUser(input: {userId: $u, reason: "canary"}) { state } }`
	reinstateDoc = `mutation($u: ID!) { reinstateUser(input: {userId: $u}) { state } }`
	auditDoc     = `query($f: AuditFilter, $n: Int, $a: String) { auditLog(filter: $f, first: $n, after: $a) {
		edges { cursor node { id action actorId targetId sessionId inviteId tokenId detail address device requestId at actor { username } target { username } } }
		pageInfo { hasNextPage endCursor } } }`
)

// entry is an entry of the audit log.
type entry struct {
	ID, Action, ActorID, TargetID, SessionID, InviteID, TokenID, Detail, Address, Device, RequestID, At string
	Actor, Target                                                                                       *struct{ Username string }
}

// audit reads the newest page of the audit log.
func (p *program) audit(t testing.TB, who person, filter map[string]any) []entry {
	t.Helper()
	var d struct {
		AuditLog struct{ Edges []struct{ Node entry } }
	}
	if err := p.gql(t.Context(), who.token, auditDoc, vars("f", filter, "n", 100), &d); err != nil {
		t.Fatal(err)
	}
	all := make([]entry, len(d.AuditLog.Edges))
	for i, e := range d.AuditLog.Edges {
		all[i] = e.Node
	}
	return all
}

// inviteToServer makes an invitation and returns its id and code.
func (p *program) inviteToServer(t testing.TB, who person, in map[string]any) (id, code string) {
	t.Helper()
	if in == nil {
		in = vars()
	}
	var d struct {
		CreateInvite struct {
			Invite struct{ ID string }
			Code   string
		}
	}
	if err := p.gql(t.Context(), who.token, `mutation($i: CreateInviteInput!) { createInvite(input: $i) { invite { id } code } }`, vars("i", in), &d); err != nil {
		t.Fatal(err)
	}
	return d.CreateInvite.Invite.ID, d.CreateInvite.Code
}

func (p *program) setRole(t testing.TB, who person, of, role string) {
	t.Helper()
	if err := p.gql(t.Context(), who.token, setRoleDoc, vars("u", of, "r", role), nil); err != nil {
		t.Fatal(err)
	}
}

func password(name string) string { return "a long passphrase of " + name }

func (p *program) signIn(t testing.TB, name string) error {
	t.Helper()
	return p.gql(t.Context(), "", `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { user { id } } }`,
		vars("l", name, "p", password(name)), nil)
}

// bot makes a bot and a token of it.
func (p *program) bot(t testing.TB, owner person, name string) person {
	t.Helper()
	var d struct {
		CreateBot struct{ User struct{ ID string } }
	}
	if err := p.gql(t.Context(), owner.token, `mutation($n: String!) { createBot(input: {username: $n}) { user { id } } }`, vars("n", name), &d); err != nil {
		t.Fatal(err)
	}
	_, text := p.personal(t, owner, d.CreateBot.User.ID, "READ", "WRITE")
	return person{id: d.CreateBot.User.ID, name: name, token: text}
}

// What the schema says is for administrators, all of it, is refused to a
// member, a guest, a bot and who has not signed in, over HTTP and on a socket,
// and given to an administrator; and nothing is for administrators by its words
// alone.
func TestWhatIsForAdministratorsIsRefusedToEverybodyElse(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root, member, guest := p.register(t, "root"), p.register(t, "member"), p.register(t, "guest")
	p.setRole(t, root, guest.id, "GUEST")
	who := map[string]person{"member": member, "guest": guest, "bot": p.bot(t, root, "robot")}
	anonymous := dialAnonymously(t, p)
	sockets := map[string]*wsclient.Conn{}
	for name, someone := range who {
		sockets[name] = p.dial(t, someone)
	}
	value, administered := ownValues(nobodys), p.marked(t, "admin")
	before := len(p.audit(t, root, nil))
	tried := 0
	for _, op := range p.api(t).operations() {
		if !slices.Contains(administered, op.field) {
			continue
		}
		tried++
		v := op.variables(value(op), nil, nil)
		for name, someone := range who {
			if r := p.ask(t, someone.token, op.doc, v); r.code() != "FORBIDDEN" {
				t.Errorf("%s by a %s: %v", op.field, name, r)
			}
			if r := askSocket(t, sockets[name], op.doc, v); !strings.Contains(r, "FORBIDDEN") {
				t.Errorf("%s by a %s on a socket: %s", op.field, name, r)
			}
		}
		if r := p.ask(t, "", op.doc, v); r.status != http.StatusUnauthorized || r.code() != "UNAUTHENTICATED" {
			t.Errorf("%s by nobody: %v", op.field, r)
		}
		if r := askSocket(t, anonymous, op.doc, v); !strings.Contains(r, "UNAUTHENTICATED") {
			t.Errorf("%s by nobody on a socket: %s", op.field, r)
		}
		if r := p.ask(t, root.token, op.doc, v); r.code() == "FORBIDDEN" || r.code() == "UNAUTHENTICATED" {
			t.Errorf("%s by an administrator: %v", op.field, r)
		}
	}
	if tried < 10 || tried != len(administered) {
		t.Errorf("%d of %d fields were tried", tried, len(administered))
	}
	// An administrator's own try at what names nobody leaves a row only where
	// something was done: an invitation and a bot.
	if after := len(p.audit(t, root, nil)); after > before+2 {
		t.Errorf("%d entries more", after-before)
	}
	for _, field := range describedFor(p.do(t, http.MethodGet, "/schema.graphql", nil, nil).body) {
		if !slices.Contains(administered, field) {
			t.Errorf("%s says that it is for administrators and is not marked so", field)
		}
	}
}

// describedFor are the root fields whose description says that they are for
// administrators alone.
func describedFor(sdl string) (fields []string) {
	root, quoted, text := false, false, ""
	for line := range strings.Lines(sdl) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "type "):
			root = strings.HasPrefix(line, "type Query") || strings.HasPrefix(line, "type Mutation") || strings.HasPrefix(line, "type Subscription")
		case !root || !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "    ") && !quoted:
		case trimmed == `"""`:
			if quoted = !quoted; quoted {
				text = ""
			}
		case quoted:
			text += " " + trimmed
		case strings.HasPrefix(trimmed, `"`):
			text = trimmed
		case !strings.HasPrefix(trimmed, ")"):
			if strings.Contains(strings.ToLower(text), "for the server's administrators") {
				field, _, _ := strings.Cut(trimmed, "(")
				field, _, _ = strings.Cut(field, ":")
				fields = append(fields, field)
			}
			text = ""
		}
	}
	return fields
}

func TestWhatTheDescriptionsSayIsFoundInTheSchema(t *testing.T) {
	t.Parallel()
	got := describedFor("type Query {\n  \"For the server's administrators.\"\n  a(\n    \"x\"\n    b: Int\n  ): Int\n  \"Free.\"\n  c: Int\n" +
		"  \"\"\"\n  Long, for the server's\n  administrators; no others.\n  \"\"\"\n  d: Int\n}\ntype T {\n  \"For the server's administrators.\"\n  e: Int\n}\n")
	if !slices.Equal(got, []string{"a", "d"}) {
		t.Error(got)
	}
}

// Everything that changes who may come in leaves one entry that says who, whom,
// from where and by which request; nothing secret is in it.
func TestEveryActLeavesAnEntryInTheAuditLog(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		root, ada := p.register(t, "root"), p.register(t, "ada")
		var seen map[string]bool
		note := func() {
			seen = map[string]bool{}
			for _, e := range p.audit(t, root, nil) {
				seen[e.ID] = true
			}
		}
		fresh := func() (all []entry) {
			for _, e := range p.audit(t, root, nil) {
				if !seen[e.ID] {
					all = append(all, e)
				}
			}
			return all
		}
		do := func(who person, doc string, pairs ...any) func() {
			return func() {
				t.Helper()
				if err := p.gql(t.Context(), who.token, doc, vars(pairs...), nil); err != nil {
					t.Fatalf("%s: %v", doc, err)
				}
			}
		}
		var second, third person
		var invite, code, token, text string
		for _, act := range []struct {
			want, actor, target, detail string
			do                          func()
		}{
			{"SIGNED_IN", ada.id, ada.id, "", func() { second = p.login(t, ada) }},
			{"SIGNED_OUT", ada.id, ada.id, "", func() { do(second, `mutation { logout { ok } }`)() }},
			{"SIGN_IN_FAILED", "", ada.id, "PASSWORD", func() {
				_ = p.gql(t.Context(), "", `mutation { login(input: {login: "ada", password: "not the passphrase"}) { user { id } } }`, nil, nil)
				eventually(t, "the failed sign-in", func() bool { return len(fresh()) > 0 })
			}},
			{"ROLE_CHANGED", root.id, ada.id, "MEMBER GUEST", do(root, setRoleDoc, "u", ada.id, "r", "GUEST")},
			{"ROLE_CHANGED", root.id, ada.id, "GUEST MEMBER", do(root, setRoleDoc, "u", ada.id, "r", "MEMBER")},
			{"TOKEN_CREATED", ada.id, ada.id, "READ WRITE", func() { token, text = p.personal(t, ada, "", "READ", "WRITE") }},
			{"TOKEN_REVOKED", ada.id, ada.id, "", func() {
				do(ada, `mutation($t: ID!) { revokePersonalToken(input: {tokenId: $t}) { ok } }`, "t", token)()
			}},
			{"BOT_CREATED", root.id, "", "", do(root, `mutation { createBot(input: {username: "robot"}) { user { id } } }`)},
			{"SIGNED_IN", ada.id, ada.id, "", func() { third = p.login(t, ada) }},
			{"SESSION_REVOKED", ada.id, ada.id, "", func() {
				_, claims, _ := jwtParts(t, third.token)
				do(ada, `mutation($s: ID!) { revokeSession(input: {sessionId: $s}) { ok } }`, "s", claims["sid"])()
			}},
			{"INVITE_CREATED", root.id, "", "", func() { invite, code = p.inviteToServer(t, root, vars("email", "eve@example.org")) }},
			{"INVITE_REVOKED", root.id, "", "", func() {
				do(root, `mutation($i: ID!) { revokeInvite(input: {inviteId: $i}) { invite { usable } } }`, "i", invite)()
			}},
			{"SUSPENDED", root.id, ada.id, "canary", do(root, suspendDoc, "u", ada.id)},
			{"SIGN_IN_FAILED", "", ada.id, "SUSPENDED", func() {
				if err := p.signIn(t, "ada"); codeOf(err) != "UNAUTHENTICATED" {
					t.Errorf("a suspended account signs in: %v", err)
				}
				eventually(t, "the failed sign-in", func() bool { return len(fresh()) > 0 })
			}},
			{"REINSTATED", root.id, ada.id, "", do(root, reinstateDoc, "u", ada.id)},
		} {
			note()
			act.do()
			got := fresh()
			if len(got) != 1 {
				t.Errorf("%s: %d entries: %+v", act.want, len(got), got)
				continue
			}
			e := got[0]
			if e.Action != act.want || e.ActorID != act.actor || act.target != "" && e.TargetID != act.target || e.Detail != act.detail {
				t.Errorf("%s: %+v", act.want, e)
			}
			if e.Address != "127.0.0.1" || e.RequestID == "" || e.At == "" || e.Device == "" {
				t.Errorf("%s from where: %+v", act.want, e)
			}
			if act.actor != "" && (e.Actor == nil || e.Actor.Username == "") {
				t.Errorf("%s by whom: %+v", act.want, e)
			}
		}
		r := p.ask(t, root.token, auditDoc, vars("n", 100))
		for what, secret := range map[string]string{
			"an address": "@example.org", "a code": code, "a personal token": text, "an access token": ada.token, "a refresh token": ada.refresh, "a password": "passphrase",
		} {
			if strings.Contains(r.body, secret) {
				t.Errorf("the audit log has %s", what)
			}
		}
	})
}

// eventually waits for what comes behind an answer.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10*time.Second + grace); !is(); pause(t.Context(), 20*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestTheAuditLogIsPagedAndFiltered(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root := p.register(t, "root")
	all := p.people(t, "user", 3)
	for _, u := range all {
		p.setRole(t, root, u.id, "GUEST")
	}
	type page struct {
		AuditLog struct {
			Edges    []struct{ Node entry }
			PageInfo struct {
				HasNextPage bool
				EndCursor   string
			}
		}
	}
	var got []string
	var after any
	for range 10 {
		var d page
		if err := p.gql(t.Context(), root.token, auditDoc, vars("n", 2, "a", after, "f", vars("actions", []string{"ROLE_CHANGED", "REGISTERED"})), &d); err != nil {
			t.Fatal(err)
		}
		for _, e := range d.AuditLog.Edges {
			got = append(got, e.Node.Action)
		}
		p.setRole(t, root, all[0].id, []string{"MEMBER", "GUEST"}[len(got)%2]) // what comes meanwhile shifts nothing
		if after = d.AuditLog.PageInfo.EndCursor; !d.AuditLog.PageInfo.HasNextPage {
			break
		}
	}
	if fmt.Sprint(got) != "[ROLE_CHANGED ROLE_CHANGED ROLE_CHANGED REGISTERED REGISTERED REGISTERED REGISTERED]" {
		t.Error(got)
	}
	for what, c := range map[string]struct {
		filter map[string]any
		want   int
	}{
		"by somebody":        {vars("actorId", root.id, "actions", []string{"REGISTERED"}), 1},
		"about somebody":     {vars("targetId", all[1].id), 2},
		"by nobody":          {vars("actorId", nobodys["user"]), 0},
		"by what is nobody":  {vars("actorId", "x"), 0},
		"no action":          {vars("actions", []string{}), 0},
		"since the future":   {vars("since", "2100-01-01T00:00:00Z"), 0},
		"until the past":     {vars("until", "2000-01-01T00:00:00Z"), 0},
		"since the past":     {vars("since", "2000-01-01T00:00:00Z", "targetId", all[2].id), 2},
		"both of one person": {vars("actorId", all[1].id, "targetId", all[1].id), 1},
	} {
		if n := len(p.audit(t, root, c.filter)); n != c.want {
			t.Errorf("%s: %d entries, want %d", what, n, c.want)
		}
	}
}

// Of any number who register with one invitation no more get in than it has
// uses, on several nodes too; nothing of the others is there.
func TestAnInvitationLetsInNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, append(slices.Clone(args), "--rate-limits", "off")...)
		root := p.register(t, "root")
		if err := p.stop(t); err != nil {
			t.Fatal(err)
		}
		p.args = append(p.args, "--registration", "invite")
		p.start(t)
		root = p.login(t, root)
		register := func(name, code string) error {
			in := vars("email", name+"@example.org", "username", name, "password", password(name))
			if code != "" {
				in["inviteCode"] = code
			}
			return p.gql(t.Context(), "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", in), nil)
		}
		if err := register("nobody", ""); codeOf(err) != "FAILED_PRECONDITION" {
			t.Errorf("without an invitation: %v", err)
		}
		if err := register("root", "rubbish"); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("with a code that is none, to learn whether there is an account: %v", err)
		}
		const uses, tries = 3, 100
		id, code := p.inviteToServer(t, root, vars("maxUses", uses))
		var mu sync.Mutex
		var wg sync.WaitGroup
		in, refused := 0, 0
		for i := range tries {
			wg.Go(func() {
				err := register(fmt.Sprintf("user%d", i), code)
				mu.Lock()
				defer mu.Unlock()
				switch codeOf(err) {
				case "":
					in++
				case "BAD_USER_INPUT", "UNAVAILABLE": // too many sign in at once
					refused++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if in != uses || refused != tries-uses {
			t.Errorf("%d came in, %d were refused", in, refused)
		}
		var d struct {
			Invites struct {
				Edges []struct {
					Node struct {
						ID            string
						Uses, MaxUses int
						Usable        bool
						Email         *string
						CreatedBy     struct{ Username string }
					}
				}
			}
		}
		const list = `{ invites { edges { node { id uses maxUses usable email createdBy { username } } } } }`
		if err := p.gql(t.Context(), root.token, list, nil, &d); err != nil || len(d.Invites.Edges) != 1 {
			t.Fatal(err, d)
		}
		if i := d.Invites.Edges[0].Node; i.ID != id || i.Uses != uses || i.Usable || i.CreatedBy.Username != "root" {
			t.Errorf("%+v", i)
		}
		if n := len(p.audit(t, root, vars("actions", []string{"INVITE_USED"}))); n != uses {
			t.Errorf("%d entries of uses", n)
		}
		if n := len(p.audit(t, root, vars("actions", []string{"REGISTERED"}))); n != uses+1 {
			t.Errorf("%d entries of accounts", n)
		}

		_, hers := p.inviteToServer(t, root, vars("email", "Eve@example.org", "role", "GUEST"))
		gone, over := p.inviteToServer(t, root, nil)
		if err := p.gql(t.Context(), root.token, `mutation($i: ID!) { revokeInvite(input: {inviteId: $i}) { invite { usable } } }`, vars("i", gone), nil); err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]string{"of another's address": hers, "that is revoked": over, "that is used up": code} {
			if err := register("mallory", c); codeOf(err) != "BAD_USER_INPUT" {
				t.Errorf("with an invitation %s: %v", what, err)
			}
		}
		if err := register("eve", hers); err != nil {
			t.Errorf("with one's own: %v", err)
		}
		r := p.ask(t, root.token, `{ invites { edges { node { email } } } auditLog(filter: {actions: [INVITE_USED]}, first: 1) { edges { node { target { username } } } } }`, nil)
		if strings.Contains(strings.ToLower(r.body), "eve@") || !strings.Contains(r.body, `"username":"eve"`) {
			t.Errorf("an address that was used is kept: %v", r)
		}
		eve := p.login(t, person{name: "eve"})
		if r := p.ask(t, eve.token, `{ viewer { account { role } } }`, nil); !strings.Contains(r.body, "GUEST") {
			t.Errorf("eve is %v", r)
		}
	})
}

func TestAnInvitationIsWithinBounds(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	root := p.register(t, "root")
	for what, in := range map[string]map[string]any{
		"no uses":               vars("maxUses", 0),
		"too many uses":         vars("maxUses", 100_001),
		"several of an address": vars("email", "a@example.org", "maxUses", 2),
		"no address":            vars("email", "nobody"),
		"an end that is past":   vars("expiresAt", "2020-01-01T00:00:00Z"),
		"an end far away":       vars("expiresAt", "2100-01-01T00:00:00Z"),
		"an administrator":      vars("role", "ADMIN"),
		"a bot":                 vars("role", "BOT"),
	} {
		if r := p.ask(t, root.token, `mutation($i: CreateInviteInput!) { createInvite(input: $i) { code } }`, vars("i", in)); r.code() != "BAD_USER_INPUT" {
			t.Errorf("%s: %v", what, r)
		}
	}
}

// A copy in PostgreSQL and a restored backup know who was suspended and what
// everybody may, the invitations with their uses, and the audit log.
func TestStandingsInvitationsAndTheAuditLogGoAlong(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root, ada, bob := p.register(t, "root"), p.register(t, "ada"), p.register(t, "bob")
	p.setRole(t, root, bob.id, "GUEST")
	if err := p.gql(t.Context(), root.token, suspendDoc, vars("u", ada.id), nil); err != nil {
		t.Fatal(err)
	}
	_, code := p.inviteToServer(t, root, vars("maxUses", 2))
	register := func(q *program, name string) error {
		return q.gql(t.Context(), "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", vars(
			"email", name+"@example.org", "username", name, "password", password(name), "inviteCode", code)), nil)
	}
	if err := register(p, "eve"); err != nil {
		t.Fatal(err)
	}
	want := p.audit(t, root, nil)
	saved, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "data")
	does(t, "backup", "--data-dir", p.dir, "--to", saved)
	does(t, "restore", "--from", saved, "--data-dir", restored)
	p.kill()
	to := toPlace(t, false)
	does(t, to.moving(p.dir)...)
	for name, q := range map[string]*program{
		"moved": startProgramIn(t, p.dir, append(slices.Clone(unlimited), to...)...), "restored": startProgramIn(t, restored, unlimited...),
	} {
		if got := q.audit(t, root, nil); fmt.Sprintf("%+v", blind(got)) != fmt.Sprintf("%+v", blind(want)) {
			t.Errorf("%s: the audit log was\n%+v\nand is\n%+v", name, blind(want), blind(got))
		}
		if err := q.signIn(t, "ada"); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("%s: a suspended one: %v", name, err)
		}
		if r := q.ask(t, bob.token, `{ viewer { account { role } } }`, nil); !strings.Contains(r.body, "GUEST") {
			t.Errorf("%s: a guest: %v", name, r)
		}
		if err := register(q, "fay"); err != nil {
			t.Errorf("%s: by the use that is left: %v", name, err)
		}
		if err := register(q, "gil"); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("%s: by one more: %v", name, err)
		}
	}
}

// blind is the log without what pointers would print.
func blind(of []entry) []entry {
	of = slices.Clone(of)
	for i := range of {
		of[i].Actor, of[i].Target = nil, nil
	}
	return of
}
