package chatmongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// Message returns a message to a member of its conversation.
func (s *Store) Message(ctx context.Context, viewer ids.User, id ids.Message) (chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var e entry
	err := s.log.FindOne(ctx, bson.D{is("id", id.Bytes()), is("kind", kindMessage)}).Decode(&e)
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = chat.ErrNoMessage
	}
	if err == nil {
		if err = s.isIn(ctx, viewer, e.room()); errors.Is(err, chat.ErrNoConversation) {
			err = chat.ErrNoMessage
		}
	}
	if err != nil {
		return chat.Message{}, fmt.Errorf("read %s: %w", id, mongodb.Translate(err))
	}
	return *e.message(), nil
}

// MessagesByID returns those of the messages that the viewer may read.
func (s *Store) MessagesByID(ctx context.Context, viewer ids.User, of []ids.Message) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.readable(ctx, viewer, "id", blobs(of))
}

// MessagesAt returns the messages at one seq in each of several conversations.
func (s *Store) MessagesAt(ctx context.Context, viewer ids.User, at map[ids.Conversation]int64) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	places := make([][]byte, 0, len(at))
	for id, seq := range at {
		places = append(places, numbered(id.Bytes(), seq))
	}
	return s.readable(ctx, viewer, "place", places)
}

// readable returns the messages with one of the keys that the viewer may read.
func (s *Store) readable(ctx context.Context, viewer ids.User, field string, keys [][]byte) ([]chat.Message, error) {
	var found []entry
	for _, part := range parts(keys) {
		some, err := find[entry](ctx, s.log, bson.D{in(field, part), is("kind", kindMessage)})
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		found = append(found, some...)
	}
	seen := make(map[ids.Conversation]bool)
	var rooms []ids.Conversation
	for i := range found {
		if id := found[i].room(); !seen[id] {
			seen[id] = true
			rooms = append(rooms, id)
		}
	}
	mine, err := s.memberships(ctx, viewer, rooms)
	if err != nil {
		return nil, fmt.Errorf("read the viewer's memberships: %w", err)
	}
	return messages(slices.DeleteFunc(found, func(e entry) bool { return !mine[e.room()].isIn() })), nil
}

// Page returns a part of a conversation to a member, by one walk of an index.
func (s *Store) Page(ctx context.Context, viewer ids.User, p chat.MessagePage) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	before := p.Before
	if before == 0 {
		before = math.MaxInt64
	}
	order := ascending
	if p.Backward {
		order = descending
	}
	id := p.Conversation.Bytes()
	found, err := find[entry](ctx, s.log,
		bson.D{between("place", numbered(id, p.After), numbered(id, before))}, order("place", p.Limit))
	if err == nil {
		err = s.isIn(ctx, viewer, p.Conversation)
	}
	if err != nil {
		return nil, fmt.Errorf("page of %s: %w", p.Conversation, err)
	}
	if p.Backward {
		slices.Reverse(found)
	}
	return messages(found), nil
}

// Changed returns the messages whose newest change is after a rev.
func (s *Store) Changed(
	ctx context.Context, viewer ids.User, id ids.Conversation, after int64, limit int,
) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[entry](ctx, s.log,
		bson.D{between("changed", numbered(id.Bytes(), after), numbered(id.Bytes(), math.MaxInt64))},
		ascending("changed", limit))
	if err == nil {
		err = s.isIn(ctx, viewer, id)
	}
	if err != nil {
		return nil, fmt.Errorf("changes of %s: %w", id, err)
	}
	return messages(found), nil
}

// Edits returns the texts that a message had before.
func (s *Store) Edits(
	ctx context.Context, viewer ids.User, id ids.Message, after int64, limit int,
) ([]chat.Edit, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[entry](ctx, s.log,
		bson.D{
			between("past", numbered(id.Bytes(), after), numbered(id.Bytes(), math.MaxInt64)),
			is("revision.text", bson.D{is("$exists", true)}), // of an edit; what was before may be empty
		}, ascending("past", limit))
	if err == nil {
		_, err = s.Message(ctx, viewer, id)
	}
	if err != nil {
		return nil, fmt.Errorf("edits of %s: %w", id, err)
	}
	all := make([]chat.Edit, len(found))
	for i := range found {
		r := found[i].Revision
		all[i] = chat.Edit{Rev: found[i].Rev, Text: r.Before, EditedAt: instant(r.At)}
	}
	return all, nil
}
