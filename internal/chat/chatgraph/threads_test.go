package chatgraph_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Thread implements chatgraph.Service: all messages after the first are in its
// thread.
func (s *stub) Thread(_ context.Context, _ ids.User, p chat.ThreadPage) (root chat.Message, replies []chat.Message, err error) {
	s.count("Thread")
	for _, m := range s.messages {
		switch {
		case m.ID == p.Root && !m.ThreadRoot.IsZero():
			return root, nil, chat.ErrThreadRoot
		case m.ID == p.Root:
			root = m
		case m.ThreadRoot == p.Root && m.Seq > p.After && (p.Before == 0 || m.Seq < p.Before):
			replies = append(replies, m)
		}
	}
	if root.ID.IsZero() {
		return root, nil, chat.ErrNoMessage
	}
	if n := len(replies); p.Backward && n > p.Limit {
		return root, replies[n-p.Limit:], nil
	}
	return root, replies[:min(p.Limit, len(replies))], nil
}

// thread makes a thread of a conversation's messages and returns its root.
func (s *stub) thread(conv ids.Conversation) string {
	all := s.of(conv)
	root := all[0]
	for _, m := range all[1:] {
		m.ThreadRoot = root.ID
		root.Thread = root.Thread.Replied(m.Sender, m.Seq, m.CreatedAt)
		m.Mentions = &chat.Mentions{Users: []ids.User{root.Sender, m.Sender}, All: m.Seq == 2}
	}
	return root.ID.String()
}

const threadDoc = `query M($r: ID!, $first: Int, $after: String, $last: Int, $before: String) {
	thread(rootId: $r, first: $first, after: $after, last: $last, before: $before) {
		root { seq }
		edges { cursor node { seq } }
		pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
	}
}`

func TestEveryReplyIsOnOnePageWhicheverWayOnePages(t *testing.T) {
	t.Parallel()
	r := setup(t)
	root := r.thread(r.conversation(r.viewer, 8).ID)
	walk := func(size, cursor string, next func(connection) (*string, bool)) (all string) {
		var at *string
		for more := true; more; {
			var got struct {
				Thread struct {
					connection

					Root struct{ Seq int }
				}
			}
			r.run(&got, threadDoc, map[string]any{"r": root, size: 3, cursor: at})
			if got.Thread.Root.Seq != 1 {
				t.Fatalf("the root is %+v", got.Thread.Root)
			}
			all += got.Thread.of("seq") + "|"
			at, more = next(got.Thread.connection)
		}
		return all
	}
	forward := walk("first", "after", func(c connection) (*string, bool) { return c.PageInfo.EndCursor, c.PageInfo.HasNextPage })
	backward := walk("last", "before", func(c connection) (*string, bool) { return c.PageInfo.StartCursor, c.PageInfo.HasPreviousPage })
	if forward != "2 3 4|5 6 7|8|" || backward != "6 7 8|3 4 5|2|" {
		t.Fatal(forward, backward)
	}
	r.refuses(threadDoc, map[string]any{"r": root, "first": 101}, "BAD_USER_INPUT", "first")
	r.refuses(threadDoc, map[string]any{"r": root, "after": "made up"}, "BAD_USER_INPUT", "after")
	r.refuses(threadDoc, map[string]any{"r": "made up"}, "NOT_FOUND", "")
	r.refuses(threadDoc, map[string]any{"r": ids.New[ids.Message]().String()}, "NOT_FOUND", "")
}

func TestAPageOfThreadsAndMentionsCostsAConstantNumberOfReads(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			c := r.conversation(r.viewer, n)
			root := r.thread(c.ID)
			const parts = `threadRootId threadRoot { seq thread { replyCount } } viewerCan { replyInThread }
				mentions { all users(first: 2) { id } } thread { replyCount lastReplySeq lastReplyAt participants(first: 3) { id } }`
			for doc, want := range map[string]map[string]int{
				`query M($c: ID!) { messages(conversationId: $c, last: 40) { edges { node { ` + parts + ` } } } }`: {
					"Page": 1, "MessagesByID": 1, "Conversations": 1, "People.Many": 1,
				},
				`query M($r: ID!) { thread(rootId: $r, last: 40) { root { ` + parts + ` } edges { node { ` + parts + ` } } } }`: {
					"Thread": 1, "MessagesByID": 1, "Conversations": 1, "People.Many": 1,
				},
			} {
				r.reads()
				r.run(nil, doc, map[string]any{"c": c.ID.String(), "r": root})
				if got := r.reads(); !maps.Equal(got, want) {
					t.Errorf("%s: %v, want %v", doc, got, want)
				}
			}
		})
	}
}

func TestThreadsAndMentionsAreTold(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 25)
	root := r.thread(c.ID)
	var got struct {
		Thread struct {
			Root struct {
				ThreadRootID *string
				Mentions     *struct{}
				ViewerCan    struct{ ReplyInThread bool }
				Thread       struct {
					ReplyCount, LastReplySeq int
					Participants             []struct{ ID string }
				}
			}
			Edges []struct {
				Node struct {
					ThreadRootID string
					Thread       *struct{}
					ViewerCan    struct{ ReplyInThread bool }
					Mentions     struct {
						All   bool
						Users []struct{ ID string }
					}
				}
			}
		}
	}
	r.run(&got, `query M($r: ID!) { thread(rootId: $r, first: 2) {
		root { threadRootId mentions { all } viewerCan { replyInThread } thread { replyCount lastReplySeq participants(first: 30) { id } } }
		edges { node { threadRootId thread { replyCount } viewerCan { replyInThread } mentions { all users { id } } } } } }`,
		map[string]any{"r": root})
	at := got.Thread.Root
	if at.ThreadRootID != nil || at.Mentions != nil || !at.ViewerCan.ReplyInThread || at.Thread.ReplyCount != 24 ||
		at.Thread.LastReplySeq != 25 || len(at.Thread.Participants) != 20 {
		t.Errorf("%+v", at)
	}
	for i, e := range got.Thread.Edges {
		n := e.Node
		if n.ThreadRootID != root || n.Thread != nil || n.ViewerCan.ReplyInThread || n.Mentions.All != (i == 0) ||
			len(n.Mentions.Users) != 2 {
			t.Errorf("%+v", n)
		}
	}
}

func TestThreadRootsAndMentionsAreHandedOver(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 1)
	root, u := r.of(c.ID)[0].ID, ids.New[ids.User]()
	const doc = `mutation S($i: SendMessageInput!) { sendMessage(input: $i) { message { id %s} } }`
	for _, more := range []string{"", "sender { id } viewerCan { edit } "} { // directly, and by the library
		send := fmt.Sprintf(doc, more)
		input := func(more map[string]any) map[string]any {
			in := map[string]any{"conversationId": c.ID.String(), "text": "text"}
			maps.Copy(in, more)
			return map[string]any{"i": in}
		}
		r.run(nil, send, input(nil))
		if r.sent.Mentions != nil || !r.sent.ThreadRoot.IsZero() {
			t.Errorf("%+v", r.sent)
		}
		r.run(nil, send, input(map[string]any{"threadRootId": root.String(), "mentions": []string{u.String()}}))
		if r.sent.ThreadRoot != root || r.sent.Mentions == nil || !slices.Equal(*r.sent.Mentions, []ids.User{u}) {
			t.Errorf("%+v", r.sent)
		}
		r.run(nil, send, input(map[string]any{"mentions": []string{}}))
		if r.sent.Mentions == nil || len(*r.sent.Mentions) != 0 {
			t.Errorf("%+v", r.sent)
		}
		r.refuses(send, input(map[string]any{"threadRootId": "made up"}), "BAD_USER_INPUT", "input.threadRootId")
		r.refuses(send, input(map[string]any{"mentions": []string{"made up"}}), "BAD_USER_INPUT", "input.mentions")
	}
	var got struct {
		EditMessage struct {
			Message struct {
				Mentions struct{ Users []struct{ ID string } }
			}
		}
	}
	r.run(&got, `mutation E($m: ID!, $u: [ID!]) { editMessage(input: {id: $m, text: "other", mentions: $u}) { message { mentions { users { id } } } } }`,
		map[string]any{"m": root.String(), "u": u.String()})
	if users := got.EditMessage.Message.Mentions.Users; len(users) != 1 {
		t.Errorf("%+v", got)
	}
}
