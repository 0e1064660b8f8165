package chattest

import (
	"context"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Report is a report ready for AddReport.
func (f *Fixture) Report(m chat.Message, by ids.User, reason string) chat.Report {
	return chat.Report{
		ID: ids.New[ids.Report](), Message: m.ID, Conversation: m.Conversation, Reporter: by, Reason: reason, CreatedAt: f.Now(),
	}
}

func (f *Fixture) addReport(t testing.TB, r chat.Report) chat.Report {
	t.Helper()
	out, err := f.Store.AddReport(t.Context(), r)
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	return out
}

// report has two messages reported, one to the end.
func (p *Population) report(t testing.TB) {
	t.Helper()
	for i, id := range p.Rooms[len(p.Rooms)-2:] {
		by := p.Users[i+1] // of the second and third pair
		all := p.All(t, by, id)
		r := p.addReport(t, p.Report(all[0], by, "rude"))
		if i == 0 {
			if _, err := p.Store.Resolve(t.Context(), r.ID, chat.Resolved{
				Resolution: chat.Dismissed, Note: "it is not", Resolver: p.Users[5], ResolvedAt: p.Now(),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s suite) reportTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a message has one open report of each member": s.oneReport,
		"only who may read a message reports it":       s.reportRights,
		"a report ends once":                           s.resolve,
		"reports are paged, newest first":              s.reportPages,
		"reports that race are one":                    s.reportsRace,
	}
}

func (s suite) oneReport(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "rude")
	pos := len(s.told.of(c.ID))
	want := s.Report(m, u[1], "that is rude")
	first := s.addReport(t, want)
	same(t, "report", first, want)
	same(t, "state", first.State(), chat.ReportOpen)
	same(t, "again", s.addReport(t, s.Report(m, u[1], "and once more")), first)
	other := s.addReport(t, s.Report(m, u[0], "my own"))
	if other.ID == first.ID {
		t.Fatal("another's report is the same")
	}
	same(t, "told", len(s.told.of(c.ID)), pos)
	found, err := s.Store.ReportsByID(t.Context(), []ids.Report{first.ID, ids.New[ids.Report]()})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	same(t, "reported", *found[0].Reported, m)
	s.Delete(t, m)
	found, err = s.Store.ReportsByID(t.Context(), []ids.Report{first.ID})
	if err != nil || len(found) != 1 || !found[0].Reported.Deleted() || found[0].Reported.Text != "" {
		t.Fatal("of a deleted message", found, err)
	}
}

func (s suite) reportRights(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "text")
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.AddReport(t.Context(), s.Report(m, stranger, "I heard of it"))
		refused(t, "a stranger", err, chat.ErrNoMessage)
	}
	_, err := s.Store.AddReport(t.Context(), s.Report(chat.Message{ID: ids.New[ids.Message](), Conversation: c.ID}, u[0], "none"))
	refused(t, "no message", err, chat.ErrNoMessage)
}

func (s suite) resolve(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "rude")
	first := s.addReport(t, s.Report(m, u[1], "rude"))
	how := chat.Resolved{Resolution: chat.ActionTaken, Note: "spoken to", Resolver: u[0], ResolvedAt: s.Now()}
	got, err := s.Store.Resolve(t.Context(), first.ID, how)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resolved", []any{got.Resolved, got.State(), got.Reported.ID}, []any{how, chat.ReportResolved, m.ID})
	again, err := s.Store.Resolve(t.Context(), first.ID, chat.Resolved{Resolution: chat.Dismissed, Resolver: u[1], ResolvedAt: s.Now()})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resolved again", again.Resolved, how)
	if second := s.addReport(t, s.Report(m, u[1], "again")); second.ID == first.ID {
		t.Fatal("a report that has ended takes another in")
	}
	_, err = s.Store.Resolve(t.Context(), ids.New[ids.Report](), how)
	refused(t, "none", err, chat.ErrNoReport)
}

func (s suite) reportPages(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	mine := make(map[ids.Report]bool)
	var open, ended, all []ids.Report // newest first
	for i := range 7 {
		r := s.addReport(t, s.Report(s.Send(t, c.ID, u[0], "text"), u[1], "rude"))
		mine[r.ID] = true
		all = slices.Insert(all, 0, r.ID)
		if i%3 > 0 {
			open = slices.Insert(open, 0, r.ID)
			continue
		}
		ended = slices.Insert(ended, 0, r.ID)
		how := chat.Resolved{Resolution: chat.Dismissed, Resolver: u[0], ResolvedAt: s.Now()}
		if _, err := s.Store.Resolve(t.Context(), r.ID, how); err != nil {
			t.Fatal(err)
		}
	}
	for state, want := range map[chat.ReportState][]ids.Report{chat.ReportOpen: open, chat.ReportResolved: ended, "": all} {
		var got []ids.Report
		for before := (ids.Report{}); ; {
			page, err := s.Store.ReportPage(t.Context(), state, before, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if before = r.ID; mine[r.ID] {
					got = append(got, r.ID)
				}
				if r.Reported == nil || r.Reported.ID != r.Message {
					t.Fatal("no message with", r)
				}
			}
			if len(page) < 3 {
				break
			}
		}
		same(t, "reports "+string(state), got, want)
	}
}

func (s suite) reportsRace(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[0], "rude")
	got := make([]ids.Report, 20)
	for _, err := range atOnce(t.Context(), len(got), func(ctx context.Context, i int) error {
		r, err := s.Store.AddReport(ctx, s.Report(m, u[1], "rude"))
		got[i] = r.ID
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(slices.Compact(got)) != 1 {
		t.Fatal("several reports:", got)
	}
}
