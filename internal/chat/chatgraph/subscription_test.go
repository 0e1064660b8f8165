package chatgraph_test

import (
	"context"
	"encoding/json"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

func (r *rig) subscribe(ctx context.Context, doc string, vars map[string]any) *gqlx.Live {
	r.t.Helper()
	l, refused := r.engine.Subscribe(ctx, request(r.t, doc, vars))
	if refused != nil {
		r.t.Fatalf("%+v", refused.Errors)
	}
	r.t.Cleanup(l.Stream.Close)
	return l
}

func (r *rig) render(l *gqlx.Live, e *chat.Event) string {
	r.t.Helper()
	got, err := l.Render(r.t.Context(), feed.Item{Event: e})
	if err != nil {
		r.t.Fatal(err)
	}
	return string(l.Append(nil, got, nil))
}

func TestAMessageIsRenderedOnceForAllWhoAskTheSame(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 2).ID
	vars := map[string]any{"c": c.String()}
	const doc = `subscription A($c: ID!, $s: Int) { messageAdded(conversationId: $c, afterSeq: $s) {
		id conversationId seq rev kind text createdAt editedAt deletedAt replyToId sender { id }
	} }`
	one := r.subscribe(r.as(r.viewer), doc, vars)
	two := r.subscribe(r.as(ids.New[ids.User]()), doc, map[string]any{"c": c.String(), "s": 1})
	e := &chat.Event{Kind: chat.MessageAdded, Conversation: c, Message: &r.messages[1]}
	r.reads()
	a, b := r.render(one, e), r.render(two, e)
	if a != b {
		t.Fatalf("%s\n%s", a, b)
	}
	if got := r.reads(); len(got) != 1 || got["People.One"] != 1 {
		t.Fatalf("two subscribers cost %v", got)
	}
	var got struct {
		Data struct{ MessageAdded map[string]any }
	}
	if err := json.Unmarshal([]byte(a), &got); err != nil {
		t.Fatal(err)
	}
	if m := got.Data.MessageAdded; m["seq"] != 2.0 || m["id"] != r.messages[1].ID.String() || m["replyToId"] != r.messages[0].ID.String() {
		t.Fatal(m)
	}
}

func TestWhatDependsOnTheViewerIsRenderedForEach(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 2).ID
	m := &r.messages[1]
	m.Sender, m.ClientID = r.viewer, "mine"
	vars := map[string]any{"c": c.String()}
	const doc = `subscription A($c: ID!) { messageChanged(conversationId: $c) { clientId replyTo { seq } viewerCan { delete } conversation { unreadCount } } }`
	own, others := r.subscribe(r.as(r.viewer), doc, vars), r.subscribe(r.as(ids.New[ids.User]()), doc, vars)
	e := &chat.Event{Kind: chat.MessageChanged, Conversation: c, Message: m}
	if got, want := r.render(own, e), `{"data":{"messageChanged":{"clientId":"mine","replyTo":{"seq":1},"viewerCan":{"delete":true},"conversation":{"unreadCount":1}}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := r.render(others, e), `{"data":{"messageChanged":{"clientId":null,"replyTo":{"seq":1},"viewerCan":{"delete":true},"conversation":{"unreadCount":1}}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhoIsRemovedMeanwhileBreaksNoEvent(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 1).ID
	l := r.subscribe(r.as(r.viewer), `subscription A($c: ID!) { messageAdded(conversationId: $c) { seq conversation { id } viewerCan { edit } } }`,
		map[string]any{"c": c.String()})
	e := &chat.Event{Kind: chat.MessageAdded, Conversation: c, Message: &r.messages[0]}
	delete(r.views, c)
	if got, want := r.render(l, e), `{"data":{"messageAdded":{"seq":1,"conversation":null,"viewerCan":{"edit":false}}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTypingIsRendered(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 0).ID
	l := r.subscribe(r.as(r.viewer), `subscription A($c: ID!) { typing(conversationId: $c) { conversationId typing user { id } } }`, map[string]any{"c": c.String()})
	e := &chat.Event{Kind: chat.TypingChanged, Conversation: c, Typing: &chat.Typing{User: r.viewer, Typing: true}}
	if got, want := r.render(l, e), `{"data":{"typing":{"conversationId":"`+c.String()+`","typing":true,"user":{"id":""}}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAStreamStartsAtTheFurtherPosition(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 0).ID.String()
	at := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name     string
		variable any
		resume   map[string]int64
		want     *int64
	}{
		{"neither", nil, nil, nil},
		{"from the beginning", 0, nil, at(0)},
		{"its own", 5, map[string]int64{c: 3}, at(5)},
		{"the connection's", 3, map[string]int64{c: 5}, at(5)},
		{"live only, resumed", nil, map[string]int64{c: 5}, at(5)},
		{"another conversation's", 3, map[string]int64{"cnv_x": 5}, at(3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := feed.WithResume(r.as(r.viewer), feed.Resume{Seq: tt.resume, Rev: tt.resume})
			for _, doc := range []string{
				`subscription A($c: ID!, $at: Int) { messageAdded(conversationId: $c, afterSeq: $at) { seq } }`,
				`subscription A($c: ID!, $at: Int) { messageChanged(conversationId: $c, afterRev: $at) { seq } }`,
			} {
				r.subscribe(ctx, doc, map[string]any{"c": c, "at": tt.variable})
				if got := r.position; (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
					t.Errorf("%v, want %v", got, tt.want)
				}
			}
		})
	}
	for field, doc := range map[string]string{
		"afterSeq": `subscription A($c: ID!) { messageAdded(conversationId: $c, afterSeq: -1) { seq } }`,
		"afterRev": `subscription A($c: ID!) { messageChanged(conversationId: $c, afterRev: -1) { seq } }`,
	} {
		_, refused := r.engine.Subscribe(r.as(r.viewer), gqlx.Request{Query: doc, Variables: map[string]any{"c": c}})
		if refused == nil || refused.Errors[0].Code() != "BAD_USER_INPUT" || refused.Errors[0].Extensions["field"] != field {
			t.Errorf("%s: %+v", field, refused)
		}
	}
}
