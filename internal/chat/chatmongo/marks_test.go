package chatmongo

import (
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// marking is the job of a mark.
func marking(r chat.Revision, conversation ids.Conversation) *job {
	return &job{
		message: r.Message, reactor: reactorKey(r.Message.Bytes(), r.User.Bytes()), pins: true,
		plan: func(c *commit) (*entry, error) { return c.revise(c.heads[conversation], c.messages[r.Message], nil, r) },
	}
}

func TestMarksOfADeadNodeAreBroughtUpByTheNextAndDoNotComeBackLate(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	f := chattest.NewFixture(open(t, db))
	u := chattest.Users(2)
	c := f.Group(t, u...)
	m := f.React(t, u[1], f.Send(t, c.ID, u[0], "text"), "🎉")
	dead := open(t, db)
	var late [][]*entry
	for _, r := range []chat.Revision{
		{Kind: chat.ToReact, User: u[0], Emoji: "👍"},
		{Kind: chat.ToPin, User: u[0]},
		{Kind: chat.ToUnreact, User: u[1], Emoji: "🎉"},
	} {
		r.Message, r.Version, r.At = m.ID, 1, f.Now()
		late = append(late, dies(t, dead, marking(r, c.ID)))
	}
	f.Position(t) // the next
	got, err := f.Store.Message(t.Context(), u[0], m.ID)
	if err != nil || !reflect.DeepEqual(got.Reactions, []chat.Reaction{{Emoji: "👍", Count: 1}}) || got.Pin == nil || got.Rev != 6 {
		t.Fatalf("%+v, %v", got, err)
	}
	f.Unreact(t, u[0], got, "👍")
	f.React(t, u[1], got, "🎉")
	want := f.Unpin(t, u[1], got)
	for _, e := range late {
		if err := dead.apply(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.Store.Message(t.Context(), u[0], m.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v, %v", got, want, err)
	}
	if all, err := f.Store.Reactors(t.Context(), []chat.Message{want}, 10); err != nil || len(all) != 1 || all[0].User != u[1] {
		t.Fatal(all, err)
	}
	if all, err := f.Store.Reacted(t.Context(), u[0], []ids.Message{m.ID}); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
}

func TestTheLogHasNothingOfWhatWasPutOnADeletedMessage(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	store := open(t, db)
	f := chattest.NewFixture(store)
	u := chattest.Users(2)
	c := f.Group(t, u...)
	m := f.Send(t, c.ID, u[0], "text")
	kept := f.React(t, u[1], f.Send(t, c.ID, u[0], "kept"), "🎉")
	f.React(t, u[1], m, "🎉")
	f.React(t, u[0], m, "👍")
	f.Pin(t, u[0], m)
	f.Unreact(t, u[1], m, "🎉")
	f.Delete(t, m)
	all, err := find[entry](t.Context(), store.log, bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		r := e.Revision
		if r != nil && idOf[ids.Message](r.Message) == m.ID && (r.Emoji != "" || r.User != nil || r.Marks != nil || e.Reactor != nil || e.Reacted != nil || e.Past != nil) {
			t.Errorf("%+v %+v", e, r)
		}
		if idOf[ids.Message](e.ID) == m.ID && (e.Marks != nil || e.Pinned != nil) {
			t.Errorf("%+v", e)
		}
	}
	if got, err := store.Message(t.Context(), u[0], kept.ID); err != nil || !reflect.DeepEqual(got, kept) {
		t.Errorf("another message became %+v, %v", got, err)
	}
}
