package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/mongodb/mongodbtest"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// place is somewhere to move to: the settings to serve from there.
type place []string

func (p place) url() string { return p[slices.Index(p, "--postgres-url")+1] }

// toPostgres is an empty PostgreSQL, with an empty MongoDB where asked for.
func toPlace(t testing.TB, mongo bool) place {
	t.Helper()
	to := append(place{"--durability", "relaxed"}, "--postgres-url", sqldbtest.PostgresURL(t))
	if mongo {
		cfg := mongodbtest.Config(t)
		db := mongodbtest.Open(t, cfg)
		t.Cleanup(func() { _ = db.Drop(t.Context()) })
		to = append(to, "--mongo-url", in(t, cfg))
	}
	return to
}

// moveTo are the arguments that move a directory.
func (p place) moving(dir string) []string {
	return append([]string{"migrate-data", "--from", dir}, p...)
}

func onEachPlace(t *testing.T, fn func(t *testing.T, to place)) {
	t.Helper()
	for name, mongo := range map[string]bool{"postgres": false, "postgres and mongo": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, toPlace(t, mongo))
		})
	}
}

// town is people who have done some of everything, and where each has been.
type town struct {
	people []person
	second person // the first, on another device
	rooms  []string
	keyed  message // sent by the first into the first room with the key "key"
	code   string  // of an invitation into the third room, by which one more may come
	early  []string
	mid    []string
}

// settle fills a new server.
func settle(t testing.TB, p *program) *town {
	t.Helper()
	c := &town{people: p.people(t, "user", 4)}
	a, b, cy, dan := c.people[0], c.people[1], c.people[2], c.people[3]
	do := func(who person, doc string, in map[string]any) {
		t.Helper()
		if err := p.gql(t.Context(), who.token, doc, vars("i", in), nil); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
	}
	send := func(who person, room, text, key string) message {
		t.Helper()
		m, err := p.send(t.Context(), who, room, text, key)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	do(b, `mutation($i: UpdateProfileInput!) { updateProfile(input: $i) { user { id } } }`,
		vars("displayName", "Bébé \U0001F600", "bio", "two\nlines", "statusText", "away", "statusEmoji", "\U0001F334", "timeZone", "Europe/Berlin"))
	c.second = p.login(t, a)
	ended := p.login(t, b)
	if err := p.gql(t.Context(), ended.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenDirectConversation struct{ Conversation struct{ ID string } }
	}
	if err := p.gql(t.Context(), a.token, `mutation($i: OpenDirectConversationInput!) { openDirectConversation(input: $i) { conversation { id } } }`,
		vars("i", vars("userId", b.id)), &d); err != nil {
		t.Fatal(err)
	}
	c.rooms = []string{p.group(t, a, b, cy, dan), d.OpenDirectConversation.Conversation.ID, p.group(t, cy, b)}
	c.early = c.positions(t, p)
	c.keyed = send(a, c.rooms[0], "first", "key")
	for i := range 12 {
		send(c.people[i%3], c.rooms[0], fmt.Sprintf("message %d\nof \"many\" Ünïcødé", i), fmt.Sprint(i))
	}
	edited := send(b, c.rooms[1], "befor", "")
	do(b, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`, vars("id", edited.ID, "text", "before"))
	do(b, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`, vars("id", edited.ID, "text", "after"))
	do(a, `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } } }`,
		vars("conversationId", c.rooms[1], "text", "an answer", "replyToId", edited.ID))
	c.mid = c.positions(t, p)
	react := func(who person, m message, op, emoji string) {
		t.Helper()
		if err := p.mark(t.Context(), who, op, m.ID, emoji, nil); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
	}
	for i, who := range c.people {
		react(who, c.keyed, "addReaction", someEmoji[i%2])
	}
	react(b, c.keyed, "removeReaction", someEmoji[1])
	react(b, c.keyed, "pinMessage", "")
	react(b, edited, "pinMessage", "")
	react(a, edited, "addReaction", someEmoji[0])
	deleted := send(cy, c.rooms[0], "a slip", "")
	react(a, deleted, "addReaction", someEmoji[0])
	react(a, deleted, "pinMessage", "")
	do(cy, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`, vars("id", deleted.ID, "text", "another slip"))
	do(cy, `mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { id } } }`, vars("id", deleted.ID))
	read := `mutation($i: MarkReadInput!) { markRead(input: $i) { conversation { id } } }`
	do(dan, read, vars("conversationId", c.rooms[0], "seq", 2))
	do(dan, read, vars("conversationId", c.rooms[0], "seq", 5)) // the one before is superseded
	do(b, read, vars("conversationId", c.rooms[0], "seq", 9))
	do(cy, `mutation($i: AddMembersInput!) { addMembers(input: $i) { conversation { id } } }`, vars("conversationId", c.rooms[2], "userIds", []string{a.id, dan.id}))
	do(a, `mutation($i: SetMemberRoleInput!) { setMemberRole(input: $i) { conversation { id } } }`,
		vars("conversationId", c.rooms[0], "userId", b.id, "role", "ADMIN"))
	do(cy, `mutation($i: TransferOwnershipInput!) { transferOwnership(input: $i) { conversation { id } } }`,
		vars("conversationId", c.rooms[2], "userId", b.id))
	do(b, `mutation($i: RemoveMemberInput!) { removeMember(input: $i) { conversation { id } } }`,
		vars("conversationId", c.rooms[2], "userId", dan.id))
	leave := `mutation($i: LeaveConversationInput!) { leaveConversation(input: $i) { ok } }`
	do(dan, leave, vars("conversationId", c.rooms[0]))
	do(cy, leave, vars("conversationId", c.rooms[2])) // who owned it
	do(b, `mutation($i: MarkUnreadInput!) { markUnread(input: $i) { conversation { id } } }`, vars("conversationId", c.rooms[0], "seq", 4))
	do(a, `mutation($i: MarkDeliveredInput!) { markDelivered(input: $i) { conversation { id } } }`, vars("conversationId", c.rooms[0], "seq", 14))
	do(b, `mutation($i: UpdateConversationSettingsInput!) { updateConversationSettings(input: $i) { conversation { id } } }`,
		vars("conversationId", c.rooms[1], "archived", true, "notify", "NONE", "mutedUntil", "2040-01-01T00:00:00Z"))
	do(cy, `mutation($i: UpdateSettingsInput!) { updateSettings(input: $i) { settings { shareReadReceipts } } }`, vars("shareReadReceipts", false))
	do(b, `mutation($i: ReportMessageInput!) { reportMessage(input: $i) { report { id } } }`, vars("messageId", c.keyed.ID, "reason", "rude"))
	send(a, c.rooms[2], "unread", "")
	c.open(t, p)
	p.befriend(t, a, b)
	p.relate(t, "sendFriendRequest", a, cy)
	p.relate(t, "blockUser", a, dan)
	return c
}

// open renames a room, and lets people come in by themselves.
func (c *town) open(t testing.TB, p *program) {
	t.Helper()
	b, dan := c.people[1], c.people[3]
	c.rooms = append(c.rooms, p.channel(t, b, "Open house"))
	for _, room := range c.rooms[2:] {
		if err := p.gql(t.Context(), b.token, renameDoc, vars("c", room, "n", "Bücher & mehr", "d", "Two\nlines"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.gql(t.Context(), dan.token, joinDoc, vars("c", c.rooms[3]), nil); err != nil {
		t.Fatal(err)
	}
	gone, _ := p.invite(t, b, c.rooms[2], nil)
	_, c.code = p.invite(t, b, c.rooms[2], vars("m", 2, "e", "2040-01-01T00:00:00Z"))
	if err := p.gql(t.Context(), b.token, revokeDoc, vars("i", gone), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.gql(t.Context(), dan.token, byInviteDoc, vars("k", c.code), nil); err != nil {
		t.Fatal(err)
	}
}

func (c *town) positions(t testing.TB, p *program) (all []string) {
	t.Helper()
	for _, who := range c.people {
		at, err := p.position(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, at)
	}
	return all
}

const (
	aboutDoc = `{ viewer { user { id username displayName bio statusText statusEmoji statusExpiresAt timeZone locale createdAt updatedAt } account { email emailVerified role createdAt } }
		sessions { id device address createdAt lastUsedAt expiresAt current }
		friends: contacts(first: 3) { edges { since node { id relationship } } } asked: contacts(state: REQUEST_SENT, first: 3) { edges { since node { id } } }
		asking: contacts(state: REQUEST_RECEIVED, first: 3) { edges { since node { id } } } blocked: contacts(state: BLOCKED, first: 3) { edges { since node { id } } }
		searchUsers(query: "be", first: 5) { edges { node { id username } } }
		conversations(first: 20) { edges { node { id kind name description createdAt lastSeq lastRev unreadCount lastReadSeq memberCount
			lastMessage { id seq text } viewerMembership { role joinedAt } viewerCan { send addMembers leave } } } pageInfo { hasNextPage } } }`
	messagesDoc = `query($c: ID!) { messages(conversationId: $c, first: 40) { edges { node { id seq rev kind sender { id username } text createdAt editedAt
		deletedAt clientId replyToId replyTo { id seq text } system { change role name description userCount users(first: 3) { id } } viewerCan { edit delete react pin }
		edits(first: 4) { edges { node { rev text replacedAt } } } } } pageInfo { hasNextPage } } }`
	receiptsDoc = `query($c: ID!) { viewer { settings { shareReadReceipts } } conversations(first: 5, filter: {archived: true}) { edges { node { id } } }
		conversation(id: $c) { viewerSettings { mutedUntil pinned archived notify } members(first: 10) { edges { node { readSeq deliveredSeq } } } } }`
	readersDoc = `query($c: ID!) { messages(conversationId: $c, first: 20) { edges { node { deliveryState readBy(first: 5) { edges { node { id } } } } } } }`
	marksDoc   = `query($c: ID!) { messages(conversationId: $c, first: 40) { edges { node { id reactions { emoji count viewerReacted users(first: 2) { id } }
		pinnedAt pinnedBy { id } } } } }`
	pinsDoc    = `query($c: ID!) { pinnedMessages(conversationId: $c) { edges { node { id } } } }`
	membersDoc = `query($c: ID!) { conversation(id: $c) { members(first: 50) { edges { node { user { id displayName } role joinedAt } } } } }`
	missedDoc  = `query($a: String) { events(after: $a, first: 100) { edges { node { __typename
		... on MessageAdded { message { id conversationId seq rev text sender { id } createdAt clientId } unreadCount }
		... on MessageChanged { message { id seq rev text editedAt deletedAt reactions { emoji count } pinnedAt } unreadCount }
		... on MembershipChanged { conversationId user { id } change role conversation { id name } }
		... on ConversationChanged { conversationId conversation { id name } }
		... on ConversationSettingsChanged { conversationId settings { mutedUntil pinned archived notify } }
		... on ReceiptChanged { conversationId user { id } readSeq deliveredSeq unreadCount } } } pageInfo { hasNextPage } } }`
)

// answers is all that the people are told, by question.
func (c *town) answers(t testing.TB, p *program) map[string]string {
	t.Helper()
	p.searchesAll(t)
	all := map[string]string{}
	for i, who := range append(slices.Clone(c.people), c.second) {
		ask := func(what, doc string, v map[string]any) {
			r := p.ask(t, who.token, doc, v)
			if r.status != 200 || strings.Contains(r.body, "no such field") {
				t.Fatalf("%s of %d: %v", what, i, r)
			}
			all[fmt.Sprintf("%s of %d", what, i)] = r.body
		}
		ask("about", aboutDoc, nil)
		ask("channels", channelsDoc, vars("q", "mehr buch"))
		for n, room := range c.rooms {
			ask(fmt.Sprint("messages in ", n), messagesDoc, vars("c", room))
			ask(fmt.Sprint("search in ", n), searchDoc, vars("q", [...]string{"unico", "after", "a"}[n%3], "c", room))
			ask(fmt.Sprint("marks in ", n), marksDoc, vars("c", room))
			ask(fmt.Sprint("pins in ", n), pinsDoc, vars("c", room))
			ask(fmt.Sprint("members of ", n), membersDoc, vars("c", room))
			ask(fmt.Sprint("invitations into ", n), invitesDoc, vars("c", room))
			ask(fmt.Sprint("receipts of ", n), receiptsDoc, vars("c", room))
			ask(fmt.Sprint("readers of ", n), readersDoc, vars("c", room))
		}
		if i < len(c.early) {
			ask("events from the beginning", missedDoc, vars("a", c.early[i]))
			ask("events since", missedDoc, vars("a", c.mid[i]))
		}
	}
	return all
}

// resumed is what a stream tells from a cursor on, to CaughtUp.
func resumed(t testing.TB, p *program, who person, cursor string) string {
	t.Helper()
	events := listenAll(t, p.dial(t, who), "1", cursor)
	var all []string
	for {
		e := receive(t, events)
		e.Cursor = ""
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, string(b)); e.Type == "CaughtUp" {
			return strings.Join(all, "\n")
		}
	}
}

func mustBeTheSame(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(want)) {
		if got[what] != want[what] {
			t.Errorf("%s:\n got %s\nwant %s", what, got[what], want[what])
		}
	}
}

func TestWhatWasMovedIsServedAsBefore(t *testing.T) {
	t.Parallel()
	onEachPlace(t, func(t *testing.T, to place) {
		p := startProgram(t, unlimited...)
		c := settle(t, p)
		want := c.answers(t, p)
		stream := resumed(t, p, c.people[1], c.mid[1])
		if s := want["marks in 0 of 0"]; strings.Count(s, `"viewerReacted":true`) != 1 || strings.Count(s, "users") != 2 {
			t.Fatalf("there are other reactions: %s", s)
		}
		if n := len(want["messages in 0 of 0"]); n < 3000 || strings.Count(stream, "\n") < 5 {
			t.Fatalf("there is little to compare: %d bytes, %s", n, stream)
		}
		p.kill() // what it was about stays about
		said := does(t, to.moving(p.dir)...)
		says(t, said, "copying auth_accounts", "comparing user_profiles", "sha256", "Moved "+p.dir, "--data-dir "+p.dir)
		if strings.Contains(said, "search_path") {
			t.Errorf("it shows the parameters of the URL: %s", said)
		}
		t.Logf("%s", said)

		q := startProgramIn(t, p.dir, append(slices.Clone(unlimited), to...)...)
		mustBeTheSame(t, c.answers(t, q), want)
		if got := resumed(t, q, c.people[1], c.mid[1]); got != stream {
			t.Errorf("the stream goes on with\n%s\nnot\n%s", got, stream)
		}
		c.goesOn(t, q)
		c.takenBack(t, q, to)
	})
}

// goesOn sends, signs in and listens where all was moved to.
func (c *town) goesOn(t testing.TB, q *program) {
	t.Helper()
	a, room := c.people[0], c.rooms[0]
	last := len(q.history(t, a, room))
	again, err := q.send(t.Context(), a, room, "first", "key")
	if err != nil || again.ID != c.keyed.ID || again.Seq != c.keyed.Seq {
		t.Errorf("a retry made %+v, %v", again, err)
	}
	if _, err := q.send(t.Context(), a, room, "second", "key"); codeOf(err) != "CONFLICT" {
		t.Errorf("another text under the key: %v", err)
	}
	if err := q.gql(t.Context(), c.people[2].token, byInviteDoc, vars("k", c.code), nil); err != nil {
		t.Errorf("by the invitation's last use: %v", err)
	}
	if err := q.gql(t.Context(), q.register(t, "late").token, byInviteDoc, vars("k", c.code), nil); codeOf(err) != "NOT_FOUND" {
		t.Errorf("by an invitation that is used up: %v", err)
	}
	live := listenAll(t, q.dial(t, c.people[1]), "1", nil)
	receive(t, live)
	m, err := q.send(t.Context(), a, room, "the next", "")
	if err != nil || m.Seq != last+1 {
		t.Errorf("the next message after %d is %+v, %v", last, m, err)
	}
	if e := receive(t, live); e.Type != "MessageAdded" || e.Message.ID != m.ID {
		t.Errorf("live: %+v", e)
	}
	for _, who := range []person{a, c.second, c.people[3]} {
		if next, err := q.renew(t, who.refresh); err != nil || next.id != who.id {
			t.Errorf("renewed %+v, %v", next, err)
		}
	}
	if _, err := q.renew(t, a.refresh+"x"); err == nil {
		t.Error("any token is renewed")
	}
	q.login(t, c.people[2])
	eve := q.register(t, "eve") // auth's events still reach user
	if err := q.gql(t.Context(), a.token, `query($i: ID!) { user(id: $i) { displayName } }`, vars("i", eve.id), nil); err != nil {
		t.Errorf("a new account's profile: %v", err)
	}
	if r := q.ask(t, a.token, `query { user(id: "usr_00000000000000000000000001") { id } }`, nil); r.code() != "NOT_FOUND" {
		t.Errorf("nobody: %v", r)
	}
}

// takenBack has the directory served again, beside what it was moved to.
func (c *town) takenBack(t testing.TB, q *program, to place) {
	t.Helper()
	at, err := q.position(t.Context(), c.people[0])
	if err != nil {
		t.Fatal(err)
	}
	q.kill()
	for _, line := range []string{
		mustRefuse(t, freeAddr(t), q.dir), doesNot(t, "migrate-data", "--from", q.dir, "--to", sqldbtest.PostgresURL(t), "--durability", "relaxed"),
	} {
		says(t, line, "was moved to", "--undo")
	}
	says(t, does(t, to.moving(q.dir)...), "nothing is left to do")
	says(t, does(t, "migrate-data", "--undo", "--from", q.dir), "Took back", "reset")
	says(t, doesNot(t, "migrate-data", "--undo", "--from", q.dir), "nothing to take back")
	says(t, doesNot(t, to.moving(q.dir)...), "not empty")
	back := startProgramIn(t, q.dir, unlimited...)
	for name, cursor := range map[string]string{"from before": c.mid[0], "of the target": at} {
		back.mustReset(t, c.people[0], name, cursor)
	}
	if got := len(back.history(t, c.people[0], c.rooms[0])); got == 0 {
		t.Error("nothing is there")
	}
}

func TestTheMasterKeyGoesAlongAsASecret(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	p.kill()
	to := toPlace(t, false)
	does(t, append([]string{"migrate-data", "--data-dir", p.dir, "--to", to.url()}, "--durability", "relaxed")...)
	key, err := os.ReadFile(filepath.Join(p.dir, keys.FileName))
	if err != nil {
		t.Fatal(err)
	}
	q := &program{
		dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), args: append(slices.Clone(unlimited), to...),
		env: []string{"CHATD_SECRET=" + keys.OfFile + strings.TrimSpace(string(key))},
	}
	q.start(t)
	t.Cleanup(q.kill)
	if _, err := q.position(t.Context(), ada); err != nil {
		t.Errorf("the token: %v", err)
	}
	if _, err := q.renew(t, ada.refresh); err != nil {
		t.Errorf("the refresh token: %v", err)
	}
	for _, name := range []string{datadir.DatabaseFile, datadir.DatabaseFile + "-wal", datadir.DatabaseFile + "-shm"} {
		_ = os.Remove(filepath.Join(p.dir, name)) // what was copied is not needed any more
	}
	q.kill()
	r := startProgramIn(t, p.dir, append(slices.Clone(unlimited), to...)...)
	r.login(t, ada)
	r.kill()
	says(t, doesNot(t, "migrate-data", "--undo", "--from", p.dir), "not there any more")
}

func TestACopyThatIsKilledGoesOnAndIsNotServedBefore(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := settle(t, p)
	want := c.answers(t, p)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := os.CopyFS(whole, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	for name, mongo := range map[string]bool{"postgres": false, "postgres and mongo": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for round := 1; kills < moveKills; round++ {
				dir, to := filepath.Join(t.TempDir(), "data"), toPlace(t, mongo)
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				makePrivate(t, dir)
				n := killMoves(t, dir, to, moveKills-kills)
				kills += n
				says(t, strings.ToLower(does(t, to.moving(dir)...)), "moved")
				q := startProgramIn(t, dir, append(slices.Clone(unlimited), to...)...)
				mustBeTheSame(t, c.answers(t, q), want)
				q.kill()
				if t.Logf("round %d: %d kills on the way", round, n); round == 20 {
					t.Fatalf("only %d kills were on the way", kills)
				}
			}
		})
	}
}

// killMoves kills a copy again and again, a few times at its beginning, then at
// most times further on, and says how often it was on the way then: neither
// side may be served after that. It ends when all has been done nevertheless.
func killMoves(t testing.TB, dir string, to place, most int) (kills int) {
	t.Helper()
	for n := range 4 {
		killedAt(t, dir, time.Duration(n)*40*time.Millisecond, to.moving(dir)...)
	}
	for kills < most {
		if !killedAfter(t, 1+rand.N(26), to.moving(dir)...) || strings.Contains(marked(t, dir), `"done"`) {
			return kills
		}
		kills++
		says(t, mustRefuse(t, freeAddr(t), dir), "is being moved to", "migrate-data", "--undo")
		says(t, mustRefuse(t, freeAddr(t), filepath.Join(t.TempDir(), "data"), to...), "unfinished copy", "migrate-data")
	}
	return kills
}

// killedAfter runs a command and kills it when it has said so many lines, or a
// moment later.
func killedAfter(t testing.TB, lines int, args ...string) bool {
	t.Helper()
	cmd, _ := command(t.Context(), args...)
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for said.Scan() {
		if lines--; lines == 0 {
			break
		}
	}
	pause(t.Context(), rand.N(3*time.Millisecond))
	_ = cmd.Process.Kill()
	return cmd.Wait() != nil
}

func marked(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, markerFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
