package chatmongo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

func nobody(string, int) {}

// populated is a store on SQL with some of everything in it.
func populated(t testing.TB, seed uint64, steps int) (*chatsql.Store, *chatsql.Archive, *chattest.Population) {
	t.Helper()
	db := sqldbtest.SQLite(t)
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	store := chatsql.New(db, chatsql.Config{})
	return store, chatsql.NewArchive(db), chattest.Populate(t, store, seed, steps)
}

func TestAFilledStoreAnswersAsTheOtherDoesAndGoesOn(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	from, archive, people := populated(t, 3, 40)
	filler := chatmongo.NewFiller(db, chatmongo.FillConfig{})
	if err := errors.Join(filler.Claim(t.Context(), "copy", false), filler.Fill(t.Context(), archive, nobody)); err != nil {
		t.Fatal(err)
	}
	if err := chatmongo.New(db, chatmongo.Config{}).Prepare(t.Context()); !errors.Is(err, chatmongo.ErrUnfinished) {
		t.Errorf("before the end: %v", err)
	}
	if _, err := chat.CompareArchives(t.Context(), archive, chatmongo.NewArchive(db), nobody); err != nil {
		t.Fatal(err)
	}
	if err := filler.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := setup(t, db)
	people.SameAnswers(t, from, to, people.Users[0], people.Users[4], people.Users[6])

	for _, m := range people.Sent[:3] { // the same again, and another under the key
		m.Version = people.View(t, m.Sender, m.Conversation).MemberVersion
		x, errX := from.Append(t.Context(), m)
		y, errY := to.Append(t.Context(), m)
		if errX != nil || errY != nil || x.ID != y.ID || x.Seq != y.Seq {
			t.Errorf("sent again: %v %v, %v %v", x, errX, y, errY)
		}
		m.InputHash = []byte("another")
		if _, err := to.Append(t.Context(), m); !errors.Is(err, chat.ErrKeyReused) {
			t.Errorf("another text: %v", err)
		}
	}
	before := people.Position(t)
	later := people.On(to)
	later.Act(t, 12)
	if after := later.Position(t); after <= before {
		t.Errorf("the position went from %d to %d", before, after)
	}
	events, upTo, err := to.Read(t.Context(), before, 100)
	if err != nil || len(events) == 0 || events[0].Pos != before+1 || upTo != later.Position(t) {
		t.Errorf("%d events up to %d, %v", len(events), upTo, err)
	}
	// A node that knows nothing yet comes to the same.
	later.SameAnswers(t, to, setup(t, db), people.Users[3])
}

func TestAFillThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	setup(t, db) // a start alone does not use it
	_, archive, _ := populated(t, 4, 20)
	filler := chatmongo.NewFiller(db, chatmongo.FillConfig{Batch: 7}) // so that there are many ends
	cuts := 0
	for round := 0; ; round++ {
		ctx, cut := context.WithCancel(t.Context())
		if err := filler.Claim(ctx, "copy", round > 0); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := filler.Fill(ctx, archive, func(string, int) {
			if n++; n == 1+round%3 {
				cut()
			}
		})
		cut()
		if err == nil {
			break
		}
		if cuts++; !errors.Is(err, context.Canceled) || cuts > 100 {
			t.Fatalf("cut %d: %v", cuts, err)
		}
	}
	if cuts < 3 {
		t.Errorf("only %d cuts", cuts)
	}
	if _, err := chat.CompareArchives(t.Context(), archive, chatmongo.NewArchive(db), nobody); err != nil {
		t.Fatal(err)
	}
}

// The server goes on for a moment with what a killed client has sent.
func TestAFillPassesOverWhatHasComeMeanwhile(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	_, archive, _ := populated(t, 6, 10)
	filler := chatmongo.NewFiller(db, chatmongo.FillConfig{Batch: 10})
	if err := filler.Claim(t.Context(), "copy", false); err != nil {
		t.Fatal(err)
	}
	err := filler.Fill(t.Context(), archive, func(part string, _ int) {
		if part != chat.PartJournal {
			return
		}
		if err := chatmongo.NewFiller(db, chatmongo.FillConfig{Batch: 15}).Fill(t.Context(), archive, nobody); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.CompareArchives(t.Context(), archive, chatmongo.NewArchive(db), nobody); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseWithSomethingInItIsNotFilled(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, db *mongodb.DB) (copied string, resume bool){
		"that was served": func(t *testing.T, db *mongodb.DB) (string, bool) {
			fixture := chattest.NewFixture(setup(t, db))
			fixture.Group(t, chattest.Users(1)...)
			return "copy", false
		},
		"of another copy": func(t *testing.T, db *mongodb.DB) (string, bool) {
			if err := chatmongo.NewFiller(db, chatmongo.FillConfig{}).Claim(t.Context(), "other", false); err != nil {
				t.Fatal(err)
			}
			return "copy", false
		},
		"that is not the one begun with": func(*testing.T, *mongodb.DB) (string, bool) { return "copy", true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mongodbtest.New(t)
			copied, resume := prepare(t, db)
			if err := chatmongo.NewFiller(db, chatmongo.FillConfig{}).Claim(t.Context(), copied, resume); !errors.Is(err, chatmongo.ErrNotEmpty) {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsChangedInAFilledDatabaseIsFound(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	_, archive, _ := populated(t, 5, 20)
	filler := chatmongo.NewFiller(db, chatmongo.FillConfig{})
	if err := errors.Join(filler.Claim(t.Context(), "copy", false), filler.Fill(t.Context(), archive, nobody)); err != nil {
		t.Fatal(err)
	}
	set := func(v bson.D) bson.D { return bson.D{{Key: "$set", Value: v}} }
	for what, c := range map[string]struct {
		collection string
		filter     bson.D
		change     bson.D // nil: taken away
	}{
		"a text":         {"chat_log", bson.D{{Key: "kind", Value: "MESSAGE"}}, set(bson.D{{Key: "text", Value: "?"}})},
		"a key":          {"chat_log", bson.D{{Key: "place", Value: bson.D{{Key: "$exists", Value: true}}}}, set(bson.D{{Key: "place", Value: []byte("?")}})},
		"a commit":       {"chat_log", bson.D{{Key: "kind", Value: "REVISION"}}, nil},
		"a role":         {"chat_members", bson.D{}, set(bson.D{{Key: "role", Value: "?"}})},
		"a place":        {"chat_members", bson.D{{Key: "left", Value: int64(0)}}, set(bson.D{{Key: "roll", Value: []byte("?")}})},
		"a member":       {"chat_members", bson.D{}, nil},
		"a conversation": {"chat_conversations", bson.D{}, nil},
		"a counter":      {"chat_conversations", bson.D{}, set(bson.D{{Key: "last_seq", Value: int64(77)}})},
		"the epoch":      {"chat_meta", bson.D{{Key: "_id", Value: "epoch"}}, set(bson.D{{Key: "epoch", Value: "?"}})},
	} {
		of := db.Collection(c.collection)
		was, err := of.FindOne(t.Context(), c.filter).Raw()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		byID := bson.D{{Key: "_id", Value: was.Lookup("_id")}}
		if c.change == nil {
			_, err = of.DeleteOne(t.Context(), byID)
		} else {
			_, err = of.UpdateOne(t.Context(), byID, c.change)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		_, err = chat.CompareArchives(t.Context(), archive, chatmongo.NewArchive(db), nobody)
		if !errors.Is(err, chat.ErrDiffers) && !errors.Is(err, chat.ErrArchive) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s was changed: %v", what, err)
		}
		_, _ = of.DeleteOne(t.Context(), byID)
		if _, err := of.InsertOne(t.Context(), was); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := chat.CompareArchives(t.Context(), archive, chatmongo.NewArchive(db), nobody); err != nil {
		t.Errorf("all is back: %v", err)
	}
}
