package chatv1_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat/chatv1"
	"chatd/internal/platform/ids"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEventsKeepTheirJSON(t *testing.T) {
	t.Parallel()
	user, _ := ids.FromBytes[ids.User]([]byte("0123456789abcdef"))
	conv, _ := ids.FromBytes[ids.Conversation]([]byte("fedcba9876543210"))
	id, _ := ids.FromBytes[ids.Message]([]byte("0f1e2d3c4b5a6978"))
	file, _ := ids.FromBytes[ids.Attachment]([]byte("89abcdef01234567"))
	at := time.Date(2026, 11, 23, 8, 30, 0, 123_456_000, time.UTC)
	change := chatv1.Change{ConversationID: conv, Rev: 8, LastOrd: 5}
	message := chatv1.Message{
		ID: id, Seq: 6, Rev: 8, Ord: 5, Pos: 91, Kind: "TEXT", SenderID: user, Text: "hi", ClientID: "k",
		ReplyTo: id, CreatedAt: at, EditedAt: at, ThreadRoot: id, Mentions: &chatv1.Mentions{Users: []ids.User{user}, All: true},
		Attachments: []chatv1.Attachment{{
			ID: file, Name: "a.png", ContentType: "image/png", Size: 900, Width: 40, Height: 30, Thumbnail: true,
		}, {ID: file, Name: "b", ContentType: "text/plain", Size: 1}},
	}
	note := chatv1.Message{
		ID: id, Seq: 7, Rev: 9, Ord: 5, Pos: 92, Kind: "SYSTEM", SenderID: user,
		Note: &chatv1.Note{Change: "JOINED", Users: []ids.User{user}}, CreatedAt: at, DeletedAt: at,
		Thread: &chatv1.Thread{Replies: 2, LastSeq: 9, LastAt: at, People: []ids.User{user}},
	}
	name, description := "Books", "What we read"
	noted := note
	noted.Note = &chatv1.Note{Change: "UPDATED", Name: &name, Description: &description}
	marked := message
	marked.Reactions = []chatv1.Reaction{{Emoji: "👍🏽", Count: 2}, {Emoji: "❤️", Count: 1}}
	marked.Pin = &chatv1.Pin{Rev: 8, At: at, ByID: user}
	for name, event := range map[string]any{
		chatv1.ConversationChangedName + " of settings": chatv1.ConversationChanged{Change: change, Name: &name, Description: &description},
		chatv1.MessageAddedName + " of settings":        chatv1.MessageAdded{Change: change, Message: noted},
		chatv1.MessageAddedName:                         chatv1.MessageAdded{Change: change, Message: message},
		chatv1.MessageChangedName:                       chatv1.MessageChanged{Change: change, Message: note},
		chatv1.MessageChangedName + ".marks":            chatv1.MessageChanged{Change: change, Message: marked},
		chatv1.MembershipChangedName:                    chatv1.MembershipChanged{Change: change, UserID: user, What: "LEFT", Role: "ADMIN", ActorID: user},
		chatv1.ConversationChangedName:                  chatv1.ConversationChanged{Change: change, Joined: []ids.User{user}},
		chatv1.ReceiptChangedName: chatv1.ReceiptChanged{
			Change: chatv1.Change{ConversationID: conv, LastOrd: 5}, UserID: user, ReadSeq: 6, ReadOrd: 5, DeliveredSeq: 6,
		},
		chatv1.SettingsChangedName: chatv1.SettingsChanged{
			Change: chatv1.Change{ConversationID: conv}, UserID: user, MutedUntil: at, Pinned: true, Archived: true, Notify: "MENTIONS",
		},
		chatv1.TypingChangedName: chatv1.TypingChanged{
			Change: chatv1.Change{ConversationID: conv}, UserID: user, Typing: true, Node: "n1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(event, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %s want %s %v", got, want, err)
			}
			back := reflect.New(reflect.TypeOf(event))
			if err := json.Unmarshal(want, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), event) {
				t.Fatalf("came back as %+v %v", back.Elem(), err)
			}
		})
	}
}
