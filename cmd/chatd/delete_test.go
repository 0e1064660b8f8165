package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
)

const (
	deleteAccountDoc = `mutation($p: String!, $t: String) { deleteAccount(input: {password: $p, totp: $t}) { ok } }`
	sendersDoc       = `query($c: ID!) { messages(conversationId: $c, last: 100) { edges { node {
		seq kind text deletedAt clientId attachments { name } reactions { emoji count } sender { id username displayName deleted } } } } }`
)

// authored is a message with who sent it.
type authored struct {
	Seq         int
	Kind        string
	Text        *string
	DeletedAt   *string
	ClientID    *string
	Attachments []struct{ Name string }
	Reactions   []struct {
		Emoji string
		Count int
	}
	Sender struct {
		ID, Username, DisplayName string
		Deleted                   bool
	}
}

func (p *program) senders(t testing.TB, who person, room string) []authored {
	t.Helper()
	var d struct {
		Messages struct{ Edges []struct{ Node authored } }
	}
	if err := p.gql(t.Context(), who.token, sendersDoc, vars("c", room), &d); err != nil {
		t.Fatal(err)
	}
	var all []authored
	for _, e := range d.Messages.Edges {
		all = append(all, e.Node)
	}
	return all
}

// blanked says whether all that somebody wrote in a room are tombstones, and how
// many there are.
func (p *program) blanked(t testing.TB, who person, room, of string) (all bool, n int) {
	t.Helper()
	all = true
	for _, m := range p.senders(t, who, room) {
		if m.Sender.ID == of && m.Kind != "SYSTEM" {
			n++
			all = all && m.DeletedAt != nil && m.Text == nil && len(m.Attachments) == 0 && m.Sender.Deleted && m.Sender.DisplayName == "Deleted user"
		}
	}
	return all, n
}

// The word is in all that somebody says of himself, and in capitals, too.
const canary = "canary"

// leaves has somebody leave something of every kind, with the canary in it.
func (p *program) leaves(t *testing.T, who, other person, room, direct string) {
	t.Helper()
	do := func(doc string, v map[string]any) {
		t.Helper()
		if err := p.gql(t.Context(), who.token, doc, v, nil); err != nil {
			t.Fatal(err)
		}
	}
	do(`mutation { updateProfile(input: {displayName: "The Canary", bio: "a canary's bio", statusText: "canary yellow", timeZone: "Atlantic/Canary"}) { user { id } } }`, nil)
	do(`mutation { updateProfile(input: {bio: "another canary's bio"}) { user { id } } }`, nil)
	do(`mutation { setPresence(input: {status: BUSY}) { presence { status } } }`, nil)
	do(`mutation { updateSettings(input: {shareReadReceipts: false}) { settings { shareReadReceipts } } }`, nil)
	do(`mutation { createPersonalToken(input: {name: "canary's token", scopes: [READ]}) { token } }`, nil)
	p.befriend(t, who, other)
	m, err := p.send(t.Context(), who, room, "what the canary says", "canary-key")
	if err != nil {
		t.Fatal(err)
	}
	do(`mutation($m: ID!) { editMessage(input: {id: $m, text: "what the canary meant"}) { message { id } } }`, vars("m", m.ID))
	if _, err := p.sendFiles(t, who, room, "", "", p.upload(t, who, "canary.txt", []byte("a canary's song"))); err != nil {
		t.Fatal(err)
	}
	p.upload(t, who, "unsent-canary.txt", []byte("a canary's last song"))
	p.says(t, who, direct, "a canary's secret")
	theirs := p.says(t, other, room, "somebody's text")
	p.says(t, other, direct, "somebody's secret")
	p.mustMark(t, who, "addReaction", theirs.ID, "🐤")
	p.mustMark(t, other, "addReaction", theirs.ID, "👍")
	do(`mutation($m: ID!) { reportMessage(input: {messageId: $m, reason: "says canary"}) { report { id } } }`, vars("m", theirs.ID))
	p.finds(t, other, "canary", "a [canary]'s secret", "what the [canary] meant")
}

// Somebody who deletes his account is out at once, on every socket, and nothing
// of him is left but tombstones: not in what others see, not in a table, not in
// a file, not in the log.
func TestADeletedAccountLeavesTombstonesAndNothingElse(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob, cyd := p.register(t, "ada"), p.register(t, canary+"bird"), p.register(t, "cyd")
		room, direct := p.group(t, bob, ada, cyd), p.direct(t, ada, bob)
		p.leaves(t, bob, ada, room, direct)
		socket, events := p.dial(t, bob), p.dial(t, ada)
		heard := listenAll(t, events, "1", nil)
		receive(t, heard)
		for _, wrong := range []map[string]any{vars("p", "another long passphrase"), vars("p", "")} {
			if r := p.ask(t, bob.token, deleteAccountDoc, wrong); r.code() != "BAD_USER_INPUT" || !strings.Contains(r.body, `"password"`) {
				t.Errorf("with a wrong password: %v", r)
			}
		}
		if r := p.ask(t, ada.token, deleteAccountDoc, vars("p", password("ada"))); r.code() != "FAILED_PRECONDITION" || !strings.Contains(r.body, "LAST_ADMIN") {
			t.Errorf("the last administrator: %v", r)
		}
		if err := p.gql(t.Context(), bob.token, deleteAccountDoc, vars("p", password(bob.name)), nil); err != nil {
			t.Fatal(err)
		}
		p.isNobody(t, ada, bob)
		closesWith(t, socket, 4403, time.Second+slack)
		for _, in := range []struct {
			room string
			n    int
		}{{room, 2}, {direct, 1}} {
			await(t, 20*time.Second+grace, "tombstones", func() bool {
				all, n := p.blanked(t, ada, in.room, bob.id)
				return all && n == in.n
			})
		}
		p.othersGoOn(t, ada, bob, room, direct)
		await(t, 10*time.Second+grace, "the events of it", func() bool {
			for len(heard) > 0 {
				if e := <-heard; e.Type == "MessageChanged" {
					return true
				}
			}
			return false
		})
		if slices.Equal(args, unlimited) { // once is enough: it takes ten seconds
			await(t, 30*time.Second+grace, "the end of it", func() bool { return p.count(t, args, `SELECT count(*) FROM auth_deletions WHERE erased_at = 0`) == 0 })
		}
		if err := p.stop(t); err != nil {
			t.Fatal(err)
		}
		p.hasNoWord(t, args, canary)
	})
}

// isNobody tries to meet somebody who is gone, right after.
func (p *program) isNobody(t *testing.T, by, gone person) {
	t.Helper()
	p.mustBeNoToken(t, "an access token", gone.token)
	if _, err := p.renew(t, gone.refresh); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("a refresh token: %v", err)
	}
	if err := p.signIn(t, gone.name); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("a sign-in: %v", err)
	}
	var d struct {
		User struct {
			Username, DisplayName string
			Bio, StatusText       *string
			Deleted               bool
			Presence              struct{ Status string }
		}
		SearchUsers struct{ Edges []struct{ Cursor string } }
	}
	if err := p.gql(t.Context(), by.token, `query($u: ID!) { user(id: $u) { username displayName bio statusText deleted presence { status } }
		searchUsers(query: "canary") { edges { cursor } } }`, vars("u", gone.id), &d); err != nil {
		t.Fatal(err)
	}
	if u := d.User; u.DisplayName != "Deleted user" || !u.Deleted || u.Bio != nil || u.StatusText != nil || len(d.SearchUsers.Edges) != 0 {
		t.Errorf("%+v", d)
	}
	for doc, v := range map[string]map[string]any{
		`query($n: String!) { userByUsername(username: $n) { id } }`:                                     vars("n", gone.name),
		`mutation($u: ID!) { openDirectConversation(input: {userId: $u}) { conversation { id } } }`:      vars("u", gone.id),
		`mutation($u: ID!) { createGroup(input: {name: "x", memberIds: [$u]}) { conversation { id } } }`: vars("u", gone.id),
		`mutation($u: ID!) { sendFriendRequest(input: {userId: $u}) { user { id } } }`:                   vars("u", gone.id),
		`mutation($u: ID!) { suspendUser(input: {userId: $u}) { state } }`:                               vars("u", gone.id),
		`mutation($u: ID!) { setUserRole(input: {userId: $u, role: ADMIN}) { user { id } } }`:            vars("u", gone.id),
		`query { userByUsername(username: "deleted:` + gone.id + `") { id } }`:                           nil,
		`mutation($u: ID!) { reinstateUser(input: {userId: $u}) { state } }`:                             vars("u", gone.id),
	} {
		if r := p.ask(t, by.token, doc, v); r.code() != "NOT_FOUND" {
			t.Errorf("%s: %v", doc, r)
		}
	}
	again := vars("username", gone.name, "email", "other@example.org", "password", "a long passphrase of another")
	if r := p.ask(t, "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", again)); r.code() != "CONFLICT" || !strings.Contains(r.body, `"username"`) {
		t.Errorf("his name: %v", r)
	}
	again["username"], again["email"] = "dan", gone.name+"@example.org"
	if r := p.ask(t, "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", again)); r.code() != "" {
		t.Errorf("his address: %v", r)
	}
	// That was somebody else, who goes the same way.
	var in struct{ Login struct{ AccessToken string } }
	if err := p.gql(t.Context(), "", `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { accessToken } }`,
		vars("l", "dan", "p", "a long passphrase of another"), &in); err != nil {
		t.Fatal(err)
	}
	if err := p.gql(t.Context(), in.Login.AccessToken, deleteAccountDoc, vars("p", "a long passphrase of another"), nil); err != nil {
		t.Error(err)
	}
}

// othersGoOn looks at what is left to the others.
func (p *program) othersGoOn(t *testing.T, ada, gone person, room, direct string) {
	t.Helper()
	if s := p.standings(t, ada, room); s[gone.id] != "" || s[ada.id] != "OWNER" {
		t.Errorf("in the group there are %v", s)
	}
	for _, m := range p.senders(t, ada, room) {
		for _, r := range m.Reactions {
			if r.Emoji != "👍" || r.Count != 1 {
				t.Errorf("a reaction is left: %+v", m)
			}
		}
	}
	p.says(t, ada, room, "we go on")
	if _, err := p.send(t.Context(), ada, direct, "are you there?", ""); codeOf(err) != "FAILED_PRECONDITION" || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("to nobody: %v", err)
	}
	if all := p.senders(t, ada, direct); !slices.ContainsFunc(all, func(m authored) bool { return m.Text != nil && *m.Text == "somebody's secret" }) {
		t.Errorf("the other's words are gone: %+v", all)
	}
	if can := p.canIn(t, ada, direct); !strings.HasPrefix(can, "send:false") {
		t.Errorf("it is said that one could write: %s", can)
	}
	p.finds(t, ada, "canary")
	if files := p.onDisk(t); len(files) != 0 {
		t.Errorf("files are left: %v", files)
	}
	if names := p.contacts(t, ada, "FRIENDS"); len(names) != 0 {
		t.Errorf("friends: %v", names)
	}
	for _, e := range p.audit(t, ada, nil) {
		if text := fmt.Sprintf("%+v", e); strings.Contains(strings.ToLower(text), canary) {
			t.Errorf("the audit log says %s", text)
		}
	}
}

// database opens the database of a program.
func (p *program) database(t testing.TB, args []string) *sqldb.DB {
	t.Helper()
	cfg := sqldb.Config{Path: filepath.Join(p.dir, "chatd.db"), Beside: true}
	for i, a := range args {
		if a == "--postgres-url" {
			cfg = sqldb.Config{URL: args[i+1], MaxConns: 2}
		}
	}
	db, err := sqldb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (p *program) count(t testing.TB, args []string, query string) (n int) {
	t.Helper()
	db := p.database(t, args)
	defer db.Close()
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// hasNoWord looks for a word in all that a stopped program has kept.
func (p *program) hasNoWord(t testing.TB, args []string, word string) {
	t.Helper()
	looked := 0
	has := func(where string, text []byte) {
		looked++
		if low := strings.ToLower(string(text)); strings.Contains(low, word) || strings.Contains(low, hex.EncodeToString([]byte(word))) ||
			strings.Contains(low, hex.EncodeToString([]byte(strings.ToUpper(word)))) {
			t.Errorf("%s has the word", where)
		}
	}
	err := filepath.WalkDir(filepath.Dir(p.dir), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && path == filepath.Join(p.dir, "mail") {
				return filepath.SkipDir // was delivered, as far as the server goes
			}
			return err
		}
		raw, err := os.ReadFile(path)
		has(path, raw)
		return err
	})
	if err != nil || looked < 2 {
		t.Errorf("%d files: %v", looked, err)
	}
	if !slices.Contains(args, "--postgres-url") {
		return
	}
	db := p.database(t, args)
	defer db.Close()
	scan := func(r sqldb.Row) (s string, err error) { err = r.Scan(&s); return s, err }
	rows, err := db.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`)
	tables, err := sqldb.Collect(rows, err, scan)
	if err != nil || len(tables) < 20 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		rows, err := db.Query(t.Context(), `SELECT CAST(t AS text) FROM `+table+` t`)
		lines, err := sqldb.Collect(rows, err, scan)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			has(table, []byte(line))
		}
	}
}

// A deletion that a killed server has begun goes on at its next start, and at
// the one after.
func TestADeletionGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	var rooms []string
	const each = 90
	for range 6 {
		room := p.group(t, bob, ada)
		rooms = append(rooms, room)
		var wg sync.WaitGroup
		for i := range each {
			wg.Go(func() {
				if _, err := p.send(t.Context(), bob, room, fmt.Sprintf("number %d", i), ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if err := p.gql(t.Context(), bob.token, deleteAccountDoc, vars("p", password("bob")), nil); err != nil {
		t.Fatal(err)
	}
	done := func() (n int) {
		return p.count(t, nil, `SELECT count(*) FROM chat_message WHERE kind <> 'SYSTEM' AND deleted_at IS NOT NULL`)
	}
	kills := 0
	for n := 0; n < len(rooms)*each && kills < 4; kills++ {
		p.kill()
		if n = done(); kills > 0 {
			t.Logf("killed with %d of %d done", n, len(rooms)*each)
		}
		p.start(t)
		await(t, 30*time.Second+grace, "progress", func() bool { m := done(); return m > n || m == len(rooms)*each })
	}
	for _, room := range rooms {
		await(t, 60*time.Second+grace, "tombstones", func() bool { all, n := p.blanked(t, ada, room, bob.id); return all && n == each })
		revs := map[int]bool{}
		for _, m := range p.history(t, ada, room) {
			if revs[m.Rev] {
				t.Errorf("rev %d twice in %s", m.Rev, room)
			}
			revs[m.Rev] = true
		}
		if s := p.standings(t, ada, room); len(s) != 1 || s[ada.id] != "OWNER" {
			t.Errorf("%v", s)
		}
	}
}

// An operator deletes an account beside the server, with and without the name
// in the answer, and only when he says that he means it.
func TestAnOperatorDeletesAnAccount(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, bob, ada)
	p.says(t, bob, room, "hello")
	socket := p.dial(t, bob)
	says(t, doesNot(t, "user", "delete", "bob", "--data-dir", p.dir), "--yes")
	says(t, doesNot(t, "user", "delete", "ada", "--yes", "--data-dir", p.dir), "administrator")
	says(t, does(t, "user", "delete", "bob", "--yes", "--data-dir", p.dir), bob.id)
	closesWith(t, socket, 4403, time.Second+slack)
	await(t, 20*time.Second+grace, "tombstones", func() bool { all, n := p.blanked(t, ada, room, bob.id); return all && n == 1 })
	says(t, doesNot(t, "user", "reinstate", bob.id, "--data-dir", p.dir), "No such account")
}

// Who deletes his account on one node is out on the other within a second, and
// has no name there; what he wrote goes, whichever node sees to it.
func TestADeletionIsHeardOnEveryNode(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	here, there := nodes[0], nodes[1]
	ada, bob := here.register(t, "ada"), here.register(t, "bob")
	room := there.group(t, bob, ada)
	there.says(t, bob, room, "hello")
	second := there.login(t, bob)
	socket, events := there.dial(t, second), there.dial(t, second)
	heard := listenAll(t, events, "1", nil)
	receive(t, heard)
	if found := there.senders(t, ada, room); len(found) == 0 || found[0].Sender.DisplayName != "BOB" { // and remembers
		t.Fatalf("%+v", found)
	}
	if err := here.gql(t.Context(), bob.token, deleteAccountDoc, vars("p", password("bob")), nil); err != nil {
		t.Fatal(err)
	}
	there.mustBeOver(t, second, socket)
	closesWith(t, events, 4403, time.Second+slack)
	there.mustBeNoToken(t, "a token of another session", second.token)
	for _, p := range nodes {
		await(t, 20*time.Second+grace, "tombstones", func() bool { all, n := p.blanked(t, ada, room, bob.id); return all && n == 1 })
	}
	if r := there.ask(t, ada.token, `mutation { requestExport { export { id } } }`, nil); r.code() != "FAILED_PRECONDITION" || !strings.Contains(r.body, "NO_EXPORTS") {
		t.Errorf("nodes without a directory in common: %v", r)
	}
}
