package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// codeOfSecret is what an authenticator shows at a time, written anew after
// RFC 6238 and RFC 4226.
func codeOfSecret(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha1.New, key)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := h.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// factor is a second factor, and the code that was spent by its confirmation.
type factor struct {
	secret, spent string
	recovery      []string
}

// secure sets up a second factor.
func (p *program) secure(t testing.TB, who person) factor {
	t.Helper()
	var d struct {
		BeginTotp   struct{ Secret, OtpauthURL string }
		ConfirmTotp struct{ RecoveryCodes []string }
	}
	if err := p.gql(t.Context(), who.token, `mutation($p: String!) { beginTotp(input: {password: $p}) { secret otpauthUrl } }`,
		vars("p", "a long passphrase of "+who.name), &d); err != nil {
		t.Fatal(err)
	}
	f := factor{secret: d.BeginTotp.Secret, spent: codeOfSecret(t, d.BeginTotp.Secret, time.Now())}
	if err := p.gql(t.Context(), who.token, `mutation($c: String!) { confirmTotp(input: {code: $c}) { recoveryCodes } }`,
		vars("c", f.spent), &d); err != nil {
		t.Fatal(err)
	}
	f.recovery = d.ConfirmTotp.RecoveryCodes
	return f
}

const totpLogin = `mutation($l: String!, $p: String!, $c: String) { login(input: {login: $l, password: $p, totp: $c}) { accessToken } }`

func totpVars(who person, code any) map[string]any {
	return vars("l", who.name, "p", "a long passphrase of "+who.name, "c", code)
}

// The second factor is asked for over HTTP and on a socket alike, and what was
// spent on one, before a crash, is not taken on the other.
func TestASecondFactorIsAskedForOnEveryWay(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada := p.register(t, "ada")
		other := p.login(t, ada)
		socket := p.dial(t, other)
		barrier(t, socket)
		of := p.secure(t, ada)
		closesWith(t, socket, 4403, 5*time.Second+slack)
		p.mustBeNoToken(t, "a session from before", other.token)

		both := func(what string, code any, want string) {
			t.Helper()
			anonymous := dialAnonymously(t, p)
			if r := p.ask(t, "", totpLogin, totpVars(ada, code)); !strings.Contains(r.body, want) {
				t.Errorf("%s over HTTP: %v", what, r)
			}
			if r := askSocket(t, anonymous, totpLogin, totpVars(ada, code)); !strings.Contains(r, want) {
				t.Errorf("%s on a socket: %s", what, r)
			}
		}
		both("nothing", nil, "TOTP_REQUIRED")
		both("a wrong code", "none", "UNAUTHENTICATED")
		both("what confirmed it", of.spent, "UNAUTHENTICATED")
		next := codeOfSecret(t, of.secret, time.Now().Add(30*time.Second))
		if r := p.ask(t, "", totpLogin, totpVars(ada, next)); !strings.Contains(r.body, `"accessToken":"`) {
			t.Fatalf("a code: %v", r)
		}
		if r := p.ask(t, "", totpLogin, totpVars(ada, of.recovery[0])); !strings.Contains(r.body, `"accessToken":"`) {
			t.Fatalf("a recovery code: %v", r)
		}
		p.kill()
		p.start(t)
		both("a code from before the crash", next, "UNAUTHENTICATED")
		both("a recovery code from before the crash", of.recovery[0], "UNAUTHENTICATED")

		var d struct {
			Viewer struct {
				Account struct {
					TotpEnabled       bool
					RecoveryCodesLeft int
				}
			}
		}
		const about = `{ viewer { account { totpEnabled recoveryCodesLeft } } }`
		if err := p.gql(t.Context(), ada.token, about, nil, &d); err != nil || !d.Viewer.Account.TotpEnabled || d.Viewer.Account.RecoveryCodesLeft != 9 {
			t.Errorf("%+v %v", d, err)
		}
		const disable = `mutation($p: String!, $c: String!) { disableTotp(input: {password: $p, code: $c}) { ok } }`
		if err := p.gql(t.Context(), ada.token, disable, vars("p", "a long passphrase of ada", "c", of.recovery[0]), nil); codeOf(err) != "BAD_USER_INPUT" {
			t.Error(err)
		}
		if err := p.gql(t.Context(), ada.token, disable, vars("p", "a long passphrase of ada", "c", of.recovery[1]), nil); err != nil {
			t.Error(err)
		}
		p.login(t, ada)
	})
}

type madeToken struct {
	CreatePersonalToken struct {
		Token         string
		PersonalToken struct {
			ID     string
			Scopes []string
		}
	}
}

// personal makes a personal token; of is a bot, or empty.
func (p *program) personal(t testing.TB, who person, of string, scopes ...string) (id, text string) {
	t.Helper()
	in := vars("name", "a script", "scopes", scopes)
	if of != "" {
		in["userId"] = of
	}
	var d madeToken
	if err := p.gql(t.Context(), who.token, `mutation($i: CreatePersonalTokenInput!) { createPersonalToken(input: $i) { token personalToken { id scopes } } }`,
		vars("i", in), &d); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.CreatePersonalToken.PersonalToken.Scopes, scopes) || !strings.HasPrefix(d.CreatePersonalToken.Token, "chatd_pat_") {
		t.Errorf("%+v", d)
	}
	return d.CreatePersonalToken.PersonalToken.ID, d.CreatePersonalToken.Token
}

// marked are the root fields with a directive in the schema that is served.
func (p *program) marked(t testing.TB, directive string) (fields []string) {
	t.Helper()
	r := p.do(t, http.MethodGet, "/schema.graphql", nil, nil)
	field := ""
	for line := range strings.Lines(r.body) {
		if m := regexp.MustCompile(`^  (\w+)[(:]`).FindStringSubmatch(line); m != nil {
			field = m[1]
		}
		if strings.HasPrefix(line, "  ") && strings.HasSuffix(strings.TrimSpace(line), " @"+directive) {
			fields = append(fields, field)
		}
	}
	return fields
}

// Every operation of the schema with tokens of every scope, over HTTP and on a
// socket: what is added to it is tried, too.
func TestAPersonalTokenDoesWhatItsScopesSay(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada") // administers the server
	open, session, admin := p.marked(t, "open"), p.marked(t, "session"), p.marked(t, "admin")
	for _, must := range []string{
		"sessions", "logout", "logoutEverywhere", "revokeSession", "renewConnection", "beginTotp", "confirmTotp", "disableTotp",
		"personalTokens", "createPersonalToken", "revokePersonalToken",
	} {
		if !slices.Contains(session, must) {
			t.Errorf("%s manages sign-in and is open to tokens", must)
		}
	}
	value := ownValues(nobodys)
	ops := p.api(t).operations()
	for _, scopes := range [][]string{{"READ"}, {"WRITE"}, {"ADMIN"}, {"READ", "WRITE"}, {"READ", "WRITE", "ADMIN"}} {
		_, text := p.personal(t, ada, "", scopes...)
		conn := p.dial(t, person{token: text})
		for _, op := range ops {
			kind := map[string]string{"query": "READ", "subscription": "READ", "mutation": "WRITE"}[op.kind]
			want := ""
			switch {
			case slices.Contains(open, op.field):
			case slices.Contains(session, op.field):
				want = "SESSION_REQUIRED"
			case !slices.Contains(scopes, kind), slices.Contains(admin, op.field) && !slices.Contains(scopes, "ADMIN"):
				want = "SCOPE_REQUIRED"
			}
			v := op.variables(value(op), nil, nil)
			check := func(how, got string) {
				t.Helper()
				if want != "" && (!strings.Contains(got, want) || !strings.Contains(got, "FORBIDDEN")) ||
					want == "" && (strings.Contains(got, "SESSION_REQUIRED") || strings.Contains(got, "SCOPE_REQUIRED")) {
					t.Errorf("%s with %v %s: %s, want %s", op.field, scopes, how, got, want)
				}
			}
			if op.kind != "subscription" {
				check("over HTTP", p.ask(t, text, op.doc, v).body)
			}
			check("on a socket", askSocket(t, conn, op.doc, v))
		}
	}
	_, plain := p.personal(t, ada, "", "READ", "WRITE")
	if r := p.ask(t, plain, `{ reports { edges { cursor } } }`, nil); r.code() != "FORBIDDEN" {
		t.Errorf("what is for administrators, with an administrator's token without the scope: %v", r)
	}
	_, whole := p.personal(t, ada, "", "READ", "ADMIN")
	if r := p.ask(t, whole, `{ reports { edges { cursor } } }`, nil); r.code() != "" {
		t.Errorf("with the scope: %v", r)
	}
	id, read := p.personal(t, ada, "", "READ")
	if r := p.ask(t, read, `query($i: [ID!]!) { nodes(ids: $i) { __typename } }`, vars("i", []string{id, p.session(t, ada)})); !strings.Contains(r.body, `[null,null]`) {
		t.Errorf("a token sees tokens and sessions: %v", r)
	}
	r := p.files(t, read, http.MethodPost, "/files/", bytes.NewReader([]byte("x")), "Tus-Resumable", "1.0.0",
		"Upload-Length", "1", "Upload-Metadata", called("x"), "Content-Type", tusBytes)
	if r.status != http.StatusForbidden {
		t.Errorf("an upload with READ: %d %s", r.status, r.body)
	}
	if id := p.upload(t, person{token: plain}, "x", []byte("x")); id == "" {
		t.Error("no upload with WRITE")
	}
}

func TestARevokedTokenEndsWithItsSockets(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		room := p.group(t, ada, bob)
		id, text := p.personal(t, ada, "", "READ", "WRITE")
		_, kept := p.personal(t, ada, "", "READ")
		live := p.dial(t, person{token: text})
		heard := listen(t, live, "1", room, nil)
		if _, err := p.send(t.Context(), person{token: text}, room, "by a script", ""); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, heard); m.text() != "by a script" {
			t.Errorf("%+v", m)
		}
		var d struct {
			PersonalTokens []struct {
				ID         string
				LastUsedAt *time.Time
				ExpiresAt  *time.Time
			}
		}
		if err := p.gql(t.Context(), ada.token, `{ personalTokens { id lastUsedAt expiresAt } }`, nil, &d); err != nil || len(d.PersonalTokens) != 2 {
			t.Fatal(d, err)
		}
		used := d.PersonalTokens[1]
		if used.ID != id || used.LastUsedAt == nil || time.Since(*used.LastUsedAt) > 10*time.Minute || used.ExpiresAt != nil || d.PersonalTokens[0].LastUsedAt != nil {
			t.Errorf("%+v", d)
		}
		if r := p.ask(t, text[:len(text)-3], whoAmI, nil); r.status != 401 || !strings.Contains(r.body, "mistyped") {
			t.Errorf("the half of a token: %v", r)
		}
		const revoke = `mutation($t: ID!) { revokePersonalToken(input: {tokenId: $t}) { ok } }`
		if err := p.gql(t.Context(), bob.token, revoke, vars("t", id), nil); codeOf(err) != "NOT_FOUND" {
			t.Errorf("by another: %v", err)
		}
		if err := p.gql(t.Context(), ada.token, revoke, vars("t", id), nil); err != nil {
			t.Fatal(err)
		}
		closesWith(t, live, 4403, time.Second+slack)
		p.mustBeNoToken(t, "a revoked token", text)
		p.kill()
		p.start(t)
		p.mustBeNoToken(t, "a revoked token after a crash", text)
		if r := p.ask(t, kept, whoAmI, nil); !strings.Contains(r.body, ada.id) {
			t.Errorf("the other one: %v", r)
		}
	})
}

// A token with an end takes its sockets along; one that ends beyond all
// calendars does not trouble them.
func TestATokenEndsWhenItSays(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	until := func(at string) string {
		t.Helper()
		var d madeToken
		if err := p.gql(t.Context(), ada.token, `mutation($e: Time) { createPersonalToken(input: {name: "x", scopes: [READ], expiresAt: $e}) { token } }`,
			vars("e", at), &d); err != nil {
			t.Fatal(err)
		}
		return d.CreatePersonalToken.Token
	}
	far := until("9999-12-31T23:59:59Z")
	socket := p.dial(t, person{token: far})
	soon := until(time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano))
	short := p.dial(t, person{token: soon})
	closesWith(t, short, 4403, 4*time.Second+slack)
	p.mustBeNoToken(t, "a token that has ended", soon)
	barrier(t, socket)
	if r := p.ask(t, far, whoAmI, nil); !strings.Contains(r.body, ada.id) {
		t.Errorf("%v", r)
	}
	if err := p.gql(t.Context(), ada.token, `mutation { createPersonalToken(input: {name: "x", scopes: [READ], expiresAt: "2020-01-01T00:00:00Z"}) { token } }`,
		nil, nil); codeOf(err) != "BAD_USER_INPUT" {
		t.Errorf("in the past: %v", err)
	}
}

func TestABotWritesByATokenOfItsOwner(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		const create = `mutation($i: CreateBotInput!) { createBot(input: $i) { user { id username displayName bot } } }`
		in := vars("i", vars("username", "Robot", "displayName", "A robot"))
		if err := p.gql(t.Context(), bob.token, create, in, nil); codeOf(err) != "FORBIDDEN" {
			t.Errorf("by a member: %v", err)
		}
		var d struct {
			CreateBot struct {
				User struct {
					ID, Username, DisplayName string
					Bot                       bool
				}
			}
		}
		if err := p.gql(t.Context(), ada.token, create, in, &d); err != nil {
			t.Fatal(err)
		}
		bot := d.CreateBot.User
		if bot.Username != "robot" || bot.DisplayName != "A robot" || !bot.Bot {
			t.Errorf("%+v", bot)
		}
		if err := p.gql(t.Context(), ada.token, create, in, nil); codeOf(err) != "CONFLICT" {
			t.Errorf("again: %v", err)
		}
		_, text := p.personal(t, ada, bot.ID, "READ", "WRITE")
		room := p.group(t, ada, bob, person{id: bot.ID})
		conn := p.dial(t, bob)
		heard := make(chan string, 10)
		if err := conn.Subscribe("1", `subscription($c: ID!) { messageAdded(conversationId: $c) { text sender { username bot } } }`, vars("c", room),
			func(e wsclient.Event) { heard <- string(e.Payload) }); err != nil {
			t.Fatal(err)
		}
		barrier(t, conn)
		if _, err := p.send(t.Context(), person{token: text}, room, "beep", ""); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, heard); !strings.Contains(got, `"text":"beep","sender":{"username":"robot","bot":true}`) {
			t.Error(got)
		}
		r := p.ask(t, text, `{ viewer { user { username bot } account { role email } } }`, nil)
		if !strings.Contains(r.body, `"user":{"username":"robot","bot":true},"account":{"role":"BOT","email":""}`) {
			t.Errorf("%v", r)
		}
		for _, password := range []string{"", "a long passphrase of robot"} {
			if err := p.gql(t.Context(), "", totpLogin, vars("l", "robot", "p", password), nil); codeOf(err) != "UNAUTHENTICATED" {
				t.Errorf("signed in with %q: %v", password, err)
			}
		}
	})
}

// tokenCommand runs `chatd token create` and returns what it prints and how it
// ended.
func (p *program) tokenCommand(t testing.TB, args ...string) (string, string, error) {
	t.Helper()
	cmd, out := command(t.Context(), append([]string{"token", "create", "--data-dir", p.dir}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Env = &said, append(os.Environ(), asProgram+"=1")
	err := cmd.Run()
	return strings.TrimSpace(said.String()), out.String(), err
}

func TestTheCommandLineMakesTokensBesideTheServer(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB) []string{
		"sqlite": func(testing.TB) []string { return nil }, "postgres": func(t testing.TB) []string { return onPostgres(t)[len(unlimited):] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := store(t)
			p := startProgram(t, append(slices.Clone(unlimited), args...)...)
			ada := p.register(t, "ada")
			for i := range 3 {
				text, said, err := p.tokenCommand(t, append([]string{"--user", "ada", "--scope", "read,write", "--lasts", "1h"}, args...)...)
				if err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				if r := p.ask(t, text, whoAmI, nil); !strings.Contains(r.body, ada.id) {
					t.Fatalf("%s: %v", text, r)
				}
				p.group(t, person{token: text}) // the server goes on writing
				if i == 1 {
					if err := p.stop(t); err != nil {
						t.Fatal(err)
					}
					if _, said, err := p.tokenCommand(t, append([]string{"--user", "ada", "--scope", "read"}, args...)...); err != nil {
						t.Fatalf("while the server is down: %v: %s", err, said)
					}
					p.start(t)
				}
			}
			for _, bad := range [][]string{{"--user", "nobody", "--scope", "read"}, {"--user", "ada", "--scope", "all"}, {"--user", "ada"}} {
				if text, _, err := p.tokenCommand(t, append(bad, args...)...); err == nil || text != "" {
					t.Errorf("%v: %q", bad, text)
				}
			}
		})
	}
}

// A copy in PostgreSQL and a restored backup know second factors, tokens and
// bots, and what was spent.
func TestTokensAndSecondFactorsGoAlong(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	var d struct {
		CreateBot struct{ User struct{ ID string } }
	}
	if err := p.gql(t.Context(), ada.token, `mutation { createBot(input: {username: "robot"}) { user { id } } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	of := p.secure(t, bob)
	_, bots := p.personal(t, ada, d.CreateBot.User.ID, "READ")
	gone, over := p.personal(t, ada, "", "READ")
	if err := p.gql(t.Context(), ada.token, `mutation($t: ID!) { revokePersonalToken(input: {tokenId: $t}) { ok } }`, vars("t", gone), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.gql(t.Context(), "", totpLogin, totpVars(bob, of.recovery[0]), nil); err != nil {
		t.Fatal(err)
	}
	saved, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "data")
	does(t, "backup", "--data-dir", p.dir, "--to", saved)
	does(t, "restore", "--from", saved, "--data-dir", restored)
	p.kill()
	to := toPlace(t, false)
	does(t, to.moving(p.dir)...)
	for name, q := range map[string]*program{
		"moved": startProgramIn(t, p.dir, append(slices.Clone(unlimited), to...)...), "restored": startProgramIn(t, restored, unlimited...),
	} {
		if r := q.ask(t, bots, `{ viewer { user { username bot } account { role } } }`, nil); !strings.Contains(r.body, `{"username":"robot","bot":true},"account":{"role":"BOT"}`) {
			t.Errorf("%s: the bot: %v", name, r)
		}
		q.mustBeNoToken(t, name+": a revoked token", over)
		q.personal(t, ada, d.CreateBot.User.ID, "WRITE")
		for _, c := range []struct{ code, want string }{
			{"", "FAILED_PRECONDITION"}, {of.spent, "UNAUTHENTICATED"}, {of.recovery[0], "UNAUTHENTICATED"}, {of.recovery[1], ""},
		} {
			if err := q.gql(t.Context(), "", totpLogin, totpVars(bob, c.code), nil); codeOf(err) != c.want {
				t.Errorf("%s: with the code %q: %v, want %s", name, c.code, err, c.want)
			}
		}
	}
}
