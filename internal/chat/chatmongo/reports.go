package chatmongo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// reportDocument is a document of chat_reports.
type reportDocument struct {
	ID         []byte `bson:"_id"`
	Open       []byte `bson:"open,omitempty"` // message and reporter, until it is resolved
	Message    []byte `bson:"message"`
	Room       []byte `bson:"c"`
	Reporter   []byte `bson:"reporter"`
	Reason     string `bson:"reason"`
	Created    int64  `bson:"created"`
	Resolution string `bson:"resolution,omitempty"`
	Note       string `bson:"note,omitempty"`
	Resolver   []byte `bson:"resolver,omitempty"`
	Resolved   int64  `bson:"resolved,omitempty"`
}

func reportOf(r *chat.Report) *reportDocument {
	d := &reportDocument{
		ID: r.ID.Bytes(), Message: r.Message.Bytes(), Room: r.Conversation.Bytes(), Reporter: r.Reporter.Bytes(),
		Reason: r.Reason, Created: micros(r.CreatedAt), Resolution: string(r.Resolution), Note: r.Note,
		Resolver: blob(r.Resolver), Resolved: optMicros(r.ResolvedAt),
	}
	if d.Resolved == 0 {
		d.Open = slices.Concat(d.Message, d.Reporter)
	}
	return d
}

func (d *reportDocument) report() chat.Report {
	return chat.Report{
		ID: idOf[ids.Report](d.ID), Message: idOf[ids.Message](d.Message), Conversation: idOf[ids.Conversation](d.Room),
		Reporter: idOf[ids.User](d.Reporter), Reason: d.Reason, CreatedAt: instant(d.Created),
		Resolved: chat.Resolved{
			Resolution: chat.Resolution(d.Resolution), Note: d.Note,
			Resolver: idOf[ids.User](d.Resolver), ResolvedAt: optInstant(d.Resolved),
		},
	}
}

// AddReport stores an open report; the unique index says whether there is one.
func (s *Store) AddReport(ctx context.Context, r chat.Report) (chat.Report, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if _, err := s.Message(ctx, r.Reporter, r.Message); err != nil {
		return chat.Report{}, fmt.Errorf("store a report: %w", err)
	}
	d := reportOf(&r)
	const tries = 5
	for try := 1; ; try++ {
		_, err := s.reports.InsertOne(ctx, d)
		if err = mongodb.Translate(err); !errors.Is(err, mongodb.ErrDuplicate) {
			if err != nil {
				return chat.Report{}, fmt.Errorf("store a report: %w", err)
			}
			return d.report(), nil
		}
		there, err := find[reportDocument](ctx, s.reports, bson.D{is("open", d.Open)})
		if err == nil && len(there) > 0 {
			return there[0].report(), nil
		}
		if err != nil || try == tries { // else it was resolved at this moment
			return chat.Report{}, fmt.Errorf("find the open report: %w", errors.Join(err, errTaken))
		}
	}
}

// ReportPage returns reports, the newest first.
func (s *Store) ReportPage(ctx context.Context, state chat.ReportState, before ids.Report, limit int) ([]chat.Report, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	filter := bson.D{}
	if !before.IsZero() {
		filter = append(filter, is("_id", bson.D{is("$lt", before.Bytes())}))
	}
	if state != "" {
		filter = append(filter, is("open", bson.D{is("$exists", state == chat.ReportOpen)}))
	}
	return s.reportsBy(ctx, [][]bson.E{filter}, limit)
}

// ReportsByID returns several reports.
func (s *Store) ReportsByID(ctx context.Context, of []ids.Report) ([]chat.Report, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var filters [][]bson.E
	for _, part := range parts(blobs(of)) {
		filters = append(filters, bson.D{in("_id", part)})
	}
	return s.reportsBy(ctx, filters, len(of))
}

// reportsBy reads reports with their messages.
func (s *Store) reportsBy(ctx context.Context, filters [][]bson.E, limit int) ([]chat.Report, error) {
	var all []chat.Report
	var of [][]byte
	for _, filter := range filters {
		found, err := find[reportDocument](ctx, s.reports, filter, descending("_id", limit))
		if err != nil {
			return nil, fmt.Errorf("read reports: %w", err)
		}
		for i := range found {
			all, of = append(all, found[i].report()), append(of, found[i].Message)
		}
	}
	reported := make(map[ids.Message]*chat.Message)
	for _, part := range parts(of) {
		found, err := find[entry](ctx, s.log, bson.D{in("id", part), is("kind", kindMessage)})
		if err != nil {
			return nil, fmt.Errorf("read reported messages: %w", err)
		}
		for i := range found {
			m := found[i].message()
			reported[m.ID] = m
		}
	}
	for i := range all {
		all[i].Reported = reported[all[i].Message]
	}
	return all, nil
}

// Resolve ends an open report.
func (s *Store) Resolve(ctx context.Context, id ids.Report, r chat.Resolved) (chat.Report, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.reports.UpdateOne(ctx, bson.D{is("_id", id.Bytes()), is("open", bson.D{is("$exists", true)})}, bson.D{
		is("$set", bson.D{
			is("resolution", string(r.Resolution)), is("note", r.Note), is("resolver", r.Resolver.Bytes()), is("resolved", micros(r.ResolvedAt)),
		}),
		is("$unset", bson.D{is("open", "")}),
	})
	if err != nil {
		return chat.Report{}, fmt.Errorf("resolve %s: %w", id, mongodb.Translate(err))
	}
	found, err := s.ReportsByID(ctx, []ids.Report{id})
	if err == nil && len(found) == 0 {
		err = chat.ErrNoReport
	}
	if err != nil {
		return chat.Report{}, fmt.Errorf("resolve %s: %w", id, err)
	}
	return found[0], nil
}

// Reports implements chat.Archive.
func (a *Archive) Reports(ctx context.Context, after ids.Report) iter.Seq2[chat.Report, error] {
	return walked(ctx, a.s.reports, after.Bytes(), func(d *reportDocument) (chat.Report, any, error) {
		r := d.report()
		var err error
		if again := reportOf(&r); !slices.Equal(d.Open, again.Open) {
			err = fmt.Errorf("%w: the keys of %s", chat.ErrArchive, r.ID)
		}
		return r, d.ID, err
	})
}

// fillReports brings reports over that are not there yet.
func (f *Filler) fillReports(ctx context.Context, from chat.Archive, told func(part string, n int)) error {
	last, err := find[reportDocument](ctx, f.s.reports, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the reports: %w", err)
	}
	var after ids.Report
	for _, r := range last {
		after = idOf[ids.Report](r.ID)
	}
	return fill(ctx, f, f.s.reports, from.Reports(ctx, after), func(r *chat.Report) (any, int) {
		return reportOf(r), 300 + 2*len(r.Reason)
	}, func(n int) { told(chat.PartReports, n) })
}
