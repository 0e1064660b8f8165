package chatmongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// sync brings up what others have committed after the node's position and
// moves to its end; true says that there was something.
func (s *Store) sync(ctx context.Context) (bool, error) {
	if s.at < 0 {
		if err := s.findPosition(ctx); err != nil {
			return false, err
		}
	}
	const page = 500
	for moved := false; ; moved = true {
		found, err := find[entry](ctx, s.log, bson.D{over("_id", s.at)}, ascending("_id", page))
		if err != nil {
			return moved, fmt.Errorf("read the log: %w", err)
		}
		if len(found) == 0 {
			return moved, nil
		}
		// All before the newest group was brought up before that was inserted.
		since := found[len(found)-1].Since
		end := s.at
		var late []*entry
		for i := range found {
			e := &found[i]
			if e.First != end+1 {
				return moved, fmt.Errorf("%w: %d after %d", errHole, e.First, end)
			}
			if end = e.End; e.First > since {
				late = append(late, e)
			}
			s.heads.Remove(e.room())
		}
		if err := s.apply(ctx, late); err != nil {
			return moved, fmt.Errorf("bring up what others committed: %w", err)
		}
		s.at = end
		if len(found) < page {
			return true, nil
		}
	}
}

// errHole says that the log lacks a document, which no run of this program
// takes away.
var errHole = errors.New("chatmongo: the log has a hole")

// findPosition finds the position up to which all is known to be brought up.
func (s *Store) findPosition(ctx context.Context) error {
	newest, err := find[entry](ctx, s.log, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	s.at = 0
	if len(newest) > 0 {
		s.at = newest[0].Since
	}
	return nil
}

// apply brings the documents up to commits, which follow each other. What is
// newer stays. Members come before the conversation that tells their new
// version: who reads them in the other order sees no member of before.
func (s *Store) apply(ctx context.Context, of []*entry) error {
	if len(of) == 0 {
		return nil
	}
	rooms, made := roomUpdates(of)
	g, each := errgroup.WithContext(ctx)
	g.Go(func() error { return s.applyMembers(each, of) })
	g.Go(func() error { return s.applyRevisions(each, of) })
	if updates := fileUpdates(of); len(updates) > 0 {
		g.Go(func() error { return s.applyFiles(each, updates) })
	}
	inOrder := len(made) > 0
	for _, e := range of {
		inOrder = inOrder || e.Edit != nil
	}
	if !inOrder {
		g.Go(func() error { return s.update(each, s.conversations, rooms) })
		return g.Wait()
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.applyUses(ctx, of); err != nil {
		return err
	}
	if err := insertMissing(ctx, s.conversations, made); err != nil {
		return err
	}
	return s.update(ctx, s.conversations, rooms)
}

// roomUpdates are one update for each conversation, and the new ones.
func roomUpdates(of []*entry) (updates []mongo.WriteModel, made []any) {
	set := make(map[ids.Conversation]bson.M)
	for _, e := range of {
		if e.Creation != nil {
			made = append(made, e.Creation.Conversation)
			continue
		}
		id := e.room()
		u := set[id]
		if u == nil {
			u = bson.M{}
			set[id] = u
		}
		u["last_pos"] = e.End
		switch e.Kind {
		case kindMessage:
			u["last_seq"], u["last_rev"], u["last_ord"], u["active_pos"] = e.Seq, e.AddRev, e.Ord, e.End
			if edit := e.Edit; edit != nil {
				u["version"], u["count"], u["updated"], u["archived"] = edit.Version, edit.Count, edit.At, int64(0)
				if edit.Count == 0 {
					u["archived"] = edit.At
				}
				if edit.About != nil {
					edit.About.onto(id, u)
				}
			}
		case kindRevision:
			u["last_rev"] = e.Rev
		}
	}
	for id, u := range set {
		updates = append(updates, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", id.Bytes()), is("last_pos", bson.D{is("$lt", u["last_pos"])})}).
			SetUpdate(bson.D{is("$set", u)}))
	}
	return updates, made
}

// insertMissing inserts documents, leaving out those that are there.
func insertMissing(ctx context.Context, c *mongo.Collection, of []any) error {
	if len(of) == 0 {
		return nil
	}
	_, err := c.InsertMany(ctx, of, options.InsertMany().SetOrdered(false))
	return unlessThere(err)
}

// update runs updates in any order.
func (s *Store) update(ctx context.Context, c *mongo.Collection, of []mongo.WriteModel) error {
	if len(of) == 0 {
		return nil
	}
	_, err := c.BulkWrite(ctx, of, options.BulkWrite().SetOrdered(false))
	return unlessThere(err)
}

// unlessThere forgives that documents are there: an upsert whose filter leaves
// a newer one alone tries to insert it, too.
func unlessThere(err error) error {
	failed, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || failed.WriteConcernError != nil {
		return mongodb.Translate(err)
	}
	for _, e := range failed.WriteErrors {
		if !e.HasErrorCode(11000) {
			return mongodb.Translate(err)
		}
	}
	return nil
}

// applyMembers brings members up, with one update each.
func (s *Store) applyMembers(ctx context.Context, of []*entry) error {
	var made []any
	for _, e := range of {
		if e.Creation != nil {
			for _, m := range e.Creation.Members {
				made = append(made, m)
			}
		}
	}
	if err := insertMissing(ctx, s.members, made); err != nil {
		return err
	}
	var updates []mongo.WriteModel
	for id, effect := range effects(of) {
		updates = append(updates, effect.update(id))
	}
	return s.update(ctx, s.members, updates)
}

// effect is what commits do to one member.
type effect struct {
	pos   int64
	joins bool
	ends  bool
	moves bool // only his read position
	set   memberDocument
	// Which fields of set count.
	role, read, receipt, seen, settings, setPos bool
}

// effects gathers what commits do to the members that they concern, but for a
// conversation's first, who are inserted.
func effects(of []*entry) map[memberID]*effect {
	all := make(map[memberID]*effect)
	at := func(e *entry, user []byte) *effect {
		id := memberID{e.room(), idOf[ids.User](user)}
		f := all[id]
		if f == nil {
			f = &effect{moves: true}
			all[id] = f
		}
		f.pos = e.End
		return f
	}
	for _, e := range of {
		switch {
		case e.Receipt != nil:
			r := e.Receipt
			f := at(e, r.User)
			f.read, f.receipt = true, true
			f.set.ReadSeq, f.set.ReadOrd, f.set.Delivered, f.set.ReadPos, f.set.ReadTop = r.Seq, r.Ord, r.Delivered, e.End, e.Ord
			f.seen, f.set.Seen = true, r.Seen
		case e.Settings != nil:
			f := at(e, e.Settings.User)
			f.settings, f.setPos = true, true
			f.set.Set, f.set.SetPos = e.Settings.Set, e.End
		case e.Edit != nil:
			for i, c := range e.Edit.Changes {
				at(e, c.User).change(e, i)
			}
		case e.Kind == kindMessage && len(e.Sender) > 0:
			f := at(e, e.Sender)
			f.read = true
			f.set.ReadSeq, f.set.ReadOrd, f.set.Delivered = e.Seq, e.Ord, e.Seq
		}
	}
	return all
}

// change is what the i-th change of an edit does to its member.
func (f *effect) change(e *entry, i int) {
	c := e.Edit.Changes[i]
	f.moves = false
	switch change := chat.Change(c.Change); {
	case change.Ends():
		f.ends = true
		f.receipt, f.setPos = true, true
		f.set.SetPos = 0
		f.set.Left, f.set.LeftRev = e.First+int64(i), e.AddRev-int64(len(e.Edit.Changes)-i)
		f.set.ReadPos, f.set.ReadTop, f.set.Roll = 0, 0, nil
	case change == chat.Joined:
		*f = effect{pos: f.pos, joins: true, role: true, read: true, receipt: true, seen: true, settings: true, setPos: true, set: memberDocument{
			Role: c.Role, Joined: e.Edit.At, ReadSeq: e.Edit.LastSeq, ReadOrd: e.Edit.LastOrd, Delivered: e.Edit.LastSeq,
			Room: e.Room, User: c.User, From: e.Edit.LastSeq,
			Roll: roll(e.room(), chat.MemberKey{JoinedAt: instant(e.Edit.At), User: idOf[ids.User](c.User)}),
		}}
	default:
		f.role = true
		f.set.Role = c.Role
	}
}

// onto does to a member in memory what update does to the document.
func (f *effect) onto(m *memberDocument) {
	if f.moves && !m.isIn() {
		return
	}
	if f.joins {
		m.Room, m.User, m.Joined, m.Roll, m.Left, m.LeftRev = f.set.Room, f.set.User, f.set.Joined, f.set.Roll, 0, 0
		m.From = f.set.From
	}
	if f.ends {
		m.Left, m.LeftRev, m.Roll = f.set.Left, f.set.LeftRev, nil
	}
	if f.role {
		m.Role = f.set.Role
	}
	if f.read {
		m.ReadSeq, m.ReadOrd, m.Delivered = f.set.ReadSeq, f.set.ReadOrd, f.set.Delivered
	}
	if f.receipt {
		m.ReadPos, m.ReadTop = f.set.ReadPos, f.set.ReadTop
	}
	if f.seen {
		m.Seen = f.set.Seen
	}
	if f.settings {
		m.Set = f.set.Set
	}
	if f.setPos {
		m.SetPos = f.set.SetPos
	}
	m.Pos = f.pos
}

func (f *effect) update(id memberID) *mongo.UpdateOneModel {
	filter := bson.D{is("_id", id.bytes()), is("pos", bson.D{is("$lt", f.pos)})}
	set := bson.D{is("pos", f.pos)}
	var unset bson.D
	if f.moves {
		filter = append(filter, is("left", int64(0)))
	}
	if f.joins {
		set = append(set, is("c", f.set.Room), is("u", f.set.User), is("joined", f.set.Joined), is("from", f.set.From))
	}
	if f.joins || f.ends {
		set = append(set, is("left", f.set.Left), is("left_rev", f.set.LeftRev))
		if f.set.Roll != nil {
			set = append(set, is("roll", f.set.Roll))
		} else {
			unset = bson.D{is("roll", "")}
		}
	}
	if f.role {
		set = append(set, is("role", f.set.Role))
	}
	if f.read {
		set = append(set, is("read_seq", f.set.ReadSeq), is("read_ord", f.set.ReadOrd), is("delivered", f.set.Delivered))
	}
	if f.receipt {
		set = append(set, is("read_pos", f.set.ReadPos), is("read_top", f.set.ReadTop))
	}
	if f.seen {
		set = append(set, is("seen", f.set.Seen))
	}
	if f.settings {
		set = append(set, is("set", f.set.Set))
	}
	if f.setPos {
		set = append(set, is("set_pos", f.set.SetPos))
	}
	change := bson.D{is("$set", set)}
	if unset != nil {
		change = append(change, is("$unset", unset))
	}
	return mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(change).SetUpsert(f.joins)
}
