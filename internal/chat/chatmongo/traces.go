package chatmongo

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// Rooms returns the conversations that a user is or was in.
func (s *Store) Rooms(ctx context.Context, user ids.User, after ids.Conversation, limit int) ([]chat.Room, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[memberDocument](ctx, s.members, bson.D{is("u", user.Bytes()), over("c", after.Bytes())}, ascending("c", limit))
	if err != nil {
		return nil, fmt.Errorf("rooms of %s: %w", user, err)
	}
	all := make([]chat.Room, len(found))
	for i := range found {
		all[i] = chat.Room{ID: idOf[ids.Conversation](found[i].Room), In: found[i].isIn()}
	}
	return all, nil
}

// Traced returns what a user has left in some messages.
func (s *Store) Traced(ctx context.Context, user ids.User, id ids.Conversation, after, span int64) (t chat.Traced, err error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	c, err := s.conversation(ctx, id) // first: what is found is of this version or a later one
	if err != nil {
		return t, fmt.Errorf("traces in %s: %w", id, err)
	}
	t.Version, t.LastSeq = c.MemberVersion, c.LastSeq
	place := between("place", numbered(id.Bytes(), after), numbered(id.Bytes(), after+span+1))
	own, err := find[entry](ctx, s.log, bson.D{
		place, is("sender", user.Bytes()), is("system", bson.D{is("$ne", true)}), is("deleted", bson.D{is("$exists", false)}),
	}, options.Find().SetSort(bson.D{is("place", 1)}))
	if err != nil {
		return t, fmt.Errorf("traces in %s: %w", id, err)
	}
	t.Own = messages(own)
	marked, err := find[entry](ctx, s.log, bson.D{place, is("marks", bson.D{is("$exists", true)})}, options.Find().SetProjection(bson.D{is("id", 1)}))
	if err != nil {
		return t, fmt.Errorf("traces in %s: %w", id, err)
	}
	of := make([]ids.Message, len(marked))
	for i := range marked {
		of[i] = idOf[ids.Message](marked[i].ID)
	}
	t.Reactions, err = s.Reacted(ctx, user, of)
	return t, err
}

// Unkey takes the keys of a user's messages away.
func (s *Store) Unkey(ctx context.Context, user ids.User, id ids.Conversation) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.log.UpdateMany(ctx, bson.D{
		between("place", numbered(id.Bytes(), 0), numbered(id.Bytes(), math.MaxInt64)), is("sender", user.Bytes()), is("client", bson.D{is("$exists", true)}),
	}, bson.D{is("$unset", bson.D{is("client", ""), is("key", ""), is("hash", "")})})
	if err != nil {
		return fmt.Errorf("take keys away in %s: %w", id, mongodb.Translate(err))
	}
	return nil
}

// CondemnUploads condemns files that are in no message.
func (s *Store) CondemnUploads(ctx context.Context, uploader ids.User, at time.Time, limit int) ([]ids.Attachment, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	free := []bson.E{absent("message"), absent("condemned")}
	found, err := find[fileDocument](ctx, s.files, append(bson.D{is("u", uploader.Bytes())}, free...), ascending("_id", limit))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	of, gone := make([][]byte, len(found)), make([]ids.Attachment, len(found))
	for i := range found {
		of[i], gone[i] = found[i].ID, idOf[ids.Attachment](found[i].ID)
	}
	_, err = s.files.UpdateMany(ctx, append(bson.D{in("_id", of)}, free...), bson.D{
		is("$set", bson.D{is("condemned", micros(at))}), is("$unset", bson.D{is("unsent", ""), is("doubted", "")}),
	})
	if err != nil {
		return nil, fmt.Errorf("condemn uploads: %w", mongodb.Translate(err))
	}
	return gone, nil
}

// BlankReports takes the reasons from a user's reports.
func (s *Store) BlankReports(ctx context.Context, reporter ids.User) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.reports.UpdateMany(ctx, bson.D{is("reporter", reporter.Bytes())}, bson.D{is("$set", bson.D{is("reason", "")})})
	if err != nil {
		return fmt.Errorf("blank reports: %w", mongodb.Translate(err))
	}
	return nil
}

// Uploaded returns files that a user has uploaded.
func (s *Store) Uploaded(ctx context.Context, uploader ids.User, after ids.Attachment, limit int) ([]chat.File, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[fileDocument](ctx, s.files, bson.D{
		is("u", uploader.Bytes()), over("_id", after.Bytes()), over("of.type", ""), absent("condemned"),
	}, ascending("_id", limit))
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", uploader, err)
	}
	var all []chat.File
	for i := range found {
		all = append(all, found[i].file())
	}
	return all, nil
}
