package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the data directory has of passwords is argon2id at OWASP's cost or
// more, of every way in which one is set.
func TestOnlyCostlyHashesAreStored(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	if err := p.gql(t.Context(), ada.token, `mutation { changePassword(input: {currentPassword: "a long passphrase of ada", newPassword: "another long passphrase"}) { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"user", "create", "--username", "bob", "--email", "bob@example.org", "--generate"}, {"user", "reset-password", "ada"},
	} {
		if _, said, err := p.operator(t, "", args...); err != nil {
			t.Fatal(said, err)
		}
	}
	found := 0
	encoded := regexp.MustCompile(`\$(argon2\w*|2[abxy]|scrypt|pbkdf2\S*|[156y])\$v?=?(\d*)\$?m?=?(\d*),?t?=?(\d*)`)
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range encoded.FindAllStringSubmatch(string(b), -1) {
			kib, _ := strconv.Atoi(m[3])
			passes, _ := strconv.Atoi(m[4])
			if strings.HasPrefix(m[1], "argon2") {
				found++
			} else if m[2]+m[3]+m[4] == "" {
				continue // a $ and a digit among other bytes
			}
			if m[1] != "argon2id" || m[2] != "19" || kib < 19*1024 || passes < 2 {
				t.Errorf("%s has %q", filepath.Base(path), m[0])
			}
		}
		return err
	})
	if err != nil || found < 2 {
		t.Errorf("%d hashes were found: %v", found, err)
	}
}

// Passwords of a megabyte, many at once, cost next to nothing; of ten they are
// not read.
func TestHugePasswordsAreRefusedUnhashed(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	p.register(t, "ada")
	before, begun := p.residentBytes(t), time.Now()
	huge := strings.Repeat("x", 1_000_000)
	got := together(50, func(n int) string {
		switch n % 3 {
		case 0:
			return p.ask(t, "", `mutation($p: String!) { login(input: {login: "ada", password: $p}) { accessToken } }`, vars("p", huge)).code()
		case 1:
			return p.ask(t, "", `mutation($p: String!) { login(input: {login: "nobody", password: $p}) { accessToken } }`, vars("p", huge)).code()
		default:
			return p.ask(t, "", `mutation($p: String!) { register(input: {email: "b@example.org", username: "bob", password: $p}) { accessToken } }`, vars("p", huge)).code()
		}
	})
	if got["UNAUTHENTICATED"] != 34 || got["BAD_USER_INPUT"] != 16 {
		t.Errorf("%v", got)
	}
	t.Logf("50 passwords of a megabyte were refused within %v", time.Since(begun).Round(time.Millisecond))
	if r := p.post(t, "", `{"query":"mutation { login(input: {login: \"ada\", password: \"`+strings.Repeat("x", 10<<20)+`\"}) { accessToken } }"}`); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("ten megabytes: %v", r)
	}
	if grown := p.residentBytes(t) - before; grown > 256<<20 { // 50 bodies of a megabyte, decoded, and the collector's pleasure
		t.Errorf("the program grew by %d MiB", grown>>20)
	}
}

// However many sign in at once, few hashes are computed at a time: each takes
// 19 MiB. Who is refused is told to come again, and messages go on.
func TestAFloodOfSignInsTakesABoundedMemory(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	before := p.residentBytes(t)
	var most int
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			most = max(most, p.residentBytes(t)-before)
			if _, err := p.send(t.Context(), ada, room, "meanwhile", ""); err != nil {
				t.Errorf("a message during the flood: %v", err)
			}
			select {
			case <-over:
				return
			default:
			}
		}
	})
	got := together(signIns, func(n int) string {
		return p.ask(t, "", fmt.Sprintf(`mutation { login(input: {login: "nobody%d", password: "a guess of many"}) { accessToken } }`, n), nil).code()
	})
	close(over)
	watch.Wait()
	if got["UNAUTHENTICATED"] == 0 || got["UNAUTHENTICATED"]+got["UNAVAILABLE"] != signIns {
		t.Errorf("%v", got)
	}
	t.Logf("%d sign-ins at once: %v; the program grew by %d MiB", signIns, got, most>>20)
	if most > 600<<20 { // all at once would be 19 MiB each; the race detector has half of it
		t.Errorf("the program grew by %d MiB", most>>20)
	}
}

// A fresh server has no account, and lets nobody in by what is usual.
func TestThereIsNoDefaultAccount(t *testing.T) {
	t.Parallel()
	p := &program{
		dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), env: []string{"CHATD_SECRET=" + goodSecret},
		args: []string{"--env", "production", "--public-url", "https://chat.example.org"},
	}
	p.start(t)
	t.Cleanup(p.kill)
	for _, name := range []string{"admin", "root", "chatd", "administrator", "user", "guest", "test", "system", "bot", "admin@localhost"} {
		for _, password := range []string{name, "admin", "password", "chatd", "changeme", ""} {
			r := p.ask(t, "", `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { accessToken } }`, vars("l", name, "p", password))
			if c := r.code(); c != "UNAUTHENTICATED" && c != "RATE_LIMITED" {
				t.Errorf("%s, %q: %v", name, password, r)
			}
		}
	}
	out, said, err := p.operator(t, "", "user", "list", "--json")
	if err != nil || out != "" {
		t.Errorf("accounts of a fresh server: %s %s %v", out, said, err)
	}
}

// Whoever uses up an account's budget of sign-ins keeps nobody out: sessions
// go on, the owner signs in from where he did before, and may have his
// password reset by mail.
func TestALockIsNoWeapon(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--trusted-proxies", "127.0.0.1")
	from := func(address, doc, token string, v map[string]any) reply {
		b, _ := json.Marshal(vars("query", doc, "variables", v))
		h := map[string]string{"Content-Type": "application/json", "X-Forwarded-For": address}
		if token != "" {
			h["Authorization"] = "Bearer " + token
		}
		return p.do(t, http.MethodPost, "/graphql", h, strings.NewReader(string(b)))
	}
	const home, attacker, elsewhere = "203.0.113.5", "198.51.100.9", "192.0.2.77"
	var d struct {
		Data struct {
			Register struct{ AccessToken, RefreshToken string }
		}
	}
	r := from(home, `mutation { register(input: {email: "ada@example.org", username: "ada", password: "a long passphrase of ada"}) { accessToken refreshToken } }`, "", nil)
	if err := json.Unmarshal([]byte(r.body), &d); err != nil || d.Data.Register.AccessToken == "" {
		t.Fatal(r, err)
	}
	const login = `mutation($p: String!) { login(input: {login: "ada", password: $p}) { accessToken } }`
	locked := 0
	for range 20 {
		if from(attacker, login, "", vars("p", "a guess of many")).code() == "RATE_LIMITED" {
			locked++
		}
	}
	if locked == 0 {
		t.Fatal("the attacker was not refused")
	}
	if r := from(elsewhere, login, "", vars("p", "a long passphrase of ada")); r.code() != "RATE_LIMITED" {
		t.Errorf("from a new address: %v", r)
	}
	if r := from(elsewhere, whoAmI, d.Data.Register.AccessToken, nil); r.code() != "" {
		t.Errorf("her session: %v", r)
	}
	if r := from(elsewhere, `mutation($r: String!) { refreshToken(input: {refreshToken: $r}) { accessToken } }`, "", vars("r", d.Data.Register.RefreshToken)); r.code() != "" {
		t.Errorf("her refresh token: %v", r)
	}
	if r := from(home, login, "", vars("p", "a long passphrase of ada")); r.code() != "" {
		t.Errorf("from where she signed in before: %v", r)
	}
	if r := from(elsewhere, requestResetDoc, "", vars("e", "ada@example.org")); r.code() != "" {
		t.Errorf("asking for a reset: %v", r)
	}
	_, m := p.mailFile(t)
	token := linkIn.FindStringSubmatch(m.Text)
	if token == nil {
		t.Fatalf("no link in\n%s", m.Text)
	}
	if r := from(elsewhere, resetPasswordDoc, "", vars("t", token[3], "p", nextPass)); r.code() != "" {
		t.Errorf("the reset: %v", r)
	}
	if r := from(home, login, "", vars("p", nextPass)); r.code() != "" {
		t.Errorf("with the next password: %v", r)
	}
}

// One answer, whether there is such an account or not: bytes and headers.
func TestNoFlowTellsAStrangerWhetherThereIsAnAccount(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root, ada := p.register(t, "root"), p.register(t, "ada")
	gone, careful := p.register(t, "gone"), p.register(t, "careful")
	p.bot(t, root, "robot")
	p.secure(t, careful)
	if err := p.gql(t.Context(), root.token, suspendDoc, vars("u", gone.id), nil); err != nil {
		t.Fatal(err)
	}
	ended := p.login(t, ada)
	if err := p.gql(t.Context(), ended.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	_, over := p.inviteToServer(t, root, vars("email", "eve@example.org"))
	const login = `mutation($l: String!, $p: String!, $c: String) { login(input: {login: $l, password: $p, totp: $c}) { accessToken } }`
	const renew = `mutation($r: String!) { refreshToken(input: {refreshToken: $r}) { accessToken } }`
	const register = `mutation($e: String!, $n: String!, $c: String) { register(input: {email: $e, username: $n, password: "a long passphrase", inviteCode: $c}) { accessToken } }`
	guess := "not the passphrase of anybody"
	type flow struct {
		what, doc      string
		known, unknown map[string]any
	}
	differ := func(t *testing.T, f flow) {
		t.Helper()
		a, b := p.ask(t, "", f.doc, f.known), p.ask(t, "", f.doc, f.unknown)
		if a.code() == "" {
			t.Errorf("%s: %v", f.what, a)
		}
		for _, h := range []http.Header{a.header, b.header} {
			h.Del("Date")
			h.Del("X-Request-Id")
		}
		if a.status != b.status || a.body != b.body || fmt.Sprint(a.header) != fmt.Sprint(b.header) {
			t.Errorf("%s: known %v %v, unknown %v %v", f.what, a, a.header, b, b.header)
		}
	}
	for _, f := range []flow{
		{"by username", login, vars("l", "ada", "p", guess), vars("l", "nobody", "p", guess)},
		{"by address", login, vars("l", "ada@example.org", "p", guess), vars("l", "nobody@example.org", "p", guess)},
		{"by an odd spelling", login, vars("l", " ADA@example.ORG ", "p", guess), vars("l", " NOBODY@example.ORG ", "p", guess)},
		{"with a long password", login, vars("l", "ada", "p", strings.Repeat("x", 500)), vars("l", "nobody", "p", strings.Repeat("x", 500))},
		{"suspended, with the right password", login, vars("l", "gone", "p", password("gone")), vars("l", "nobody", "p", password("gone"))},
		{"a bot", login, vars("l", "robot", "p", guess), vars("l", "nobody", "p", guess)},
		{"with a second factor", login, vars("l", "careful", "p", guess), vars("l", "nobody", "p", guess)},
		{"with a code", login, vars("l", "careful", "p", guess, "c", "123456"), vars("l", "nobody", "p", guess, "c", "123456")},
		{"by an id", login, vars("l", ada.id, "p", password("ada")), vars("l", nobodys["user"], "p", password("ada"))},
		{"a refresh token that has ended, and none", renew, vars("r", ended.refresh), vars("r", ended.refresh[:len(ended.refresh)-2]+"AA")},
	} {
		differ(t, f)
	}
	for _, way := range []string{"invite", "closed"} {
		if err := p.stop(t); err != nil {
			t.Fatal(err)
		}
		p.args = append(slices.Clone(unlimited), "--registration", way)
		p.start(t)
		for _, f := range []flow{
			{"register without a code", register, vars("e", "ada@example.org", "n", "free"), vars("e", "free@example.org", "n", "free")},
			{"register by a taken name", register, vars("e", "free@example.org", "n", "ada"), vars("e", "free@example.org", "n", "free")},
			{"register with a bad code", register, vars("e", "ada@example.org", "n", "free", "c", "rubbish"), vars("e", "free@example.org", "n", "free", "c", "rubbish")},
			{"register with another's code", register, vars("e", "ada@example.org", "n", "free", "c", over), vars("e", "free@example.org", "n", "free", "c", over)},
		} {
			f.what += ", " + way
			differ(t, f)
		}
	}
}

// What a query can give, to whomever, has no field for a secret: these are
// answers of the mutations that make them, once. And what is for
// administrators takes no password.
func TestNoQueryGivesASecretAndNoAdministratorSetsOne(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	a := p.api(t)
	secret := regexp.MustCompile(`(?i)password|secret|hash|sealed|recovery|otpauth|^code$|^token$|(access|refresh|setup|personal)Token$`)
	seen, queue := map[string]bool{}, []string{a.roots["query"], a.roots["subscription"]}
	for len(queue) > 0 {
		typ := a.types[queue[0]]
		queue = queue[1:]
		if seen[typ.Name] {
			continue
		}
		seen[typ.Name] = true
		for _, possible := range typ.PossibleTypes {
			queue = append(queue, possible.Name)
		}
		for _, f := range typ.Fields {
			if name := typ.Name + "." + f.Name; secret.MatchString(f.Name) && f.Type.named().Kind == "SCALAR" && f.Type.named().Name == "String" {
				t.Errorf("a query can give %s", name)
			}
			queue = append(queue, f.Type.named().Name)
		}
	}
	if len(seen) < 30 || !secret.MatchString("accessToken") {
		t.Errorf("only %d types were looked at", len(seen))
	}
	administered := p.marked(t, "admin")
	for _, op := range a.operations() {
		for _, l := range op.leaves {
			if slices.Contains(administered, op.field) && regexp.MustCompile(`(?i)password|secret|totp`).MatchString(l.path[len(l.path)-1]) {
				t.Errorf("%s takes %v", op.field, l.path)
			}
		}
	}
}
