package chatmongo_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/mongodb/mongodbtest"
)

func TestChannelsOfAnOlderDatabaseAreListed(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	store := setup(t, db)
	f, u := chattest.NewFixture(store), chattest.Users(1)
	c := f.Channel(t, "Animals", u...)
	f.Group(t, u...)
	_, err := db.Collection("chat_conversations").UpdateMany(t.Context(), bson.D{},
		bson.D{{Key: "$unset", Value: bson.D{{Key: "place", Value: ""}, {Key: "terms", Value: ""}}}})
	if err != nil {
		t.Fatal(err)
	}
	meta, form := db.Collection("chat_meta"), bson.D{{Key: "_id", Value: "form"}}
	if _, err := meta.UpdateOne(t.Context(), form, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	look := func(store *chatmongo.Store) []chat.ListedChannel {
		t.Helper()
		found, err := store.Channels(t.Context(), u[0], chat.ChannelQuery{Words: []string{"anim"}, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(store); len(found) != 0 {
		t.Fatalf("already there: %+v", found)
	}
	for range 2 {
		if found := look(setup(t, db)); len(found) != 1 || found[0].ID != c.ID || !found[0].Joined {
			t.Errorf("listed: %+v", found)
		}
	}
	var is struct{ Version int }
	if err := meta.FindOne(t.Context(), form).Decode(&is); err != nil || is.Version < 2 {
		t.Errorf("an older chatd would take it for its own: %+v, %v", is, err)
	}
}
