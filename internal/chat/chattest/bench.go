package chattest

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Hall is what a store is filled with before it is measured.
type Hall struct {
	Rooms int // conversations of five members and one message; at least 50
	Size  int // messages in the first of them, which has 50 members; at least 200
	// Sent returns how many commands were sent to the server; nil is not known.
	Sent func() int64
}

// BenchStore measures every method of a store that is empty: one caller, who
// waits for each answer.
func BenchStore(b *testing.B, store chat.Store, of Hall) {
	b.Helper()
	h := newHall(b, store, of)
	for _, op := range append([]benchOp{
		{"Create", h.create},
		{"View", h.view},
		{"Views50", h.views},
		{"List50", h.list},
		{"Members50", h.membersPage},
		{"Heir", h.heir},
		{"ChangeMembers", h.changeMembers},
		{"MarkRead", h.markRead},
		{"Companions", h.companions},
		{"Together50", h.together},
		{"Append", h.append},
		{"AppendAgain", h.appendAgain},
		{"Edit", h.edit},
		{"Message", h.message},
		{"MessagesByID50", h.messagesByID},
		{"MessagesAt50", h.messagesAt},
		{"Page50", h.page},
		{"Changed", h.changed},
		{"Edits", h.edits},
		{"Position", h.position},
		{"Standings", h.standings},
		{"Missed10", h.missed},
		{"Load10", h.load},
		{"Read100", h.read},
	}, h.around()...) {
		b.Run(op.name, func(b *testing.B) {
			op.run(b)
			if of.Sent != nil {
				b.ReportMetric(float64(of.Sent()-h.sent)/float64(b.N), "commands/op")
			}
		})
	}
}

// hall is a store that benchmarks are run in.
type hall struct {
	*Fixture
	members  []ids.User // of the long conversation; the first is in all
	rooms    []ids.Conversation
	messages []chat.Message // the first 200 of the long conversation
	edited   chat.Message
	upTo     int64 // the position when it was built
	count    func() int64
	sent     int64 // when the calls began
}

func newHall(b *testing.B, store chat.Store, of Hall) *hall {
	b.Helper()
	h := &hall{Fixture: NewFixture(store), members: Users(50), count: of.Sent}
	for i := range of.Rooms {
		in := h.members
		if i > 0 {
			in = append(Users(4), h.members[0])
		}
		c := h.Group(b, in...)
		h.rooms = append(h.rooms, c.ID)
		h.Send(b, c.ID, h.members[0], "the first")
	}
	for i := range of.Size {
		m := h.Send(b, h.rooms[0], h.members[i%50], fmt.Sprintf("message %0100d", i))
		if i < 200 {
			h.messages = append(h.messages, m)
		}
	}
	h.edited = h.Send(b, h.rooms[0], h.members[0], "edited soon")
	for i := range 10 {
		h.edited = h.Edit(b, h.edited, fmt.Sprintf("edited %d times", i+1))
	}
	h.upTo = h.Position(b)
	return h
}

// each measures calls of do, which is told how many there were before.
func (h *hall) each(b *testing.B, do func(i int) error) {
	b.Helper()
	if h.count != nil {
		h.sent = h.count()
	}
	i := 0
	for b.Loop() {
		if err := do(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// found is an error unless n is want.
func found(n, want int, err error) error {
	if err == nil && n != want {
		err = fmt.Errorf("%d found instead of %d", n, want)
	}
	return err
}

func (h *hall) create(b *testing.B) {
	others := Users(4)
	h.each(b, func(int) error {
		_, _, err := h.Store.Create(b.Context(), h.NewGroup(others...))
		return err
	})
}

func (h *hall) view(b *testing.B) {
	h.each(b, func(i int) error {
		_, err := h.Store.View(b.Context(), h.members[0], h.rooms[i%len(h.rooms)])
		return err
	})
}

func (h *hall) views(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Views(b.Context(), h.members[0], h.rooms[:50])
		return found(len(some), 50, err)
	})
}

func (h *hall) list(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.List(b.Context(), h.members[0], chat.Filter{}, 0, 50)
		return found(len(some), 50, err)
	})
}

func (h *hall) membersPage(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Members(b.Context(), h.members[1], h.rooms[0], chat.MemberKey{}, 50)
		return found(len(some), 50, err)
	})
}

func (h *hall) heir(b *testing.B) {
	h.each(b, func(int) error {
		_, err := h.Store.Heir(b.Context(), h.rooms[0], h.members[0])
		return err
	})
}

// changeMembers puts somebody in and out again; each is one call.
func (h *hall) changeMembers(b *testing.B) {
	guest := Users(1)
	c := h.Group(b, h.members[0])
	edit := h.MemberEdit(b, c.ID, h.members[0], chat.Joined, chat.Plain, guest...)
	h.each(b, func(i int) error {
		edit.Changes[0].Change = chat.Joined
		if i%2 == 1 {
			edit.Changes[0].Change = chat.Removed
		}
		edit.Note.ID = ids.New[ids.Message]()
		after, err := h.Store.ChangeMembers(b.Context(), edit)
		edit.Version = after.MemberVersion
		return err
	})
}

// markRead moves 49 members forward, a message at a time.
func (h *hall) markRead(b *testing.B) {
	c := h.Group(b, h.members...)
	for range 200 {
		h.Send(b, c.ID, h.members[0], "to be read")
	}
	h.each(b, func(i int) error {
		_, _, err := h.Store.MarkRead(b.Context(), h.members[1+i%49], c.ID, int64(1+i/49%200))
		return err
	})
}

func (h *hall) append(b *testing.B) {
	in := h.Message(b, h.rooms[1], h.members[0], fmt.Sprintf("%0100d", 0))
	in.InputHash = make([]byte, 32)
	h.each(b, func(int) error {
		in.ID, in.ClientID, in.CreatedAt = ids.New[ids.Message](), rand.Text(), time.Now()
		_, err := h.Store.Append(b.Context(), in)
		return err
	})
}

// appendAgain sends what is there already.
func (h *hall) appendAgain(b *testing.B) {
	in := h.Message(b, h.rooms[1], h.members[0], "once")
	in.InputHash, in.ClientID = make([]byte, 32), rand.Text()
	first, err := h.Store.Append(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	h.each(b, func(int) error {
		in.ID = ids.New[ids.Message]()
		again, err := h.Store.Append(b.Context(), in)
		if err == nil && again.ID != first.ID {
			err = fmt.Errorf("stored as %s and %s", first.ID, again.ID)
		}
		return err
	})
}

func (h *hall) edit(b *testing.B) {
	h.each(b, func(i int) error {
		_, err := h.Store.Revise(b.Context(), chat.Revision{
			Message: h.messages[i%len(h.messages)].ID, Version: 1, Text: fmt.Sprintf("%0100d", i), At: time.Now(),
		})
		return err
	})
}

func (h *hall) message(b *testing.B) {
	h.each(b, func(i int) error {
		_, err := h.Store.Message(b.Context(), h.members[0], h.messages[i%len(h.messages)].ID)
		return err
	})
}

func (h *hall) messagesByID(b *testing.B) {
	of := make([]ids.Message, 50)
	for i := range of {
		of[i] = h.messages[i].ID
	}
	h.each(b, func(int) error {
		some, err := h.Store.MessagesByID(b.Context(), h.members[0], of)
		return found(len(some), 50, err)
	})
}

func (h *hall) messagesAt(b *testing.B) {
	at := make(map[ids.Conversation]int64)
	for _, id := range h.rooms[:50] {
		at[id] = 1
	}
	h.each(b, func(int) error {
		some, err := h.Store.MessagesAt(b.Context(), h.members[0], at)
		return found(len(some), 50, err)
	})
}

func (h *hall) page(b *testing.B) {
	h.each(b, func(i int) error {
		some, err := h.Store.Page(b.Context(), h.members[0], chat.MessagePage{
			Conversation: h.rooms[0], After: int64(i % 100), Limit: 50,
		})
		return found(len(some), 50, err)
	})
}

func (h *hall) changed(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Changed(b.Context(), h.members[0], h.rooms[0], h.edited.Rev-1, 50)
		if len(some) == 0 && err == nil {
			err = fmt.Errorf("nothing has changed")
		}
		return err
	})
}

func (h *hall) edits(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Edits(b.Context(), h.members[0], h.edited.ID, 0, 50)
		return found(len(some), 10, err)
	})
}

func (h *hall) position(b *testing.B) {
	h.each(b, func(int) error {
		_, _, err := h.Store.Position(b.Context())
		return err
	})
}

func (h *hall) standings(b *testing.B) {
	viewer := h.members[0]
	h.each(b, func(int) error {
		some, err := h.Store.Standings(b.Context(), viewer)
		if len(some) < len(h.rooms) && err == nil {
			err = fmt.Errorf("%d conversations", len(some))
		}
		return err
	})
}

// behind returns what a member missed who was away for ten messages.
func (h *hall) behind(b *testing.B) (after, upTo int64) {
	after = h.Position(b)
	for i := range 10 {
		h.Send(b, h.rooms[i], h.members[0], "missed")
	}
	return after, h.Position(b)
}

func (h *hall) missed(b *testing.B) {
	after, upTo := h.behind(b)
	h.each(b, func(int) error {
		refs, err := h.Store.Missed(b.Context(), h.members[0], after, upTo, 100)
		return found(len(refs), 10, err)
	})
}

func (h *hall) load(b *testing.B) {
	after, upTo := h.behind(b)
	refs, err := h.Store.Missed(b.Context(), h.members[0], after, upTo, 100)
	if err != nil {
		b.Fatal(err)
	}
	h.each(b, func(int) error {
		some, err := h.Store.Load(b.Context(), h.members[0], refs)
		return found(len(some), 10, err)
	})
}

func (h *hall) read(b *testing.B) {
	h.each(b, func(int) error {
		_, upTo, err := h.Store.Read(b.Context(), h.upTo-100, 100)
		if upTo < h.upTo && err == nil {
			err = fmt.Errorf("read up to %d of %d", upTo, h.upTo)
		}
		return err
	})
}
