package chat

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Reports stores what members report to the server's administrators. A report
// points at its message and has no copy of it: what is deleted is gone from
// here, too. Reports have no positions.
type Reports interface {
	// AddReport stores an open report by a member of the message's
	// conversation; ErrNoMessage for anybody else. Where an open report of
	// his of that message is there already, it stores nothing and returns
	// that.
	AddReport(ctx context.Context, r Report) (Report, error)
	// ReportPage returns reports with their messages as they are now, newest
	// first: those in a state (empty: any) and before the one (zero: all), at
	// most limit, in a constant number of reads. It asks for no right.
	ReportPage(ctx context.Context, state ReportState, before ids.Report, limit int) ([]Report, error)
	// ReportsByID returns those of the reports that there are, with their
	// messages, in any order. It asks for no right.
	ReportsByID(ctx context.Context, of []ids.Report) ([]Report, error)
	// Resolve ends an open report; one that is resolved already stays as it
	// is and is returned. ErrNoReport.
	Resolve(ctx context.Context, id ids.Report, r Resolved) (Report, error)
}

// MaxReportText is the length of a reason and of a note, in Unicode code points.
const MaxReportText = 1000

// ReportState says whether somebody has still to look at a report.
type ReportState string

// The states of a report.
const (
	ReportOpen     ReportState = "OPEN"
	ReportResolved ReportState = "RESOLVED"
)

// Resolution says how a report has ended.
type Resolution string

// The resolutions.
const (
	ActionTaken Resolution = "ACTION_TAKEN"
	Dismissed   Resolution = "DISMISSED"
)

// Report is what one member has said of one message.
type Report struct {
	ID           ids.Report
	Message      ids.Message
	Conversation ids.Conversation
	Reporter     ids.User
	Reason       string
	CreatedAt    time.Time
	Resolved     // zero while it is open

	Reported *Message // as it is now; not in an archive
}

// Resolved is how a report was ended.
type Resolved struct {
	Resolution Resolution
	Note       string
	Resolver   ids.User
	ResolvedAt time.Time
}

// State tells whether the report is open.
func (r *Report) State() ReportState {
	if r.ResolvedAt.IsZero() {
		return ReportOpen
	}
	return ReportResolved
}

// ReportMessage tells the server's administrators of a message that the viewer
// may read. A second report while the first is open is the first.
func (s *Service) ReportMessage(ctx context.Context, viewer ids.User, id ids.Message, reason string) (Report, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || !reportText(reason) {
		return Report{}, ErrReason
	}
	m, err := s.Store.Message(ctx, viewer, id)
	switch {
	case err != nil:
		return Report{}, fmt.Errorf("report %s: %w", id, err)
	case m.Kind == System:
		return Report{}, ErrSystemMessage
	case m.Deleted():
		return Report{}, ErrDeleted
	}
	r, err := s.Store.AddReport(ctx, Report{
		ID: ids.New[ids.Report](), Message: id, Conversation: m.Conversation, Reporter: viewer, Reason: reason,
		CreatedAt: s.cfg.Now().UTC().Truncate(time.Microsecond),
	})
	if err != nil {
		return Report{}, fmt.Errorf("report %s: %w", id, err)
	}
	r.Reported = &m
	return r, nil
}

func reportText(s string) bool {
	return utf8.RuneCountInString(s) <= MaxReportText && printable(s, true)
}

// ReportPage returns reports to an administrator of the server, newest first,
// with the messages that they are of.
func (s *Service) ReportPage(
	ctx context.Context, who principal.Principal, state ReportState, before ids.Report, limit int,
) ([]Report, error) {
	if !who.IsAdmin() {
		return nil, ErrNotServerAdmin
	}
	return s.Store.ReportPage(ctx, state, before, limit)
}

// ReportsByID returns those of the reports that the viewer may see: an
// administrator of the server all, anybody else none.
func (s *Service) ReportsByID(ctx context.Context, who principal.Principal, of []ids.Report) ([]Report, error) {
	if !who.IsAdmin() {
		return nil, nil
	}
	return s.Store.ReportsByID(ctx, of)
}

// ResolveReport ends a report, as an administrator of the server. One that is
// resolved already stays as it is.
func (s *Service) ResolveReport(
	ctx context.Context, who principal.Principal, id ids.Report, how Resolution, note string,
) (Report, error) {
	if !who.IsAdmin() {
		return Report{}, ErrNotServerAdmin
	}
	note = strings.TrimSpace(note)
	if !reportText(note) {
		return Report{}, ErrResolutionNote
	}
	return s.Store.Resolve(ctx, id, Resolved{
		Resolution: how, Note: note, Resolver: who.User, ResolvedAt: s.cfg.Now().UTC().Truncate(time.Microsecond),
	})
}
