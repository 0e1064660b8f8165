package chatmongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"chatd/internal/platform/mongodb"
)

// form numbers the shape of the documents. It stands beside the epoch; a
// database that has an epoch and no form is of the first. Since the second
// names change. The third has revisions that are neither edits nor deletions,
// which older programs would take for edits, and commits that change the root
// of a thread besides, which they would not count.
const (
	form   = 3
	formID = "form"
)

// Errors of a database that is left alone.
var (
	ErrNewerForm = errors.New("chatmongo: the documents belong to a newer version of this program")
	ErrHalfThere = errors.New("chatmongo: the database is half restored, or half removed")
)

// Check says whether the database has been prepared, and changes nothing.
// ErrNewerForm where a newer program has been at work; ErrHalfThere where there
// are messages without an epoch, whose positions nobody could follow.
func (s *Store) Check(ctx context.Context) (prepared bool, err error) {
	if c, err := one[claim](ctx, s.meta, claimID); err != nil || c != nil && !c.Done {
		return false, cmp.Or(err, ErrUnfinished)
	}
	var is struct {
		Version int `bson:"version"`
	}
	err = s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: formID}}).Decode(&is)
	if err = mongodb.Translate(err); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return false, fmt.Errorf("reading the form of chat's documents: %w", err)
	}
	if is.Version > form {
		return false, fmt.Errorf("%w: they have form %d, this program knows %d", ErrNewerForm, is.Version, form)
	}
	if epoch, err := s.hasEpoch(ctx); err != nil || epoch {
		return epoch, err
	}
	for _, c := range []*mongo.Collection{s.log, s.conversations, s.members, s.reports} {
		there, err := some(ctx, c, bson.D{})
		if err != nil {
			return false, fmt.Errorf("looking into %s: %w", c.Name(), err)
		}
		if !there {
			continue
		}
		// Another node may have prepared the database meanwhile, and be at work.
		epoch, err := s.hasEpoch(ctx)
		if err == nil && !epoch {
			err = fmt.Errorf("%w: %s has documents, but %s has no epoch", ErrHalfThere, c.Name(), s.meta.Name())
		}
		return epoch, err
	}
	return false, nil
}

func (s *Store) hasEpoch(ctx context.Context) (bool, error) {
	epoch, err := some(ctx, s.meta, bson.D{{Key: "_id", Value: epochID}})
	if err != nil {
		return false, fmt.Errorf("reading chat's epoch: %w", err)
	}
	return epoch, nil
}

// some says whether a collection has such a document.
func some(ctx context.Context, c *mongo.Collection, filter bson.D) (bool, error) {
	err := c.FindOne(ctx, filter).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, mongodb.Translate(err)
}

// mark notes the form, of which old documents are too once they are prepared,
// and of a new database the epoch.
func (s *Store) mark(ctx context.Context, epoch string) error {
	_, err := s.meta.InsertOne(ctx, bson.D{is("_id", formID), is("version", form)})
	if err = mongodb.Translate(err); errors.Is(err, mongodb.ErrDuplicate) {
		_, err = s.meta.UpdateOne(ctx, bson.D{is("_id", formID), is("version", bson.D{is("$lt", form)})},
			bson.D{is("$set", bson.D{is("version", form)})})
		err = mongodb.Translate(err)
	}
	if err != nil {
		return err
	}
	_, err = s.meta.InsertOne(ctx, bson.D{is("_id", epochID), is("epoch", epoch)})
	if err = mongodb.Translate(err); errors.Is(err, mongodb.ErrDuplicate) {
		return nil
	}
	return err
}
