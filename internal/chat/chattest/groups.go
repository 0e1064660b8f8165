package chattest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) aboutTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"new name and description are told with a rev, then noted":          s.aboutTold,
		"name and description decided on another membership are refused":    s.aboutMoved,
		"changes of name and description that race follow each other":       s.aboutRace,
		"a message decided before new name and description is decided anew": s.aboutAndMessages,
	}
}

func (s suite) aboutTold(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.Send(t, c.ID, u[1], "text")
	before := s.View(t, u[0], c.ID)
	edit := s.About(t, c.ID, u[0], "Überraschung 🎉", "Two\nlines")
	after, err := s.Store.ChangeAbout(t.Context(), edit)
	if err != nil {
		t.Fatal(err)
	}
	want := before.Conversation
	want.Name, want.Description, want.UpdatedAt = "Überraschung 🎉", "Two\nlines", edit.At
	want.MemberVersion, want.LastRev, want.LastSeq, want.ActivePos = before.MemberVersion+1, before.LastRev+2, before.LastSeq+1, after.ActivePos
	same(t, "answer", after, want)
	same(t, "seen by another", s.View(t, u[1], c.ID).Conversation, want)
	same(t, "the note is not unread", s.View(t, u[0], c.ID).UnreadCount(), before.UnreadCount())

	told := s.told.of(c.ID)
	told = told[len(told)-2:]
	same(t, "event", *told[0], chat.Event{
		Kind: chat.ConversationChanged, Conversation: c.ID, Pos: after.ActivePos - 1, Rev: before.LastRev + 1, LastOrd: 1,
		About: &edit.Change.After,
	})
	all := s.All(t, u[1], c.ID)
	same(t, "the note", all[1], chat.Message{
		ID: edit.Note.ID, Conversation: c.ID, Seq: 2, Rev: after.LastRev, Ord: 1, Pos: after.ActivePos,
		Kind: chat.System, Sender: u[0], Text: edit.Note.Text, Note: edit.Note.Note, CreatedAt: edit.Note.CreatedAt,
	})
	same(t, "the note as told", *told[1].Message, all[1])
	s.Rename(t, c.ID, u[0], "Another", "")
	replayed := s.replay(t, u[1], before.ActivePos)
	same(t, "replayed", len(replayed), 4)
	same(t, "the first as it was told", *replayed[0], *told[0])
	same(t, "the second's state", *replayed[2].About, chat.About{Name: "Another"})
}

func (s suite) aboutMoved(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	edit := s.About(t, c.ID, u[0], "late", "")
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	_, err := s.Store.ChangeAbout(t.Context(), edit)
	refused(t, "an old version", err, chat.ErrMoved)
	same(t, "nothing has changed", s.View(t, u[1], c.ID).Name, c.Name)
	edit.Conversation = ids.New[ids.Conversation]()
	_, err = s.Store.ChangeAbout(t.Context(), edit)
	refused(t, "no conversation", err, chat.ErrNoConversation)
}

func (s suite) aboutRace(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	edits := make([]chat.AboutEdit, 12)
	for i := range edits {
		edits[i] = s.About(t, c.ID, u[0], fmt.Sprint("name ", i), "")
	}
	won := -1
	for i, err := range atOnce(t.Context(), len(edits), func(ctx context.Context, i int) error {
		_, err := s.Store.ChangeAbout(ctx, edits[i])
		return err
	}) {
		switch {
		case err == nil && won >= 0:
			t.Fatal("two have won")
		case err == nil:
			won = i
		case !errors.Is(err, chat.ErrMoved):
			t.Fatal(err)
		}
	}
	v := s.View(t, u[0], c.ID)
	same(t, "the winner's name", v.Name, fmt.Sprint("name ", won))
	same(t, "revs", v.LastRev, c.LastRev+2)
}

func (s suite) aboutAndMessages(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	m := s.Message(t, c.ID, u[0], "text")
	s.Rename(t, c.ID, u[0], "new", "")
	_, err := s.Store.Append(t.Context(), m)
	refused(t, "an old version", err, chat.ErrMoved)
	m.Version = s.View(t, u[0], c.ID).MemberVersion
	if _, err := s.Store.Append(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func (s suite) channelTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"channels are listed by name, each once":                 s.channels,
		"channels are found by the beginnings of their words":    s.channelSearch,
		"a renamed channel is found by its new name alone":       s.channelRenamed,
		"groups and channels that nobody is in are not listed":   s.channelsHidden,
		"who joins a channel is in it once":                      s.joinOnce,
		"joins that race with others all get in, up to the most": s.joinRace,
	}
}

// listed returns the names of all channels of a query that have the mark, page
// by page: other tests make channels, too.
func (s suite) listed(t *testing.T, viewer ids.User, mark string, words ...string) (names []string) {
	t.Helper()
	q := chat.ChannelQuery{Words: append(words, chat.ChannelTerms(mark)...), Limit: 2}
	for {
		some, err := s.Store.Channels(t.Context(), viewer, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range some {
			if c.Key <= q.After {
				t.Fatalf("%q comes after %q", c.Key, q.After)
			}
			q.After = c.Key
			names = append(names, c.Name)
		}
		if len(some) < q.Limit {
			return names
		}
	}
}

// mark is a word that no other test's channels have.
func mark() string {
	id := ids.New[ids.Conversation]().String()
	return "m" + id[len(id)-16:]
}

func (s suite) channels(t *testing.T) {
	u, m := Users(3), mark()
	var want []chat.ListedChannel
	for _, name := range []string{"b " + m, "Ä " + m, "c " + m, "a " + m + " z", "B " + m} {
		c := s.Channel(t, name, u[0], u[1])
		want = append(want, chat.ListedChannel{
			ID: c.ID, Name: name, CreatedAt: c.CreatedAt, MemberCount: 2, Key: chat.ChannelKey(name, c.ID), Joined: true,
		})
	}
	slices.SortFunc(want, func(a, b chat.ListedChannel) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	same(t, "pages", s.listed(t, u[2], m), []string{"Ä " + m, "a " + m + " z", "b " + m, "B " + m, "c " + m})
	got, err := s.Store.Channels(t.Context(), u[1], chat.ChannelQuery{Words: []string{m}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "as a member sees them", got, want)
	got, err = s.Store.Channels(t.Context(), u[2], chat.ChannelQuery{Words: []string{m}, Limit: 1})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want[0].Joined = false
	same(t, "as a stranger sees them", got[0], want[0])
	if got, err := s.Store.Channels(t.Context(), u[2], chat.ChannelQuery{Limit: 3}); err != nil || len(got) != 3 {
		t.Fatal("without a query:", got, err)
	}
}

func (s suite) channelSearch(t *testing.T) {
	u, m := Users(1), mark()
	for _, name := range []string{"Straßen-Bau", "Ремонт дома", "東京の食べ物", "100% [a-z]* ^fun$ .", "zwei Worte zwei"} {
		s.Channel(t, name+" "+m, u...)
	}
	for query, want := range map[string]string{
		"STRASSE": "Straßen-Bau", "bau": "Straßen-Bau", "ДОМ": "Ремонт дома", "рем дома": "Ремонт дома", "食べ": "東京の食べ物",
		"[a-z]*": "100% [a-z]* ^fun$ .", "^": "100% [a-z]* ^fun$ .", "100%": "100% [a-z]* ^fun$ .", ".": "100% [a-z]* ^fun$ .",
		"wort zwei": "zwei Worte zwei", "rassen": "", "[a-z]+": "", "%": "100% [a-z]* ^fun$ .", "_": "", "worte drei": "",
	} {
		var all []string
		if want != "" {
			all = []string{want + " " + m}
		}
		words := chat.ChannelQueryWords(query)
		same(t, "found by "+query, s.listed(t, u[0], m, words...), all)
	}
}

func (s suite) channelRenamed(t *testing.T) {
	u, m := Users(1), mark()
	c := s.Channel(t, "old "+m, u...)
	s.Rename(t, c.ID, u[0], "new "+m, "with a description")
	same(t, "by the new name", s.listed(t, u[0], m, "new"), []string{"new " + m})
	same(t, "by the old name", len(s.listed(t, u[0], m, "old")), 0)
	s.Rename(t, c.ID, u[0], "new "+m, "with another")
	got, err := s.Store.Channels(t.Context(), u[0], chat.ChannelQuery{Words: []string{m}, Limit: 5})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	same(t, "description", got[0].Description, "with another")
	g := s.Group(t, u...)
	s.Rename(t, g.ID, u[0], "group "+m, "")
	same(t, "a renamed group", len(s.listed(t, u[0], m, "group")), 0)
}

func (s suite) channelsHidden(t *testing.T) {
	u, m := Users(2), mark()
	c := s.Channel(t, "left "+m, u...)
	same(t, "channel", s.listed(t, u[0], m), []string{"left " + m})
	found, err := s.Store.Channel(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "to anybody", found, c)
	s.Leave(t, c.ID, u[1])
	s.Leave(t, c.ID, u[0])
	same(t, "when all have left", len(s.listed(t, u[0], m)), 0)
	for what, id := range map[string]ids.Conversation{
		"left": c.ID, "a group": s.Group(t, u...).ID, "a direct one": s.Direct(t, u[0], u[1]).ID, "none": ids.New[ids.Conversation](),
	} {
		_, err := s.Store.Channel(t.Context(), id)
		refused(t, what, err, chat.ErrNoConversation)
	}
	_, err = s.Store.Join(t.Context(), s.Joining(c.ID, u[0], ids.GroupInvite{}))
	refused(t, "joining what all have left", err, chat.ErrNoConversation)
}

func (s suite) joinOnce(t *testing.T) {
	u := Users(2)
	c := s.Channel(t, "once", u[0])
	s.Send(t, c.ID, u[0], "text")
	j := s.Joining(c.ID, u[1], ids.GroupInvite{})
	if joined, err := s.Store.Join(t.Context(), j); err != nil || !joined {
		t.Fatal(joined, err)
	}
	v := s.View(t, u[1], c.ID)
	same(t, "member", v.Viewer, chat.Member{
		Conversation: c.ID, User: u[1], Role: chat.Plain, JoinedAt: j.At, ReadSeq: 1, ReadOrd: 1, DeliveredSeq: 1, JoinedSeq: 1,
	})
	same(t, "count", v.MemberCount, 2)
	told := s.told.of(c.ID)
	same(t, "told", *told[len(told)-2].Membership, chat.Membership{User: u[1], Change: chat.Joined, Role: chat.Plain, Actor: u[1]})
	same(t, "noted", told[len(told)-1].Message.ID, j.Note.ID)
	if joined, err := s.Store.Join(t.Context(), s.Joining(c.ID, u[1], ids.GroupInvite{})); err != nil || joined {
		t.Fatal("again:", joined, err)
	}
	same(t, "nothing more was told", len(s.told.of(c.ID)), len(told))
	s.Remove(t, c.ID, u[0], u[1])
	if joined, err := s.Store.Join(t.Context(), s.Joining(c.ID, u[1], ids.GroupInvite{})); err != nil || !joined {
		t.Fatal("who was removed comes back:", joined, err)
	}
}

func (s suite) joinRace(t *testing.T) {
	n, there := 40, chat.MaxMembers-40
	if s.short { // each commit reads all members there: "nobody joins beyond" has the most
		n, there = 10, 12
	}
	u, all := Users(2*n), Users(there)
	c := s.Channel(t, "race", all...)
	errs := atOnce(t.Context(), 3*n, func(ctx context.Context, i int) error {
		if i >= 2*n { // others send meanwhile
			_, err := s.Store.Append(ctx, s.Message(t, c.ID, all[i-2*n], "text"))
			if errors.Is(err, chat.ErrMoved) {
				err = nil
			}
			return err
		}
		_, err := s.Store.Join(ctx, s.Joining(c.ID, u[i], ids.GroupInvite{}))
		return err
	})
	in, over := 0, 0
	for i, err := range errs {
		switch {
		case err == nil && i < 2*n:
			in++
		case errors.Is(err, chat.ErrTooManyMembers):
			over++
		case err != nil:
			t.Fatal(err)
		}
	}
	want := min(2*n, chat.MaxMembers-there)
	same(t, "in and out", []int{in, over}, []int{want, 2*n - want})
	same(t, "count", s.View(t, all[0], c.ID).MemberCount, there+want)
	same(t, "pages", len(s.AllMembers(t, all[0], c.ID)), there+want)
}
