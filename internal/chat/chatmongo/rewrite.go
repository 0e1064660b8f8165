package chatmongo

import (
	"context"
	"maps"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/mongodb"
)

// taking takes away from the journal what it has of a message that is deleted,
// or of a reaction that is gone.
var taking = bson.D{is("$unset", bson.D{ //nolint:gochecknoglobals // A table.
	is("past", ""), is("reactor", ""), is("reacted", ""), is("revision.before", ""), is("revision.text", ""),
	is("revision.mentions", ""), is("revision.user", ""), is("revision.emoji", ""), is("revision.marks", ""),
})}

// applyRevisions rewrites messages, and the roots of threads, each once. What
// is to be taken away goes first, so that the log has none of it when the
// message tells so.
func (s *Store) applyRevisions(ctx context.Context, of []*entry) error {
	var updates, last []mongo.WriteModel
	messages := make(map[int64]*rewriting) // by position
	at := func(target int64) *rewriting {
		m := messages[target]
		if m == nil {
			m = &rewriting{set: bson.M{}, unset: bson.M{}}
			messages[target] = m
		}
		return m
	}
	for _, e := range of {
		if e.Root != nil {
			at(e.Root.Target).count(e)
		}
		r := e.Revision
		if r == nil {
			continue
		}
		switch r.kind() {
		case chat.ToDelete:
			updates = append(updates, mongo.NewUpdateManyModel().
				SetFilter(bson.D{between("past", numbered(r.Message, 0), numbered(r.Message, e.Rev))}).SetUpdate(taking))
		case chat.ToUnreact:
			updates = append(updates, mongo.NewUpdateOneModel().SetFilter(bson.D{is("_id", r.Undoes)}).SetUpdate(taking))
		case chat.ToEdit, chat.ToReact, chat.ToPin, chat.ToUnpin:
		}
		at(r.Target).add(e)
	}
	for target, m := range messages {
		last = append(last, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("end", target), is("rev", bson.D{is("$lt", m.rev)})}).SetUpdate(m.update()))
	}
	if updates = append(updates, last...); len(updates) == 0 {
		return nil
	}
	_, err := s.log.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(true))
	return mongodb.Translate(err)
}

// rewriting is what revisions that follow each other do to one message's
// document.
type rewriting struct {
	rev        int64
	set, unset bson.M
}

func (w *rewriting) put(field string, v any) {
	delete(w.unset, field)
	w.set[field] = v
}

func (w *rewriting) drop(field string) {
	delete(w.set, field)
	w.unset[field] = ""
}

// number gives the message the rev of its change.
func (w *rewriting) number(e *entry, rev int64) {
	w.rev = rev
	w.put("rev", rev)
	w.put("changed", numbered(e.Room, rev))
}

// count does what a commit does to the root of a thread.
func (w *rewriting) count(e *entry) {
	w.number(e, e.rootRev())
	w.put("thread", e.Root.Thread)
}

// add does what a commit that is a revision does to its message.
func (w *rewriting) add(e *entry) {
	r := e.Revision
	w.number(e, e.Rev)
	switch r.kind() {
	case chat.ToEdit:
		w.put("text", r.Text)
		w.put("edited", r.At)
		w.words(r.Text)
		w.drop("mentions")
		if r.Mentions != nil {
			w.put("mentions", r.Mentions)
		}
	case chat.ToDelete:
		w.put("text", "")
		w.put("deleted", r.At)
		w.words("")
		w.drop("files")
		w.drop("mentions")
		w.drop("marks")
		w.drop("pinned")
	case chat.ToReact, chat.ToUnreact, chat.ToPin, chat.ToUnpin:
		w.drop("marks")
		w.drop("pinned")
		if r.Marks != nil {
			w.put("marks", r.Marks)
		}
		if key := r.Marks.pinned(e.Room); key != nil {
			w.put("pinned", key)
		}
	}
}

// words has a search find the text, and not the one before.
func (w *rewriting) words(text string) {
	set, unset := setWords(text)
	for _, f := range set {
		w.put(f.Key, f.Value)
	}
	for _, f := range unset {
		w.drop(f.Key)
	}
}

func (w *rewriting) update() bson.M {
	update := bson.M{"$set": w.set, "$unset": w.unset}
	maps.DeleteFunc(update, func(_ string, v any) bool { return len(v.(bson.M)) == 0 })
	return update
}

// onto does to a message in memory what add does to its document.
func (r *revision) onto(m, e *entry) {
	m.Rev, m.Changed = e.Rev, numbered(e.Room, e.Rev)
	switch r.kind() {
	case chat.ToEdit:
		m.Text, m.Mentions, m.Edited = r.Text, r.Mentions, r.At
	case chat.ToDelete:
		m.Text, m.Deleted, m.Mentions, m.Marks, m.Pinned, m.Files = "", r.At, nil, nil, nil, nil
	case chat.ToReact, chat.ToUnreact, chat.ToPin, chat.ToUnpin:
		m.Marks, m.Pinned = r.Marks, r.Marks.pinned(e.Room)
	}
}
