package chatmongo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// attachment is what a message, and the document of a file, tell of it.
type attachment struct {
	ID     []byte `bson:"id,omitempty"`
	Name   string `bson:"name"`
	Type   string `bson:"type"` // empty: not all of it is there
	Size   int64  `bson:"size"`
	Width  int64  `bson:"width,omitempty"`
	Height int64  `bson:"height,omitempty"`
	Thumb  bool   `bson:"thumbnail,omitempty"`
}

func (a *attachment) attachment() chat.Attachment {
	return chat.Attachment{
		ID: idOf[ids.Attachment](a.ID), Name: a.Name, ContentType: a.Type, Size: a.Size,
		Width: int(a.Width), Height: int(a.Height), Thumbnail: a.Thumb,
	}
}

func attachmentOf(a *chat.Attachment) attachment {
	return attachment{
		ID: a.ID.Bytes(), Name: a.Name, Type: a.ContentType, Size: a.Size,
		Width: int64(a.Width), Height: int64(a.Height), Thumb: a.Thumbnail,
	}
}

func attachmentsOf(of []chat.Attachment) []attachment {
	var all []attachment
	for i := range of {
		all = append(all, attachmentOf(&of[i]))
	}
	return all
}

// fileDocument is a document of chat_files. Commits bring it up as they do
// others; what concerns it while no message has it is not in the log.
type fileDocument struct {
	ID        []byte     `bson:"_id"`
	User      []byte     `bson:"u"`
	Length    int64      `bson:"length"`
	Created   int64      `bson:"created"`
	Of        attachment `bson:"of"`
	Unsent    int64      `bson:"unsent,omitempty"` // Created, while no message has it and it is neither worn nor condemned
	Message   []byte     `bson:"message,omitempty"`
	Room      []byte     `bson:"c,omitempty"` // of the message
	Condemned int64      `bson:"condemned,omitempty"`
	Worn      bool       `bson:"worn,omitempty"`
	Doubted   int64      `bson:"doubted,omitempty"` // since when
	Pos       int64      `bson:"pos"`               // up to which this is brought up
}

func (d *fileDocument) file() chat.File {
	f := chat.File{
		Attachment: d.Of.attachment(), Uploader: idOf[ids.User](d.User), Length: d.Length, CreatedAt: instant(d.Created),
		Complete: d.Of.Type != "", Message: idOf[ids.Message](d.Message), Worn: d.Worn,
	}
	f.ID = idOf[ids.Attachment](d.ID)
	return f
}

func fileOf(f *chat.ArchivedFile, pos int64) *fileDocument {
	d := &fileDocument{
		ID: f.ID.Bytes(), User: f.Uploader.Bytes(), Length: f.Length, Created: micros(f.CreatedAt), Of: attachmentOf(&f.Attachment),
		Message: blob(f.Message), Room: blob(f.Conversation), Condemned: optMicros(f.CondemnedAt), Pos: pos,
		Worn: f.Worn, Doubted: optMicros(f.DoubtedAt),
	}
	d.Of.ID = nil
	if f.Message.IsZero() && f.CondemnedAt.IsZero() && !f.Worn {
		d.Unsent = d.Created
	}
	return d
}

// Reserve stores a new file that is not complete.
func (s *Store) Reserve(ctx context.Context, f chat.File) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if _, err := s.files.InsertOne(ctx, fileOf(&chat.ArchivedFile{File: f}, 0)); err != nil {
		return fmt.Errorf("reserve %s: %w", f.ID, mongodb.Translate(err))
	}
	return nil
}

// Usage returns what a user's files come to.
func (s *Store) Usage(ctx context.Context, user ids.User) (u chat.FileUsage, err error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[fileDocument](ctx, s.files, bson.D{is("u", user.Bytes())},
		options.Find().SetProjection(bson.D{is("length", 1), is("unsent", 1), is("condemned", 1)}))
	if err != nil {
		return u, fmt.Errorf("usage of %s: %w", user, err)
	}
	for i := range found {
		if found[i].Condemned != 0 {
			continue
		}
		u.Bytes += found[i].Length
		if found[i].Unsent != 0 {
			u.Unsent++
		}
	}
	return u, nil
}

// unsentOf finds a file that is in no message and not condemned.
func unsentOf(uploader ids.User, id ids.Attachment) bson.D {
	return bson.D{is("_id", id.Bytes()), is("u", uploader.Bytes()), over("unsent", int64(0))}
}

func changedOne(r *mongo.UpdateResult, err error) error {
	if err == nil && r.MatchedCount == 0 {
		return chat.ErrNoFile
	}
	return mongodb.Translate(err)
}

// Complete fills in what is known of a file.
func (s *Store) Complete(ctx context.Context, f chat.File) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	err := changedOne(s.files.UpdateOne(ctx, unsentOf(f.Uploader, f.ID), bson.D{is("$set", bson.D{
		is("length", f.Length), is("of.type", f.ContentType), is("of.size", f.Size),
		is("of.width", int64(f.Width)), is("of.height", int64(f.Height)), is("of.thumbnail", f.Thumbnail),
	})}))
	if err != nil {
		return fmt.Errorf("complete %s: %w", f.ID, err)
	}
	return nil
}

// File returns a file that is not condemned.
func (s *Store) File(ctx context.Context, id ids.Attachment) (chat.File, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	d, err := one[fileDocument](ctx, s.files, id.Bytes())
	if err == nil && (d == nil || d.Condemned != 0) {
		err = chat.ErrNoFile
	}
	if err != nil {
		return chat.File{}, fmt.Errorf("read %s: %w", id, err)
	}
	return d.file(), nil
}

// ReadableFiles returns those of the files that the viewer may read.
func (s *Store) ReadableFiles(ctx context.Context, viewer ids.User, of []ids.Attachment) ([]chat.File, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var found []fileDocument
	seen := make(map[ids.Conversation]bool)
	var rooms []ids.Conversation
	for _, part := range parts(blobs(of)) {
		some, err := find[fileDocument](ctx, s.files, bson.D{in("_id", part)})
		if err != nil {
			return nil, fmt.Errorf("read files: %w", err)
		}
		for i := range some {
			if id := idOf[ids.Conversation](some[i].Room); !id.IsZero() && !seen[id] {
				seen[id] = true
				rooms = append(rooms, id)
			}
		}
		found = append(found, some...)
	}
	mine, err := s.memberships(ctx, viewer, rooms)
	if err != nil {
		return nil, fmt.Errorf("read the viewer's memberships: %w", err)
	}
	var all []chat.File
	for i := range found {
		d := &found[i]
		own := len(d.Message) == 0 && idOf[ids.User](d.User) == viewer
		if d.Condemned == 0 && (own || len(d.Message) > 0 && mine[idOf[ids.Conversation](d.Room)].isIn()) {
			all = append(all, d.file())
		}
	}
	return all, nil
}

// condemnation is what condemning does to a document.
func condemnation(at int64) bson.D {
	return bson.D{is("$set", bson.D{is("condemned", at)}), is("$unset", bson.D{is("unsent", "")})}
}

// Condemn condemns a file that is in no message.
func (s *Store) Condemn(ctx context.Context, uploader ids.User, id ids.Attachment, at time.Time) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if err := changedOne(s.files.UpdateOne(ctx, unsentOf(uploader, id), condemnation(micros(at)))); err != nil {
		return fmt.Errorf("condemn %s: %w", id, err)
	}
	return nil
}

// CondemnUnsent condemns files that were not sent. A commit that takes one at
// this moment is brought up after it, and takes the condemnation back.
func (s *Store) CondemnUnsent(ctx context.Context, before, at time.Time, limit int) (int, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[fileDocument](ctx, s.files, bson.D{between("unsent", int64(0), micros(before))}, ascending("unsent", limit))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	of := make([][]byte, len(found))
	for i := range found {
		of[i] = found[i].ID
	}
	r, err := s.files.UpdateMany(ctx, bson.D{in("_id", of), over("unsent", int64(0))}, condemnation(micros(at)))
	if err != nil {
		return 0, fmt.Errorf("condemn what was not sent: %w", mongodb.Translate(err))
	}
	return int(r.ModifiedCount), nil
}

// Condemned returns files that were condemned before a time.
func (s *Store) Condemned(ctx context.Context, before time.Time, limit int) ([]ids.Attachment, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[fileDocument](ctx, s.files, bson.D{between("condemned", int64(0), micros(before))}, ascending("condemned", limit))
	if err != nil {
		return nil, fmt.Errorf("find what is condemned: %w", err)
	}
	all := make([]ids.Attachment, len(found))
	for i := range found {
		all[i] = idOf[ids.Attachment](found[i].ID)
	}
	return all, nil
}

// Forget takes away what is known of condemned files.
func (s *Store) Forget(ctx context.Context, of []ids.Attachment) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	for _, part := range parts(blobs(of)) {
		if _, err := s.files.DeleteMany(ctx, bson.D{in("_id", part), over("condemned", int64(0))}); err != nil {
			return fmt.Errorf("forget files: %w", mongodb.Translate(err))
		}
	}
	return nil
}

// loadFiles reads the files that the jobs want to take.
func (s *Store) loadFiles(ctx context.Context, c *commit, jobs []*job) error {
	var of [][]byte
	for _, j := range jobs {
		of = append(of, blobs(j.files)...)
	}
	if len(of) == 0 {
		return nil
	}
	c.files = make(map[ids.Attachment]*fileDocument)
	for _, part := range parts(of) {
		found, err := find[fileDocument](ctx, s.files, bson.D{in("_id", part)})
		if err != nil {
			return fmt.Errorf("read files: %w", err)
		}
		for i := range found {
			c.files[idOf[ids.Attachment](found[i].ID)] = &found[i]
		}
	}
	return nil
}

// claim returns what a message will tell of its files.
func (c *commit) claim(m *chat.NewMessage) ([]attachment, error) {
	var all []attachment
	for _, id := range m.Attachments {
		d := c.files[id]
		if d == nil || d.Unsent == 0 || len(d.Message) > 0 || d.Of.Type == "" || idOf[ids.User](d.User) != m.Sender {
			return nil, chat.ErrAttachments
		}
		a := d.Of
		a.ID = d.ID
		all = append(all, a)
	}
	return all, nil
}

// fileUpdates are what commits do to files: messages take them, deletions
// condemn them. The updates are in the order of the commits.
func fileUpdates(of []*entry) []mongo.WriteModel {
	var all []mongo.WriteModel
	for _, e := range of {
		behind := is("pos", bson.D{is("$lt", e.End)})
		if len(e.Files) > 0 {
			taken := make([][]byte, len(e.Files))
			for i := range e.Files {
				taken[i] = e.Files[i].ID
			}
			all = append(all, mongo.NewUpdateManyModel().SetFilter(bson.D{in("_id", taken), behind}).SetUpdate(bson.D{
				is("$set", bson.D{is("message", e.ID), is("c", e.Room), is("pos", e.End)}),
				is("$unset", bson.D{is("unsent", ""), is("condemned", ""), is("worn", ""), is("doubted", "")}),
			}))
		}
		if r := e.Revision; r != nil && r.Delete && r.Files {
			all = append(all, mongo.NewUpdateManyModel().SetFilter(bson.D{is("message", r.Message), behind}).SetUpdate(bson.D{
				is("$set", bson.D{is("condemned", r.At), is("of.name", ""), is("pos", e.End)}),
			}))
		}
	}
	return all
}

func (s *Store) applyFiles(ctx context.Context, updates []mongo.WriteModel) error {
	_, err := s.files.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(true))
	return mongodb.Translate(err)
}
