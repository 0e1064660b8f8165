package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
	"chatd/internal/user/usersql"
	"chatd/migrations"
)

// house is the GraphQL face over chat and user on a SQLite file of its own,
// with neither auth nor sockets.
type house struct {
	t      *testing.T
	engine *gqlx.Engine
	user   *user.Service

	present *user.PresenceService
}

func newHouse(t *testing.T) *house {
	t.Helper()
	secret := bytes.Repeat([]byte("k"), 32)
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: filepath.Join(t.TempDir(), "chatd.db"), Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, set := range []string{"user", "chat"} {
		if err := db.Migrate(t.Context(), set, migrations.FS(set)); err != nil {
			t.Fatal(err)
		}
	}
	cursors := page.NewSealer(secret)
	people := user.New(user.Deps{Store: usersql.New(db), Cursors: cursors}, user.Config{})
	talk := chat.New(chat.Deps{Store: chatsql.New(db, chatsql.Config{}), Directory: people, Secret: secret, Log: zerolog.Nop(), Discretion: people}, chat.Config{})
	if err := talk.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	present := user.NewPresence(user.PresenceDeps{Store: usersql.New(db), Circle: talk, Log: zerolog.Nop()},
		user.PresenceConfig{Gather: time.Millisecond, Grace: time.Millisecond, Tick: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- talk.Run(ctx) }()
	go func() { ended <- present.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	codec, err := feed.NewCodec(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	viewers := feed.NewViewers(codec, feed.Config{Signals: present}, talk.Source())
	e, err := newEngine(parts{user: people, present: present, chat: talk, feed: viewers, cursors: cursors}, gqlx.Config{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &house{t, e, people, present}
}

// somebody is a signed-in user of the house.
type somebody struct {
	*house
	id  ids.User
	ctx context.Context //nolint:containedctx // The test's, with him in it.
}

func (h *house) somebody(name string) *somebody {
	h.t.Helper()
	id := ids.New[ids.User]()
	if err := h.user.Create(h.t.Context(), user.NewProfile{User: id, Username: name, DisplayName: name, CreatedAt: time.Now()}); err != nil {
		h.t.Fatal(err)
	}
	return &somebody{h, id, principal.With(h.t.Context(), principal.Principal{User: id, Role: principal.Member})}
}

func (s *somebody) run(into any, doc string, vars map[string]any) {
	s.t.Helper()
	got := s.engine.Exec(s.ctx, gqlx.Request{Query: doc, Variables: vars})
	if len(got.Errors) > 0 {
		s.t.Fatalf("%s: %+v", doc, got.Errors)
	}
	if into != nil {
		if err := json.Unmarshal(got.Data, into); err != nil {
			s.t.Fatal(err)
		}
	}
}

// group makes a group of him and others.
func (s *somebody) group(others ...*somebody) string {
	s.t.Helper()
	members := make([]any, len(others))
	for i, o := range others {
		members[i] = o.id.String()
	}
	var got struct {
		CreateGroup struct{ Conversation struct{ ID string } }
	}
	s.run(&got, `mutation G($m: [ID!]) { createGroup(input: {name: "group", memberIds: $m}) { conversation { id } } }`, map[string]any{"m": members})
	return got.CreateGroup.Conversation.ID
}

func (s *somebody) send(conversation, text string) string {
	s.t.Helper()
	var got struct {
		SendMessage struct{ Message struct{ ID string } }
	}
	s.run(&got, `mutation S($c: ID!, $t: String!) { sendMessage(input: {conversationId: $c, text: $t}) { message { id } } }`,
		map[string]any{"c": conversation, "t": text})
	return got.SendMessage.Message.ID
}

func (s *somebody) streamCursor() string {
	s.t.Helper()
	var got struct {
		Viewer struct {
			User         struct{ Username string }
			StreamCursor string
		}
	}
	s.run(&got, `{ viewer { user { username } streamCursor } }`, nil)
	return got.Viewer.StreamCursor
}

// sink gathers what a stream brings.
type sink chan feed.Item

func (s sink) Offer(it feed.Item) bool { s <- it; return true }
func (s sink) End(error)               { close(s) }

// listen subscribes and returns the function that waits for the next event and
// renders it for him.
func (s *somebody) listen(doc string, vars map[string]any) (next func() string) {
	s.t.Helper()
	live, refused := s.engine.Subscribe(s.ctx, gqlx.Request{Query: doc, Variables: vars})
	if refused != nil {
		s.t.Fatalf("%+v", refused.Errors)
	}
	got := make(sink, 1000)
	s.t.Cleanup(live.Stream.Close)
	if live.Stream.Start(got) {
		err := live.Stream.CatchUp(s.ctx, func(items []feed.Item) error {
			for _, it := range items {
				got <- it
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return func() string {
		s.t.Helper()
		select {
		case it := <-got:
			r, err := live.Render(s.ctx, it)
			if err != nil {
				s.t.Fatal(err)
			}
			return string(live.Append(nil, r, it.Local))
		case <-time.After(5*time.Second + grace):
			s.t.Fatal("no event")
			return ""
		}
	}
}

const eventSelection = `__typename cursor
	... on MessageAdded { message { seq text sender { username } } unreadCount }
	... on MessageChanged { message { seq rev text sender { username } } unreadCount }
	... on MembershipChanged { conversationId user { username } change role }
	... on ConversationChanged { conversationId }
	... on ReceiptChanged { conversationId user { username } readSeq deliveredSeq unreadCount }
	... on TypingChanged { conversationId user { username } typing }
	... on Reset { reason }`

func TestLivePolledAndReplayedEventsAreTheSameBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob, eve := h.somebody("ann"), h.somebody("bob"), h.somebody("eve")
	at := bob.streamCursor()
	next := bob.listen(`subscription { events { `+eventSelection+` } }`, nil)
	if first := next(); !strings.Contains(first, `"__typename":"StreamStarted"`) {
		t.Fatal(first)
	}
	c := ann.group(bob)
	m := ann.send(c, "one")
	ann.send(c, "two")
	ann.run(nil, `mutation E($id: ID!) { editMessage(input: {id: $id, text: "uno"}) { message { id } } }`, map[string]any{"id": m})
	ann.run(nil, `mutation A($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { id } } }`,
		map[string]any{"c": c, "u": eve.id.String()})

	var polled struct {
		Events struct {
			Edges []struct {
				Cursor string
				Node   json.RawMessage
			}
			PageInfo struct {
				HasNextPage bool
				EndCursor   string
			}
		}
	}
	const poll = `query P($at: String, $n: Int) { events(after: $at, first: $n) { edges { cursor node { ` + eventSelection + ` } } pageInfo { hasNextPage endCursor } } }`
	bob.run(&polled, poll, map[string]any{"at": at})
	if n := len(polled.Events.Edges); n < 5 {
		t.Fatalf("%d events", n)
	}
	replay := bob.listen(`subscription E($at: String) { events(after: $at) { `+eventSelection+` } }`, map[string]any{"at": at})
	replay() // StreamStarted
	for _, e := range polled.Events.Edges {
		want := fmt.Sprintf(`{"data":{"events":%s}}`, e.Node)
		if got := replay(); got != want {
			t.Errorf("replayed %s\npolled   %s", got, want)
		}
	}
	if last := replay(); !strings.Contains(last, `"__typename":"CaughtUp"`) || !strings.Contains(last, polled.Events.PageInfo.EndCursor) {
		t.Errorf("%s, want CaughtUp at %s", last, polled.Events.PageInfo.EndCursor)
	}
	// What is live was told in the state of its moment, the rest in today's.
	kinds := ""
	for {
		var live struct {
			Data struct {
				Events struct {
					Typename    string `json:"__typename"`
					UnreadCount int
					Message     struct {
						Text   string
						Sender struct{ Username string }
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(next()), &live); err != nil {
			t.Fatal(err)
		}
		e := live.Data.Events
		kinds += e.Typename + " "
		if e.Typename == "MessageAdded" && e.Message.Text == "two" {
			if e.UnreadCount != 2 || e.Message.Sender.Username != "ann" {
				t.Errorf("%+v", e)
			}
		}
		if e.Typename == "MembershipChanged" {
			break
		}
	}
	if !strings.Contains(kinds, "MessageAdded MessageAdded MessageChanged") {
		t.Error(kinds)
	}

	var rest struct {
		Events struct {
			Edges    []any
			PageInfo struct{ EndCursor string }
		}
	}
	bob.run(&rest, poll, map[string]any{"at": polled.Events.PageInfo.EndCursor})
	if len(rest.Events.Edges) != 0 || rest.Events.PageInfo.EndCursor == "" {
		t.Errorf("%+v", rest)
	}
}

func TestPollingPageByPageMissesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob := h.somebody("ann"), h.somebody("bob")
	at := bob.streamCursor()
	c := ann.group(bob)
	for i := range 5 {
		ann.send(c, fmt.Sprint(i))
	}
	texts := ""
	for {
		var got struct {
			Events struct {
				Edges []struct {
					Node struct{ Message struct{ Text string } }
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		bob.run(&got, `query P($at: String) { events(after: $at, first: 2) { edges { node { ... on MessageAdded { message { text } } } } pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"at": at})
		for _, e := range got.Events.Edges {
			texts += e.Node.Message.Text
		}
		if at = got.Events.PageInfo.EndCursor; !got.Events.PageInfo.HasNextPage {
			break
		}
	}
	if texts != "01234" {
		t.Fatal(texts)
	}
}

func TestACursorOfAnotherIsNoPosition(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob := h.somebody("ann"), h.somebody("bob")
	for _, at := range []string{ann.streamCursor(), "made up"} {
		got := h.engine.Exec(bob.ctx, gqlx.Request{Query: `query P($at: String) { events(after: $at) { pageInfo { endCursor } } }`, Variables: map[string]any{"at": at}})
		if len(got.Errors) != 1 || got.Errors[0].Code() != "BAD_USER_INPUT" || got.Errors[0].Extensions["field"] != "after" {
			t.Errorf("%+v", got.Errors)
		}
		next := bob.listen(`subscription E($at: String) { events(after: $at) { __typename ... on Reset { reason } } }`, map[string]any{"at": at})
		if next(); next() != `{"data":{"events":{"__typename":"Reset","reason":"UNKNOWN"}}}` {
			t.Error("no Reset")
		}
	}
}

func TestNodesAreFoundByIDOrNull(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob, eve := h.somebody("ann"), h.somebody("bob"), h.somebody("eve")
	c := ann.group(bob)
	m := ann.send(c, "hello")
	of := []any{bob.id.String(), c, "no id", m, ids.New[ids.Message]().String(), ids.New[ids.User]().String(), c}
	const doc = `query N($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on User { username } ... on Conversation { name } ... on Message { text sender { username } } } }`
	for _, tt := range []struct {
		who  *somebody
		want []string
	}{
		{bob, []string{"bob", "group", "", "hello", "", "", "group"}},
		{eve, []string{"bob", "", "", "", "", "", ""}},
	} {
		var got struct{ Nodes []map[string]any }
		tt.who.run(&got, doc, map[string]any{"ids": of})
		for i, n := range got.Nodes {
			name := ""
			for _, field := range []string{"username", "name", "text"} {
				if s, ok := n[field].(string); ok {
					name = s
				}
			}
			if name != tt.want[i] || (n != nil) != (name != "") || n != nil && n["id"] != of[i] {
				t.Errorf("node %d is %v, want %q", i, n, tt.want[i])
			}
		}
	}
	var one struct{ Node *struct{ ID string } }
	eve.run(&one, `query N($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": m})
	if one.Node != nil {
		t.Errorf("%+v", one.Node)
	}
	got := h.engine.Exec(eve.ctx, gqlx.Request{Query: doc, Variables: map[string]any{"ids": make([]any, 101)}})
	if len(got.Errors) == 0 {
		t.Error("101 nodes at once")
	}
}

// A subscription document without a field that is marked @viewer gives every
// member the same bytes, but for cursor and unreadCount.
func TestUnmarkedFieldsAreTheSameForEveryMember(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob := h.somebody("ann"), h.somebody("bob")
	c := ann.group(bob)
	vars := map[string]any{"c": c}
	const message = `id conversationId seq rev kind sender { id username displayName } text system { change userCount users { id } } createdAt editedAt deletedAt replyToId attachments { id name contentType size width height url thumbnailUrl }`
	added := `subscription A($c: ID!) { messageAdded(conversationId: $c) { ` + message + ` } }`
	changed := `subscription A($c: ID!) { messageChanged(conversationId: $c) { ` + message + ` } }`
	a1, b1 := ann.listen(added, vars), bob.listen(added, vars)
	a2, b2 := ann.listen(changed, vars), bob.listen(changed, vars)
	m := ann.send(c, `<script>"</script>`)
	if a, b := a1(), b1(); a != b || !strings.Contains(a, m) {
		t.Errorf("%s\n%s", a, b)
	}
	ann.run(nil, `mutation D($id: ID!) { deleteMessage(input: {id: $id}) { message { id } } }`, map[string]any{"id": m})
	if a, b := a2(), b2(); a != b || !strings.Contains(a, `"text":null`) {
		t.Errorf("%s\n%s", a, b)
	}

	eve := h.somebody("eve")
	ann.run(nil, `mutation A($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { id } } }`,
		map[string]any{"c": c, "u": eve.id.String()})
	there := `subscription P($u: [ID!]!) { presenceChanged(userIds: $u) { user { id username displayName } status lastActiveAt } }`
	who := map[string]any{"u": []any{eve.id.String()}}
	a3, b3 := ann.listen(there, who), bob.listen(there, who)
	defer h.present.Attend(eve.id).End()
	if a, b := a3(), b3(); a != b || !strings.Contains(a, `"ONLINE"`) || !strings.Contains(a, eve.id.String()) {
		t.Errorf("%s\n%s", a, b)
	}
}
