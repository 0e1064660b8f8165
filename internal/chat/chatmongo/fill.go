package chatmongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

var (
	// ErrUnfinished says that a database has not been filled to the end.
	ErrUnfinished = errors.New("chatmongo: not all has been copied into this database")
	// ErrNotEmpty says that a database cannot be filled, for there is
	// something in it, or it is another copy's.
	ErrNotEmpty = errors.New("the MongoDB database is not empty")
)

// claim is the document of chat_meta by which a database knows the copy that
// is being made into it.
type claim struct {
	ID   string `bson:"_id"`
	Copy string `bson:"copy"`
	Done bool   `bson:"done"`
}

const claimID = "copy"

// FillConfig has the bounds of a Filler; the zero FillConfig is good.
type FillConfig struct {
	// Batch is how many documents are inserted at once (1000), or as many as
	// come to some 8 MB.
	Batch int
}

// Filler fills a database with the archive of another store.
type Filler struct {
	s     *Store
	batch int
}

// NewFiller returns the filler of a database.
func NewFiller(db *mongodb.DB, cfg FillConfig) *Filler {
	return &Filler{New(db, Config{}), cmp.Or(cfg.Batch, 1000)}
}

// Check says whether the database is empty, or has the beginning of the same
// copy; only that when resume. ErrNotEmpty when not.
func (f *Filler) Check(ctx context.Context, copied string, resume bool) error {
	_, err := f.check(ctx, copied, resume)
	return err
}

// Claim is Check, and claims an empty database for the copy.
func (f *Filler) Claim(ctx context.Context, copied string, resume bool) error {
	there, err := f.check(ctx, copied, resume)
	if err != nil || there {
		return err
	}
	if _, err := f.s.meta.InsertOne(ctx, claim{ID: claimID, Copy: copied}); err != nil {
		return fmt.Errorf("claim the database: %w", mongodb.Translate(err))
	}
	return nil
}

func (f *Filler) check(ctx context.Context, copied string, resume bool) (there bool, err error) {
	c, err := one[claim](ctx, f.s.meta, claimID)
	switch {
	case err != nil:
		return false, fmt.Errorf("read the claim: %w", err)
	case c != nil && c.Copy == copied:
		return true, nil
	case c != nil || resume:
		return false, fmt.Errorf("%w: it is not the one that this copy was begun into", ErrNotEmpty)
	}
	// The epoch and form of a database that was never used say nothing.
	used := bson.D{is("_id", bson.D{is("$nin", bson.A{epochID, formID, searchID})})}
	for _, of := range []*mongo.Collection{
		f.s.log, f.s.conversations, f.s.members, f.s.invites, f.s.reports, f.s.files, f.s.meta,
	} {
		found, err := find[bson.Raw](ctx, of, used, options.Find().SetLimit(1))
		if err != nil {
			return false, fmt.Errorf("look into %s: %w", of.Name(), err)
		}
		if len(found) > 0 {
			return false, fmt.Errorf("%w: there is something in %s", ErrNotEmpty, of.Name())
		}
	}
	return false, nil
}

// Sizes returns how many of each part are there already, about.
func (f *Filler) Sizes(ctx context.Context) (map[string]int64, error) {
	sizes := make(map[string]int64)
	for part, of := range map[string]*mongo.Collection{
		chat.PartConversations: f.s.conversations, chat.PartMembers: f.s.members, chat.PartInvites: f.s.invites,
		chat.PartJournal: f.s.log, chat.PartReports: f.s.reports, chat.PartFiles: f.s.files,
	} {
		n, err := of.EstimatedDocumentCount(ctx)
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", of.Name(), mongodb.Translate(err))
		}
		sizes[part] = n
	}
	return sizes, nil
}

// Fill brings over what is not there yet, then makes the indexes. Documents go
// in by their _id, so that what is there is always the beginning. told hears of
// how many have been written.
func (f *Filler) Fill(ctx context.Context, from chat.Archive, told func(part string, n int)) error {
	epoch, pos, err := from.Position(ctx)
	if err != nil {
		return err
	}
	if err := f.fillLog(ctx, from, pos, told); err != nil {
		return err
	}
	last, err := find[memberDocument](ctx, f.s.members, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the members: %w", err)
	}
	var member chat.MemberID
	for _, m := range last {
		member = chat.MemberID{Conversation: idOf[ids.Conversation](m.Room), User: idOf[ids.User](m.User)}
	}
	err = fill(ctx, f, f.s.members, from.Members(ctx, member), func(m *chat.ArchivedMember) (any, int) {
		return memberOf(m, pos), 300
	}, func(n int) { told(chat.PartMembers, n) })
	if err != nil {
		return err
	}
	if err := f.fillInvites(ctx, from, pos, told); err != nil {
		return err
	}
	rooms, err := find[conversationDocument](ctx, f.s.conversations, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the conversations: %w", err)
	}
	var room ids.Conversation
	for _, c := range rooms {
		room = idOf[ids.Conversation](c.ID)
	}
	err = fill(ctx, f, f.s.conversations, from.Conversations(ctx, room), func(c *chat.ArchivedConversation) (any, int) {
		return conversationOf(c), 300 + 2*len(c.Description) + 20*len(c.Name)
	}, func(n int) { told(chat.PartConversations, n) })
	if err != nil {
		return err
	}
	if err := f.fillReports(ctx, from, told); err != nil {
		return err
	}
	if err := f.fillFiles(ctx, from, pos, told); err != nil {
		return err
	}
	_, err = f.s.meta.UpdateByID(ctx, epochID, bson.D{is("$set", bson.D{is("epoch", epoch)})}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("write the epoch: %w", mongodb.Translate(err))
	}
	if err := f.s.mark(ctx, epoch); err != nil {
		return fmt.Errorf("write the form: %w", err)
	}
	return f.s.index(ctx)
}

func (f *Filler) fillLog(ctx context.Context, from chat.Archive, pos int64, told func(part string, n int)) error {
	after, err := f.s.end(ctx)
	if err != nil {
		return err
	}
	last := after
	err = fill(ctx, f, f.s.log, from.Journal(ctx, after), func(e *chat.Entry) (any, int) {
		last = e.Pos
		return entryOf(e).written(), weight(e)
	}, func(n int) { told(chat.PartJournal, n) })
	if err == nil && last != pos {
		err = fmt.Errorf("%w: its position is %d, its last change is at %d", chat.ErrArchive, pos, last)
	}
	return err
}

// weight is roughly how many bytes a commit is.
func weight(e *chat.Entry) int {
	n := 400
	if e.Added != nil {
		n += 4*len(e.Added.Text) + 400*len(e.Added.Attachments) // the text's words, too
		if e.Added.Edit != nil {
			n += 150 * len(e.Added.Edit.Changes)
		}
	}
	if e.Revised != nil {
		n += len(e.Revised.Before) + len(e.Revised.Text)
	}
	if e.Made != nil {
		n += 300 * len(e.Made.Members)
	}
	return n
}

// batchBytes is how much is inserted at once, about.
const batchBytes = 8 << 20

// fill inserts documents in their order, as many at once as a batch holds.
func fill[T any](
	ctx context.Context, f *Filler, to *mongo.Collection, from iter.Seq2[T, error],
	document func(*T) (d any, size int), told func(int),
) error {
	var batch []any
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := insertOn(ctx, to, batch); err != nil {
			return fmt.Errorf("fill %s: %w", to.Name(), err)
		}
		told(len(batch))
		batch, size = batch[:0], 0
		return nil
	}
	for v, err := range from {
		if err != nil {
			return err
		}
		d, n := document(&v)
		if batch, size = append(batch, d), size+n; len(batch) >= f.batch || size >= batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// insertOn inserts documents in their order, but for those that are there: the
// server may go on for a moment with what a copy that was killed has sent.
// Whether they are the same is found by comparing.
func insertOn(ctx context.Context, to *mongo.Collection, of []any) error {
	for len(of) > 0 {
		_, err := to.InsertMany(ctx, of, options.InsertMany().SetOrdered(true))
		failed, ok := errors.AsType[mongo.BulkWriteException](err)
		if !ok || failed.WriteConcernError != nil || len(failed.WriteErrors) != 1 || !failed.WriteErrors[0].HasErrorCode(11000) {
			return mongodb.Translate(err)
		}
		of = of[failed.WriteErrors[0].Index+1:]
	}
	return nil
}

// Finish lets the database be used.
func (f *Filler) Finish(ctx context.Context) error {
	if _, err := f.s.meta.UpdateByID(ctx, claimID, bson.D{is("$set", bson.D{is("done", true)})}); err != nil {
		return fmt.Errorf("finish the claim: %w", mongodb.Translate(err))
	}
	return nil
}

// fillFiles brings over the files that are not there yet.
func (f *Filler) fillFiles(ctx context.Context, from chat.Archive, pos int64, told func(part string, n int)) error {
	last, err := find[fileDocument](ctx, f.s.files, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the files: %w", err)
	}
	var after ids.Attachment
	for _, d := range last {
		after = idOf[ids.Attachment](d.ID)
	}
	return fill(ctx, f, f.s.files, from.Files(ctx, after), func(d *chat.ArchivedFile) (any, int) {
		return fileOf(d, pos), 600
	}, func(n int) { told(chat.PartFiles, n) })
}
