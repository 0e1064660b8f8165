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
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// display is what a client shows of a conversation.
type display struct {
	name     string
	members  map[string]string // role by user
	unread   int
	lastRead int
	has      int                 // delivered up to
	messages map[int]foldMessage // by seq
	base     int                 // messages above it must all be known
}

// The parts of the documents by which it is known.
const (
	messageParts = `fragment M on Message { id seq rev text kind conversationId sender { id } ...K
		threadRootId thread { replyCount lastReplySeq } mentions { all users(first: 3) { id } } } ` + markParts
	conversationParts = `fragment C on Conversation { id name lastSeq unreadCount lastReadSeq viewerMembership { deliveredSeq } members(first: 50) { edges { node { user { id } role } } } }`
	foldDoc           = `subscription($a: String) { events(after: $a) { __typename cursor
		... on MessageAdded { message { ...M } unreadCount }
		... on MessageChanged { message { ...M } unreadCount }
		... on MembershipChanged { conversationId conversation { ...C } user { id } change role }
		... on ConversationChanged { conversationId conversation { ...C } }
		... on ReceiptChanged { conversationId user { id } readSeq deliveredSeq unreadCount } } } ` + messageParts + conversationParts
)

type foldMessage struct {
	message
	Kind           string
	ConversationID string
	Sender         struct{ ID string }
	aside
	marks
}

// aside is what a message has of threads and mentions.
type aside struct {
	ThreadRootID *string
	Thread       *struct{ ReplyCount, LastReplySeq int }
	Mentions     *struct {
		All   bool
		Users []struct{ ID string }
	}
}

func (a aside) String() string {
	b, _ := json.Marshal(a)
	return string(b)
}

type foldConversation struct {
	ID, Name                          string
	LastSeq, UnreadCount, LastReadSeq int
	ViewerMembership                  struct{ DeliveredSeq int }
	Members                           struct {
		Edges []struct {
			Node struct {
				User struct{ ID string }
				Role string
			}
		}
	}
}

func (c *foldConversation) display() *display {
	s := &display{
		name: c.Name, members: map[string]string{}, unread: c.UnreadCount, lastRead: c.LastReadSeq, has: c.ViewerMembership.DeliveredSeq,
		messages: map[int]foldMessage{}, base: c.LastSeq,
	}
	for _, e := range c.Members.Edges {
		s.members[e.Node.User.ID] = e.Node.Role
	}
	return s
}

type foldEvent struct {
	Type           string `json:"__typename"`
	Cursor         string
	Message        foldMessage
	ConversationID string
	Conversation   *foldConversation
	User           struct{ ID string }
	Change, Role   string
	ReadSeq        int
	DeliveredSeq   int
	UnreadCount    int
}

// observer is a client that takes a snapshot and keeps it up by events alone.
type observer struct {
	p     *program
	who   person
	rooms []string
	final string // the text that ends the script

	begun  *sync.WaitGroup // done when the snapshot is there
	joined sync.Once

	mu     sync.Mutex
	cursor string
	state  map[string]*display
	resets int
	aside  int // events of messages with a thread or mentions
	events int
	trace  []string      // of the events, for the case that they do not fold
	done   chan struct{} // closed when final has come
}

// fresh asks for the whole state.
func (o *observer) fresh(ctx context.Context) (cursor string, state map[string]*display, err error) {
	var d struct {
		Viewer struct{ StreamCursor string }
		Nodes  []*foldConversation
	}
	if err := o.p.gql(ctx, o.who.token, `query($ids: [ID!]!) { viewer { streamCursor } nodes(ids: $ids) { ...C } }`+conversationParts,
		vars("ids", o.rooms), &d); err != nil {
		return "", nil, err
	}
	state = map[string]*display{}
	for _, c := range d.Nodes {
		if c == nil {
			continue
		}
		s := c.display()
		s.base = 0
		state[c.ID] = s
		var m struct {
			Messages struct{ Edges []struct{ Node foldMessage } }
		}
		err := o.p.gql(ctx, o.who.token, `query($c: ID!) { messages(conversationId: $c, first: 90) { edges { node { ...M } } } }`+messageParts, vars("c", c.ID), &m)
		if codeOf(err) == "NOT_FOUND" { // has just left; the events will tell
			continue
		}
		if err != nil {
			return "", nil, err
		}
		for _, e := range m.Messages.Edges {
			s.messages[e.Node.Seq] = e.Node
		}
	}
	return d.Viewer.StreamCursor, state, nil
}

// run observes until the final message, on connections that last a while each.
func (o *observer) run(ctx context.Context) error {
	defer o.joined.Do(o.begun.Done)
	var err error
	for o.cursor == "" || codeOf(err) == "NOT_FOUND" { // a membership may end in the middle of it
		if o.cursor, o.state, err = o.fresh(ctx); err != nil && codeOf(err) != "NOT_FOUND" {
			return err
		}
	}
	o.joined.Do(o.begun.Done)
	for {
		c, err := wsclient.Dial(ctx, o.p.ws(), vars("authorization", "Bearer "+o.who.token))
		if err != nil {
			return err
		}
		o.mu.Lock()
		after := o.cursor
		o.mu.Unlock()
		err = c.Subscribe("1", foldDoc, vars("a", after), o.event)
		if err == nil {
			select {
			case <-o.done:
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(100*time.Millisecond + rand.N(400*time.Millisecond)):
			}
		}
		_ = c.Close()
		select {
		case <-o.done:
			return nil
		default:
			if err != nil {
				return err
			}
		}
	}
}

func (o *observer) event(e wsclient.Event) {
	var d struct{ Data *struct{ Events foldEvent } }
	if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil || d.Data == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.apply(&d.Data.Events)
}

// apply folds one event into the state; o.mu is held.
func (o *observer) apply(e *foldEvent) {
	o.cursor = e.Cursor
	o.events++
	o.trace = append(o.trace, fmt.Sprintf("%s %s%s seq %d rev %d, user %s %s %s, read %d unread %d", e.Type, e.ConversationID,
		e.Message.ConversationID, e.Message.Seq, e.Message.Rev, e.User.ID, e.Change, e.Role, e.ReadSeq, e.UnreadCount))
	switch e.Type {
	case "Reset":
		o.resets++
	case "MessageAdded", "MessageChanged":
		o.applyMessage(e)
	case "MembershipChanged":
		o.applyMembership(e)
	case "ConversationChanged":
		if o.state[e.ConversationID] == nil && e.Conversation != nil {
			o.state[e.ConversationID] = e.Conversation.display()
		} else if e.Conversation != nil {
			o.state[e.ConversationID].name = e.Conversation.Name
		}
	case "ReceiptChanged":
		if s := o.state[e.ConversationID]; s != nil {
			s.unread = e.UnreadCount
			if e.User.ID == o.who.id {
				s.lastRead, s.has = e.ReadSeq, e.DeliveredSeq
			}
		}
	}
}

func (o *observer) applyMessage(e *foldEvent) {
	m := e.Message
	if m.text() == o.final {
		select {
		case <-o.done:
		default:
			close(o.done)
		}
	}
	s := o.state[m.ConversationID]
	if s == nil {
		return
	}
	if known, ok := s.messages[m.Seq]; !ok || known.Rev < m.Rev {
		s.messages[m.Seq] = m
	}
	if m.Thread != nil || m.Mentions != nil {
		o.aside++
	}
	s.unread = e.UnreadCount
	// Who sends has read up to there. What he has sent before a receipt is in it:
	// that is told by how far he has been delivered to.
	if m.Sender.ID == o.who.id && m.Kind == "TEXT" && m.Seq > s.has {
		s.lastRead, s.has = m.Seq, m.Seq
	}
}

func (o *observer) applyMembership(e *foldEvent) {
	s := o.state[e.ConversationID]
	gone := e.Change == "LEFT" || e.Change == "REMOVED"
	switch {
	case e.User.ID == o.who.id && gone:
		delete(o.state, e.ConversationID)
	case s == nil && e.User.ID == o.who.id && e.Conversation != nil:
		o.state[e.ConversationID] = e.Conversation.display()
	case s == nil:
	case gone:
		delete(s.members, e.User.ID)
	default:
		s.members[e.User.ID] = e.Role
	}
}

// diff compares what was folded with what a fresh query tells.
func (o *observer) diff(ctx context.Context) (diffs []string, err error) {
	_, want, err := o.fresh(ctx)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	tell := func(format string, args ...any) {
		diffs = append(diffs, o.who.name+": "+fmt.Sprintf(format, args...))
	}
	for _, room := range o.rooms {
		got, want := o.state[room], want[room]
		if got == nil || want == nil {
			if got != want {
				tell("conversation %s: folded %v, fresh %v, by\n\t%s", room, got != nil, want != nil, strings.Join(o.trace, "\n\t"))
			}
			continue
		}
		if !maps.Equal(got.members, want.members) {
			tell("members of %s: folded %v, fresh %v", room, got.members, want.members)
		}
		if got.name != want.name {
			tell("name of %s: folded %q, fresh %q", room, got.name, want.name)
		}
		if got.unread != want.unread || got.lastRead != want.lastRead || got.has != want.has {
			tell("%s: folded %d unread after %d of %d, fresh %d after %d of %d, by\n\t%s",
				room, got.unread, got.lastRead, got.has, want.unread, want.lastRead, want.has,
				strings.Join(o.trace, "\n\t"))
		}
		for seq, m := range want.messages {
			f, ok := got.messages[seq]
			if !ok && seq <= got.base {
				continue // older than the membership
			}
			if f.aside.String() != m.aside.String() || f.marks.String() != m.marks.String() {
				tell("message %d of %s: folded %s with %s, fresh %s with %s", seq, room, f.aside, f.marks, m.aside, m.marks)
			}
			if f.ID != m.ID || f.Rev != m.Rev || f.text() != m.text() || (f.Text == nil) != (m.Text == nil) {
				tell("message %d of %s: folded %v %q at %d, fresh %q at %d", seq, room, ok, f.text(), f.Rev, m.text(), m.Rev)
			}
		}
		for seq := range got.messages {
			if _, ok := want.messages[seq]; !ok {
				tell("message %d of %s is only folded", seq, room)
			}
		}
	}
	return diffs, nil
}

// script is random actions of several people at once.
type script struct {
	p      *program
	people []person
	rooms  []string // the last is everybody's, and nobody leaves it
	rng    *rand.Rand

	mu   sync.Mutex
	sent []foldMessage
	bad  []string // answers that no action may get
}

// act does one random action; that it is refused for what others have done
// meanwhile is part of it.
func (s *script) act(ctx context.Context) {
	s.mu.Lock()
	who, other := s.people[s.rng.IntN(len(s.people))], s.people[s.rng.IntN(len(s.people))]
	room := s.rooms[s.rng.IntN(len(s.rooms)-1)]
	dice, text, seq := s.rng.IntN(125), fmt.Sprint("text ", s.rng.Uint32()), s.rng.IntN(40)
	var own foldMessage
	if len(s.sent) > 0 {
		own = s.sent[s.rng.IntN(len(s.sent))]
	}
	s.mu.Unlock()
	if own.ID != "" && dice >= 45 && dice < 68 {
		who = s.people[slices.IndexFunc(s.people, func(p person) bool { return p.id == own.Sender.ID })]
	}
	var err error
	do := func(doc string, in map[string]any) { err = s.p.gql(ctx, who.token, doc, vars("i", in), nil) }
	switch {
	case dice < 45 || own.ID == "" && dice < 68:
		in := vars("conversationId", room, "text", text)
		if dice < 20 && own.ID != "" && own.ThreadRootID == nil {
			in["conversationId"], in["threadRootId"] = own.ConversationID, own.ID
		}
		if dice%3 == 0 {
			in["text"] = text + " @all and @" + other.name
		}
		var d struct{ SendMessage struct{ Message foldMessage } }
		if err = s.p.gql(ctx, who.token, `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { ...M } } } `+messageParts, vars("i", in), &d); err == nil {
			f := d.SendMessage.Message
			s.mu.Lock()
			s.sent = append(s.sent, f)
			s.mu.Unlock()
		}
	case dice < 58:
		do(`mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`, vars("id", own.ID, "text", text))
	case dice < 68:
		do(`mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { id } } }`, vars("id", own.ID))
	case dice < 70:
		do(`mutation($i: UpdateGroupInput!) { updateGroup(input: $i) { conversation { id } } }`, vars("conversationId", room, "name", text))
	case dice < 72:
		do(`mutation($i: MarkUnreadInput!) { markUnread(input: $i) { conversation { id } } }`, vars("conversationId", room, "seq", 1+seq/4))
	case dice < 80:
		do(`mutation($i: MarkReadInput!) { markRead(input: $i) { conversation { id } } }`, vars("conversationId", room, "seq", seq))
	case dice < 83:
		do(`mutation($i: SetMemberRoleInput!) { setMemberRole(input: $i) { conversation { id } } }`,
			vars("conversationId", room, "userId", other.id, "role", roleOrder[1+seq%2]))
	case dice < 85:
		do(`mutation($i: RemoveMemberInput!) { removeMember(input: $i) { conversation { id } } }`, vars("conversationId", room, "userId", other.id))
	case dice < 87:
		do(`mutation($i: TransferOwnershipInput!) { transferOwnership(input: $i) { conversation { id } } }`, vars("conversationId", room, "userId", other.id))
	case dice < 94:
		do(`mutation($i: AddMembersInput!) { addMembers(input: $i) { conversation { id } } }`, vars("conversationId", room, "userIds", []string{other.id}))
	case dice >= 100 && own.ID == "":
	case dice >= 121:
		err = s.p.mark(ctx, who, []string{"pinMessage", "unpinMessage"}[seq%2], own.ID, "", nil)
	case dice >= 112:
		err = s.p.mark(ctx, who, "removeReaction", own.ID, someEmoji[seq%len(someEmoji)], nil)
	case dice >= 100:
		err = s.p.mark(ctx, who, "addReaction", own.ID, someEmoji[seq%len(someEmoji)], nil)
	default:
		do(`mutation($i: LeaveConversationInput!) { leaveConversation(input: $i) { ok } }`, vars("conversationId", room))
	}
	code := codeOf(err)
	if unread := dice >= 68 && dice < 72; unread && code == "BAD_USER_INPUT" { // there is no such message yet
		code = ""
	}
	switch code {
	case "", "NOT_FOUND", "FORBIDDEN", "FAILED_PRECONDITION":
	default:
		s.mu.Lock()
		s.bad = append(s.bad, fmt.Sprint(dice, " ", err))
		s.mu.Unlock()
	}
}

// play runs the script with observers who join in the middle of it, and
// returns how their states differ from fresh ones.
func (s *script) play(t testing.TB, observers, actions int) (diffs []string, events, asides int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	final := "the end"
	var all []*observer
	var watching, joined sync.WaitGroup
	for i := range observers {
		o := &observer{
			p: s.p, who: s.people[(i*2+s.rng.IntN(2))%len(s.people)], rooms: s.rooms, final: final,
			begun: &joined, done: make(chan struct{}),
		}
		joined.Add(1)
		all = append(all, o)
	}
	joins := make([]int, observers) // after so many actions
	for i := range joins {
		joins[i] = s.rng.IntN(actions)
	}
	begun := 0
	var acting sync.WaitGroup
	slots := make(chan struct{}, 3)
	for n := range actions {
		for begun < observers && slices.Sorted(slices.Values(joins))[begun] <= n {
			o := all[begun]
			begun++
			watching.Go(func() {
				if err := o.run(ctx); err != nil {
					t.Errorf("observer %s: %v after\n\t%s", o.who.name, err, strings.Join(o.trace, "\n\t"))
				}
			})
		}
		slots <- struct{}{}
		acting.Go(func() {
			defer func() { <-slots }()
			s.act(ctx)
		})
	}
	acting.Wait()
	joined.Wait() // the end must be an event for all of them
	if _, err := s.p.send(ctx, s.people[0], s.rooms[len(s.rooms)-1], final, ""); err != nil {
		t.Errorf("the end: %v", err)
	}
	watching.Wait()
	diffs = append(diffs, s.bad...)
	for _, o := range all {
		d, err := o.diff(ctx)
		if err != nil || o.resets != 0 {
			t.Errorf("observer %s: %v, %d resets", o.who.name, err, o.resets)
		}
		diffs, events, asides = append(diffs, d...), events+o.events, asides+o.aside
	}
	return diffs, events, asides
}

func TestEventsFoldedIntoASnapshotAreTheStateOfAFreshQuery(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		people := p.people(t, "user", 5)
		faults, all, aside := 0, 0, 0
		for n := range scripts {
			seed := rand.Uint64()
			s := &script{p: p, people: people, rng: rand.New(rand.NewPCG(seed, 0))}
			s.rooms = []string{
				p.group(t, people[0], people[1], people[2]), p.group(t, people[3], people[0]),
				p.group(t, people[0], people[1:]...),
			}
			diffs, events, asides := s.play(t, 3, scriptActions)
			all, aside = all+events, aside+asides
			if faults += len(diffs); len(diffs) > 0 {
				t.Errorf("script %d (seed %d): %d diffs, first %s", n, seed, len(diffs), diffs[0])
			}
			if t.Failed() && faults > 20 {
				break
			}
		}
		if aside == 0 {
			t.Error("no event told of a thread or mentions")
		}
		t.Logf("%d scripts of %d actions, 3 observers each, %d events, %d of them of threads and mentions: %d diffs", scripts, scriptActions, all, aside, faults)
	})
}
