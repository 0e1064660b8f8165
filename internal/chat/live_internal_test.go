package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/fanout"
	"chatd/internal/platform/ids"
)

// ear is a subscriber that counts.
type ear struct{ heard int }

func (e *ear) Offer(*Event) bool {
	e.heard++
	return true
}

// BenchmarkHear is what a message of another node costs this one after the
// bus: where nobody listens, and where one does, but for what he then costs.
func BenchmarkHear(b *testing.B) {
	told := make([]bus.Envelope, 1000)
	for i := range told {
		told[i] = published(&Event{
			Kind: MessageAdded, Conversation: ids.New[ids.Conversation](), Rev: 7, LastOrd: 7,
			Message: &Message{
				ID: ids.New[ids.Message](), Seq: 6, Rev: 7, Ord: 6, Kind: Text, Sender: ids.New[ids.User](),
				Text: strings.Repeat("text ", 20), ClientID: "a key of a client", CreatedAt: time.Now(),
			},
		}, "")
	}
	for name, listening := range map[string]bool{"nobody listens": false, "somebody listens": true} {
		b.Run(name, func(b *testing.B) {
			s := &Service{Deps: Deps{Log: zerolog.Nop()}, hub: fanout.NewHub[ids.Conversation, *Event]()}
			s.viewers = newFollowers(s.hub)
			s.live = newLive(nil)
			s.indexer = newIndexer(nil, 0, zerolog.Nop())
			s.tail = newTail(nil, s.dispatch, s.quick, time.Hour, zerolog.Nop())
			somebody := &ear{}
			if listening {
				for i := range told {
					id, _ := ids.ParseConversation(told[i].Key)
					s.hub.Subscribe(id, somebody)
				}
			}
			b.ReportAllocs()
			pos := int64(0)
			for b.Loop() {
				in := told[pos%1000]
				pos++
				in.Pos = pos
				s.Hear(in)
			}
			if want := int(pos); listening != (somebody.heard == want) || !s.tail.has(pos) {
				b.Fatalf("%d of %d heard", somebody.heard, want)
			}
		})
	}
}
