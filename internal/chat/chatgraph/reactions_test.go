package chatgraph_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s *stub) React(ctx context.Context, viewer ids.User, id ids.Message, emoji string) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	if err == nil {
		m.Reactions, err = chat.Reacted(m.Reactions, emoji, 1)
	}
	return m, err
}

func (s *stub) Unreact(ctx context.Context, viewer ids.User, id ids.Message, emoji string) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	if err == nil {
		m.Reactions, err = chat.Reacted(m.Reactions, emoji, -1)
	}
	return m, err
}

func (s *stub) Reacted(_ context.Context, viewer ids.User, of []ids.Message) ([]chat.Reactor, error) {
	s.count("Reacted")
	return slices.DeleteFunc(slices.Clone(s.reactors), func(r chat.Reactor) bool {
		return r.User != viewer || !slices.Contains(of, r.Message)
	}), nil
}

func (s *stub) Reactors(_ context.Context, of []chat.Message, limit int) ([]chat.Reactor, error) {
	s.count("Reactors")
	var out []chat.Reactor
	for _, m := range of {
		for _, reaction := range m.Reactions {
			n := 0
			for _, r := range s.reactors {
				if r.Message == m.ID && r.Emoji == reaction.Emoji && n < limit {
					out = append(out, r)
					n++
				}
			}
		}
	}
	return out, nil
}

func (s *stub) Pin(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	m.Pin = &chat.Pin{Rev: m.Rev, At: created, By: viewer}
	return m, err
}

func (s *stub) Unpin(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	m.Pin = nil
	return m, err
}

func (s *stub) Pinned(_ context.Context, _ ids.User, conv ids.Conversation, before int64, limit int) ([]chat.Message, error) {
	s.count("Pinned")
	if _, err := s.view(conv); err != nil {
		return nil, err
	}
	var out []chat.Message
	for _, m := range slices.Backward(s.of(conv)) {
		if m.Pin != nil && (before == 0 || m.Pin.Rev < before) {
			out = append(out, *m)
		}
	}
	return out[:min(limit, len(out))], nil
}

// react lets users react to a message, the first of them the viewer where own.
func (r *rig) react(m *chat.Message, emoji string, users int, own bool) {
	m.Reactions = append(m.Reactions, chat.Reaction{Emoji: emoji, Count: int64(users)})
	for i := range users {
		u := ids.New[ids.User]()
		if own && i == 0 {
			u = r.viewer
		}
		r.reactors = append(r.reactors, chat.Reactor{Message: m.ID, Emoji: emoji, User: u})
	}
}

func TestReactionsAndPinsAreTold(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 2)
	m := &r.messages[0]
	r.react(m, "👍", 3, true)
	r.react(m, "🎉", 1, false)
	m.Pin = &chat.Pin{Rev: 9, At: created, By: r.viewer}
	const doc = `query G($id: ID!) { message(id: $id) { reactions { emoji count viewerReacted users(first: 2) { id } } pinnedAt pinnedBy { id }
		viewerCan { react pin } } }`
	for i, want := range []string{
		`map[pinnedAt:2026-11-22T09:30:00.000Z pinnedBy:map[id:] reactions:[map[count:3 emoji:👍 users:[map[id:] map[id:]] viewerReacted:true]` +
			` map[count:1 emoji:🎉 users:[map[id:]] viewerReacted:false]] viewerCan:map[pin:true react:true]]`,
		`map[pinnedAt:<nil> pinnedBy:<nil> reactions:[] viewerCan:map[pin:true react:true]]`,
	} {
		var got struct{ Message map[string]any }
		r.run(&got, doc, map[string]any{"id": r.messages[i].ID.String()})
		if s := fmt.Sprint(got.Message); s != want {
			t.Errorf("%s\nwant %s", s, want)
		}
	}
	r.react(&r.messages[1], "👍", 1, true)
	r.refuses(`query G($id: ID!) { message(id: $id) { reactions { users(first: 101) { id } } } }`,
		map[string]any{"id": r.messages[1].ID.String()}, "BAD_USER_INPUT", "first")
}

func TestMutationsOfMarksAnswerTheMessage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 1)
	r.react(&r.messages[0], "🎉", 1, true)
	vars := map[string]any{"id": r.messages[0].ID.String()}
	for op, want := range map[string]string{
		`addReaction(input: {messageId: $id, emoji: "👍"})`:    "[map[emoji:🎉] map[emoji:👍]] <nil>",
		`removeReaction(input: {messageId: $id, emoji: "🎉"})`: "[] <nil>",
		`pinMessage(input: {messageId: $id})`:                 "[map[emoji:🎉]] 2026-11-22T09:30:00.000Z",
		`unpinMessage(input: {messageId: $id})`:               "[map[emoji:🎉]] <nil>",
	} {
		var got map[string]struct {
			Message struct {
				Reactions []any
				PinnedAt  any
			}
		}
		r.run(&got, `mutation M($id: ID!) { `+op+` { message { reactions { emoji } pinnedAt } } }`, vars)
		for _, p := range got {
			if s := fmt.Sprintf("%v %v", p.Message.Reactions, p.Message.PinnedAt); s != want {
				t.Errorf("%s: %s, want %s", op, s, want)
			}
		}
		r.refuses(`mutation M($id: ID!) { `+op+` { message { id } } }`, map[string]any{"id": "msg_x"}, "NOT_FOUND", "")
	}
}

// However many messages have reactions: one read says which are the viewer's,
// one who the others are. Messages without any cost none.
func TestTheReadsOfAListOfReactionsDoNotGrowWithIt(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 12).ID.String()
	const doc = `query L($n: Int, $c: ID!) { messages(conversationId: $c, first: $n) { edges { node {
		reactions { emoji count viewerReacted users(first: 3) { id } } pinnedAt pinnedBy { id } } } } }`
	r.run(nil, doc, map[string]any{"n": 12, "c": c})
	if got := r.reads(); !maps.Equal(got, map[string]int{"Page": 1}) {
		t.Errorf("plain messages cost %v", got)
	}
	for i := range r.messages {
		r.react(&r.messages[i], "👍", 5, i%2 == 0)
		r.react(&r.messages[i], "🎉", 2, i%3 == 0)
		r.messages[i].Pin = &chat.Pin{Rev: int64(20 + i), At: created, By: ids.New[ids.User]()}
	}
	want := map[string]int{"Page": 1, "Reacted": 1, "Reactors": 1, "People.Many": 2}
	for _, n := range []int{4, 12} {
		r.reads()
		r.run(nil, doc, map[string]any{"n": n, "c": c})
		if got := r.reads(); !maps.Equal(got, want) {
			t.Errorf("%d messages cost %v, want %v", n, got, want)
		}
	}
}

func TestReactionsAreRenderedOnceForAllAndTheViewersOwnForEach(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 1).ID
	m := &r.messages[0]
	r.react(m, "👍", 5000, true)
	r.react(m, "🎉", 1, false)
	e := &chat.Event{Kind: chat.MessageChanged, Conversation: c, Message: m}
	vars := map[string]any{"c": c.String()}
	const shared = `subscription A($c: ID!) { messageChanged(conversationId: $c) { reactions { emoji count users(first: 2) { id } } pinnedAt } }`
	one, two := r.subscribe(r.as(r.viewer), shared, vars), r.subscribe(r.as(ids.New[ids.User]()), shared, vars)
	r.reads()
	a, b := r.render(one, e), r.render(two, e)
	if a != b || !strings.Contains(a, `"count":5000`) || len(a) > 300 || e.Size() > 2000 {
		t.Errorf("%s\n%s\n%d bytes", a, b, e.Size())
	}
	if got := r.reads(); !maps.Equal(got, map[string]int{"Reactors": 1, "People.Many": 1}) {
		t.Errorf("two subscribers cost %v", got)
	}
	const plain = `subscription A($c: ID!) { messageChanged(conversationId: $c) { reactions { emoji count } } }`
	r.render(r.subscribe(r.as(r.viewer), plain, vars), e)
	if got := r.reads(); len(got) != 0 {
		t.Errorf("emoji and counts cost %v", got)
	}
	const own = `subscription A($c: ID!) { messageChanged(conversationId: $c) { reactions { emoji viewerReacted } } }`
	for who, want := range map[ids.User]string{r.viewer: "true", ids.New[ids.User](): "false"} {
		l := r.subscribe(r.as(who), own, vars)
		if got := r.render(l, e); !strings.Contains(got, `{"emoji":"👍","viewerReacted":`+want+`}`) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPinnedMessagesArePaged(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 5).ID
	for i := range r.messages {
		r.messages[i].Pin = &chat.Pin{Rev: int64(20 + i), At: created, By: r.viewer}
	}
	var got []string
	var at *string
	for {
		var page struct{ PinnedMessages connection }
		r.run(&page, `query L($c: ID!, $at: String) { pinnedMessages(conversationId: $c, first: 2, after: $at) {
			edges { cursor node { seq } } pageInfo { hasNextPage endCursor } } }`, map[string]any{"c": c.String(), "at": at})
		got = append(got, page.PinnedMessages.of("seq"))
		if at = page.PinnedMessages.PageInfo.EndCursor; !page.PinnedMessages.PageInfo.HasNextPage {
			break
		}
	}
	if s := strings.Join(got, "|"); s != "5 4|3 2|1" {
		t.Error(s)
	}
	r.refuses(`query L($c: ID!) { pinnedMessages(conversationId: $c, after: "made up") { edges { cursor } } }`,
		map[string]any{"c": c.String()}, "BAD_USER_INPUT", "after")
	r.refuses(`query L($c: ID!) { pinnedMessages(conversationId: $c) { edges { cursor } } }`, map[string]any{"c": "x"}, "NOT_FOUND", "")
}
