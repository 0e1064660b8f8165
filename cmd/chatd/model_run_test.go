package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/wsgql/wsclient"
)

// modelRun has users do random things, one after the other, to the program and
// to the model.
type modelRun struct {
	*testing.T
	p      *program
	rnd    *rand.Rand
	people []person
	rooms  []*modelRoom
	listen []*modelListener
	keys   int
	done   map[string]int // by operation and code
}

// modelListener follows everything of one user, over connections that are cut,
// and keeps the newest state of each message.
type modelListener struct {
	mu     sync.Mutex
	cursor string
	newest map[string]foldMessage
	resets int
	fences map[string]bool
	conn   *wsclient.Conn
	cuts   int
}

func (l *modelListener) connect(t testing.TB, p *program, who person) {
	t.Helper()
	l.mu.Lock()
	after := any(nil)
	if l.cursor != "" {
		after = l.cursor
	}
	l.mu.Unlock()
	l.conn = p.dial(t, who)
	if err := l.conn.Subscribe("all", foldDoc, vars("a", after), func(e wsclient.Event) {
		var d struct{ Data struct{ Events foldEvent } }
		if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		ev := d.Data.Events
		l.cursor = ev.Cursor
		switch {
		case ev.Type == "Reset":
			l.resets++
		case ev.Type == "MembershipChanged" && ev.User.ID == who.id && ev.Change != "ROLE":
			// What was while he was away he would read afresh.
			maps.DeleteFunc(l.newest, func(_ string, m foldMessage) bool { return m.ConversationID == ev.ConversationID })
		case ev.Message.ID != "" && ev.Message.Rev >= l.newest[ev.Message.ID].Rev:
			l.newest[ev.Message.ID] = ev.Message
			if ev.Type == "MessageAdded" {
				l.fences[ev.Message.text()] = true
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	barrier(t, l.conn)
}

func (r *modelRun) ask(who person, doc string, in map[string]any, out any) string {
	return codeOf(r.p.gql(context.WithoutCancel(r.Context()), who.token, doc, vars("i", in), out))
}

// expect compares an answer to the model's.
func (r *modelRun) expect(op string, who person, room *modelRoom, got, want string) bool {
	r.Helper()
	if r.done[op+" "+want]++; got != want {
		r.Errorf("%s by %s in %v: %q instead of %q", op, who.id, room, got, want)
	}
	return got == "" && want == ""
}

// step does one random thing.
func (r *modelRun) step() {
	r.Helper()
	room, who, other := pick(r.rnd, r.rooms), pick(r.rnd, r.people), pick(r.rnd, r.people)
	m := pick(r.rnd, room.messages)
	if len(room.messages) > 8 && r.rnd.IntN(2) == 0 {
		m = room.messages[len(room.messages)-1-r.rnd.IntN(8)] // what is talked about
	}
	to := func(name string, more ...any) (string, map[string]any) {
		in := vars(more...)
		if name == "editMessage" || name == "deleteMessage" {
			in["id"] = m.id
		} else {
			in["messageId"] = m.id
		}
		return fmt.Sprintf(`mutation($i: %s%sInput!) { %s(input: $i) { message { id } } }`, string(name[0]-32), name[1:], name), in
	}
	of := func(name string, more ...any) (string, map[string]any) {
		in := vars(more...)
		in["conversationId"] = room.id
		return fmt.Sprintf(`mutation($i: %s%sInput!) { %s(input: $i) { __typename } }`, string(name[0]-32), name[1:], name), in
	}
	n := r.rnd.IntN(100)
	if m == nil {
		n = r.rnd.IntN(20)
	}
	switch {
	case n < 22:
		r.send(room, who, "", "")
	case n < 26: // a retry gives the first, whatever has become of it
		if r.keys > 0 {
			r.send(room, who, fmt.Sprint("key ", r.rnd.IntN(r.keys)), "")
		}
	case n < 36:
		r.send(room, who, "", m.id)
	case n < 46:
		text := fmt.Sprint("edited ", r.rnd.Uint32())
		doc, in := to("editMessage", "text", text)
		want := room.mayChange(who.id, m.sender == who.id)
		if want == "" && m.deleted {
			want = "FAILED_PRECONDITION"
		}
		if r.expect("edit", who, room, r.ask(who, doc, in, nil), want) {
			m.text = text
			m.edits++
		}
	case n < 51:
		doc, in := to("deleteMessage")
		if r.expect("delete", who, room, r.ask(who, doc, in, nil), room.mayChange(who.id, m.sender == who.id || room.rules(who.id))) {
			m.delete()
		}
	case n < 63:
		emoji := pick(r.rnd, someEmoji)
		doc, in := to("addReaction", "emoji", emoji)
		want := room.mayChange(who.id, true)
		if want == "" && m.deleted {
			want = "FAILED_PRECONDITION"
		}
		if r.expect("react", who, room, r.ask(who, doc, in, nil), want) {
			m.react(who.id, emoji)
		}
	case n < 68:
		emoji := pick(r.rnd, someEmoji)
		doc, in := to("removeReaction", "emoji", emoji)
		want := room.mayChange(who.id, true)
		if want == "" && m.deleted {
			want = "FAILED_PRECONDITION"
		}
		if r.expect("unreact", who, room, r.ask(who, doc, in, nil), want) {
			m.unreact(who.id, emoji)
		}
	case n < 74:
		name := pick(r.rnd, []string{"pinMessage", "unpinMessage"})
		doc, in := to(name)
		want := room.mayChange(who.id, true)
		if want == "" && m.deleted {
			want = "FAILED_PRECONDITION"
		}
		if want == "" && name == "pinMessage" && !m.pinned && room.pins() == 100 {
			want = "FAILED_PRECONDITION"
		}
		if r.expect(name, who, room, r.ask(who, doc, in, nil), want) {
			m.pinned = name == "pinMessage"
		}
	case n < 81:
		doc, in := of("markRead", "seq", m.seq)
		if r.expect("markRead", who, room, r.ask(who, doc, in, nil), room.mayChange(who.id, true)) {
			room.read[who.id] = max(room.read[who.id], m.seq)
		}
	case n < 83:
		if m.seq > room.read[who.id] {
			return
		}
		doc, in := of("markUnread", "seq", m.seq)
		if r.expect("markUnread", who, room, r.ask(who, doc, in, nil), room.mayChange(who.id, true)) {
			room.read[who.id] = m.seq - 1
		}
	case n < 89:
		r.add(room, who, other)
	case n < 91:
		doc, in := of("removeMember", "userId", other.id)
		want := room.mayChange(who.id, room.role[who.id] == "OWNER" && room.role[other.id] != "OWNER" || room.role[who.id] == "ADMIN" && room.role[other.id] == "MEMBER")
		if !room.in(other.id) {
			want = "NOT_FOUND"
		}
		if r.expect("remove", who, room, r.ask(who, doc, in, nil), want) {
			room.leave(other.id)
		}
	case n < 92:
		if len(room.members) == 1 {
			return // it would be archived
		}
		doc, in := of("leaveConversation")
		if r.expect("leave", who, room, r.ask(who, doc, in, nil), room.mayChange(who.id, true)) {
			room.leave(who.id)
		}
	case n < 96:
		role := pick(r.rnd, []string{"ADMIN", "MEMBER"})
		doc, in := of("setMemberRole", "userId", other.id, "role", role)
		want := room.mayChange(who.id, room.role[who.id] == "OWNER" && who.id != other.id)
		if !room.in(other.id) {
			want = "NOT_FOUND"
		}
		if r.expect("setRole", who, room, r.ask(who, doc, in, nil), want) {
			room.role[other.id] = role
		}
	case n < 97:
		doc, in := of("transferOwnership", "userId", other.id)
		want := room.mayChange(who.id, room.role[who.id] == "OWNER" && who.id != other.id)
		if !room.in(other.id) {
			want = "NOT_FOUND"
		}
		if r.expect("transfer", who, room, r.ask(who, doc, in, nil), want) {
			room.role[who.id], room.role[other.id] = "ADMIN", "OWNER"
		}
	default:
		name := fmt.Sprint("room ", r.rnd.IntN(1000))
		doc, in := of("updateGroup", "name", name)
		if r.expect("rename", who, room, r.ask(who, doc, in, nil), room.mayChange(who.id, room.rules(who.id))) {
			room.name = name
		}
	}
}

func (r *modelRun) add(room *modelRoom, who, other person) {
	r.Helper()
	got := r.ask(who, `mutation($i: AddMembersInput!) { addMembers(input: $i) { __typename } }`, vars("conversationId", room.id, "userIds", []string{other.id}), nil)
	if !r.expect("add", who, room, got, room.mayChange(who.id, true)) || room.in(other.id) {
		return
	}
	room.members, room.role[other.id] = append(room.members, other.id), "MEMBER"
	if len(room.messages) > 0 {
		room.read[other.id] = room.messages[len(room.messages)-1].seq
	}
}

// send sends, with a key of before or a new one, and perhaps in a thread.
func (r *modelRun) send(room *modelRoom, who person, key, root string) {
	r.Helper()
	in := vars("conversationId", room.id, "clientId", key)
	text := fmt.Sprint("message ", r.rnd.Uint32())
	if key == "" {
		key = fmt.Sprint("key ", r.keys)
		r.keys++
		in["clientId"] = key
	}
	key = who.id + " " + key
	first := room.byKey[key]
	if first != nil {
		text = first.original
	}
	in["text"] = text
	want := room.mayChange(who.id, true)
	if root != "" {
		in["threadRootId"] = root
		if i := slices.IndexFunc(room.messages, func(m *modelMessage) bool { return m.id == root }); want == "" && room.messages[i].root != "" {
			want = "BAD_USER_INPUT"
		}
	}
	if first != nil && first.root != "" {
		in["threadRootId"] = first.root
	}
	var d struct{ SendMessage struct{ Message foldMessage } }
	if !r.expect("send", who, room, r.ask(who, sayDoc, in, &d), want) {
		return
	}
	got := d.SendMessage.Message
	if first != nil {
		if got.show() != room.show(first) {
			r.Errorf("a retry gave\n%s\ninstead of\n%s", got.show(), room.show(first))
		}
		return
	}
	if got.Seq <= room.lastSeq {
		r.Errorf("seq %d after %d", got.Seq, room.lastSeq)
	}
	m := &modelMessage{id: got.ID, seq: got.Seq, text: text, original: text, sender: who.id, root: root, reactions: map[string]map[string]bool{}}
	room.messages, room.byKey[key], room.lastSeq, room.read[who.id] = append(room.messages, m), m, got.Seq, got.Seq
	if got.show() != room.show(m) {
		r.Errorf("sent\n%s\nwant\n%s", got.show(), room.show(m))
	}
}

// same compares what each user can read to the model.
func (r *modelRun) same(when string) {
	r.Helper()
	for _, room := range r.rooms {
		for _, who := range r.people {
			var d struct{ Conversation *foldConversation }
			code := codeOf(r.p.gql(context.WithoutCancel(r.Context()), who.token, `query($c: ID!) { conversation(id: $c) { ...C } } `+conversationParts, vars("c", room.id), &d))
			if !room.in(who.id) {
				if code != "NOT_FOUND" {
					r.Errorf("%s: %s, who is not in it, sees %q", when, who.id, code)
				}
				continue
			}
			if code != "" {
				r.Errorf("%s: %q", when, code)
				continue
			}
			c := d.Conversation.display()
			if c.name != room.name || fmt.Sprint(c.members) != fmt.Sprint(room.role) || c.unread != room.unread(who.id) {
				r.Errorf("%s: %s sees %s %v, %d unread of %d; want %v, %d unread", when, who.id, c.name, c.members, c.unread, d.Conversation.LastSeq, room, room.unread(who.id))
			}
		}
		var owner person
		for _, who := range r.people {
			if room.role[who.id] == "OWNER" {
				owner = who
			}
		}
		var got []foldMessage
		for seq, after := 0, any(nil); ; seq++ {
			var d struct {
				Messages struct {
					Edges []struct {
						Cursor string
						Node   foldMessage
					}
					PageInfo struct{ HasNextPage bool }
				}
			}
			if err := r.p.gql(context.WithoutCancel(r.Context()), owner.token, `query($c: ID!, $a: String) { messages(conversationId: $c, first: 50, after: $a) { edges { cursor node { ...M } } pageInfo { hasNextPage } } } `+messageParts,
				vars("c", room.id, "a", after), &d); err != nil {
				r.Fatal(err)
			}
			for _, e := range d.Messages.Edges {
				if after = e.Cursor; e.Node.Kind != "SYSTEM" {
					got = append(got, e.Node)
				}
			}
			if !d.Messages.PageInfo.HasNextPage {
				break
			}
		}
		if len(got) != len(room.messages) {
			r.Fatalf("%s: %d messages are stored, %d in the model", when, len(got), len(room.messages))
		}
		for i := range got {
			if a, b := got[i].show(), room.show(room.messages[i]); a != b {
				r.Errorf("%s:\n%s\nis stored, in the model\n%s", when, a, b)
			}
		}
	}
}

// heard compares what those who listened have in the end to the model: they
// were cut off at random, and have each message that they ever saw in a
// conversation in which they are as it is now. Who was in it all the time has
// every one.
func (r *modelRun) heard(always map[string]bool) {
	r.Helper()
	for i, who := range r.people {
		l := r.listen[i]
		for _, room := range r.rooms {
			if !room.in(who.id) {
				continue
			}
			fence := fmt.Sprint("fence ", i, room.id)
			if _, err := r.p.send(context.WithoutCancel(r.Context()), who, room.id, fence, ""); err != nil {
				r.Fatal(err)
			}
			await(r, grace+20e9, fence, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.fences[fence] })
		}
		l.mu.Lock()
		for _, room := range r.rooms {
			if !room.in(who.id) {
				continue
			}
			for _, m := range room.messages {
				got, known := l.newest[m.id]
				if known && got.show() != room.show(m) || !known && always[who.id+room.id] {
					r.Errorf("%s has\n%s\nof\n%s", who.id, got.show(), room.show(m))
				}
			}
		}
		if l.resets > 0 {
			r.Errorf("%d resets", l.resets)
		}
		l.mu.Unlock()
	}
}

// The server does what the model says, step by step, on every store: the same
// answers, the same state, and for those who listen, however often they are cut
// off, the same in the end.
func TestRandomOperationsDoWhatTheModelSays(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		for name, seed := range map[string]uint64{"a fixed seed": 7, "a random seed": rand.Uint64()} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := &modelRun{T: t, p: p, rnd: rand.New(rand.NewPCG(seed, 1)), people: p.people(t, strings.ReplaceAll(name, " ", "-"), 5), done: map[string]int{}}
				steps := modelSteps
				if slices.Contains(args, "--mongo-url") {
					steps = modelSteps / 7 // a step takes so much longer there
				}
				t.Logf("seed %d, %d steps", seed, steps)
				always := map[string]bool{}
				for n := range 2 {
					owner := r.people[n]
					room := newModelRoom(p.group(t, owner), "a group", owner.id)
					r.rooms = append(r.rooms, room)
					for _, other := range r.people[:4] {
						r.add(room, owner, other)
					}
					for _, who := range r.people {
						always[who.id+room.id] = room.in(who.id)
					}
				}
				for _, who := range r.people {
					l := &modelListener{newest: map[string]foldMessage{}, fences: map[string]bool{}}
					l.connect(t, p, who)
					await(t, grace+20e9, "the first cursor", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.cursor != "" })
					r.listen = append(r.listen, l)
				}
				for n := range steps {
					r.step()
					for _, room := range r.rooms {
						for _, who := range r.people {
							always[who.id+room.id] = always[who.id+room.id] && room.in(who.id)
						}
					}
					if i := r.rnd.IntN(5 * 40); i < 5 { // now and then a connection is cut
						_ = r.listen[i].conn.Close()
						<-r.listen[i].conn.Done()
						r.listen[i].cuts++
						r.listen[i].connect(t, p, r.people[i])
					}
					if n%(steps/4) == 0 {
						r.same(fmt.Sprint("after step ", n))
					}
					if t.Failed() {
						t.FailNow()
					}
				}
				r.same("in the end")
				r.heard(always)
				if !slices.Contains(args, "--mongo-url") && len(r.done) < 30 {
					t.Errorf("only %d kinds of outcome: %v", len(r.done), r.done)
				}
				cuts := 0
				for _, l := range r.listen {
					cuts += l.cuts
				}
				t.Logf("%d cuts, %v", cuts, r.done)
			})
		}
	})
}
