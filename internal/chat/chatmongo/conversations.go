package chatmongo

import (
	"context"
	"errors"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// Create stores a conversation with its members.
func (s *Store) Create(ctx context.Context, n chat.NewConversation) (chat.Conversation, bool, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var pair []byte
	if n.Kind == chat.Direct {
		pair = pairKey(n.Members)
		if c, err := s.ofPair(ctx, pair); !errors.Is(err, chat.ErrNoConversation) {
			return c, false, err
		}
	}
	if len(n.Members) > chat.MaxMembers {
		return chat.Conversation{}, false, chat.ErrTooManyMembers
	}
	var made chat.Conversation
	exists := false
	err := s.do(ctx, &job{
		key: pair,
		plan: func(c *commit) (*entry, error) {
			e := c.create(n)
			made = e.Creation.Conversation.conversation()
			return e, nil
		},
		repeated: func(*entry) error {
			exists = true
			return nil
		},
	})
	if err == nil && exists {
		made, err = s.ofPair(ctx, pair)
	}
	if err != nil {
		return chat.Conversation{}, false, fmt.Errorf("create a conversation: %w", err)
	}
	return made, !exists, nil
}

// ofPair returns the conversation of a pair.
func (s *Store) ofPair(ctx context.Context, pair []byte) (chat.Conversation, error) {
	var e entry
	err := s.log.FindOne(ctx, bson.D{is("key", pair)}).Decode(&e)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chat.Conversation{}, chat.ErrNoConversation
	}
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("look up a pair: %w", mongodb.Translate(err))
	}
	c, err := one[conversationDocument](ctx, s.conversations, e.Room)
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("read a pair's conversation: %w", err)
	}
	if c == nil { // It is being made.
		return e.Creation.Conversation.conversation(), nil
	}
	return c.conversation(), nil
}

func (c *commit) create(n chat.NewConversation) *entry {
	e := c.next(kindCreation, 1)
	e.Room, e.ID, e.Rev = n.ID.Bytes(), n.ID.Bytes(), 1
	created := micros(n.CreatedAt)
	made := &creation{Conversation: conversationDocument{
		ID: e.Room, Kind: string(n.Kind), Name: n.Name, Description: n.Description, Creator: blob(n.Creator),
		Created: created, Updated: created, LastRev: 1, LastPos: e.End, ActivePos: e.End, Version: 1,
		Count: int64(len(n.Members)),
	}}
	made.Conversation.list()
	for _, m := range n.Members {
		if m.JoinedAt.IsZero() {
			m.JoinedAt = n.CreatedAt
		}
		made.Members = append(made.Members, memberDocument{
			ID: memberID{n.ID, m.User}.bytes(), Room: e.Room, User: m.User.Bytes(), Role: string(m.Role),
			Joined: micros(m.JoinedAt), Roll: roll(n.ID, chat.MemberKey{JoinedAt: m.JoinedAt, User: m.User}), Pos: e.End,
		})
	}
	e.Creation = made
	return e
}

// View returns a conversation to a member of it. The member is read after the
// conversation: whoever sees a MemberVersion sees what it is the version of.
func (s *Store) View(ctx context.Context, viewer ids.User, id ids.Conversation) (chat.View, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	c, err := one[conversationDocument](ctx, s.conversations, id.Bytes())
	if err != nil {
		return chat.View{}, fmt.Errorf("view %s: %w", id, err)
	}
	m, err := one[memberDocument](ctx, s.members, memberID{id, viewer}.bytes())
	if err == nil && (c == nil || !m.isIn()) {
		err = chat.ErrNoConversation
	}
	if err != nil {
		return chat.View{}, fmt.Errorf("view %s: %w", id, err)
	}
	return chat.View{Conversation: c.conversation(), Viewer: m.member()}, nil
}

// Views returns several conversations to a member of them.
func (s *Store) Views(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]chat.View, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var found []conversationDocument
	for _, part := range parts(blobs(of)) {
		some, err := find[conversationDocument](ctx, s.conversations, bson.D{in("_id", part)})
		if err != nil {
			return nil, fmt.Errorf("view conversations: %w", err)
		}
		found = append(found, some...)
	}
	all, err := s.views(ctx, viewer, found)
	if err != nil {
		return nil, fmt.Errorf("view conversations: %w", err)
	}
	return all, nil
}

// views joins conversations with the viewer's memberships, leaving out those
// that he is not in.
func (s *Store) views(ctx context.Context, viewer ids.User, of []conversationDocument) ([]chat.View, error) {
	rooms := make([]ids.Conversation, len(of))
	for i := range of {
		rooms[i] = idOf[ids.Conversation](of[i].ID)
	}
	mine, err := s.memberships(ctx, viewer, rooms)
	if err != nil {
		return nil, err
	}
	var all []chat.View
	for i := range of {
		if m := mine[rooms[i]]; m.isIn() {
			all = append(all, chat.View{Conversation: of[i].conversation(), Viewer: m.member()})
		}
	}
	return all, nil
}

// memberships returns the viewer's documents, those of former ones too.
func (s *Store) memberships(
	ctx context.Context, viewer ids.User, of []ids.Conversation,
) (map[ids.Conversation]*memberDocument, error) {
	keys := make([][]byte, len(of))
	for i, id := range of {
		keys[i] = memberID{id, viewer}.bytes()
	}
	mine := make(map[ids.Conversation]*memberDocument, len(of))
	for _, part := range parts(keys) {
		found, err := find[memberDocument](ctx, s.members, bson.D{in("_id", part)})
		if err != nil {
			return nil, err
		}
		for i := range found {
			mine[idOf[ids.Conversation](found[i].Room)] = &found[i]
		}
	}
	return mine, nil
}

// mine returns the conversations that the viewer is in.
func (s *Store) mine(ctx context.Context, viewer ids.User) ([]memberDocument, error) {
	return find[memberDocument](ctx, s.members, bson.D{is("u", viewer.Bytes()), is("left", int64(0))})
}

// List returns the viewer's conversations, the most active first.
func (s *Store) List(
	ctx context.Context, viewer ids.User, f chat.Filter, before int64, limit int,
) ([]chat.View, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if before == 0 {
		before = math.MaxInt64
	}
	mine, err := s.mine(ctx, viewer)
	if err != nil {
		return nil, fmt.Errorf("list conversations: %w", err)
	}
	var rooms [][]byte
	of := make(map[string]*memberDocument, len(mine))
	for i := range mine {
		if set := mine[i].Set; set.Away != f.Away() || f.Pinned != nil && *f.Pinned != set.Pinned {
			continue
		}
		rooms = append(rooms, mine[i].Room)
		of[string(mine[i].Room)] = &mine[i]
	}
	if len(rooms) == 0 {
		return nil, nil
	}
	filter := bson.D{in("_id", rooms), is("archived", int64(0)), is("active_pos", bson.D{is("$lt", before)})}
	if f.Kind != "" {
		filter = append(filter, is("kind", string(f.Kind)))
	}
	most := limit
	if f.Unread != nil { // which is known of both documents together
		most = 0
	}
	found, err := find[conversationDocument](ctx, s.conversations, filter,
		options.Find().SetSort(bson.D{is("active_pos", -1)}).SetLimit(int64(most)))
	if err != nil {
		return nil, fmt.Errorf("list conversations: %w", err)
	}
	all := make([]chat.View, 0, min(len(found), limit))
	for i := range found {
		v := chat.View{Conversation: found[i].conversation(), Viewer: of[string(found[i].ID)].member()}
		if len(all) < limit && (f.Unread == nil || *f.Unread == (v.UnreadCount() > 0)) {
			all = append(all, v)
		}
	}
	return all, nil
}
