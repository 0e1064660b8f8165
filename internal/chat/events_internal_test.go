package chat

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

func TestAnEventIsTheSameOnAnotherNode(t *testing.T) {
	t.Parallel()
	user, conv := ids.New[ids.User](), ids.New[ids.Conversation]()
	at := time.Date(2026, 11, 23, 8, 30, 0, 123_456_000, time.UTC)
	message := &Message{
		ID: ids.New[ids.Message](), Conversation: conv, Seq: 3, Rev: 4, Ord: 2, Pos: 9, Kind: Text, Sender: user,
		Text: "a \u2028 \"b\" <c> 🙂", ClientID: "k", ReplyTo: ids.New[ids.Message](), CreatedAt: at, EditedAt: at,
		Attachments: []Attachment{{ID: ids.New[ids.Attachment](), Name: "é", ContentType: "image/png", Size: 1, Width: 2, Height: 3, Thumbnail: true}},
		ThreadRoot:  ids.New[ids.Message](), Mentions: &Mentions{Users: []ids.User{user}, All: true},
	}
	note := &Message{
		ID: ids.New[ids.Message](), Conversation: conv, Seq: 3, Rev: 4, Ord: 2, Pos: 9, Kind: System, Sender: user,
		Note: &Note{Change: Joined, Users: []ids.User{user}}, CreatedAt: at, DeletedAt: at,
		Thread: (*Thread)(nil).Replied(user, 7, at),
	}
	name, renamed := "Books", &Message{}
	*renamed = *note
	renamed.Note = &Note{Change: Updated, Name: &name, Description: new(string)}
	marked := *message
	marked.Reactions, marked.Pin = []Reaction{{"👍🏽", 2}, {"❤️", 1}}, &Pin{Rev: 4, At: at, By: user}
	for _, e := range []*Event{
		{Kind: MessageAdded, Conversation: conv, Pos: 9, Rev: 4, LastOrd: 2, Message: message},
		{Kind: MessageChanged, Conversation: conv, Pos: 9, Rev: 4, LastOrd: 2, Message: &marked},
		{Kind: MessageChanged, Conversation: conv, Pos: 9, Rev: 4, LastOrd: 2, Message: note},
		{Kind: MembershipChanged, Conversation: conv, Pos: 9, Rev: 4, Membership: &Membership{user, Left, Admin, user}},
		{Kind: ConversationChanged, Conversation: conv, Pos: 9, Rev: 1, Joined: []ids.User{user}},
		{Kind: ConversationChanged, Conversation: conv, Pos: 9, Rev: 4, LastOrd: 2, About: &About{"Books", ""}},
		{Kind: MessageAdded, Conversation: conv, Pos: 9, Rev: 4, LastOrd: 2, Message: renamed},
		{Kind: ReceiptChanged, Conversation: conv, Pos: 9, LastOrd: 2, Receipt: &Receipt{user, 3, 2, 5, 4}},
		{Kind: SettingsChanged, Conversation: conv, Pos: 9, Settings: &SettingsOf{user, Settings{at, true, true, NotifyNone}}},
		{Kind: TypingChanged, Conversation: conv, Typing: &Typing{user, true}},
	} {
		got, node, err := heard(published(e, "n1"))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%v came as %+v, %v", e, got, err)
		}
		if (node == "n1") != (e.Kind == TypingChanged) {
			t.Errorf("%v came from %q", e, node)
		}
	}
}

func FuzzHeard(f *testing.F) {
	conv := ids.New[ids.Conversation]()
	for _, e := range []*Event{
		{Kind: MessageAdded, Conversation: conv, Pos: 9, Rev: 4, Message: &Message{Conversation: conv, Text: "x", Note: &Note{}}},
		{Kind: MembershipChanged, Conversation: conv, Pos: 9, Membership: &Membership{}},
		{Kind: ReceiptChanged, Conversation: conv, Pos: 9, Receipt: &Receipt{}},
		{Kind: SettingsChanged, Conversation: conv, Pos: 9, Settings: &SettingsOf{}},
	} {
		env := published(e, "")
		f.Add(env.Name, env.Payload)
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		e, node, err := heard(bus.Envelope{Name: name, Pos: 7, Payload: payload})
		if err != nil {
			return
		}
		e.Pos = 7
		once := published(e, node)
		again, _, err := heard(once)
		if twice := published(again, node); err != nil || !bytes.Equal(once.Payload, twice.Payload) {
			t.Fatalf("%s came again as %s, %v", once.Payload, twice.Payload, err)
		}
	})
}
