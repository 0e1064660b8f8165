package chattest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) memberTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"members come by when they joined, to members":       s.members,
		"the oldest admin inherits, else the oldest member":  s.heir,
		"each change of an edit has a rev, then the note":    s.editTold,
		"an edit decided on another membership is refused":   s.editMoved,
		"edits that race are decided one after the other":    s.editsRace,
		"what changes nothing is left out":                   s.editNothing,
		"a new member has read all but the note":             s.joinRead,
		"who comes back starts anew":                         s.comesBack,
		"a conversation that nobody is in is archived":       s.archived,
		"nobody joins beyond the greatest number of members": s.tooManyJoin,
		"nobody can change the members of no conversation":   s.editNowhere,
		"an edit that fails leaves no trace and no hole":     s.editUndone,
	}
}

func (s suite) members(t *testing.T) {
	u := Users(5)
	c := s.Group(t, u[0], u[1], u[2])
	s.Add(t, c.ID, u[0], u[4], u[3])
	s.SetRole(t, c.ID, u[0], u[4], chat.Admin)
	want := append(sortedUsers(u[:3]), sortedUsers(u[3:])...)
	var got []ids.User
	for _, m := range s.AllMembers(t, u[1], c.ID) {
		got = append(got, m.User)
		same(t, "the same as his own view", m, s.View(t, m.User, c.ID).Viewer)
	}
	same(t, "order", got, want)
	got = nil
	for after := (chat.MemberKey{}); ; {
		some, err := s.Store.Members(t.Context(), u[0], c.ID, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range some {
			got, after = append(got, m.User), chat.MemberKey{JoinedAt: m.JoinedAt, User: m.User}
		}
		if len(some) == 0 {
			break
		}
	}
	same(t, "page by page", got, want)
	for _, stranger := range s.strangers(t, c.ID, u[0]) {
		_, err := s.Store.Members(t.Context(), stranger, c.ID, chat.MemberKey{}, 10)
		refused(t, "a stranger", err, chat.ErrNoConversation)
	}
}

func (s suite) heir(t *testing.T) {
	u := Users(4)
	c := s.Group(t, u[0])
	heir := func() ids.User {
		t.Helper()
		h, err := s.Store.Heir(t.Context(), c.ID, u[0])
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	same(t, "nobody", heir(), ids.User{})
	for _, user := range u[1:] {
		s.Add(t, c.ID, u[0], user)
	}
	same(t, "the oldest", heir(), u[1])
	s.SetRole(t, c.ID, u[0], u[3], chat.Admin)
	same(t, "the admin", heir(), u[3])
	s.SetRole(t, c.ID, u[0], u[2], chat.Admin)
	same(t, "the oldest admin", heir(), u[2])
	s.Remove(t, c.ID, u[0], u[2], u[3])
	same(t, "of those who are left", heir(), u[1])
	_, err := s.Store.Heir(t.Context(), ids.New[ids.Conversation](), u[0])
	refused(t, "none", err, chat.ErrNoConversation)
}

func (s suite) editTold(t *testing.T) {
	u := Users(4)
	c := s.Group(t, u[0], u[1])
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	before := s.View(t, u[0], c.ID)
	edit := s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[2], u[3])
	edit.Changes = append(edit.Changes, chat.Membership{User: u[1], Change: chat.Removed, Actor: u[0]})
	after, err := s.Store.ChangeMembers(t.Context(), edit)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "answer", after, s.View(t, u[0], c.ID).Conversation)
	same(t, "version", after.MemberVersion, before.MemberVersion+1)
	same(t, "count", after.MemberCount, 3)
	same(t, "rev", after.LastRev, before.LastRev+4)
	same(t, "seq", after.LastSeq, before.LastSeq+1)
	same(t, "ord", after.LastOrd, before.LastOrd)
	told := s.told.of(c.ID)
	told = told[len(told)-4:]
	for i, m := range edit.Changes {
		if m.Change.Ends() {
			m.Role = chat.Admin // the last one held
		}
		same(t, "kind", told[i].Kind, chat.MembershipChanged)
		same(t, "change", *told[i].Membership, m)
		same(t, "rev", told[i].Rev, before.LastRev+int64(i)+1)
	}
	same(t, "the note comes last", told[3].Kind, chat.MessageAdded)
	all := s.All(t, u[2], c.ID)
	note := all[len(all)-1]
	want := chat.Message{
		ID: edit.Note.ID, Conversation: c.ID, Seq: after.LastSeq, Rev: after.LastRev, Ord: 0, Pos: after.ActivePos,
		Kind: chat.System, Sender: u[0], Text: edit.Note.Text, Note: edit.Note.Note, CreatedAt: edit.Note.CreatedAt,
	}
	same(t, "the note", note, want)
	same(t, "the note as told", *told[3].Message, want)
}

func (s suite) editMoved(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0])
	edit := s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[1])
	s.Add(t, c.ID, u[0], u[2])
	_, err := s.Store.ChangeMembers(t.Context(), edit)
	refused(t, "an old version", err, chat.ErrMoved)
	_, err = s.Store.View(t.Context(), u[1], c.ID)
	refused(t, "nothing has changed", err, chat.ErrNoConversation)
}

func (s suite) editsRace(t *testing.T) {
	u := Users(21)
	c := s.Group(t, u[0])
	edits := make([]chat.MemberEdit, len(u)-1)
	for i := range edits {
		edits[i] = s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[i+1])
	}
	won := 0
	for _, err := range atOnce(t.Context(), len(edits), func(ctx context.Context, i int) error {
		_, err := s.Store.ChangeMembers(ctx, edits[i])
		return err
	}) {
		if err == nil {
			won++
		} else if !errors.Is(err, chat.ErrMoved) {
			t.Fatal(err)
		}
	}
	same(t, "winners", won, 1)
	same(t, "members", len(s.AllMembers(t, u[0], c.ID)), 2)
	same(t, "count", s.View(t, u[0], c.ID).MemberCount, 2)
}

func (s suite) editNothing(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0], u[1])
	before, pos := s.View(t, u[0], c.ID), len(s.told.of(c.ID))
	for _, edit := range []chat.MemberEdit{
		s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Admin, u[0], u[1]),
		s.MemberEdit(t, c.ID, u[0], chat.Removed, "", u[2]),
		s.MemberEdit(t, c.ID, u[0], chat.RoleSet, chat.Admin, u[2]),
		s.MemberEdit(t, c.ID, u[0], chat.RoleSet, chat.Plain, u[1]),
		s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain),
	} {
		after, err := s.Store.ChangeMembers(t.Context(), edit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "conversation", after, before.Conversation)
	}
	same(t, "told", len(s.told.of(c.ID)), pos)
	edit := s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[2], u[1], u[2])
	after, err := s.Store.ChangeMembers(t.Context(), edit)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the one who was not in", after.LastRev, before.LastRev+2)
	same(t, "count", after.MemberCount, 3)
}

func (s suite) joinRead(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0], u[1])
	s.Send(t, c.ID, u[0], "one")
	s.Add(t, c.ID, u[0], u[2])
	v := s.View(t, u[2], c.ID)
	same(t, "read", []int64{v.Viewer.ReadSeq, v.Viewer.ReadOrd, v.Viewer.DeliveredSeq}, []int64{1, 1, 1})
	same(t, "unread", v.UnreadCount(), 0)
	same(t, "unread by another", s.View(t, u[1], c.ID).UnreadCount(), 1)
	same(t, "the actor has read what he had", s.View(t, u[0], c.ID).Viewer.ReadSeq, 1)
	s.Send(t, c.ID, u[0], "two")
	same(t, "unread then", s.View(t, u[2], c.ID).UnreadCount(), 1)
	same(t, "the whole history is his", len(s.All(t, u[2], c.ID)), 3)
}

func (s suite) comesBack(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	s.Send(t, c.ID, u[0], "one")
	s.MarkRead(t, u[1], c.ID, 2)
	s.Leave(t, c.ID, u[1])
	for range 3 {
		s.Send(t, c.ID, u[0], "meanwhile")
	}
	s.Add(t, c.ID, u[0], u[1])
	v := s.View(t, u[1], c.ID)
	same(t, "role", v.Viewer.Role, chat.Plain)
	same(t, "read", v.Viewer.ReadSeq, v.LastSeq-1)
	same(t, "unread", v.UnreadCount(), 0)
	same(t, "count", v.MemberCount, 2)
	if before := s.View(t, u[0], c.ID).Viewer.JoinedAt; !v.Viewer.JoinedAt.After(before) {
		t.Fatal("he joined at", v.Viewer.JoinedAt)
	}
}

func (s suite) archived(t *testing.T) {
	u := Users(1)
	c := s.Group(t, u...)
	after := s.Leave(t, c.ID, u[0])
	if after.ArchivedAt.IsZero() || after.MemberCount != 0 {
		t.Fatalf("%+v", after)
	}
	_, err := s.Store.View(t.Context(), u[0], c.ID)
	refused(t, "who has left", err, chat.ErrNoConversation)
}

func (s suite) tooManyJoin(t *testing.T) {
	u := Users(chat.MaxMembers + 1)
	c := s.Group(t, u[:chat.MaxMembers-1]...)
	edit := s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[chat.MaxMembers-1:]...)
	_, err := s.Store.ChangeMembers(t.Context(), edit)
	refused(t, "two too many", err, chat.ErrTooManyMembers)
	same(t, "nobody came in", s.View(t, u[0], c.ID).MemberCount, chat.MaxMembers-1)
	edit.Changes = append(edit.Changes, chat.Membership{User: u[1], Change: chat.Removed, Actor: u[0]})
	after, err := s.Store.ChangeMembers(t.Context(), edit)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "one for another", after.MemberCount, chat.MaxMembers)
}

func (s suite) editNowhere(t *testing.T) {
	u := Users(2)
	edit := s.MemberEdit(t, s.Group(t, u[0]).ID, u[0], chat.Joined, chat.Plain, u[1])
	edit.Conversation = ids.New[ids.Conversation]()
	_, err := s.Store.ChangeMembers(t.Context(), edit)
	refused(t, "none", err, chat.ErrNoConversation)
}

// editUndone has edits fail in their middle while others write. That no
// number is missing is seen by journalTellsAll.
func (s suite) editUndone(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u[0])
	first := s.Send(t, c.ID, u[0], "taken")
	edit := s.MemberEdit(t, c.ID, u[0], chat.Joined, chat.Plain, u[1])
	edit.Note.ID = first.ID // which no second message may have
	for i, err := range atOnce(t.Context(), 20, func(ctx context.Context, i int) error {
		if i%2 == 0 {
			_, err := s.Store.ChangeMembers(ctx, edit)
			return err
		}
		m := s.Message(t, c.ID, u[0], "beside it")
		_, err := s.Store.Append(ctx, m)
		return err
	}) {
		if i%2 == 0 && err == nil {
			t.Fatal("a second message has the same id")
		}
		if i%2 == 1 && err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Store.View(t.Context(), u[1], c.ID)
	refused(t, "nobody came in", err, chat.ErrNoConversation)
	all := s.All(t, u[0], c.ID)
	if !slices.IsSortedFunc(all, func(a, b chat.Message) int { return int(a.Pos - b.Pos) }) || len(all) != 11 {
		t.Fatal(len(all), "messages")
	}
}
