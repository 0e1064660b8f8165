package chatgraph_test

import (
	"context"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// more is what the stub remembers of receipts, settings and reports.
type more struct {
	filter    chat.Filter
	patch     chat.SettingsPatch
	deliverTo int64
	unread    int64
	reports   []chat.Report
	state     chat.ReportState
}

func (s *stub) MarkDelivered(_ context.Context, _ ids.User, conv ids.Conversation, seq int64) (chat.View, error) {
	s.more.deliverTo = seq
	return s.view(conv)
}

func (s *stub) MarkUnread(_ context.Context, _ ids.User, conv ids.Conversation, seq int64) (chat.View, error) {
	s.more.unread = seq
	return s.view(conv)
}

func (s *stub) Positions(_ context.Context, _ ids.User, of []ids.Conversation) ([]chat.Member, error) {
	s.count("Positions")
	var out []chat.Member
	for _, m := range s.members {
		for _, id := range of {
			if m.Conversation == id {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// rules has the rules that need no store.
var rules = &chat.Service{}

func (s *stub) ShownRead(viewer ids.User, m chat.Member) (int64, bool) {
	return rules.ShownRead(viewer, m)
}

func (s *stub) ShownDelivered(viewer ids.User, m chat.Member) int64 {
	return rules.ShownDelivered(viewer, m)
}

func (s *stub) Walled(context.Context, ids.User, []chat.View) (map[ids.Conversation]bool, error) {
	return nil, nil
}

func (s *stub) ReadBy(viewer ids.User, m chat.Message, members []chat.Member) []chat.Member {
	return rules.ReadBy(viewer, m, members)
}

func (s *stub) DeliveryStateOf(viewer ids.User, m chat.Message, members []chat.Member) chat.DeliveryState {
	return rules.DeliveryStateOf(viewer, m, members)
}

func (s *stub) UpdateSettings(_ context.Context, _ ids.User, conv ids.Conversation, p chat.SettingsPatch) (chat.View, error) {
	s.more.patch = p
	return s.view(conv)
}

func (s *stub) ReportMessage(ctx context.Context, viewer ids.User, id ids.Message, reason string) (chat.Report, error) {
	m, err := s.Message(ctx, viewer, id)
	return chat.Report{
		ID: ids.New[ids.Report](), Message: id, Conversation: m.Conversation, Reporter: viewer, Reason: reason, CreatedAt: created, Reported: &m,
	}, err
}

func (s *stub) ReportPage(
	_ context.Context, _ principal.Principal, state chat.ReportState, before ids.Report, limit int,
) ([]chat.Report, error) {
	s.count("ReportPage")
	s.more.state = state
	var out []chat.Report
	for _, r := range s.more.reports {
		if before.IsZero() || r.ID.Compare(before) < 0 {
			out = append(out, r)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *stub) ReportsByID(context.Context, principal.Principal, []ids.Report) ([]chat.Report, error) {
	return s.more.reports, nil
}

func (s *stub) ResolveReport(
	_ context.Context, who principal.Principal, id ids.Report, how chat.Resolution, note string,
) (chat.Report, error) {
	for _, r := range s.more.reports {
		if r.ID == id {
			r.Resolved = chat.Resolved{Resolution: how, Note: note, Resolver: who.User, ResolvedAt: created}
			return r, nil
		}
	}
	return chat.Report{}, chat.ErrNoReport
}
