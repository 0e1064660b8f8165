package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user/usergraph"
)

// complaints are reports of messages and what becomes of them.
type complaints interface {
	ReportMessage(ctx context.Context, viewer ids.User, msg ids.Message, reason string) (chat.Report, error)
	ReportPage(ctx context.Context, who principal.Principal, state chat.ReportState, before ids.Report, limit int) ([]chat.Report, error)
	ReportsByID(ctx context.Context, who principal.Principal, of []ids.Report) ([]chat.Report, error)
	ResolveReport(ctx context.Context, who principal.Principal, id ids.Report, how chat.Resolution, note string) (chat.Report, error)
}

// Report is the node of a report.
type Report struct {
	r     *chat.Report
	crowd *crowd
}

// reportNodes makes the nodes of one list.
func (g *Graph) reportNodes(of []chat.Report) []*Report {
	crowd := &crowd{people: g.People}
	out := make([]*Report, len(of))
	for i := range of {
		r := &of[i]
		crowd.who = append(crowd.who, r.Reporter)
		if !r.Resolver.IsZero() {
			crowd.who = append(crowd.who, r.Resolver)
		}
		if r.Reported != nil {
			crowd.who = append(crowd.who, r.Reported.Sender)
		}
		out[i] = &Report{r, crowd}
	}
	return out
}

// ID resolves id.
func (r *Report) ID() graphql.ID { return graphql.ID(r.r.ID.String()) }

// Message resolves message.
func (r *Report) Message() *ReportedMessage {
	if r.r.Reported == nil {
		return nil
	}
	return &ReportedMessage{r.r.Reported, r.crowd}
}

// Reporter resolves reporter.
func (r *Report) Reporter(ctx context.Context) (*usergraph.User, error) {
	return r.crowd.one(ctx, r.r.Reporter)
}

// Reason resolves reason.
func (r *Report) Reason() string { return r.r.Reason }

// CreatedAt resolves createdAt.
func (r *Report) CreatedAt() gqlx.Time { return gqlx.TimeOf(r.r.CreatedAt) }

// State resolves state.
func (r *Report) State() chat.ReportState { return r.r.State() }

// Resolution resolves resolution.
func (r *Report) Resolution() *chat.Resolution {
	if r.r.State() == chat.ReportOpen {
		return nil
	}
	return &r.r.Resolution
}

// Note resolves note.
func (r *Report) Note() *string {
	if r.r.Note == "" {
		return nil
	}
	return &r.r.Note
}

// ResolvedBy resolves resolvedBy.
func (r *Report) ResolvedBy(ctx context.Context) (*usergraph.User, error) {
	if r.r.Resolver.IsZero() {
		return nil, nil
	}
	return r.crowd.one(ctx, r.r.Resolver)
}

// ResolvedAt resolves resolvedAt.
func (r *Report) ResolvedAt() *gqlx.Time { return gqlx.TimePtr(r.r.ResolvedAt) }

// ReportedMessage is a message as its report shows it.
type ReportedMessage struct {
	m     *chat.Message
	crowd *crowd
}

// ID resolves id.
func (m *ReportedMessage) ID() graphql.ID { return graphql.ID(m.m.ID.String()) }

// ConversationID resolves conversationId.
func (m *ReportedMessage) ConversationID() graphql.ID {
	return graphql.ID(m.m.Conversation.String())
}

// Seq resolves seq.
func (m *ReportedMessage) Seq() int32 { return int32Of(m.m.Seq) }

// Sender resolves sender.
func (m *ReportedMessage) Sender(ctx context.Context) (*usergraph.User, error) {
	return m.crowd.one(ctx, m.m.Sender)
}

// Text resolves text.
func (m *ReportedMessage) Text() *string {
	if m.m.Deleted() {
		return nil
	}
	return &m.m.Text
}

// CreatedAt resolves createdAt.
func (m *ReportedMessage) CreatedAt() gqlx.Time { return gqlx.TimeOf(m.m.CreatedAt) }

// EditedAt resolves editedAt.
func (m *ReportedMessage) EditedAt() *gqlx.Time { return gqlx.TimePtr(m.m.EditedAt) }

// DeletedAt resolves deletedAt.
func (m *ReportedMessage) DeletedAt() *gqlx.Time { return gqlx.TimePtr(m.m.DeletedAt) }

// Reports resolves reports.
func (q *Query) Reports(ctx context.Context, args struct {
	First *int32
	After *string
	State *string
},
) (*Connection[*Report], error) {
	who, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	s, err := pageArgs{args.First, args.After}.check()
	if err != nil {
		return nil, err
	}
	l := q.g.list("reports", str(args.State), who.User)
	at, err := l.open(s.After, "after")
	if err != nil {
		return nil, err
	}
	var before ids.Report
	if at != nil {
		if before, err = ids.FromBytes[ids.Report](at); err != nil {
			return nil, errs.ErrBadCursor.With(errs.Field("after"))
		}
	}
	got, err := q.g.Chat.ReportPage(ctx, who, chat.ReportState(str(args.State)), before, s.Limit+1)
	if err != nil {
		return nil, err
	}
	got, more := cut(got, s.Limit)
	return &Connection[*Report]{
		list: l, nodes: q.g.reportNodes(got), more: more, moreFront: s.After != "",
		key: func(r *Report) []byte { return r.r.ID.Bytes() },
	}, nil
}

// ReportPayload is the answer of mutations that return a report.
type ReportPayload struct{ r *Report }

// Report resolves report.
func (p *ReportPayload) Report() *Report { return p.r }

func (g *Graph) reportPayload(r chat.Report, err error) (*ReportPayload, error) {
	if err != nil {
		return nil, err
	}
	return &ReportPayload{g.reportNodes([]chat.Report{r})[0]}, nil
}

// ReportMessage resolves reportMessage.
func (m *Mutation) ReportMessage(ctx context.Context, args struct {
	Input struct {
		MessageID graphql.ID
		Reason    string
	}
},
) (*ReportPayload, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	msg, ok := ids.ParseMessage(string(args.Input.MessageID))
	if !ok {
		return nil, chat.ErrNoMessage
	}
	return m.g.reportPayload(m.g.Chat.ReportMessage(ctx, who, msg, args.Input.Reason))
}

// ResolveReport resolves resolveReport.
func (m *Mutation) ResolveReport(ctx context.Context, args struct {
	Input struct {
		ReportID   graphql.ID
		Resolution string
		Note       *string
	}
},
) (*ReportPayload, error) {
	who, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	id, _ := ids.ParseReport(string(args.Input.ReportID)) // What is no id names no report.
	return m.g.reportPayload(m.g.Chat.ResolveReport(ctx, who, id, chat.Resolution(args.Input.Resolution), str(args.Input.Note)))
}

// ReportsByID returns the nodes of those of the reports that the viewer may
// see, in a constant number of reads.
func (g *Graph) ReportsByID(ctx context.Context, of []ids.Report) (map[ids.Report]*Report, error) {
	who, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	found, err := g.Chat.ReportsByID(ctx, who, of)
	if err != nil {
		return nil, err
	}
	out := make(map[ids.Report]*Report, len(found))
	for _, n := range g.reportNodes(found) {
		out[n.r.ID] = n
	}
	return out, nil
}
