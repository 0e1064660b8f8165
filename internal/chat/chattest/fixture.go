package chattest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Fixture writes to a store on behalf of tests, which it fails when that does
// not work. Its clock goes one millisecond a call. It may be used by several
// goroutines.
type Fixture struct {
	Store chat.Store
	calls atomic.Int64
}

// NewFixture returns a fixture on a store.
func NewFixture(store chat.Store) *Fixture { return &Fixture{Store: store} }

// Now returns the next instant of the fixture's clock.
func (f *Fixture) Now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 123_000, time.UTC).Add(time.Duration(f.calls.Add(1)) * time.Millisecond)
}

// Users makes up n users.
func Users(n int) []ids.User {
	all := make([]ids.User, n)
	for i := range all {
		all[i] = ids.New[ids.User]()
	}
	return all
}

// Group makes a group of the users; the first is its owner.
func (f *Fixture) Group(t testing.TB, users ...ids.User) chat.Conversation {
	t.Helper()
	n := f.NewGroup(users...)
	c, created, err := f.Store.Create(t.Context(), n)
	if err != nil || !created {
		t.Fatalf("create a group: %v, %v", created, err)
	}
	return c
}

// NewGroup is what Group stores.
func (f *Fixture) NewGroup(users ...ids.User) chat.NewConversation {
	now := f.Now()
	n := chat.NewConversation{Conversation: chat.Conversation{
		ID: ids.New[ids.Conversation](), Kind: chat.Group, Name: "Fixtures", Creator: users[0], CreatedAt: now,
	}}
	for i, u := range users {
		role := chat.Plain
		if i == 0 {
			role = chat.Owner
		}
		n.Members = append(n.Members, chat.Member{Conversation: n.ID, User: u, Role: role, JoinedAt: now})
	}
	return n
}

// Direct opens the conversation of a pair.
func (f *Fixture) Direct(t testing.TB, a, b ids.User) chat.Conversation {
	t.Helper()
	c, _, err := f.Store.Create(t.Context(), f.NewDirect(a, b))
	if err != nil {
		t.Fatalf("open a direct conversation: %v", err)
	}
	return c
}

// NewDirect is what Direct stores.
func (f *Fixture) NewDirect(a, b ids.User) chat.NewConversation {
	n := f.NewGroup(a, b)
	n.Kind, n.Name, n.Members[0].Role = chat.Direct, "", chat.Plain
	return n
}

// Message is a message ready for Append, by somebody who is in the
// conversation as it is now.
func (f *Fixture) Message(t testing.TB, id ids.Conversation, sender ids.User, text string) chat.NewMessage {
	t.Helper()
	return chat.NewMessage{
		ID: ids.New[ids.Message](), Conversation: id, Sender: sender, Kind: chat.Text, Text: text,
		CreatedAt: f.Now(), Version: f.View(t, sender, id).MemberVersion,
	}
}

// Send appends a message.
func (f *Fixture) Send(t testing.TB, id ids.Conversation, sender ids.User, text string) chat.Message {
	t.Helper()
	m, err := f.Store.Append(t.Context(), f.Message(t, id, sender, text))
	if err != nil {
		t.Fatalf("append %q: %v", text, err)
	}
	return m
}

// Edit gives a message another text, as its sender.
func (f *Fixture) Edit(t testing.TB, m chat.Message, text string) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Text: text})
}

// Delete leaves a tombstone of a message, as its sender.
func (f *Fixture) Delete(t testing.TB, m chat.Message) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Kind: chat.ToDelete})
}

// React puts an emoji of a member under a message.
func (f *Fixture) React(t testing.TB, user ids.User, m chat.Message, emoji string) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Kind: chat.ToReact, User: user, Emoji: emoji})
}

// Unreact takes it away.
func (f *Fixture) Unreact(t testing.TB, user ids.User, m chat.Message, emoji string) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Kind: chat.ToUnreact, User: user, Emoji: emoji})
}

// Pin pins a message, as a member.
func (f *Fixture) Pin(t testing.TB, user ids.User, m chat.Message) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Kind: chat.ToPin, User: user})
}

// Unpin takes a pin away, as a member.
func (f *Fixture) Unpin(t testing.TB, user ids.User, m chat.Message) chat.Message {
	t.Helper()
	return f.revise(t, m, chat.Revision{Kind: chat.ToUnpin, User: user})
}

func (f *Fixture) revise(t testing.TB, m chat.Message, r chat.Revision) chat.Message {
	t.Helper()
	as := m.Sender
	if !r.User.IsZero() {
		as = r.User
	}
	r.Message, r.Version, r.At = m.ID, f.View(t, as, m.Conversation).MemberVersion, f.Now()
	after, err := f.Store.Revise(t.Context(), r)
	if err != nil {
		t.Fatalf("revise %q: %v", m.Text, err)
	}
	return after
}

// MarkRead moves a member's read position.
func (f *Fixture) MarkRead(t testing.TB, user ids.User, id ids.Conversation, seq int64) chat.Receipt {
	t.Helper()
	r, _, err := f.Store.MarkRead(t.Context(), user, id, seq)
	if err != nil {
		t.Fatalf("mark %d read: %v", seq, err)
	}
	return r
}

// MemberEdit is a change of several memberships ready for ChangeMembers, by a
// member, decided on the conversation as it is now.
func (f *Fixture) MemberEdit(
	t testing.TB, id ids.Conversation, actor ids.User, change chat.Change, role chat.Role, users ...ids.User,
) chat.MemberEdit {
	t.Helper()
	now := f.Now()
	edit := chat.MemberEdit{
		Conversation: id, Version: f.View(t, actor, id).MemberVersion, At: now,
		Note: chat.NewMessage{
			ID: ids.New[ids.Message](), Sender: actor, Text: "The members have changed.", CreatedAt: now,
			Note: &chat.Note{Change: change, Users: slices.Clone(users), Role: role},
		},
	}
	for _, u := range users {
		edit.Changes = append(edit.Changes, chat.Membership{User: u, Change: change, Role: role, Actor: actor})
	}
	return edit
}

// Add puts users in.
func (f *Fixture) Add(t testing.TB, id ids.Conversation, actor ids.User, users ...ids.User) chat.Conversation {
	t.Helper()
	return f.change(t, f.MemberEdit(t, id, actor, chat.Joined, chat.Plain, users...))
}

// Remove puts users out.
func (f *Fixture) Remove(t testing.TB, id ids.Conversation, actor ids.User, users ...ids.User) chat.Conversation {
	t.Helper()
	return f.change(t, f.MemberEdit(t, id, actor, chat.Removed, "", users...))
}

// Leave lets a user go.
func (f *Fixture) Leave(t testing.TB, id ids.Conversation, user ids.User) chat.Conversation {
	t.Helper()
	return f.change(t, f.MemberEdit(t, id, user, chat.Left, "", user))
}

// SetRole gives a user another role.
func (f *Fixture) SetRole(
	t testing.TB, id ids.Conversation, actor, user ids.User, role chat.Role,
) chat.Conversation {
	t.Helper()
	return f.change(t, f.MemberEdit(t, id, actor, chat.RoleSet, role, user))
}

func (f *Fixture) change(t testing.TB, edit chat.MemberEdit) chat.Conversation {
	t.Helper()
	c, err := f.Store.ChangeMembers(t.Context(), edit)
	if err != nil {
		t.Fatalf("change members: %v", err)
	}
	return c
}

// About is a change of name and description ready for ChangeAbout, by a member,
// decided on the conversation as it is now.
func (f *Fixture) About(t testing.TB, id ids.Conversation, actor ids.User, name, description string) chat.AboutEdit {
	t.Helper()
	v, now := f.View(t, actor, id), f.Now()
	return chat.AboutEdit{
		Conversation: id, Kind: v.Kind, Version: v.MemberVersion, At: now,
		Change: chat.AboutChange{Before: v.About(), After: chat.About{Name: name, Description: description}},
		Note: chat.NewMessage{
			ID: ids.New[ids.Message](), Sender: actor, Text: "The name and description have changed.", CreatedAt: now,
			Note: &chat.Note{Change: chat.Updated, Name: &name, Description: &description},
		},
	}
}

// Rename gives a conversation other name and description.
func (f *Fixture) Rename(t testing.TB, id ids.Conversation, actor ids.User, name, description string) chat.Conversation {
	t.Helper()
	c, err := f.Store.ChangeAbout(t.Context(), f.About(t, id, actor, name, description))
	if err != nil {
		t.Fatalf("change name and description: %v", err)
	}
	return c
}

// Channel makes a public channel of the users; the first is its owner.
func (f *Fixture) Channel(t testing.TB, name string, users ...ids.User) chat.Conversation {
	t.Helper()
	n := f.NewGroup(users...)
	n.Kind, n.Name = chat.Channel, name
	c, _, err := f.Store.Create(t.Context(), n)
	if err != nil {
		t.Fatalf("create a channel: %v", err)
	}
	return c
}

// Joining is ready for Join.
func (f *Fixture) Joining(id ids.Conversation, user ids.User, invite ids.GroupInvite) chat.Joining {
	now := f.Now()
	return chat.Joining{
		Conversation: id, User: user, Invite: invite, At: now,
		Note: chat.NewMessage{
			ID: ids.New[ids.Message](), Sender: user, Text: "joined", CreatedAt: now,
			Note: &chat.Note{Change: chat.Joined, Users: []ids.User{user}},
		},
	}
}

// Invite makes an invite, good for so many uses (0: as many as like), and what
// its code is found by.
func (f *Fixture) Invite(t testing.TB, id ids.Conversation, actor ids.User, uses int, expires time.Time) (chat.Invite, []byte) {
	t.Helper()
	i := chat.Invite{
		ID: ids.New[ids.GroupInvite](), Conversation: id, Creator: actor, CreatedAt: f.Now(), ExpiresAt: expires, MaxUses: uses,
	}
	hash := append(i.ID.Bytes(), i.ID.Bytes()...)
	if err := f.Store.CreateInvite(t.Context(), i, hash, f.View(t, actor, id).MemberVersion); err != nil {
		t.Fatalf("create an invite: %v", err)
	}
	return i, hash
}

// View returns a conversation as a member sees it.
func (f *Fixture) View(t testing.TB, viewer ids.User, id ids.Conversation) chat.View {
	t.Helper()
	v, err := f.Store.View(t.Context(), viewer, id)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return v
}

// Position returns the newest position.
func (f *Fixture) Position(t testing.TB) int64 {
	t.Helper()
	_, pos, err := f.Store.Position(t.Context())
	if err != nil {
		t.Fatalf("position: %v", err)
	}
	return pos
}

// All returns all messages of a conversation.
func (f *Fixture) All(t testing.TB, viewer ids.User, id ids.Conversation) []chat.Message {
	t.Helper()
	var all []chat.Message
	for {
		p := chat.MessagePage{Conversation: id, Limit: 100}
		if len(all) > 0 {
			p.After = all[len(all)-1].Seq
		}
		some, err := f.Store.Page(t.Context(), viewer, p)
		if err != nil {
			t.Fatalf("page: %v", err)
		}
		if all = append(all, some...); len(some) < p.Limit {
			return all
		}
	}
}

// AllMembers returns all members of a conversation.
func (f *Fixture) AllMembers(t testing.TB, viewer ids.User, id ids.Conversation) []chat.Member {
	t.Helper()
	var all []chat.Member
	var after chat.MemberKey
	for {
		some, err := f.Store.Members(t.Context(), viewer, id, after, 100)
		if err != nil {
			t.Fatalf("members: %v", err)
		}
		if all = append(all, some...); len(some) < 100 {
			return all
		}
		last := all[len(all)-1]
		after = chat.MemberKey{JoinedAt: last.JoinedAt, User: last.User}
	}
}
