package chatgraph_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/terms"
)

// Search finds the messages of the stub by their seq, newest first, two of
// which are passed over for the last page.
func (s *stub) Search(_ context.Context, _ ids.User, in chat.SearchInput) (chat.Found, error) {
	s.count("Search")
	s.searched = in
	q, err := chat.ParseQuery(in.Query)
	if err != nil {
		return chat.Found{}, err
	}
	var found chat.Found
	for i, m := range slices.Backward(s.messages) {
		m.Pos = int64(i) + 1
		where, ok := q.Find(m.Text, 50)
		if !ok || in.Before > 0 && m.Pos >= in.Before {
			continue
		}
		if len(found.Hits) == in.Limit {
			found.Next = found.Hits[in.Limit-1].Pos
			break
		}
		found.Hits = append(found.Hits, chat.Hit{Message: m, Highlights: where})
	}
	return found, nil
}

const searchDoc = `query S($q: String!, $c: ID, $u: ID, $from: Time, $to: Time, $has: Boolean, $first: Int, $after: String) {
	searchMessages(query: $q, conversationId: $c, senderId: $u, sentAfter: $from, sentBefore: $to, hasAttachment: $has, first: $first, after: $after) {
		edges { cursor highlights { start end } node { seq sender { id } conversation { id name } replyTo { id } } }
		pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
	}
}`

func TestFoundMessagesComeInPagesWithHighlights(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 7)
	r.messages[3].Text = "other"
	var all string
	var at *string
	for page := 0; ; page++ {
		var got struct {
			SearchMessages struct {
				connection
				Edges []struct {
					Cursor     string
					Highlights []terms.Range
					Node       struct{ Seq int }
				}
			}
		}
		r.run(&got, searchDoc, map[string]any{"q": "TEX", "first": 4, "after": at})
		f := got.SearchMessages
		for _, e := range f.Edges {
			all += fmt.Sprintf("%d%v ", e.Node.Seq, e.Highlights)
		}
		if f.PageInfo.HasPreviousPage != (page > 0) || f.PageInfo.StartCursor == nil || *f.PageInfo.StartCursor != f.Edges[0].Cursor {
			t.Errorf("%+v", f.PageInfo)
		}
		if at = f.PageInfo.EndCursor; !f.PageInfo.HasNextPage {
			break
		}
	}
	if want := "7[{0 4}] 6[{0 4}] 5[{0 4}] 3[{0 4}] 2[{0 4}] 1[{0 4}] "; all != want {
		t.Errorf("found %s, want %s", all, want)
	}
	from, to := "2026-11-22T09:30:00.000Z", "2026-11-23T00:00:00+05:00"
	r.run(nil, searchDoc, map[string]any{"q": "text", "c": c.ID.String(), "u": r.viewer.String(), "from": from, "to": to})
	in := r.searched
	if in.Query != "text" || in.Conversation != c.ID || in.Sender != r.viewer || in.Limit != 50 ||
		in.Attached != chat.AttachedOrNot || !in.SentFrom.Equal(created) || !in.SentBefore.Equal(time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)) {
		t.Errorf("searched for %+v", in)
	}
	for has, want := range map[bool]chat.Attached{true: chat.WithAttachment, false: chat.WithoutAttachment} {
		if r.run(nil, searchDoc, map[string]any{"q": "text", "has": has}); r.searched.Attached != want {
			t.Errorf("with %v searched for %+v", has, r.searched)
		}
	}
}

func TestAFullPageOfASearchCostsAConstantNumberOfReads(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 100)
	r.reads()
	r.run(nil, searchDoc, map[string]any{"q": "text", "first": 100})
	got := r.reads()
	total := 0
	for _, n := range got {
		total += n
	}
	if total > 5 || got["Search"] != 1 {
		t.Errorf("reads: %v", got)
	}
}

func TestASearchThatSaysNothingIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 3)
	for _, q := range []string{"", " \t", `"`, `*"()-+&|!:~`, "\u200b", strings.Repeat("a", 257), strings.Repeat("東", 10_000)} {
		r.refuses(searchDoc, map[string]any{"q": q}, "BAD_USER_INPUT", "query")
	}
	r.run(nil, searchDoc, map[string]any{"q": strings.Repeat("東", 256)})
	r.refuses(searchDoc, map[string]any{"q": "text", "first": 101}, "BAD_USER_INPUT", "first")
	r.refuses(searchDoc, map[string]any{"q": "text", "c": "no id"}, "NOT_FOUND", "")
	var got struct{ SearchMessages connection }
	r.run(&got, searchDoc, map[string]any{"q": "text", "u": "no id"})
	if len(got.SearchMessages.Edges) > 0 {
		t.Error("nobody has sent something")
	}
	r.run(&got, searchDoc, map[string]any{"q": "text", "first": 1})
	at := got.SearchMessages.PageInfo.EndCursor
	for name, vars := range map[string]map[string]any{
		"another query": {"q": "tex"}, "other filters": {"q": "text", "u": r.viewer.String()},
		"with attachments": {"q": "text", "has": true}, "without": {"q": "text", "has": false},
		"a conversation": {"q": "text", "c": ids.New[ids.Conversation]().String()},
	} {
		vars["after"] = at
		t.Log(name)
		r.refuses(searchDoc, vars, "BAD_USER_INPUT", "after")
	}
}
