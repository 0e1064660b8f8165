package chattest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) avatarTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"an image of one's own is worn, and then in no message":      s.avatarWorn,
		"what is no image of one's own that is sent is not worn":     s.avatarRefused,
		"a doubt is decided once, unless it is raised anew":          s.avatarDoubts,
		"of wearing, sending and condemning a file at once one wins": s.avatarRace,
	}
}

// wear wears a file as of a time.
func (s suite) wear(t testing.TB, f chat.File, at time.Time) {
	t.Helper()
	if err := s.Store.Wear(t.Context(), f.Uploader, f.ID, at); err != nil {
		t.Fatalf("wear: %v", err)
	}
}

// doubts are those of some files, all that are there.
func (s suite) doubts(t testing.TB, of ...chat.File) (some []chat.Doubt) {
	t.Helper()
	all, err := s.Store.Doubted(t.Context(), s.Now().Add(100*time.Hour), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range of {
		for _, d := range all {
			if d.ID == f.ID {
				some = append(some, d)
			}
		}
	}
	return some
}

func (s suite) avatarWorn(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	at := s.Now()
	// So old that what condemns it as an upload spares those of other tests.
	face := chat.File{
		Attachment: chat.Attachment{ID: ids.New[ids.Attachment](), Name: "face.png", ContentType: "image/png", Size: 900, Width: 40, Height: 30, Thumbnail: true},
		Uploader:   u[0], Length: 1000, CreatedAt: at.Add(-400 * 24 * time.Hour), Complete: true,
	}
	if err := errors.Join(s.Store.Reserve(t.Context(), face), s.Store.Complete(t.Context(), face)); err != nil {
		t.Fatal(err)
	}
	s.wear(t, face, at)
	same(t, "usage", s.usage(t, u[0]), chat.FileUsage{Bytes: 1000})
	got, err := s.Store.File(t.Context(), face.ID)
	if err != nil {
		t.Fatal(err)
	}
	face.Worn = true
	same(t, "file", got, face)
	_, err = s.Store.Append(t.Context(), s.withFiles(t, c.ID, face))
	refused(t, "sending it", err, chat.ErrAttachments)
	refused(t, "giving it up as an upload", s.Store.Condemn(t.Context(), u[0], face.ID, s.Now()), chat.ErrNoFile)
	if _, err := s.Store.CondemnUnsent(t.Context(), face.CreatedAt.Add(time.Second), s.Now(), 100_000); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Store.File(t.Context(), face.ID); err != nil || !got.Worn {
		t.Fatalf("after its time as an upload: %+v, %v", got, err)
	}
	for i, want := range []int{1, 0} { // to others it is not there by itself
		found, err := s.Store.ReadableFiles(t.Context(), u[i], []ids.Attachment{face.ID})
		if err != nil || len(found) != want {
			t.Fatal(i, found, err)
		}
	}
	same(t, "doubts", s.doubts(t, face), []chat.Doubt{{ID: face.ID, User: u[0], Since: at}})
	// Another is put on, then none: all that may be worn are doubted anew.
	other := s.Image(t, u[0])
	bystander := s.Image(t, u[1])
	s.wear(t, bystander, at)
	later := at.Add(time.Second)
	s.wear(t, other, later)
	same(t, "doubts of both", s.doubts(t, face, other),
		[]chat.Doubt{{ID: face.ID, User: u[0], Since: later}, {ID: other.ID, User: u[0], Since: later}})
	later = later.Add(time.Second)
	if err := s.Store.Wear(t.Context(), u[0], ids.Attachment{}, later); err != nil {
		t.Fatal(err)
	}
	same(t, "doubts of all", s.doubts(t, face, other, bystander), []chat.Doubt{
		{ID: face.ID, User: u[0], Since: later}, {ID: other.ID, User: u[0], Since: later}, {ID: bystander.ID, User: u[1], Since: at},
	})
}

func (s suite) avatarRefused(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	sent, condemned, text := s.Image(t, u[0]), s.Image(t, u[0]), s.Upload(t, u[0], 10)
	s.SendFiles(t, c.ID, sent)
	if err := s.Store.Condemn(t.Context(), u[0], condemned.ID, s.Now()); err != nil {
		t.Fatal(err)
	}
	begun := s.Upload(t, u[0], 10)
	text.ContentType, text.Size = "text/plain", 10
	if err := s.Store.Complete(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	worn := s.Image(t, u[0])
	at := s.Now()
	s.wear(t, worn, at)
	for what, id := range map[string]ids.Attachment{
		"another's": s.Image(t, u[1]).ID, "sent": sent.ID, "condemned": condemned.ID, "not all there": begun.ID,
		"without a picture": text.ID, "none": ids.New[ids.Attachment](),
	} {
		refused(t, what, s.Store.Wear(t.Context(), u[0], id, at.Add(time.Second)), chat.ErrNoFile)
	}
	same(t, "doubts", s.doubts(t, worn), []chat.Doubt{{ID: worn.ID, User: u[0], Since: at}})
}

func (s suite) avatarDoubts(t *testing.T) {
	u := Users(1)
	face, old := s.Image(t, u[0]), s.Image(t, u[0])
	at := s.Now()
	s.wear(t, old, at)
	stale := s.doubts(t, old)[0]
	s.wear(t, face, at.Add(time.Second))
	decide := func(d chat.Doubt, worn bool) {
		t.Helper()
		if err := s.Store.Decide(t.Context(), d, worn, s.Now()); err != nil {
			t.Fatal(err)
		}
	}
	decide(stale, false) // which was raised anew
	if _, err := s.Store.File(t.Context(), old.ID); err != nil {
		t.Fatalf("by an older doubt: %v", err)
	}
	if found, err := s.Store.Doubted(t.Context(), at, 100_000); err != nil || slices.ContainsFunc(found, func(d chat.Doubt) bool { return d.User == u[0] }) {
		t.Fatalf("before its time: %v, %v", found, err)
	}
	now := s.doubts(t, old, face)
	decide(now[0], false)
	decide(now[1], true)
	_, err := s.Store.File(t.Context(), old.ID)
	refused(t, "what is not worn", err, chat.ErrNoFile)
	if f, err := s.Store.File(t.Context(), face.ID); err != nil || !f.Worn {
		t.Fatalf("what is worn: %+v, %v", f, err)
	}
	if !slices.Contains(s.condemned(t), old.ID) || slices.Contains(s.condemned(t), face.ID) {
		t.Fatal("condemned is what is worn, or not what is not")
	}
	same(t, "doubts that are left", len(s.doubts(t, old, face)), 0)
	same(t, "usage", s.usage(t, u[0]), chat.FileUsage{Bytes: 1000})
	refused(t, "wearing it again", s.Store.Wear(t.Context(), u[0], old.ID, s.Now()), chat.ErrNoFile)
	s.wear(t, face, at.Add(time.Minute))
	decide(now[1], false) // decided long since
	if _, err := s.Store.File(t.Context(), face.ID); err != nil {
		t.Fatalf("by a doubt that was decided: %v", err)
	}
}

func (s suite) avatarRace(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	for range 5 {
		f := s.Image(t, u[0])
		m := s.withFiles(t, c.ID, f)
		var sent, worn, condemned error
		var wg sync.WaitGroup
		wg.Go(func() { _, sent = s.Store.Append(t.Context(), m) })
		wg.Go(func() { worn = s.Store.Wear(t.Context(), u[0], f.ID, s.Now()) })
		wg.Go(func() { condemned = s.Store.Condemn(t.Context(), u[0], f.ID, s.Now()) })
		wg.Wait()
		for _, err := range []error{sent, worn, condemned} {
			if err != nil && !errors.Is(err, chat.ErrNoFile) && !errors.Is(err, chat.ErrAttachments) {
				t.Fatal(err)
			}
		}
		got, err := s.Store.File(t.Context(), f.ID)
		switch {
		case sent == nil:
			// On MongoDB a commit may take what was condemned or worn at this
			// moment: then it has it, whatever else was answered.
			if err != nil || got.Message.IsZero() || got.Worn {
				t.Fatalf("sent: %+v, %v", got, err)
			}
		case worn == nil && condemned == nil:
			t.Fatal("worn and condemned")
		case worn == nil:
			if err != nil || !got.Worn {
				t.Fatalf("worn: %+v, %v", got, err)
			}
		default:
			refused(t, "condemned", err, chat.ErrNoFile)
		}
	}
}
