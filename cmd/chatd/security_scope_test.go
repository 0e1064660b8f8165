package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// median of some durations.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// alike asks two things in turns, so that whatever else the machine does falls
// on both, and compares how long they took: an outsider must not learn from
// that. What a noisy machine does is left room for.
func alike(t testing.TB, what string, times int, one, other func()) {
	t.Helper()
	var took [2][]time.Duration
	for range times {
		for i, ask := range []func(){one, other} {
			begun := time.Now()
			ask()
			took[i] = append(took[i], time.Since(begun))
		}
	}
	a, b := median(took[0]), median(took[1])
	if a > 4*b+10*time.Millisecond || b > 4*a+10*time.Millisecond {
		t.Errorf("%s took %v, and %v of what is not there", what, a, b)
	}
	t.Logf("%s: %v, of what is not there %v", what, a, b)
}

// A search for what only others have said gives the very answer of one for
// what nobody has said: no hit, no page, no count, in no more time.
func TestASearchTellsOutsidersNothing(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 4)
		ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
		room, own := p.group(t, ada, bob, dan), p.group(t, cyd, dan)
		p.says(t, cyd, own, "something of her own")
		var sends sync.WaitGroup
		for range 8 {
			sends.Go(func() {
				for range 60 {
					if _, err := p.send(t.Context(), ada, room, "xylophone canary", ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		sends.Wait()
		if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", dan.id), nil); err != nil {
			t.Fatal(err)
		}
		p.searchesAll(t)
		if r := p.ask(t, bob.token, searchDoc, vars("q", "xylophone", "n", 3)); !strings.Contains(r.body, "xylophone canary") || !strings.Contains(r.body, `"hasNextPage":true`) {
			t.Fatalf("a member: %v", r)
		}
		for _, who := range []person{cyd, dan} {
			for _, v := range []map[string]any{{}, vars("u", ada.id), vars("from", "2020-01-01T00:00:00Z"), vars("c", own), vars("n", 1)} {
				v["q"] = "xylophone"
				theirs := p.ask(t, who.token, searchDoc, v)
				v["q"] = "quetzalcoatl"
				none := p.ask(t, who.token, searchDoc, v)
				if theirs.body != none.body || strings.Contains(theirs.body, "canary") || theirs.code() != "" || strings.Contains(theirs.body, `"hasNextPage":true`) {
					t.Errorf("%s finds %v with %v, of what nobody said %v", who.name, theirs, v, none)
				}
			}
			alike(t, "a search by "+who.name, 40,
				func() { p.ask(t, who.token, searchDoc, vars("q", "xylophone")) }, func() { p.ask(t, who.token, searchDoc, vars("q", "quetzalcoatl")) })
		}
	})
}

// What names something of others takes an outsider as long as what names
// nothing. That the bytes are the same is another test's.
func TestRefusalsTakeAsLongWhetherThereIsSomethingOrNot(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	p.register(t, "root")
	all := p.people(t, "user", 2)
	ada, cyd := all[0], all[1]
	room := p.group(t, ada)
	foreign := somewhere{"conversation": room, "message": p.says(t, ada, room, "canary").ID, "session": p.session(t, ada)}
	foreign["invite"], _ = p.invite(t, ada, room, nil)
	own := somewhere{"conversation": p.group(t, cyd), "user": ada.id, "session": p.session(t, cyd)}
	own["message"] = p.says(t, cyd, own["conversation"], "own").ID
	own["invite"], _ = p.invite(t, cyd, own["conversation"], nil)
	value := ownValues(own)
	for _, op := range p.api(t).operations() {
		if op.kind != "mutation" || endsTheSession(op.field) {
			continue
		}
		for _, l := range op.leaves {
			for _, kind := range idKinds(op, l) {
				if l.typ != "ID" || foreign[kind] == "" {
					continue
				}
				alike(t, op.field+" of "+l.String(), 9, func() { p.ask(t, cyd.token, op.doc, op.variables(value(op), &l, foreign[kind])) },
					func() { p.ask(t, cyd.token, op.doc, op.variables(value(op), &l, nobodys[kind])) })
			}
		}
	}
}

// whoIs is all that somebody can see of himself.
const whoIs = `{ viewer { user { id username displayName bio statusText statusEmoji timeZone } account { id email role createdAt } settings { shareReadReceipts } chosenPresence }
	conversations(first: 50) { edges { node { id name lastSeq unreadCount lastReadSeq viewerMembership { role } viewerSettings { pinned archived notify } } } } }`

// Every input takes its identity from the token: no mutation has a field that
// would say who acts, with what right or when, and who names another in those
// that there are changes nothing of him.
func TestEveryMutationActsAsItsCallerAlone(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	root := p.register(t, "root")
	all := p.people(t, "user", 2)
	ada, cyd := all[0], all[1]
	room := p.group(t, ada)
	p.says(t, ada, room, "canary")
	own := somewhere{"conversation": p.group(t, cyd), "session": nobodys["session"], "user": ada.id, "report": nobodys["report"]}
	own["message"] = p.says(t, cyd, own["conversation"], "own").ID
	own["invite"], _ = p.invite(t, cyd, own["conversation"], nil)
	a := p.api(t)
	value := func(op operation) func(leaf) any {
		return func(l leaf) any {
			if enum := a.types[l.typ].EnumValues; len(enum) > 0 {
				return enum[0].Name
			}
			return ownValues(own)(op)(l)
		}
	}
	before := p.ask(t, ada.token, whoIs, nil).body
	extras := vars("senderId", ada.id, "userId", ada.id, "actorId", ada.id, "ownerId", ada.id, "createdBy", ada.id, "role", "ADMIN", "isAdmin", true, "admin", true,
		"createdAt", "2000-01-01T00:00:00.000Z", "seq", 1, "rev", 1, "kind", "SYSTEM", "verified", true, "emailVerified", true, "viewer", ada.id, "__typename", "X")
	tried := 0
	for _, op := range a.operations() {
		if op.kind != "mutation" || len(op.leaves) == 0 {
			continue
		}
		known := map[string]bool{}
		for _, l := range op.leaves {
			known[l.path[len(l.path)-1]] = true
		}
		for name, forged := range extras {
			if known[name] {
				continue
			}
			tried++
			v := op.variables(value(op), nil, nil)
			v["input"].(map[string]any)[name] = forged
			r := p.ask(t, cyd.token, op.doc, v)
			if r.code() == "FORBIDDEN" { // what is for administrators is refused to others unread
				r = p.ask(t, root.token, op.doc, v)
			}
			if r.code() != "BAD_USER_INPUT" || !strings.Contains(r.body, name) {
				t.Errorf("%s with %s: %v", op.field, name, r)
			}
		}
		v := op.variables(value(op), nil, nil)
		in, err := json.Marshal(v["input"])
		if err != nil {
			t.Fatal(err)
		}
		literal := strings.TrimPrefix(string(in), "{")
		if literal != "}" {
			literal = ", " + literal
		}
		doc := fmt.Sprintf(`mutation { %s(input: {senderId: "%s"%s) { __typename } }`, op.field, ada.id, unquoted(literal))
		if r := p.ask(t, cyd.token, doc, nil); r.code() != "GRAPHQL_VALIDATION_FAILED" || !strings.Contains(r.body, "senderId") {
			t.Errorf("%s: %v", doc, r)
		}
	}
	if tried < 300 {
		t.Errorf("only %d tried", tried)
	}
	// Others are named where one acts on them; of these only being brought into
	// a conversation concerns them.
	brings := []string{"openDirectConversation", "createGroup", "addMembers"}
	for _, op := range a.operations() {
		if op.kind != "mutation" || endsTheSession(op.field) || slices.Contains(brings, op.field) {
			continue
		}
		for _, l := range op.leaves {
			if kinds := idKinds(op, l); l.typ == "ID" && slices.Contains(kinds, "user") {
				p.ask(t, cyd.token, op.doc, op.variables(value(op), &l, ada.id))
			}
		}
	}
	if after := p.ask(t, ada.token, whoIs, nil).body; after != before {
		t.Errorf("ada was\n%s\nand is\n%s", before, after)
	}
	// What an upload says of itself beside its name counts for nothing.
	file := p.upload(t, ada, "adas.txt", []byte("canary"))
	r := p.files(t, cyd.token, "POST", "/files/", strings.NewReader("forged"), "Tus-Resumable", "1.0.0", "Upload-Length", "6", "Content-Type", tusBytes,
		"Upload-Metadata", "filename Zm9yZ2Vk,id "+base64Of(file)+",userId "+base64Of(ada.id)+",uploader "+base64Of(ada.id)+",complete "+base64Of("true"), "X-User-Id", ada.id)
	made := r.head.Get("Location")
	if r.status != 201 || strings.Contains(made, file) {
		t.Fatalf("%d %q", r.status, made)
	}
	if r := p.files(t, ada.token, "GET", made, nil); r.status != 404 {
		t.Errorf("ada has what cyd uploaded: %d", r.status)
	}
	if r := p.files(t, ada.token, "GET", "/files/"+file, nil); string(r.body) != "canary" {
		t.Errorf("ada's file is %q", r.body)
	}
}

// unquoted makes names of a JSON object those of a GraphQL literal.
func unquoted(in string) string {
	var b strings.Builder
	for i, part := range strings.Split(in, `":`) {
		if i > 0 {
			b.WriteString(": ")
		}
		if at := strings.LastIndex(part, `"`); at >= 0 && i < strings.Count(in, `":`) {
			part = part[:at] + part[at+1:]
		}
		b.WriteString(part)
	}
	return b.String()
}

// Ids that are changed in any bit name nothing of anybody: to a stranger all are
// null, and to their owner null or the same object, spelt otherwise.
func TestAChangedIDNamesNothingOfOthers(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		root := p.register(t, "root")
		all := p.people(t, "user", 2)
		ada, cyd := all[0], all[1]
		room := p.group(t, ada, root)
		m := p.says(t, ada, room, "canary")
		named := somewhere{"conversation": room, "message": m.ID, "session": p.session(t, ada), "report": p.report(t, ada, m.ID), "attachment": p.upload(t, ada, "x", []byte("x"))}
		named["invite"], _ = p.invite(t, ada, room, nil)
		for n := range 3 { // neighbours, which a bit might hit
			p.says(t, ada, p.group(t, ada), fmt.Sprint("canary ", n))
		}
		rnd := rand.New(rand.NewPCG(5, 6)) // the same each time
		for kind, id := range named {
			var flipped []string
			for len(flipped) < 500 {
				b := []byte(id)
				for range 1 + len(flipped)/250 {
					b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(7)
				}
				if string(b) != id {
					flipped = append(flipped, string(b))
				}
			}
			for part := range slices.Chunk(flipped, 100) {
				for _, who := range []person{cyd, ada} {
					var d struct{ Nodes []*struct{ ID string } }
					if err := p.gql(t.Context(), who.token, `query($i: [ID!]!) { nodes(ids: $i) { id } }`, vars("i", part), &d); err != nil {
						t.Fatalf("%s: %v", kind, err)
					}
					for i, n := range d.Nodes {
						if n != nil && (who.name == cyd.name || n.ID != id) {
							t.Errorf("%q, made of %s, is %s for %s", part[i], id, n.ID, who.name)
						}
					}
				}
			}
			for _, odd := range flipped[:50] { // where one id is asked for
				for _, doc := range []string{`query($i: ID!) { conversation(id: $i) { id } }`, `query($i: ID!) { message(id: $i) { id } }`, `query($i: ID!) { messages(conversationId: $i) { edges { node { id } } } }`} {
					r := p.ask(t, cyd.token, doc, vars("i", odd))
					if r.code() != "NOT_FOUND" || strings.Contains(r.body, "canary") {
						t.Errorf("%s of %q: %v", doc, odd, r)
					}
				}
			}
		}
	})
}

// Members read the whole history from when they come in until they leave, and
// on no way more: what was said before is in every list, the search, threads and
// replays, and all of it is gone with the membership.
func TestWhoComesLateReadsAllAndWhoLeavesNothing(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		room := p.group(t, ada, bob)
		early := p.says(t, ada, room, "xylophone before")
		reply := p.says(t, ada, room, "xylophone reply", "threadRootId", early.ID, "replyToId", early.ID)
		file := p.upload(t, ada, "before.txt", []byte("xylophone"))
		if _, err := p.sendFiles(t, ada, room, "xylophone file", "", file); err != nil {
			t.Fatal(err)
		}
		if err := p.gql(t.Context(), ada.token, `mutation($m: ID!) { pinMessage(input: {messageId: $m}) { message { id } } editMessage(input: {id: $m, text: "xylophone edited"}) { message { id } } }`, vars("m", early.ID), nil); err != nil {
			t.Fatal(err)
		}
		p.searchesAll(t)
		var c struct{ Viewer struct{ StreamCursor string } }
		if err := p.gql(t.Context(), cyd.token, `{ viewer { streamCursor } }`, nil, &c); err != nil {
			t.Fatal(err)
		}
		ways := map[string]func() string{}
		for name, doc := range map[string]string{
			"messages": `{ messages(conversationId: "` + room + `") { edges { node { text } } } }`, "message": `{ message(id: "` + early.ID + `") { text } }`,
			"edits": `{ message(id: "` + early.ID + `") { edits(first: 3) { edges { node { text } } } } }`, "thread": `{ thread(rootId: "` + early.ID + `") { root { text } edges { node { text } } } }`,
			"replies": `{ message(id: "` + reply.ID + `") { text replyTo { text } } }`, "pins": `{ pinnedMessages(conversationId: "` + room + `") { edges { node { text } } } }`,
			"search": `{ searchMessages(query: "xylophone") { edges { node { text } } } }`, "search there": `{ searchMessages(query: "xylophone", conversationId: "` + room + `") { edges { node { text } } } }`,
			"conversations": `{ conversations { edges { node { lastMessage { text } } } } }`, "node": `{ node(id: "` + early.ID + `") { ... on Message { text } } }`,
			"entities": `{ _entities(representations: [{__typename: "Message", id: "` + early.ID + `"}]) { ... on Message { text } } }`,
			"around":   `{ messages(conversationId: "` + room + `", aroundSeq: 1) { edges { node { text } } } }`,
		} {
			ways[name] = func() string { return p.ask(t, cyd.token, doc, nil).body }
		}
		ways["file"] = func() string { return string(p.files(t, cyd.token, "GET", "/files/"+file, nil).body) }
		ways["polled events since before"] = func() string {
			return p.ask(t, cyd.token, `query($a: String) { events(after: $a) { edges { node { ... on MessageAdded { message { text } } ... on MembershipChanged { conversation { lastMessage { text } } } } } } }`,
				vars("a", c.Viewer.StreamCursor)).body
		}
		tell := func(when string, want bool) {
			t.Helper()
			for name, way := range ways {
				if got := way(); strings.Contains(got, "xylophone") != want {
					t.Errorf("%s, %s: %.300s", when, name, got)
				}
			}
		}
		tell("before", false)
		if err := p.gql(t.Context(), ada.token, `mutation($i: AddMembersInput!) { addMembers(input: $i) { __typename } }`, vars("i", vars("conversationId", room, "userIds", []string{cyd.id})), nil); err != nil {
			t.Fatal(err)
		}
		p.says(t, ada, room, "xylophone after")
		p.searchesAll(t)
		tell("in", true)
		stream := listen(t, p.dial(t, cyd), "1", room, 0)
		if m := receive(t, stream); m.text() != "xylophone edited" {
			t.Errorf("replayed from the beginning: %q", m.text())
		}
		if err := p.gql(t.Context(), cyd.token, leaveDoc, vars("c", room), nil); err != nil {
			t.Fatal(err)
		}
		tell("gone", false)
	})
}

// Nothing of one conversation is shown in another, whatever a message points
// to: replies and threads stay in theirs, an id in a text is a text, and what
// is quoted is asked for anew by each who reads.
func TestAQuoteShowsNobodyWhatHeMayNotRead(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		secret, open := p.group(t, ada, bob), p.group(t, bob, cyd)
		said := p.says(t, ada, secret, "xylophone canary")
		cyds := listenAll(t, p.dial(t, cyd), "1", nil)
		receive(t, cyds)
		for _, field := range []string{"replyToId", "threadRootId"} {
			if _, err := p.say(t, bob, open, "look", field, said.ID); codeOf(err) != "BAD_USER_INPUT" || fieldOf(err) != "input."+field {
				t.Errorf("%s: %v", field, err)
			}
		}
		file := p.upload(t, ada, "xylophone.txt", []byte("xylophone"))
		if _, err := p.sendFiles(t, ada, secret, "with a file", "", file); err != nil {
			t.Fatal(err)
		}
		if _, err := p.sendFiles(t, bob, open, "look", "", file); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("another's file: %v", err)
		}
		text := "look: " + said.ID + " /files/" + file + " [there](" + p.url("/m/"+said.ID) + ") @user0"
		link := p.says(t, bob, open, text)
		if link.Mentions != nil && len(link.Mentions.Users) > 0 {
			t.Errorf("mentions who is not in it: %+v", link.Mentions)
		}
		if e := receive(t, cyds); e.Message.text() != text {
			t.Errorf("cyd hears %+v", e)
		}
		const whole = `query($c: ID!) { messages(conversationId: $c) { edges { node { text replyTo { text } thread { replyCount } attachments { name url } } } } conversation(id: $c) { lastMessage { text } } }`
		if r := p.ask(t, cyd.token, whole, vars("c", open)); strings.Contains(r.body, "xylophone") || r.code() != "" {
			t.Errorf("cyd reads %v", r)
		}
		// What is quoted in its own conversation follows its message.
		reply := p.says(t, bob, secret, "indeed", "replyToId", said.ID)
		quoted := func() string {
			return p.ask(t, bob.token, `query($m: ID!) { message(id: $m) { replyTo { text deletedAt } } }`, vars("m", reply.ID)).body
		}
		if got := quoted(); !strings.Contains(got, "xylophone canary") {
			t.Errorf("quoted: %s", got)
		}
		if err := p.gql(t.Context(), ada.token, `mutation($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`, vars("m", said.ID), nil); err != nil {
			t.Fatal(err)
		}
		if got := quoted(); strings.Contains(got, "xylophone") || !strings.Contains(got, `"text":null`) {
			t.Errorf("quoted after its deletion: %s", got)
		}
	})
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
