package chatmongo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

func absent(field string) bson.E { return is(field, bson.D{is("$exists", false)}) }

// Wear makes a file one that its uploader wears, and doubts all of those. A
// commit that takes it at this moment is brought up after it, and has it.
func (s *Store) Wear(ctx context.Context, user ids.User, id ids.Attachment, at time.Time) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	doubt := is("doubted", micros(at))
	if !id.IsZero() {
		err := changedOne(s.files.UpdateOne(ctx,
			bson.D{is("_id", id.Bytes()), is("u", user.Bytes()), is("of.thumbnail", true), absent("message"), absent("condemned")},
			bson.D{is("$set", bson.D{is("worn", true), doubt}), is("$unset", bson.D{is("unsent", "")})}))
		if err != nil {
			return fmt.Errorf("wear %s: %w", id, err)
		}
	}
	_, err := s.files.UpdateMany(ctx, bson.D{is("u", user.Bytes()), is("worn", true), absent("condemned")},
		bson.D{is("$set", bson.D{doubt})})
	if err != nil {
		return fmt.Errorf("doubt what %s wears: %w", user, mongodb.Translate(err))
	}
	return nil
}

// Doubted returns files that are doubted since before a time.
func (s *Store) Doubted(ctx context.Context, before time.Time, limit int) ([]chat.Doubt, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[fileDocument](ctx, s.files, bson.D{between("doubted", int64(0), micros(before))}, ascending("doubted", limit))
	if err != nil {
		return nil, fmt.Errorf("find what is doubted: %w", err)
	}
	all := make([]chat.Doubt, len(found))
	for i := range found {
		all[i] = chat.Doubt{ID: idOf[ids.Attachment](found[i].ID), User: idOf[ids.User](found[i].User), Since: instant(found[i].Doubted)}
	}
	return all, nil
}

// Decide ends a doubt.
func (s *Store) Decide(ctx context.Context, d chat.Doubt, worn bool, at time.Time) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	change := bson.D{is("$unset", bson.D{is("doubted", "")})}
	if !worn {
		change = append(change, is("$set", bson.D{is("condemned", micros(at))}))
	}
	_, err := s.files.UpdateOne(ctx, bson.D{is("_id", d.ID.Bytes()), is("doubted", micros(d.Since)), absent("condemned")}, change)
	if err != nil {
		return fmt.Errorf("decide on %s: %w", d.ID, mongodb.Translate(err))
	}
	return nil
}
