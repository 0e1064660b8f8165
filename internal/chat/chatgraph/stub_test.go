package chatgraph_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

var _ chatgraph.Service = (*chat.Service)(nil)

// stub is a chat.Service with what a test has put into it: it authorises by
// membership, counts its calls and remembers its inputs.
type stub struct {
	views    map[ids.Conversation]chat.View // as the viewer sees them
	members  []chat.Member
	messages []chat.Message // by rising seq
	edits    []chat.Edit
	reactors []chat.Reactor // in their order

	mu       sync.Mutex
	calls    map[string]int
	sent     chat.SendInput
	group    chat.NewGroup
	added    []ids.User
	readTo   int64
	typing   bool
	position *int64
	about    ids.User // the member that was acted on
	role     chat.Role
	update   chat.GroupUpdate
	listed   []chat.ListedChannel
	invites  []chat.Invite // the newest first
	asked    string        // for channels
	invited  chat.NewInvite
	code     string
	searched chat.SearchInput
	more     more
}

// stream is handed out by the stub; the tests render without it.
type stream struct{}

func (stream) Start(feed.Sink) bool                                   { return false }
func (stream) CatchUp(context.Context, func([]feed.Item) error) error { return nil }
func (stream) Close()                                                 {}

var created = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func (s *stub) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[name]++
}

func (s *stub) reads() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.calls
	s.calls = nil
	return got
}

// conversation adds a group with so many messages, each answering the one
// before it.
func (s *stub) conversation(viewer ids.User, messages int) chat.View {
	id := ids.New[ids.Conversation]()
	v := chat.View{
		Conversation: chat.Conversation{
			ID: id, Kind: chat.Group, Name: "Group", Creator: viewer, CreatedAt: created,
			LastSeq: int64(messages), LastRev: int64(messages) + 1, LastOrd: int64(messages),
			MemberCount: 1, ActivePos: int64(len(s.views)) + 1,
		},
		Viewer: chat.Member{Conversation: id, User: viewer, Role: chat.Owner, JoinedAt: created, ReadSeq: 1, ReadOrd: 1},
	}
	if s.views == nil {
		s.views = map[ids.Conversation]chat.View{}
	}
	s.views[id] = v
	var last ids.Message
	for i := range messages {
		m := chat.Message{
			ID: ids.New[ids.Message](), Conversation: id, Seq: int64(i) + 1, Rev: int64(i) + 2, Kind: chat.Text,
			Sender: ids.New[ids.User](), Text: "text", ReplyTo: last, CreatedAt: created,
		}
		s.messages = append(s.messages, m)
		last = m.ID
	}
	return v
}

func (s *stub) of(conv ids.Conversation) []*chat.Message {
	var out []*chat.Message
	for i := range s.messages {
		if s.messages[i].Conversation == conv {
			out = append(out, &s.messages[i])
		}
	}
	return out
}

func (s *stub) view(id ids.Conversation) (chat.View, error) {
	v, ok := s.views[id]
	if !ok {
		return v, chat.ErrNoConversation
	}
	return v, nil
}

func (s *stub) OpenDirect(_ context.Context, _ principal.Principal, with ids.User) (chat.View, error) {
	for _, v := range s.views {
		s.added = []ids.User{with}
		return v, nil
	}
	return chat.View{}, chat.ErrNoUser
}

func (s *stub) CreateGroup(_ context.Context, who principal.Principal, g chat.NewGroup) (chat.View, error) {
	s.group = g
	return s.conversation(who.User, 0), nil
}

func (s *stub) AddMembers(_ context.Context, _ principal.Principal, conv ids.Conversation, users []ids.User) (chat.View, error) {
	s.added = users
	return s.view(conv)
}

func (s *stub) Leave(_ context.Context, _ ids.User, conv ids.Conversation) error {
	_, err := s.view(conv)
	delete(s.views, conv)
	return err
}

func (s *stub) Conversation(_ context.Context, _ ids.User, id ids.Conversation) (chat.View, error) {
	s.count("Conversation")
	return s.view(id)
}

func (s *stub) Conversations(_ context.Context, _ ids.User, of []ids.Conversation) ([]chat.View, error) {
	s.count("Conversations")
	var out []chat.View
	for _, id := range of {
		if v, ok := s.views[id]; ok {
			out = append(out, v)
		}
	}
	return out, nil
}

func (s *stub) List(_ context.Context, _ ids.User, f chat.Filter, before int64, limit int) ([]chat.View, error) {
	s.count("List")
	s.more.filter = f
	var out []chat.View
	for _, v := range s.views {
		if before == 0 || v.ActivePos < before {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b chat.View) int { return cmp.Compare(b.ActivePos, a.ActivePos) })
	return out[:min(limit, len(out))], nil
}

func (s *stub) Members(_ context.Context, _ ids.User, conv ids.Conversation, after chat.MemberKey, limit int) ([]chat.Member, error) {
	s.count("Members")
	var out []chat.Member
	for _, m := range s.members {
		key := cmp.Or(m.JoinedAt.Compare(after.JoinedAt), m.User.Compare(after.User))
		if m.Conversation == conv && key > 0 {
			out = append(out, m)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *stub) Send(_ context.Context, in chat.SendInput) (chat.Message, error) {
	s.sent = in
	_, err := s.view(in.Conversation)
	return chat.Message{
		ID: ids.New[ids.Message](), Conversation: in.Conversation, Sender: in.Sender, Kind: chat.Text,
		Seq: 1 << 40, Rev: 1, Text: in.Text, ClientID: in.ClientID, ReplyTo: in.ReplyTo, CreatedAt: created,
	}, err
}

func (s *stub) Edit(ctx context.Context, viewer ids.User, id ids.Message, text string, to *[]ids.User) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	if to != nil {
		m.Mentions = &chat.Mentions{Users: *to}
	}
	m.Text, m.EditedAt = text, created
	return m, err
}

func (s *stub) Delete(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error) {
	m, err := s.Message(ctx, viewer, id)
	m.Text, m.DeletedAt = "", created
	return m, err
}

func (s *stub) Message(_ context.Context, _ ids.User, id ids.Message) (chat.Message, error) {
	s.count("Message")
	for _, m := range s.messages {
		if m.ID == id {
			return m, nil
		}
	}
	return chat.Message{}, chat.ErrNoMessage
}

func (s *stub) MessagesByID(_ context.Context, _ ids.User, of []ids.Message) ([]chat.Message, error) {
	s.count("MessagesByID")
	var out []chat.Message
	for _, m := range s.messages {
		if slices.Contains(of, m.ID) {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s *stub) MessagesAt(_ context.Context, _ ids.User, at map[ids.Conversation]int64) ([]chat.Message, error) {
	s.count("MessagesAt")
	var out []chat.Message
	for _, m := range s.messages {
		if at[m.Conversation] == m.Seq {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s *stub) Page(_ context.Context, _ ids.User, p chat.MessagePage) ([]chat.Message, error) {
	s.count("Page")
	if _, err := s.view(p.Conversation); err != nil {
		return nil, err
	}
	var out []chat.Message
	for _, m := range s.of(p.Conversation) {
		if m.Seq > p.After && (p.Before == 0 || m.Seq < p.Before) {
			out = append(out, *m)
		}
	}
	if n := len(out); p.Backward && n > p.Limit {
		return out[n-p.Limit:], nil
	}
	return out[:min(p.Limit, len(out))], nil
}

func (s *stub) Edits(_ context.Context, _ ids.User, _ ids.Message, after int64, limit int) ([]chat.Edit, error) {
	s.count("Edits")
	var out []chat.Edit
	for _, e := range s.edits {
		if e.Rev > after {
			out = append(out, e)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *stub) MarkRead(_ context.Context, _ ids.User, conv ids.Conversation, seq int64) (chat.View, error) {
	v, err := s.view(conv)
	s.readTo, v.Viewer.ReadSeq, v.Viewer.ReadOrd = seq, seq, seq
	return v, err
}

func (s *stub) SetTyping(_ context.Context, _ ids.User, conv ids.Conversation, typing bool) error {
	_, err := s.view(conv)
	s.typing = typing
	return err
}

func (s *stub) open(conv ids.Conversation, after *int64) (feed.Stream, error) {
	_, err := s.view(conv)
	s.position = after
	return stream{}, err
}

func (s *stub) AddedStream(_ context.Context, _ ids.User, conv ids.Conversation, after *int64) (feed.Stream, error) {
	return s.open(conv, after)
}

func (s *stub) ChangedStream(_ context.Context, _ ids.User, conv ids.Conversation, after *int64) (feed.Stream, error) {
	return s.open(conv, after)
}

func (s *stub) TypingStream(_ context.Context, _ ids.User, conv ids.Conversation) (feed.Stream, error) {
	return s.open(conv, nil)
}

func (s *stub) ReceiptStream(_ context.Context, _ ids.User, conv ids.Conversation) (feed.Stream, error) {
	return s.open(conv, nil)
}

func (s *stub) MembershipStream(_ context.Context, _ ids.User, conv ids.Conversation) (feed.Stream, error) {
	return s.open(conv, nil)
}

func (s *stub) RemoveMember(_ context.Context, _ ids.User, conv ids.Conversation, user ids.User) (chat.View, error) {
	s.about = user
	return s.view(conv)
}

func (s *stub) SetMemberRole(_ context.Context, _ ids.User, conv ids.Conversation, user ids.User, role chat.Role) (chat.View, error) {
	s.about, s.role = user, role
	return s.view(conv)
}

func (s *stub) TransferOwnership(_ context.Context, _ ids.User, conv ids.Conversation, user ids.User) (chat.View, error) {
	s.about = user
	return s.view(conv)
}

func (s *stub) UpdateGroup(_ context.Context, _ ids.User, conv ids.Conversation, u chat.GroupUpdate) (chat.View, error) {
	s.update = u
	return s.view(conv)
}

func (s *stub) Channels(_ context.Context, _ principal.Principal, query, after string, limit int) ([]chat.ListedChannel, error) {
	s.count("Channels")
	s.asked = query
	var out []chat.ListedChannel
	for _, c := range s.listed {
		if c.Key > after {
			out = append(out, c)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *stub) JoinChannel(_ context.Context, _ principal.Principal, id ids.Conversation) (chat.View, error) {
	return s.view(id)
}

func (s *stub) CreateInvite(_ context.Context, who principal.Principal, conv ids.Conversation, n chat.NewInvite) (chat.Invite, string, error) {
	s.invited = n
	i := chat.Invite{ID: ids.New[ids.GroupInvite](), Conversation: conv, Creator: who.User, CreatedAt: created, ExpiresAt: n.ExpiresAt}
	s.invites = append([]chat.Invite{i}, s.invites...)
	return i, "CODE", nil
}

func (s *stub) Invite(_ context.Context, _ ids.User, id ids.GroupInvite) (chat.Invite, error) {
	for _, i := range s.invites {
		if i.ID == id {
			return i, nil
		}
	}
	return chat.Invite{}, chat.ErrNoInvite
}

func (s *stub) Invites(_ context.Context, _ ids.User, conv ids.Conversation, before ids.GroupInvite, limit int) ([]chat.Invite, error) {
	s.count("Invites")
	var out []chat.Invite
	for _, i := range s.invites {
		if i.Conversation == conv && (before.IsZero() || i.ID.Compare(before) < 0) {
			out = append(out, i)
		}
	}
	return out[:min(limit, len(out))], nil
}

func (s *stub) RevokeInvite(ctx context.Context, viewer ids.User, id ids.GroupInvite) (chat.Invite, error) {
	i, err := s.Invite(ctx, viewer, id)
	i.RevokedAt = created
	return i, err
}

func (s *stub) JoinByInvite(_ context.Context, _ ids.User, code string) (chat.View, error) {
	s.code = code
	for _, v := range s.views {
		return v, nil
	}
	return chat.View{}, chat.ErrNoInvite
}

func (s *stub) Attachments(_ context.Context, _ ids.User, of []ids.Attachment) ([]chat.Attachment, error) {
	s.count("Attachments")
	var found []chat.Attachment
	for _, m := range s.messages {
		for _, a := range m.Attachments {
			if slices.Contains(of, a.ID) {
				found = append(found, a)
			}
		}
	}
	return found, nil
}
