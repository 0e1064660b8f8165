package chatmongo_test

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat/chatmongo"
	"chatd/internal/platform/mongodb/mongodbtest"
)

func TestADatabaseThatIsNotWholeIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		collection string
		doc        bson.D
		want       error
	}{
		"the documents of a newer chatd":  {"chat_meta", bson.D{{Key: "_id", Value: "form"}, {Key: "version", Value: 1000}}, chatmongo.ErrNewerForm},
		"messages without an epoch":       {"chat_log", bson.D{{Key: "_id", Value: int64(1)}}, chatmongo.ErrHalfThere},
		"conversations without an epoch":  {"chat_conversations", bson.D{{Key: "_id", Value: "c"}}, chatmongo.ErrHalfThere},
		"members without an epoch":        {"chat_members", bson.D{{Key: "_id", Value: "m"}}, chatmongo.ErrHalfThere},
		"an epoch from before the number": {"chat_meta", bson.D{{Key: "_id", Value: "epoch"}, {Key: "epoch", Value: "e"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mongodbtest.New(t)
			if _, err := db.Collection(c.collection).InsertOne(t.Context(), c.doc); err != nil {
				t.Fatal(err)
			}
			store := chatmongo.New(db, chatmongo.Config{})
			prepared, err := store.Check(t.Context())
			if !errors.Is(err, c.want) || prepared != (c.want == nil) {
				t.Errorf("it is prepared: %t, %v", prepared, err)
			}
			if err := store.Prepare(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("it was prepared: %v", err)
			}
			n, err := db.Collection("chat_meta").CountDocuments(t.Context(), bson.D{{Key: "_id", Value: "epoch"}})
			if err != nil || (c.want != nil && n != 0) {
				t.Errorf("an epoch was made: %v", err)
			}
		})
	}
}

func TestAnEmptyDatabaseIsPreparedOnce(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	store := chatmongo.New(db, chatmongo.Config{})
	for _, want := range []bool{false, true} {
		prepared, err := store.Check(t.Context())
		if err != nil || prepared != want {
			t.Fatalf("it is prepared: %t, %v", prepared, err)
		}
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	n, err := db.Collection("chat_meta").CountDocuments(t.Context(), bson.D{})
	if err != nil || n != 2 {
		t.Errorf("%d documents, %v", n, err)
	}
}

// A program that knows the older form alone is to leave alone what a newer one
// has written.
func TestADatabaseOfAnOlderFormIsOfTheNewerOnceItIsPrepared(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	store := setup(t, db)
	meta := db.Collection("chat_meta")
	version := func() int64 {
		var d struct{ Version int64 }
		if err := meta.FindOne(t.Context(), bson.D{{Key: "_id", Value: "form"}}).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return d.Version
	}
	now := version()
	_, err := meta.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "form"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: now - 1}}}})
	if err != nil || version() != now-1 {
		t.Fatal(version(), err)
	}
	if err := store.Prepare(t.Context()); err != nil || version() != now {
		t.Errorf("it has form %d, not %d, %v", version(), now, err)
	}
}
