package chattest

import (
	"errors"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) companionTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"companions are those of small conversations, once":   s.companions,
		"together are those of any conversation, and no more": s.together,
		"who has left is nobody's companion":                  s.companionsLeft,
	}
}

func (s suite) companionsOf(t *testing.T, user ids.User, most, limit int) []ids.User {
	t.Helper()
	got, err := s.Store.Companions(t.Context(), user, most, limit)
	if err != nil {
		t.Fatal(err)
	}
	return sortedUsers(got)
}

func (s suite) togetherWith(t *testing.T, user ids.User, of ...ids.User) []ids.User {
	t.Helper()
	got, err := s.Store.Together(t.Context(), user, of)
	if err != nil {
		t.Fatal(err)
	}
	return sortedUsers(got)
}

func (s suite) companions(t *testing.T) {
	u := Users(6)
	s.Direct(t, u[0], u[1])
	s.Group(t, u[0], u[1], u[2])
	big := s.Group(t, u[0], u[2], u[3])
	s.Add(t, big.ID, u[0], u[4])
	s.Group(t, u[4], u[5])
	same(t, "of up to three", s.companionsOf(t, u[0], 3, 100), sortedUsers(u[:3]))
	same(t, "of up to four", s.companionsOf(t, u[0], 4, 100), sortedUsers(u[:5]))
	same(t, "two at most", len(s.companionsOf(t, u[0], 4, 2)), 2)
	same(t, "of nobody", len(s.companionsOf(t, ids.New[ids.User](), 4, 100)), 0)
	for _, other := range s.companionsOf(t, u[0], 3, 100) {
		if !slices.Contains(s.companionsOf(t, other, 3, 100), u[0]) {
			t.Error("it is not the same the other way round")
		}
	}
}

func (s suite) together(t *testing.T) {
	u := Users(5)
	s.Group(t, u[0], u[1], u[2])
	s.Direct(t, u[0], u[1])
	s.Group(t, u[3], u[2])
	same(t, "of all", s.togetherWith(t, u[0], u...), sortedUsers(u[:3]))
	same(t, "of some", s.togetherWith(t, u[0], u[4], u[2], u[2], u[3]), sortedUsers(u[2:3]))
	same(t, "of strangers", len(s.togetherWith(t, u[0], u[3], u[4], ids.New[ids.User](), ids.User{})), 0)
	same(t, "of none", len(s.togetherWith(t, u[0])), 0)
	many := append(Users(300), u[1])
	same(t, "of many", s.togetherWith(t, u[0], many...), sortedUsers(u[1:2]))
}

func (s suite) companionsLeft(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	s.Leave(t, c.ID, u[1])
	same(t, "companions", s.companionsOf(t, u[0], 10, 100), sortedUsers([]ids.User{u[0], u[2]}))
	same(t, "together", s.togetherWith(t, u[0], u...), sortedUsers([]ids.User{u[0], u[2]}))
	same(t, "his own", len(s.companionsOf(t, u[1], 10, 100)), 0)
	same(t, "together with him", len(s.togetherWith(t, u[1], u...)), 0)
	s.Add(t, c.ID, u[0], u[1])
	same(t, "back again", s.togetherWith(t, u[1], u[2]), sortedUsers(u[2:]))
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	same(t, "with a role", s.companionsOf(t, u[1], 3, 100), sortedUsers(u))
}

// companions measures those of somebody who is in all rooms.
func (h *hall) companions(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Companions(b.Context(), h.members[0], 256, 5000)
		return found(len(some), min(50+4*(len(h.rooms)-1), 5000), err)
	})
}

func (h *hall) together(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Together(b.Context(), h.members[0], h.members)
		return found(len(some), 50, err)
	})
}

func (s suite) traceTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"what somebody wrote is found when he has left, too":  s.tracesFound,
		"his reactions are found on whosever messages":        s.reactionsTraced,
		"the rooms that somebody is or was in are listed":     s.roomsListed,
		"keys are taken from one's messages in one room":      s.unkeyed,
		"uploads of one user that nobody sent are condemned":  s.uploadsCondemned,
		"the reasons of one reporter go, his reports stay":    s.reportsBlanked,
		"a direct conversation stays with the one who stayed": s.directLeft,
	}
}

// traced looks through a conversation in spans.
func (s suite) traced(t *testing.T, user ids.User, id ids.Conversation, span int64) (own []ids.Message, reactions []chat.Reactor) {
	t.Helper()
	for after := int64(0); ; after += span {
		found, err := s.Store.Traced(t.Context(), user, id, after, span)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range found.Own {
			if m.Seq <= after || m.Seq > after+span || m.Sender != user {
				t.Errorf("after %d: %+v", after, m)
			}
			own = append(own, m.ID)
		}
		if reactions = append(reactions, found.Reactions...); after+span >= found.LastSeq {
			return own, reactions
		}
	}
}

func (s suite) tracesFound(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	var want []ids.Message
	for i := range 12 {
		m := s.Send(t, c.ID, u[i%2], "said")
		if i == 4 {
			s.Edit(t, m, "said again")
		}
		if i == 6 {
			s.Delete(t, m)
		} else if i%2 == 0 {
			want = append(want, m.ID)
		}
	}
	want = append(want, s.SendFiles(t, c.ID, s.Image(t, u[0])).ID)
	s.Send(t, other.ID, u[0], "elsewhere")
	s.Leave(t, c.ID, u[0]) // with a note of his
	for _, span := range []int64{1, 5, 100} {
		got, _ := s.traced(t, u[0], c.ID, span)
		same(t, "own", got, want)
	}
	found, err := s.Store.Traced(t.Context(), u[0], c.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "version", found.Version, s.View(t, u[1], c.ID).MemberVersion)
	same(t, "attachments", len(found.Own[len(found.Own)-1].Attachments), 1)
	if _, err := s.Store.Revise(t.Context(), chat.Revision{Message: want[0], Kind: chat.ToDelete, Version: found.Version, At: s.Now()}); err != nil {
		t.Fatal(err)
	}
	got, _ := s.traced(t, u[0], c.ID, 100)
	same(t, "after one was deleted", got, want[1:])
	if _, err := s.Store.Traced(t.Context(), u[0], ids.New[ids.Conversation](), 0, 10); !errors.Is(err, chat.ErrNoConversation) {
		t.Error(err)
	}
}

func (s suite) reactionsTraced(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	first, second, third := s.Send(t, c.ID, u[0], "one"), s.Send(t, c.ID, u[1], "two"), s.Send(t, c.ID, u[1], "three")
	s.React(t, u[0], first, emoji[0])
	s.React(t, u[0], second, emoji[1])
	s.React(t, u[0], second, emoji[0])
	s.React(t, u[1], second, emoji[0])
	s.React(t, u[0], third, emoji[2])
	s.Unreact(t, u[0], third, emoji[2])
	s.Pin(t, u[0], third)
	s.Leave(t, c.ID, u[0])
	_, got := s.traced(t, u[0], c.ID, 2)
	same(t, "reactions", got, []chat.Reactor{
		{Message: first.ID, Emoji: emoji[0], User: u[0]}, {Message: second.ID, Emoji: emoji[1], User: u[0]}, {Message: second.ID, Emoji: emoji[0], User: u[0]},
	})
}

func (s suite) roomsListed(t *testing.T) {
	u := Users(3)
	var want []chat.Room
	for i := range 5 {
		c := s.Group(t, u[:2]...)
		want = append(want, chat.Room{ID: c.ID, In: i != 2})
		if i == 2 {
			s.Leave(t, c.ID, u[1])
		}
	}
	d := s.Direct(t, u[1], u[2])
	want = append(want, chat.Room{ID: d.ID, In: true})
	slices.SortFunc(want, func(a, b chat.Room) int { return a.ID.Compare(b.ID) })
	var got []chat.Room
	for after := (ids.Conversation{}); ; {
		page, err := s.Store.Rooms(t.Context(), u[1], after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 2 {
			break
		}
		after = page[1].ID
	}
	same(t, "rooms", got, want)
}

func (s suite) unkeyed(t *testing.T) {
	u := Users(2)
	c, other := s.Group(t, u...), s.Group(t, u...)
	keyed := func(id ids.Conversation, by ids.User) ids.Message {
		m := s.Message(t, id, by, "keyed")
		m.ClientID, m.InputHash = "a canary's key", []byte("hash")
		sent, err := s.Store.Append(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return sent.ID
	}
	mine, his, elsewhere := keyed(c.ID, u[0]), keyed(c.ID, u[1]), keyed(other.ID, u[0])
	s.Leave(t, c.ID, u[0])
	for range 2 {
		if err := s.Store.Unkey(t.Context(), u[0], c.ID); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[ids.Message]string{mine: "", his: "a canary's key", elsewhere: "a canary's key"} {
		same(t, "key", s.message(t, u[1], id).ClientID, want)
	}
	again := s.Message(t, c.ID, u[1], "keyed")
	again.ClientID, again.InputHash = "a canary's key", []byte("hash")
	if m, err := s.Store.Append(t.Context(), again); err != nil || m.ID != his {
		t.Errorf("another's key: %v %v", m.ID, err)
	}
}

func (s suite) uploadsCondemned(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	sent := s.Image(t, u[0])
	m := s.SendFiles(t, c.ID, sent)
	theirs := s.Image(t, u[1])
	want := []ids.Attachment{s.Image(t, u[0]).ID, s.Upload(t, u[0], 10).ID, s.Image(t, u[0]).ID}
	if err := s.Store.Wear(t.Context(), u[0], want[2], s.Now()); err != nil {
		t.Fatal(err)
	}
	for _, after := range []ids.Attachment{{}, sent.ID} {
		var have []ids.Attachment
		all, err := s.Store.Uploaded(t.Context(), u[0], after, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			have = append(have, f.ID)
		}
		complete := []ids.Attachment{sent.ID, want[0], want[2]}
		if !after.IsZero() {
			complete = complete[1:]
		}
		same(t, "uploaded", have, complete)
	}
	var got []ids.Attachment
	for n := 2; n == 2; {
		page, err := s.Store.CondemnUploads(t.Context(), u[0], s.Now(), 2)
		if err != nil {
			t.Fatal(err)
		}
		n, got = len(page), append(got, page...)
	}
	slices.SortFunc(got, ids.Attachment.Compare)
	same(t, "condemned", got, want)
	if all, err := s.Store.Uploaded(t.Context(), u[0], ids.Attachment{}, 10); err != nil || len(all) != 1 || all[0].Message != m.ID {
		t.Errorf("%+v %v", all, err)
	}
	for _, id := range want {
		if _, err := s.Store.File(t.Context(), id); !errors.Is(err, chat.ErrNoFile) {
			t.Error(err)
		}
	}
	if err := s.Store.Forget(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	for _, f := range []ids.Attachment{sent.ID, theirs.ID} {
		if _, err := s.Store.File(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
	same(t, "the message", len(s.message(t, u[1], m.ID).Attachments), 1)
	same(t, "usage", s.usage(t, u[0]), chat.FileUsage{Bytes: 1000})
}

func (s suite) reportsBlanked(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	m := s.Send(t, c.ID, u[2], "rude")
	his, other := s.addReport(t, s.Report(m, u[0], "a canary's reason")), s.addReport(t, s.Report(m, u[1], "rude"))
	if err := s.Store.BlankReports(t.Context(), u[0]); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[ids.Report]string{his.ID: "", other.ID: "rude"} {
		found, err := s.Store.ReportsByID(t.Context(), []ids.Report{id})
		if err != nil || len(found) != 1 || found[0].Reason != want {
			t.Errorf("%+v %v", found, err)
		}
	}
}

func (s suite) directLeft(t *testing.T) {
	u := Users(2)
	c := s.Direct(t, u[0], u[1])
	s.Send(t, c.ID, u[0], "one")
	s.Send(t, c.ID, u[1], "two")
	s.Leave(t, c.ID, u[0])
	v := s.View(t, u[1], c.ID)
	if !v.Alone() || v.MemberCount != 1 || !v.ArchivedAt.IsZero() {
		t.Errorf("%+v", v)
	}
	same(t, "messages", len(s.All(t, u[1], c.ID)), 3)
	if _, err := s.Store.View(t.Context(), u[0], c.ID); !errors.Is(err, chat.ErrNoConversation) {
		t.Error(err)
	}
	list, err := s.Store.List(t.Context(), u[1], chat.Filter{}, 0, 10)
	if err != nil || len(list) != 1 || !list[0].Alone() {
		t.Errorf("%+v %v", list, err)
	}
}
