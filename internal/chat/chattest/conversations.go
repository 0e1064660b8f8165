package chattest

import (
	"context"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) conversationTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a new conversation is seen as it was made":               s.created,
		"the creation is told as one change":                      s.creationTold,
		"a pair has one conversation whoever opens it":            s.onePair,
		"fifty who open a pair's conversation at once open one":   s.onePairAtOnce,
		"a conversation is its members' alone":                    s.viewRights,
		"several conversations are viewed at once":                s.views,
		"lists begin with the newest activity":                    s.list,
		"more members than allowed make no conversation":          s.tooManyCreated,
		"names and descriptions are kept whatever they look like": s.oddNames,
	}
}

func (s suite) created(t *testing.T) {
	users := Users(3)
	n := s.NewGroup(users...)
	n.Kind, n.Description = chat.Channel, "What it is for"
	c, created, err := s.Store.Create(t.Context(), n)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	want := n.Conversation
	want.UpdatedAt, want.LastRev, want.MemberCount = n.CreatedAt, 1, 3
	want.MemberVersion, want.ActivePos = c.MemberVersion, c.ActivePos
	same(t, "created", c, want)
	if c.ActivePos == 0 {
		t.Fatal("no position")
	}
	for i, u := range users {
		v := s.View(t, u, c.ID)
		same(t, "viewed", v.Conversation, c)
		same(t, "member", v.Viewer, n.Members[i])
		if v.UnreadCount() != 0 {
			t.Fatal("something is unread")
		}
	}
}

func (s suite) creationTold(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	told := s.told.of(c.ID)
	same(t, "told", len(told), 1)
	want := chat.Event{Kind: chat.ConversationChanged, Conversation: c.ID, Pos: c.ActivePos, Rev: 1, Joined: u}
	same(t, "event", *told[0], want)
	read, _, err := s.Store.Read(t.Context(), c.ActivePos-1, 1)
	if err != nil || len(read) != 1 {
		t.Fatal(read, err)
	}
	slices.SortFunc(read[0].Joined, ids.User.Compare)
	same(t, "read", *read[0], want)
}

func (s suite) onePair(t *testing.T) {
	u := Users(3)
	first, created, err := s.Store.Create(t.Context(), s.NewDirect(u[0], u[1]))
	if err != nil || !created {
		t.Fatal(created, err)
	}
	s.Send(t, first.ID, u[0], "hello")
	second, created, err := s.Store.Create(t.Context(), s.NewDirect(u[1], u[0]))
	if err != nil || created {
		t.Fatal(created, err)
	}
	same(t, "found again", second, s.View(t, u[1], first.ID).Conversation)
	if other := s.Direct(t, u[0], u[2]); other.ID == first.ID {
		t.Fatal("another pair has the same conversation")
	}
	if a, b := s.Group(t, u[0], u[1]), s.Group(t, u[0], u[1]); a.ID == b.ID {
		t.Fatal("two groups of the same two are one")
	}
}

func (s suite) onePairAtOnce(t *testing.T) {
	u := Users(2)
	opened := make([]chat.Conversation, 50)
	created := make([]bool, len(opened))
	for i, err := range atOnce(t.Context(), len(opened), func(ctx context.Context, i int) (err error) {
		opened[i], created[i], err = s.Store.Create(ctx, s.NewDirect(u[i%2], u[1-i%2]))
		return err
	}) {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	made := 0
	for i, c := range opened {
		same(t, "conversation", c, opened[0])
		if created[i] {
			made++
		}
	}
	same(t, "made", made, 1)
	same(t, "told", len(s.told.of(opened[0].ID)), 1)
}

func (s suite) viewRights(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.View(t.Context(), stranger, c.ID)
		refused(t, "a stranger", err, chat.ErrNoConversation)
		views, err := s.Store.Views(t.Context(), stranger, []ids.Conversation{c.ID})
		if len(views) != 0 || err != nil {
			t.Fatal("a stranger sees", views, err)
		}
		views, err = s.Store.List(t.Context(), stranger, chat.Filter{}, 0, 10)
		if len(views) != 0 || err != nil {
			t.Fatal("a stranger lists", views, err)
		}
	}
	_, err := s.Store.View(t.Context(), u[0], ids.New[ids.Conversation]())
	refused(t, "none", err, chat.ErrNoConversation)
	_, err = s.Store.View(t.Context(), u[0], ids.Conversation{})
	refused(t, "the zero id", err, chat.ErrNoConversation)
}

func (s suite) views(t *testing.T) {
	u := Users(2)
	var of []ids.Conversation
	want := make(map[ids.Conversation]chat.View)
	for range 110 {
		c := s.Group(t, u[0])
		of = append(of, c.ID)
		want[c.ID] = s.View(t, u[0], c.ID)
	}
	of = append(of, s.Group(t, u[1]).ID, ids.New[ids.Conversation](), of[0])
	views, err := s.Store.Views(t.Context(), u[0], of)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[ids.Conversation]chat.View)
	for _, v := range views {
		got[v.ID] = v
	}
	same(t, "views", got, want)
	if views, err := s.Store.Views(t.Context(), u[0], nil); len(views) != 0 || err != nil {
		t.Fatal("of none", views, err)
	}
}

func (s suite) list(t *testing.T) {
	u := Users(2)
	var want []ids.Conversation
	for range 7 {
		want = append(want, s.Group(t, u[0], u[1]).ID)
	}
	s.Group(t, u[1])
	s.Send(t, want[2], u[1], "up")
	s.MarkRead(t, u[0], want[1], 0)
	s.MarkRead(t, u[0], want[2], 1) // a receipt is no activity
	s.Send(t, want[4], u[0], "further up")
	s.Leave(t, want[0], u[0])
	want = []ids.Conversation{want[4], want[2], want[6], want[5], want[3], want[1]}
	var got []ids.Conversation
	for before := int64(0); ; {
		views, err := s.Store.List(t.Context(), u[0], chat.Filter{}, before, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			same(t, "view", v, s.View(t, u[0], v.ID))
			got, before = append(got, v.ID), v.ActivePos
		}
		if len(views) < 4 {
			break
		}
	}
	same(t, "order", got, want)
}

func (s suite) tooManyCreated(t *testing.T) {
	n := s.NewGroup(Users(chat.MaxMembers + 1)...)
	_, _, err := s.Store.Create(t.Context(), n)
	refused(t, "too many", err, chat.ErrTooManyMembers)
	same(t, "told", len(s.told.of(n.ID)), 0)
}

func (s suite) oddNames(t *testing.T) {
	for _, name := range []string{"'; DROP TABLE chat_message; --", `$1 ? %s \ "`, "é𝄞👩‍👩‍👧 مرحبا", " "} {
		n := s.NewGroup(Users(1)...)
		n.Name, n.Description = name, name
		c, _, err := s.Store.Create(t.Context(), n)
		if err != nil || c.Name != name || c.Description != name {
			t.Fatal(c.Name, err)
		}
		same(t, "read back", s.View(t, n.Creator, c.ID).Conversation, c)
	}
}

func sortedUsers(of []ids.User) []ids.User {
	of = slices.Clone(of)
	slices.SortFunc(of, ids.User.Compare)
	return of
}
