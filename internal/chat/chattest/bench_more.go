package chattest

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/terms"
)

// benchOp is a call that is measured.
type benchOp struct {
	name string
	run  func(b *testing.B)
}

// around are the calls beside those of plain messages: threads, marks,
// positions, the search, files, reports, channels.
func (h *hall) around() []benchOp {
	return []benchOp{
		{"AppendReply", h.appendReply},
		{"Replies50", h.replies},
		{"React", h.react},
		{"Reacted50", h.reacted},
		{"Pin", h.pin},
		{"Pinned50", h.pinned},
		{"MarkDelivered", h.markDelivered},
		{"UnreadAndRead", h.unreadAndRead},
		{"Positions50", h.positions},
		{"SetSettings", h.setSettings},
		{"Among50", h.among},
		{"AppendAndIndex", h.appendAndIndex},
		{"Search50", h.searchMany},
		{"SearchOne", h.searchOne},
		{"ReserveAndComplete", h.upload},
		{"UploadAndSend", h.uploadAndSend},
		{"ReadableFiles10", h.readableFiles},
		{"Usage", h.usageOf},
		{"Wear", h.wear},
		{"AddReport", h.report},
		{"ReportPage50", h.reportPage},
		{"Channels20", h.channels},
	}
}

func (h *hall) appendReply(b *testing.B) {
	root := h.Send(b, h.rooms[1], h.members[0], "root")
	in := h.Message(b, h.rooms[1], h.members[0], fmt.Sprintf("%0100d", 0))
	in.ThreadRoot = root.ID
	h.each(b, func(int) error {
		in.ID, in.CreatedAt = ids.New[ids.Message](), time.Now()
		_, err := h.Store.Append(b.Context(), in)
		return err
	})
}

func (h *hall) replies(b *testing.B) {
	root := h.Send(b, h.rooms[2], h.members[0], "root")
	for i := range 60 {
		h.Reply(b, root, h.members[0], fmt.Sprintf("%0100d", i))
	}
	h.each(b, func(int) error {
		some, err := h.Store.Replies(b.Context(), h.members[0], chat.ThreadPage{Root: root.ID, Limit: 50})
		return found(len(some), 50, err)
	})
}

// marked revises messages of the long conversation, each there and back again.
func (h *hall) marked(b *testing.B, there, back chat.Revision) {
	h.each(b, func(i int) error {
		r := there
		if i%2 == 1 {
			r = back
		}
		r.Message, r.User, r.Version, r.At = h.messages[i/2%len(h.messages)].ID, h.members[1], 1, time.Now()
		_, err := h.Store.Revise(b.Context(), r)
		return err
	})
}

func (h *hall) react(b *testing.B) {
	h.marked(b, chat.Revision{Kind: chat.ToReact, Emoji: "👍"}, chat.Revision{Kind: chat.ToUnreact, Emoji: "👍"})
}

func (h *hall) reacted(b *testing.B) {
	of := make([]ids.Message, 50)
	for i := range of {
		of[i] = h.messages[i].ID
		h.React(b, h.members[2], h.messages[i], "🎉")
	}
	h.each(b, func(int) error {
		some, err := h.Store.Reacted(b.Context(), h.members[2], of)
		return found(len(some), 50, err)
	})
}

func (h *hall) pin(b *testing.B) {
	h.marked(b, chat.Revision{Kind: chat.ToPin}, chat.Revision{Kind: chat.ToUnpin})
}

func (h *hall) pinned(b *testing.B) {
	for i := range 60 {
		h.Pin(b, h.members[0], h.messages[i])
	}
	h.each(b, func(int) error {
		some, err := h.Store.Pinned(b.Context(), h.members[0], h.rooms[0], 0, 50)
		return found(len(some), 50, err)
	})
}

// markDelivered moves 49 members forward, a message at a time.
func (h *hall) markDelivered(b *testing.B) {
	c := h.Group(b, h.members...)
	for range 200 {
		h.Send(b, c.ID, h.members[0], "to be delivered")
	}
	h.each(b, func(i int) error {
		_, err := h.Store.MarkDelivered(b.Context(), h.members[1+i%49], c.ID, int64(1+i/49%200))
		return err
	})
}

// unreadAndRead moves a member back and forth, which are two calls.
func (h *hall) unreadAndRead(b *testing.B) {
	c := h.Group(b, h.members[0], h.members[1])
	for range 3 {
		h.Send(b, c.ID, h.members[1], "to be unread")
	}
	h.MarkRead(b, h.members[0], c.ID, 3)
	h.each(b, func(int) error {
		_, err := h.Store.MarkUnread(b.Context(), h.members[0], c.ID, 2)
		if err == nil {
			_, _, err = h.Store.MarkRead(b.Context(), h.members[0], c.ID, 3)
		}
		return err
	})
}

func (h *hall) positions(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Positions(b.Context(), h.members[0], h.rooms[1:51], 50)
		if len(some) < 50 && err == nil {
			err = fmt.Errorf("%d positions", len(some))
		}
		return err
	})
}

func (h *hall) setSettings(b *testing.B) {
	h.each(b, func(i int) error {
		_, err := h.Store.SetSettings(b.Context(), h.members[0], h.rooms[i%len(h.rooms)], func(s *chat.Settings) { s.Archived = i/len(h.rooms)%2 == 0 })
		return err
	})
	for _, id := range h.rooms { // as others expect them
		h.Set(b, h.members[0], id, chat.Settings{})
	}
}

func (h *hall) among(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Among(b.Context(), h.members[0], h.rooms[0], h.members)
		return found(len(some), 50, err)
	})
}

func (h *hall) appendAndIndex(b *testing.B) {
	h.Index(b)
	h.each(b, func(i int) error {
		h.Send(b, h.rooms[1], h.members[0], fmt.Sprintf("indexed %0100d", i))
		_, err := h.Store.Index(b.Context(), 100)
		return err
	})
}

func (h *hall) search(b *testing.B, query string, want int) {
	h.Index(b)
	parsed, ok := terms.Parse(query)
	if !ok {
		b.Fatalf("%q is no query", query)
	}
	h.each(b, func(int) error {
		some, err := h.Store.Search(b.Context(), h.members[0], chat.MessageQuery{Needs: parsed.Needs(), Limit: 50})
		return found(len(some), want, err)
	})
}

func (h *hall) searchMany(b *testing.B) { h.search(b, "message", 50) }

func (h *hall) searchOne(b *testing.B) {
	word := rand.Text() // also of a benchmark that is repeated
	h.Send(b, h.rooms[3], h.members[0], "the only "+word)
	h.search(b, word, 1)
}

// reserved is an upload that is complete.
func (h *hall) reserved(b *testing.B) (chat.File, error) {
	f := chat.File{
		Attachment: chat.Attachment{ID: ids.New[ids.Attachment](), Name: "a.png"}, Uploader: h.members[3], Length: 1000, CreatedAt: h.Now(),
	}
	if err := h.Store.Reserve(b.Context(), f); err != nil {
		return f, err
	}
	f.ContentType, f.Size, f.Width, f.Height, f.Thumbnail, f.Complete = "image/png", 900, 40, 30, true, true
	return f, h.Store.Complete(b.Context(), f)
}

func (h *hall) upload(b *testing.B) {
	h.each(b, func(int) error {
		_, err := h.reserved(b)
		return err
	})
}

func (h *hall) uploadAndSend(b *testing.B) {
	in := h.Message(b, h.rooms[0], h.members[3], "")
	h.each(b, func(int) error {
		f, err := h.reserved(b)
		if err != nil {
			return err
		}
		in.ID, in.CreatedAt, in.Attachments = ids.New[ids.Message](), time.Now(), []ids.Attachment{f.ID}
		_, err = h.Store.Append(b.Context(), in)
		return err
	})
}

func (h *hall) readableFiles(b *testing.B) {
	of := make([]ids.Attachment, 10)
	for i := range of {
		f := h.Image(b, h.members[4])
		h.SendFiles(b, h.rooms[0], f)
		of[i] = f.ID
	}
	h.each(b, func(int) error {
		some, err := h.Store.ReadableFiles(b.Context(), h.members[0], of)
		return found(len(some), 10, err)
	})
}

// usageOf is of somebody with 100 files.
func (h *hall) usageOf(b *testing.B) {
	who := h.members[5]
	for range 100 {
		h.Image(b, who)
	}
	h.each(b, func(int) error {
		u, err := h.Store.Usage(b.Context(), who)
		if err == nil && u.Unsent < 100 {
			err = fmt.Errorf("%d files", u.Unsent)
		}
		return err
	})
}

// wear puts on one of two pictures, and the other.
func (h *hall) wear(b *testing.B) {
	faces := []chat.File{h.Image(b, h.members[6]), h.Image(b, h.members[6])}
	h.each(b, func(i int) error {
		return h.Store.Wear(b.Context(), h.members[6], faces[i%2].ID, h.Now())
	})
}

func (h *hall) report(b *testing.B) {
	h.each(b, func(i int) error {
		_, err := h.Store.AddReport(b.Context(), h.Report(h.messages[i/50%len(h.messages)], h.members[i%50], "SPAM"))
		return err
	})
}

func (h *hall) reportPage(b *testing.B) {
	for i := range 60 {
		h.addReport(b, h.Report(h.messages[i], h.members[7], "SPAM"))
	}
	h.each(b, func(int) error {
		some, err := h.Store.ReportPage(b.Context(), "", ids.Report{}, 50)
		return found(len(some), 50, err)
	})
}

func (h *hall) channels(b *testing.B) {
	for i := range 20 {
		h.Channel(b, fmt.Sprintf("bench %d", i), h.members[0])
	}
	h.each(b, func(int) error {
		some, err := h.Store.Channels(b.Context(), h.members[1], chat.ChannelQuery{Words: []string{"ben"}, Limit: 20})
		return found(len(some), 20, err)
	})
}
