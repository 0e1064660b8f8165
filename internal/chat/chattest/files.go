package chattest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) fileTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a message tells of its files as they were completed":         s.filesOfAMessage,
		"a file is one message's, once it is complete, of its sender": s.filesRefused,
		"a send with files is the same when it is sent again":         s.filesAgain,
		"of those who race for a file one gets it":                    s.filesRace,
		"a deleted message's files are condemned with it":             s.filesDeleted,
		"files are read by members, unsent ones by their uploader":    s.fileRights,
		"what was not sent is condemned in time, and forgotten":       s.filesExpire,
		"usage counts what is not condemned":                          s.fileUsage,
	}
}

// Upload reserves a file.
func (f *Fixture) Upload(t testing.TB, by ids.User, length int64) chat.File {
	t.Helper()
	file := chat.File{
		Attachment: chat.Attachment{ID: ids.New[ids.Attachment](), Name: "é 'quoted' \"file\".png"},
		Uploader:   by, Length: length, CreatedAt: f.Now(),
	}
	if err := f.Store.Reserve(t.Context(), file); err != nil {
		t.Fatalf("reserve: %v", err)
	}
	return file
}

// Image uploads a complete file.
func (f *Fixture) Image(t testing.TB, by ids.User) chat.File {
	t.Helper()
	file := f.Upload(t, by, 1000)
	file.ContentType, file.Size, file.Width, file.Height, file.Thumbnail, file.Complete = "image/png", 900, 40, 30, true, true
	if err := f.Store.Complete(t.Context(), file); err != nil {
		t.Fatalf("complete: %v", err)
	}
	return file
}

// SendFiles sends a message with files.
func (f *Fixture) SendFiles(t testing.TB, id ids.Conversation, files ...chat.File) chat.Message {
	t.Helper()
	m, err := f.Store.Append(t.Context(), f.withFiles(t, id, files...))
	if err != nil {
		t.Fatalf("append with files: %v", err)
	}
	return m
}

func (f *Fixture) withFiles(t testing.TB, id ids.Conversation, files ...chat.File) chat.NewMessage {
	t.Helper()
	m := f.Message(t, id, files[0].Uploader, "")
	for _, file := range files {
		m.Attachments = append(m.Attachments, file.ID)
	}
	return m
}

func (s suite) filesOfAMessage(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	first, second := s.Image(t, u[0]), s.Image(t, u[0])
	same(t, "usage before", s.usage(t, u[0]), chat.FileUsage{Bytes: 2000, Unsent: 2})
	m := s.SendFiles(t, c.ID, second, first)
	want := []chat.Attachment{second.Attachment, first.Attachment}
	same(t, "answer", m.Attachments, want)
	same(t, "page", s.All(t, u[1], c.ID)[0].Attachments, want)
	told := s.told.of(c.ID)
	same(t, "told", told[len(told)-1].Message.Attachments, want)
	for _, e := range s.readAll(t, m.Pos-1, 50) {
		if e.Pos == m.Pos {
			same(t, "journal", e.Message.Attachments, want)
		}
	}
	edited := s.Edit(t, m, "with a text now")
	same(t, "after an edit", edited.Attachments, want)
	got, err := s.Store.Message(t.Context(), u[1], m.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "read back", got, edited)
	file, err := s.Store.File(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	first.Message = m.ID
	same(t, "file", file, first)
	same(t, "usage after", s.usage(t, u[0]), chat.FileUsage{Bytes: 2000})
	same(t, "a plain message has none", len(s.Send(t, c.ID, u[0], "plain").Attachments), 0)
}

func (s suite) filesRefused(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	good := s.Image(t, u[0])
	sent := s.Image(t, u[0])
	s.SendFiles(t, c.ID, sent)
	condemned := s.Image(t, u[0])
	if err := s.Store.Condemn(t.Context(), u[0], condemned.ID, s.Now()); err != nil {
		t.Fatal(err)
	}
	none := good
	none.ID = ids.New[ids.Attachment]()
	before := s.Position(t)
	for what, bad := range map[string]chat.File{
		"incomplete": s.Upload(t, u[0], 10), "another's": s.Image(t, u[1]), "sent": sent, "condemned": condemned, "none": none,
	} {
		m := s.withFiles(t, c.ID, good, bad)
		m.ClientID, m.InputHash = what, []byte{1}
		_, err := s.Store.Append(t.Context(), m)
		refused(t, what, err, chat.ErrAttachments)
	}
	v := s.View(t, u[0], c.ID)
	same(t, "nothing was stored", []int64{v.LastSeq, v.LastRev}, []int64{1, 2})
	if s.Position(t) < before {
		t.Fatal("the position went back")
	}
	s.SendFiles(t, c.ID, good) // which the refused ones did not take
	_, err := s.Store.Append(t.Context(), s.withFiles(t, c.ID, good))
	refused(t, "twice", err, chat.ErrAttachments)
	refused(t, "complete one that is sent", s.Store.Complete(t.Context(), good), chat.ErrNoFile)
	refused(t, "condemn one that is sent", s.Store.Condemn(t.Context(), u[0], good.ID, s.Now()), chat.ErrNoFile)
	refused(t, "complete a condemned one", s.Store.Complete(t.Context(), condemned), chat.ErrNoFile)
	others := s.Image(t, u[0])
	refused(t, "condemn another's", s.Store.Condemn(t.Context(), u[1], others.ID, s.Now()), chat.ErrNoFile)
	others.Uploader = u[1]
	refused(t, "complete another's", s.Store.Complete(t.Context(), others), chat.ErrNoFile)
}

func (s suite) filesAgain(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.withFiles(t, c.ID, s.Image(t, u[0]))
	m.ClientID, m.InputHash = "key", []byte{7}
	first := s.append(t, m)
	m.ID = ids.New[ids.Message]()
	same(t, "again", s.append(t, m), first)
	m.InputHash = []byte{8}
	_, err := s.Store.Append(t.Context(), m)
	refused(t, "another input", err, chat.ErrKeyReused)
	m.InputHash = []byte{7}
	gone := s.Delete(t, first)
	same(t, "after the deletion", s.append(t, m), gone)
	same(t, "one message", s.View(t, u[0], c.ID).LastSeq, 1)

	racing := s.withFiles(t, c.ID, s.Image(t, u[0]))
	racing.ClientID, racing.InputHash = "raced", []byte{9}
	found := make([]chat.Message, 20)
	for i, err := range atOnce(t.Context(), len(found), func(ctx context.Context, i int) (err error) {
		m := racing
		m.ID = ids.New[ids.Message]()
		found[i], err = s.Store.Append(ctx, m)
		return err
	}) {
		if err != nil {
			t.Fatal(i, err)
		}
		same(t, "the first one", found[i], found[0])
	}
}

func (s suite) filesRace(t *testing.T) {
	u := Users(1)
	c, other := s.Group(t, u...), s.Group(t, u...)
	shared := s.Image(t, u[0])
	own := make([]chat.File, 20)
	in := make([]chat.NewMessage, len(own))
	for i := range own {
		own[i] = s.Image(t, u[0])
		in[i] = s.withFiles(t, []ids.Conversation{c.ID, other.ID}[i%2], own[i], shared)
	}
	won := -1
	for i, err := range atOnce(t.Context(), len(in), func(ctx context.Context, i int) error {
		_, err := s.Store.Append(ctx, in[i])
		return err
	}) {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Fatal("two messages have it")
		default:
			refused(t, "the others", err, chat.ErrAttachments)
		}
	}
	if won < 0 {
		t.Fatal("no message has it")
	}
	for i, f := range own {
		got, err := s.Store.File(t.Context(), f.ID)
		if err != nil || got.Message.IsZero() == (i == won) {
			t.Fatal(i, won, got, err)
		}
	}
}

func (s suite) filesDeleted(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	file, other := s.Image(t, u[0]), s.Image(t, u[0])
	m := s.SendFiles(t, c.ID, file)
	s.SendFiles(t, c.ID, other)
	gone := s.Delete(t, m)
	same(t, "the tombstone", len(gone.Attachments), 0)
	same(t, "page", s.All(t, u[1], c.ID)[0], gone)
	_, err := s.Store.File(t.Context(), file.ID)
	refused(t, "the file", err, chat.ErrNoFile)
	some, err := s.Store.ReadableFiles(t.Context(), u[1], []ids.Attachment{file.ID, other.ID})
	if err != nil || len(some) != 1 || some[0].ID != other.ID {
		t.Fatal(some, err)
	}
	if !slices.Contains(s.condemned(t), file.ID) {
		t.Fatal("it is not condemned")
	}
	_, err = s.Store.Append(t.Context(), s.withFiles(t, c.ID, file))
	refused(t, "sending it again", err, chat.ErrAttachments)
	same(t, "usage", s.usage(t, u[0]), chat.FileUsage{Bytes: 1000})
	s.forget(t, file.ID, other.ID)
	if slices.Contains(s.condemned(t), file.ID) {
		t.Fatal("it is not forgotten")
	}
	if _, err := s.Store.File(t.Context(), other.ID); err != nil {
		t.Fatal("the other was forgotten, too:", err)
	}
	for _, e := range s.readAll(t, m.Pos-1, 50) {
		if e.Message != nil && e.Message.ID == m.ID {
			same(t, "journal", *e.Message, gone)
		}
	}
}

func (s suite) fileRights(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	unsent, sent := s.Image(t, u[0]), s.Image(t, u[0])
	m := s.SendFiles(t, c.ID, sent)
	of := []ids.Attachment{unsent.ID, sent.ID, ids.New[ids.Attachment]()}
	sent.Message = m.ID
	may := func(what string, viewer ids.User, want ...chat.File) {
		t.Helper()
		got, err := s.Store.ReadableFiles(t.Context(), viewer, of)
		if err != nil {
			t.Fatal(what, err)
		}
		slices.SortFunc(got, func(a, b chat.File) int { return a.ID.Compare(b.ID) })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s reads\n%v, want\n%v", what, got, want)
		}
	}
	may("the uploader", u[0], unsent, sent)
	may("a member", u[1], sent)
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		may("a stranger", stranger)
	}
	s.Remove(t, c.ID, u[0], u[1])
	may("a removed member", u[1])
	s.Leave(t, c.ID, u[0])
	may("the uploader, who has left", u[0], unsent)
	s.Add(t, c.ID, u[2], u[1])
	may("who is back", u[1], sent)
}

func (s suite) filesExpire(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	old, sent := s.Upload(t, u[0], 10), s.Image(t, u[0])
	at := s.Now().Add(-300 * 24 * time.Hour) // before what other tests do
	for _, f := range []chat.File{old, sent} {
		if err := s.Store.Condemn(t.Context(), u[0], f.ID, at); err != nil {
			t.Fatal(err)
		}
	}
	s.forget(t, old.ID, sent.ID)
	ancient := make([]chat.File, 5)
	for i := range ancient {
		ancient[i] = chat.File{
			Attachment: chat.Attachment{ID: ids.New[ids.Attachment](), Name: "old"}, Uploader: u[0], Length: 1,
			CreatedAt: at.Add(time.Duration(i) * time.Second),
		}
		if err := s.Store.Reserve(t.Context(), ancient[i]); err != nil {
			t.Fatal(err)
		}
	}
	kept := ancient[4]
	kept.ContentType, kept.Complete = "text/plain", true
	if err := s.Store.Complete(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	s.SendFiles(t, c.ID, kept)
	for _, want := range []int{2, 2, 0} {
		n, err := s.Store.CondemnUnsent(t.Context(), at.Add(time.Minute), at.Add(time.Hour), 2)
		if err != nil || n != want {
			t.Fatalf("condemned %d, want %d: %v", n, want, err)
		}
	}
	if found, err := s.Store.Condemned(t.Context(), at.Add(time.Hour), 10); err != nil || len(found) != 0 {
		t.Fatal("before its time:", found, err)
	}
	found, err := s.Store.Condemned(t.Context(), at.Add(2*time.Hour), 3)
	if err != nil || len(found) != 3 {
		t.Fatal(found, err)
	}
	s.forget(t, found...)
	found, err = s.Store.Condemned(t.Context(), at.Add(2*time.Hour), 3)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	s.forget(t, found...)
	if f, err := s.Store.File(t.Context(), kept.ID); err != nil || f.Message.IsZero() {
		t.Fatal("what was sent is there no longer:", err)
	}
}

func (s suite) fileUsage(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	same(t, "nothing", s.usage(t, u[0]), chat.FileUsage{})
	f := s.Upload(t, u[0], 5000)
	s.Image(t, u[1])
	same(t, "reserved", s.usage(t, u[0]), chat.FileUsage{Bytes: 5000, Unsent: 1})
	f.Length, f.ContentType = 4000, "text/plain"
	if err := s.Store.Complete(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	same(t, "complete", s.usage(t, u[0]), chat.FileUsage{Bytes: 4000, Unsent: 1})
	m := s.SendFiles(t, c.ID, f)
	same(t, "sent", s.usage(t, u[0]), chat.FileUsage{Bytes: 4000})
	s.Delete(t, m)
	same(t, "deleted", s.usage(t, u[0]), chat.FileUsage{})
}

func (s suite) usage(t *testing.T, of ids.User) chat.FileUsage {
	t.Helper()
	u, err := s.Store.Usage(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s suite) condemned(t *testing.T) []ids.Attachment {
	t.Helper()
	all, err := s.Store.Condemned(t.Context(), s.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s suite) forget(t *testing.T, of ...ids.Attachment) {
	t.Helper()
	if err := s.Store.Forget(t.Context(), of); err != nil {
		t.Fatal(err)
	}
}
