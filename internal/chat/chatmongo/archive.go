package chatmongo

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// Archive reads all of a database that was filled and that nobody writes to.
// It says chat.ErrArchive of a document whose keys are not those of its
// content.
type Archive struct {
	s *Store
}

var _ chat.Archive = (*Archive)(nil)

// NewArchive returns the archive of a database.
func NewArchive(db *mongodb.DB) *Archive { return &Archive{New(db, Config{})} }

// archivePage is how many documents one query reads.
const archivePage = 1000

// Position implements chat.Archive: the newest position is the log's end.
func (a *Archive) Position(ctx context.Context) (string, int64, error) {
	if err := a.s.knowEpoch(ctx); err != nil {
		return "", 0, fmt.Errorf("read the epoch: %w", err)
	}
	end, err := a.s.end(ctx)
	return a.s.epoch, end, err
}

// end is the last position of the log; 0 when it is empty.
func (s *Store) end(ctx context.Context) (int64, error) {
	newest, err := find[entry](ctx, s.log, bson.D{}, descending("_id", 1))
	if err != nil {
		return 0, fmt.Errorf("read the end of the log: %w", err)
	}
	if len(newest) == 0 {
		return 0, nil
	}
	return newest[0].End, nil
}

// walked yields all documents of a collection after one, by their _id.
func walked[D, T any](ctx context.Context, c *mongo.Collection, after any, of func(*D) (T, any, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			page, err := find[D](ctx, c, bson.D{over("_id", after)}, ascending("_id", archivePage))
			for i := range page {
				var v T
				if v, after, err = of(&page[i]); err != nil {
					break
				}
				if !yield(v, nil) {
					return
				}
			}
			if err != nil {
				var none T
				yield(none, fmt.Errorf("read %s: %w", c.Name(), err))
				return
			}
			if len(page) < archivePage {
				return
			}
		}
	}
}

// Conversations implements chat.Archive.
func (a *Archive) Conversations(ctx context.Context, after ids.Conversation) iter.Seq2[chat.ArchivedConversation, error] {
	return walked(ctx, a.s.conversations, after.Bytes(),
		func(c *conversationDocument) (chat.ArchivedConversation, any, error) {
			out := chat.ArchivedConversation{Conversation: c.conversation(), LastPos: c.LastPos}
			var err error
			if again := conversationOf(&out); c.Place != again.Place || !slices.Equal(c.Terms, again.Terms) {
				err = fmt.Errorf("%w: the place of %s", chat.ErrArchive, out.ID)
			}
			return out, c.ID, err
		})
}

// Members implements chat.Archive.
func (a *Archive) Members(ctx context.Context, after chat.MemberID) iter.Seq2[chat.ArchivedMember, error] {
	return walked(ctx, a.s.members, memberID{after.Conversation, after.User}.bytes(),
		func(m *memberDocument) (chat.ArchivedMember, any, error) {
			out := chat.ArchivedMember{
				Member: m.member(), LeftPos: m.Left, LeftRev: m.LeftRev, ReadPos: m.ReadPos, ReadTop: m.ReadTop,
				SetPos: m.SetPos,
			}
			var err error
			if !bytes.Equal(m.ID, memberID{out.Conversation, out.User}.bytes()) || !bytes.Equal(m.Roll, rollOf(&out)) {
				err = fmt.Errorf("%w: the keys of %s in %s", chat.ErrArchive, out.User, out.Conversation)
			}
			return out, m.ID, err
		})
}

// Journal implements chat.Archive.
func (a *Archive) Journal(ctx context.Context, after int64) iter.Seq2[chat.Entry, error] {
	return walked(ctx, a.s.log, after, func(e *entry) (chat.Entry, any, error) {
		out := e.archived()
		again := entryOf(&out)
		var err error
		if e.First != again.First || e.Since != again.Since || !bytes.Equal(e.ID, again.ID) || !bytes.Equal(e.Key, again.Key) ||
			!bytes.Equal(e.Place, again.Place) || !bytes.Equal(e.Changed, again.Changed) || !bytes.Equal(e.Past, again.Past) ||
			!bytes.Equal(e.Pinned, again.Pinned) || !bytes.Equal(e.Reactor, again.Reactor) || !bytes.Equal(e.Reacted, again.Reacted) ||
			!bytes.Equal(e.Reply, again.Reply) {
			err = fmt.Errorf("%w: the keys at %d", chat.ErrArchive, e.End)
		}
		return out, e.First, err
	})
}

// archived is a commit as archives tell of it.
func (e *entry) archived() chat.Entry {
	out := chat.Entry{Pos: e.End, Conversation: e.room(), Rev: e.Rev, Ord: e.Ord}
	if r := e.Root; r != nil {
		out.Thread = &chat.ThreadChange{Root: idOf[ids.Message](r.ID), Target: r.Target}
	}
	switch {
	case e.Receipt != nil:
		out.Receipt = e.Receipt.receipt()
	case e.Settings != nil:
		out.Settings = &chat.SettingsOf{User: idOf[ids.User](e.Settings.User), Settings: e.Settings.Set.settings()}
	case e.Revision != nil:
		r := e.Revision
		out.Revised = &chat.Revised{
			Message: idOf[ids.Message](r.Message), Target: r.Target, At: instant(r.At), Kind: r.kind(), Before: r.Before, Text: r.Text,
			User: idOf[ids.User](r.User), Emoji: r.Emoji,
		}
	case e.Creation != nil:
		out.Made = &chat.Made{Conversation: e.Creation.Conversation.conversation()}
		for i := range e.Creation.Members {
			out.Made.Members = append(out.Made.Members, e.Creation.Members[i].member())
		}
	case e.Kind == kindMessage:
		out.Rev = e.AddRev
		out.Added = &chat.Added{Message: *e.message(), InputHash: e.Hash}
		if d := e.Edit; d != nil {
			out.Added.Edit = &chat.Edited{At: instant(d.At), Version: d.Version, Count: d.Count}
			if d.About != nil {
				out.Added.Edit.About = d.About.change()
				return out
			}
			for _, change := range e.memberEvents(e.room()) {
				out.Added.Edit.Changes = append(out.Added.Edit.Changes, *change.Membership)
			}
		}
	}
	return out
}

// entryOf is a commit of an archive as a document. It says of itself that it
// is brought up, for whoever fills a database brings up all of it.
func entryOf(e *chat.Entry) *entry {
	d := &entry{First: e.Pos, End: e.Pos, Since: e.Pos, Room: e.Conversation.Bytes(), Rev: e.Rev, Ord: e.Ord}
	if t := e.Thread; t != nil {
		d.First--
		d.Root = &rootChange{ID: t.Root.Bytes(), Target: t.Target}
	}
	switch {
	case e.Receipt != nil:
		r := e.Receipt
		d.Kind, d.Receipt = kindReceipt, &receiptEntry{
			Room: d.Room, User: r.User.Bytes(), Seq: r.ReadSeq, Ord: r.ReadOrd, Delivered: r.DeliveredSeq, Seen: r.SeenSeq,
		}
		d.Room = nil
	case e.Settings != nil:
		d.Kind, d.Settings = kindSettings, &settingsEntry{Room: d.Room, User: e.Settings.User.Bytes(), Set: settingsDocument(e.Settings.Settings)}
		d.Room = nil
	case e.Revised != nil:
		r := e.Revised
		d.Kind, d.Revision = kindRevision, &revision{
			Message: r.Message.Bytes(), Target: r.Target, At: micros(r.At), Before: r.Before, Text: r.Text,
			User: blob(r.User), Emoji: r.Emoji,
		}
		if d.Revision.Delete = r.Kind == chat.ToDelete; !d.Revision.Delete {
			d.Revision.Kind = string(r.Kind)
		}
		d.index()
	case e.Made != nil:
		d.make(e)
	case e.Added != nil:
		d.add(e.Added)
	}
	return d
}

func (e *entry) make(from *chat.Entry) {
	e.Kind, e.ID = kindCreation, e.Room
	c := from.Made.Conversation
	e.Creation = &creation{Conversation: *conversationOf(&chat.ArchivedConversation{Conversation: c, LastPos: e.End})}
	for _, m := range from.Made.Members {
		e.Creation.Members = append(e.Creation.Members, *memberOf(&chat.ArchivedMember{Member: m}, e.End))
	}
	if c.Kind == chat.Direct {
		e.Key = pairKey(from.Made.Members)
	}
}

func (e *entry) add(m *chat.Added) {
	e.Kind, e.ID = kindMessage, m.ID.Bytes()
	e.AddRev, e.Rev = e.Rev, m.Rev
	e.Place, e.Seq = numbered(e.Room, m.Seq), m.Seq
	if m.Rev != e.AddRev {
		e.Changed = numbered(e.Room, m.Rev)
	}
	e.System, e.Sender, e.Text, e.Client, e.Hash = m.Kind == chat.System, blob(m.Sender), m.Text, m.ClientID, m.InputHash
	e.Key = sendKey(&chat.NewMessage{Conversation: m.Conversation, Sender: m.Sender, ClientID: m.ClientID})
	e.ReplyTo, e.Created, e.Edited, e.Deleted = blob(m.ReplyTo), micros(m.CreatedAt), optMicros(m.EditedAt), optMicros(m.DeletedAt)
	e.Note, e.Thread, e.Mentions, e.Marks = noteOf(m.Note), threadOf(m.Thread), mentionsOf(m.Mentions), marksOf(&m.Message)
	if !m.ThreadRoot.IsZero() {
		e.Reply = numbered(m.ThreadRoot.Bytes(), m.Seq)
	}
	e.Pinned = e.Marks.pinned(e.Room)
	e.Files = attachmentsOf(m.Attachments)
	if m.Edit == nil {
		return
	}
	e.Edit = &memberEdit{
		Version: m.Edit.Version, Count: m.Edit.Count, At: micros(m.Edit.At), LastSeq: m.Seq - 1, LastOrd: m.Ord,
	}
	for _, c := range m.Edit.Changes {
		e.Edit.Changes = append(e.Edit.Changes, memberChange{
			User: c.User.Bytes(), Change: string(c.Change), Role: string(c.Role), Actor: blob(c.Actor),
		})
	}
	if m.Edit.About != nil {
		e.Edit.About = aboutOf(m.Edit.About)
	}
	e.First -= e.Edit.changes()
}

func conversationOf(c *chat.ArchivedConversation) *conversationDocument {
	d := &conversationDocument{
		ID: c.ID.Bytes(), Kind: string(c.Kind), Name: c.Name, Description: c.Description, Creator: blob(c.Creator),
		Created: micros(c.CreatedAt), Updated: micros(c.UpdatedAt), Archived: optMicros(c.ArchivedAt),
		LastSeq: c.LastSeq, LastRev: c.LastRev, LastOrd: c.LastOrd, LastPos: c.LastPos, ActivePos: c.ActivePos,
		Version: c.MemberVersion, Count: int64(c.MemberCount),
	}
	d.list()
	return d
}

// memberOf is a member as a document that is brought up to a position.
func memberOf(m *chat.ArchivedMember, pos int64) *memberDocument {
	id := memberID{m.Conversation, m.User}
	return &memberDocument{
		ID: id.bytes(), Room: m.Conversation.Bytes(), User: m.User.Bytes(), Role: string(m.Role), Joined: micros(m.JoinedAt),
		Left: m.LeftPos, LeftRev: m.LeftRev, ReadSeq: m.ReadSeq, ReadOrd: m.ReadOrd, Delivered: m.DeliveredSeq,
		ReadPos: m.ReadPos, ReadTop: m.ReadTop, Roll: rollOf(m), Pos: pos,
		Seen: m.SeenSeq, From: m.JoinedSeq, Set: settingsDocument(m.Settings), SetPos: m.SetPos,
	}
}

// rollOf is a member's place in the order of members; nil for a former one.
func rollOf(m *chat.ArchivedMember) []byte {
	if m.LeftPos != 0 {
		return nil
	}
	return roll(m.Conversation, chat.MemberKey{JoinedAt: m.JoinedAt, User: m.User})
}

// Files implements chat.Archive.
func (a *Archive) Files(ctx context.Context, after ids.Attachment) iter.Seq2[chat.ArchivedFile, error] {
	return walked(ctx, a.s.files, after.Bytes(), func(d *fileDocument) (chat.ArchivedFile, any, error) {
		f := chat.ArchivedFile{File: d.file(), Conversation: idOf[ids.Conversation](d.Room), CondemnedAt: optInstant(d.Condemned), DoubtedAt: optInstant(d.Doubted)}
		var err error
		if d.Unsent != fileOf(&f, 0).Unsent {
			err = fmt.Errorf("%w: the keys of %s", chat.ErrArchive, f.ID)
		}
		return f, d.ID, err
	})
}
