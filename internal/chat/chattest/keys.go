package chattest

import (
	"context"
	"fmt"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) keyTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a repeated send gives back the message as it is now":         s.repeated,
		"a key used for another message is refused":                   s.keyReused,
		"a key is its sender's, in one conversation":                  s.keyScope,
		"fifty copies of a send at once make one message":             s.copiesAtOnce,
		"repeats among fresh sends neither fail them nor leave holes": s.repeatsAmongFresh,
		"messages without a key are never the same":                   s.withoutKey,
	}
}

func (s suite) keyed(t *testing.T, id ids.Conversation, sender ids.User, text, key string) chat.NewMessage {
	t.Helper()
	m := s.Message(t, id, sender, text)
	m.ClientID, m.InputHash = key, []byte("hash of "+text)
	return m
}

func (s suite) append(t *testing.T, m chat.NewMessage) chat.Message {
	t.Helper()
	out, err := s.Store.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s suite) repeated(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	again := func() chat.Message {
		t.Helper()
		return s.append(t, s.keyed(t, c.ID, u[0], "text", "key")) // with an id of its own
	}
	first := again()
	s.Send(t, c.ID, u[0], "between")
	same(t, "again", again(), first)
	edited := s.Edit(t, first, "edited")
	same(t, "after an edit", again(), edited)
	deleted := s.Delete(t, first)
	same(t, "after the deletion", again(), deleted)
	same(t, "newest", s.View(t, u[0], c.ID).LastSeq, 2)
	same(t, "told", len(s.told.of(c.ID)), 5)
	stale := s.keyed(t, c.ID, u[0], "text", "key")
	s.Add(t, c.ID, u[0], Users(1)[0])
	_, err := s.Store.Append(t.Context(), stale)
	refused(t, "decided on another membership", err, chat.ErrMoved)
	same(t, "decided again", again(), deleted)
}

func (s suite) keyReused(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	first := s.append(t, s.keyed(t, c.ID, u[0], "text", "key"))
	_, err := s.Store.Append(t.Context(), s.keyed(t, c.ID, u[0], "another", "key"))
	refused(t, "another text", err, chat.ErrKeyReused)
	s.Delete(t, first)
	_, err = s.Store.Append(t.Context(), s.keyed(t, c.ID, u[0], "", "key"))
	refused(t, "the text as it is now", err, chat.ErrKeyReused)
	same(t, "newest", s.View(t, u[0], c.ID).LastSeq, 1)
}

func (s suite) keyScope(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	seen := make(map[ids.Message]bool)
	for _, in := range []ids.Conversation{c.ID, other.ID} {
		for _, sender := range u {
			for _, key := range []string{"key", "Key", "key ", "k\u00e9y", "ke\u0301y"} {
				seen[s.append(t, s.keyed(t, in, sender, "text", key)).ID] = true
			}
		}
	}
	same(t, "messages", len(seen), 20)
}

func (s suite) copiesAtOnce(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	in := make([]chat.NewMessage, 50)
	out := make([]chat.Message, len(in))
	for round := range 5 {
		for i := range in {
			in[i] = s.keyed(t, c.ID, u[0], "text", fmt.Sprint("key", round))
		}
		for _, err := range atOnce(t.Context(), len(in), func(ctx context.Context, i int) (err error) {
			out[i], err = s.Store.Append(ctx, in[i])
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range out {
			same(t, "answer", m, out[0])
		}
		same(t, "newest", s.View(t, u[0], c.ID).LastSeq, int64(round+1))
		same(t, "told", len(s.told.of(c.ID)), round+2)
	}
}

func (s suite) repeatsAmongFresh(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	first := s.append(t, s.keyed(t, c.ID, u[0], "first", "key"))
	in := make([]chat.NewMessage, 90)
	for i := range in {
		switch i % 3 {
		case 0:
			in[i] = s.keyed(t, c.ID, u[i%2], "fresh", fmt.Sprint("key", i))
		case 1:
			in[i] = s.keyed(t, c.ID, u[0], "first", "key")
		case 2:
			in[i] = s.keyed(t, c.ID, u[0], "not the first", "key")
		}
	}
	out := make([]chat.Message, len(in))
	for i, err := range atOnce(t.Context(), len(in), func(ctx context.Context, i int) (err error) {
		out[i], err = s.Store.Append(ctx, in[i])
		return err
	}) {
		switch {
		case i%3 == 2:
			refused(t, "another message", err, chat.ErrKeyReused)
		case err != nil:
			t.Fatal(err)
		case i%3 == 1:
			same(t, "repeat", out[i], first)
		default:
			same(t, "fresh", out[i].ID, in[i].ID)
		}
	}
	all := s.All(t, u[0], c.ID)
	same(t, "messages", len(all), 31)
	for i, m := range all {
		same(t, "numbers", []int64{m.Seq, m.Ord, m.Rev}, []int64{int64(i + 1), int64(i + 1), int64(i + 2)})
	}
}

func (s suite) withoutKey(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	for i := range int64(3) {
		same(t, "seq", s.Send(t, c.ID, u[0], "the same").Seq, i+1)
	}
}
