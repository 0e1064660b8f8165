package chatgraph

import (
	"context"
	"strconv"
	"time"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/terms"
)

// finder finds messages.
type finder interface {
	Search(ctx context.Context, viewer ids.User, in chat.SearchInput) (chat.Found, error)
}

// SearchMessagesArgs are the arguments of searchMessages.
type SearchMessagesArgs struct {
	Query                    string
	ConversationID, SenderID *graphql.ID
	SentAfter, SentBefore    *gqlx.Time
	HasAttachment            *bool
	First                    *int32
	After                    *string
}

// SearchMessages resolves searchMessages.
func (q *Query) SearchMessages(ctx context.Context, args SearchMessagesArgs) (*MessageSearchConnection, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := page.Args{First: args.First, After: args.After}.Check()
	if err != nil {
		return nil, err
	}
	in := chat.SearchInput{Query: args.Query, Limit: s.Limit, SentFrom: instant(args.SentAfter), SentBefore: instant(args.SentBefore), Attached: attached(args.HasAttachment)}
	nobody := false // a sender who is no user has sent nothing
	if id := args.ConversationID; id != nil {
		var ok bool
		if in.Conversation, ok = ids.ParseConversation(string(*id)); !ok {
			return nil, chat.ErrNoConversation
		}
	}
	if id := args.SenderID; id != nil {
		var ok bool
		in.Sender, ok = ids.ParseUser(string(*id))
		nobody = !ok
	}
	parsed, err := chat.ParseQuery(args.Query)
	if err != nil {
		return nil, err
	}
	filters := in.Conversation.String() + "/" + in.Sender.String() + "/" + in.SentFrom.String() + "/" + in.SentBefore.String() + "/" + strconv.Itoa(int(in.Attached))
	l := q.g.list("search", parsed.String()+"/"+filters, who)
	if in.Before, err = l.number(s.After, "after"); err != nil {
		return nil, err
	}
	c := &MessageSearchConnection{list: l, later: s.After != ""}
	if nobody {
		return c, nil
	}
	found, err := q.g.Chat.Search(ctx, who, in)
	if err != nil {
		return nil, err
	}
	of := make([]chat.Message, len(found.Hits))
	for i := range found.Hits {
		of[i] = found.Hits[i].Message
	}
	c.next = found.Next
	for i, n := range q.g.messageNodes(of) {
		c.edges = append(c.edges, &MessageSearchEdge{c, n, found.Hits[i].Highlights})
	}
	return c, nil
}

// instant is the time that was given; the zero time for none.
func instant(t *gqlx.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// attached is what hasAttachment filters for.
func attached(has *bool) chat.Attached {
	switch {
	case has == nil:
		return chat.AttachedOrNot
	case *has:
		return chat.WithAttachment
	default:
		return chat.WithoutAttachment
	}
}

// MessageSearchConnection is one page of a search.
type MessageSearchConnection struct {
	list  list
	edges []*MessageSearchEdge
	next  int64 // 0: this was all
	later bool  // there is a page before it
}

// Edges resolves edges.
func (c *MessageSearchConnection) Edges() []*MessageSearchEdge {
	return append([]*MessageSearchEdge{}, c.edges...)
}

// PageInfo resolves pageInfo.
func (c *MessageSearchConnection) PageInfo() *SearchPageInfo { return &SearchPageInfo{c} }

func (c *MessageSearchConnection) cursor(pos int64) string {
	return c.list.sealer.Seal(c.list.scope, numberKey(pos))
}

// MessageSearchEdge is a message that was found.
type MessageSearchEdge struct {
	of    *MessageSearchConnection
	node  *Message
	where []terms.Range
}

// Cursor resolves cursor.
func (e *MessageSearchEdge) Cursor() string { return e.of.cursor(e.node.m.Pos) }

// Node resolves node.
func (e *MessageSearchEdge) Node() *Message { return e.node }

// Highlights resolves highlights.
func (e *MessageSearchEdge) Highlights() []*TextRange {
	out := make([]*TextRange, len(e.where))
	for i, r := range e.where {
		out[i] = &TextRange{r}
	}
	return out
}

// TextRange is a part of a text.
type TextRange struct{ r terms.Range }

// Start resolves start.
func (r *TextRange) Start() int32 { return int32Of(int64(r.r.Start)) }

// End resolves end.
func (r *TextRange) End() int32 { return int32Of(int64(r.r.End)) }

// SearchPageInfo tells where a page of a search lies.
type SearchPageInfo struct{ of *MessageSearchConnection }

// HasNextPage resolves hasNextPage.
func (p *SearchPageInfo) HasNextPage() bool { return p.of.next > 0 }

// HasPreviousPage resolves hasPreviousPage.
func (p *SearchPageInfo) HasPreviousPage() bool { return p.of.later }

// StartCursor resolves startCursor.
func (p *SearchPageInfo) StartCursor() *string {
	if len(p.of.edges) == 0 {
		return nil
	}
	c := p.of.edges[0].Cursor()
	return &c
}

// EndCursor resolves endCursor: where the search goes on, which may be behind
// the last edge.
func (p *SearchPageInfo) EndCursor() *string {
	at := p.of.next
	if n := len(p.of.edges); at == 0 && n > 0 {
		at = p.of.edges[n-1].node.m.Pos
	}
	if at == 0 {
		return nil
	}
	c := p.of.cursor(at)
	return &c
}
