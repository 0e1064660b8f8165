package chatmongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/terms"
)

// written is an entry on its way into the log: a message has the words that it
// is found by in its document, so that they change in the commit that changes
// its text. Nobody reads them back but who searches.
type written struct {
	Entry *entry   `bson:",inline"`
	Words []string `bson:"words,omitempty"`
}

func (e *entry) written() written { return written{e, e.words()} }

// words are those that a message is found by; none of others, and of a
// tombstone.
func (e *entry) words() []string {
	if e.Kind != kindMessage || e.System || e.Deleted != 0 {
		return nil
	}
	return terms.Of(e.Text)
}

// setWords is the change of a message's document to the words of a text.
func setWords(text string) (set, unset bson.D) {
	if words := terms.Of(text); len(words) > 0 {
		return bson.D{is("words", words)}, nil
	}
	return nil, bson.D{is("words", "")}
}

// Search finds messages by their words: of the viewer's conversations alone,
// whose memberships are read again after what they guard.
func (s *Store) Search(ctx context.Context, viewer ids.User, q chat.MessageQuery) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	rooms := [][]byte{q.Conversation.Bytes()}
	if q.Conversation.IsZero() {
		var err error
		if rooms, err = s.rooms(ctx, viewer); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	var found []entry
	for _, part := range parts(rooms) {
		some, err := find[entry](ctx, s.log, append(bson.D{in("c", part)}, searched(q)...),
			descending("_id", q.Limit).SetProjection(bson.D{is("words", 0)}))
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		found = append(found, some...)
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(b.First, a.First) })
	found = found[:min(len(found), q.Limit)]
	of := make([]ids.Conversation, len(found))
	for i := range found {
		of[i] = found[i].room()
	}
	mine, err := s.memberships(ctx, viewer, slices.Compact(of))
	if err != nil {
		return nil, fmt.Errorf("search: read the viewer's memberships: %w", err)
	}
	return messages(slices.DeleteFunc(found, func(e entry) bool { return !mine[e.room()].isIn() })), nil
}

// searched is the filter of a search, but for the conversations.
func searched(q chat.MessageQuery) bson.D {
	filter := bson.D{is("kind", kindMessage)}
	var all bson.A
	for _, n := range q.Needs {
		if n.Prefix {
			all = append(all, bson.D{is("words", bson.D{is("$elemMatch", bson.D{is("$gte", n.Text), is("$lt", n.End())})})})
		} else {
			all = append(all, bson.D{is("words", n.Text)})
		}
	}
	filter = append(filter, is("$and", all))
	if q.Before > 0 {
		filter = append(filter, is("_id", bson.D{is("$lt", q.Before)}))
	}
	if !q.Sender.IsZero() {
		filter = append(filter, is("sender", q.Sender.Bytes()))
	}
	var created bson.D
	if !q.SentFrom.IsZero() {
		created = append(created, is("$gte", micros(q.SentFrom)))
	}
	if !q.SentBefore.IsZero() {
		created = append(created, is("$lt", micros(q.SentBefore)))
	}
	if len(created) > 0 {
		filter = append(filter, is("created", created))
	}
	if q.Attached != chat.AttachedOrNot {
		filter = append(filter, is("files", bson.D{is("$exists", q.Attached == chat.WithAttachment)}))
	}
	return filter
}

// searchState is the document of chat_meta that says up to where all messages
// have their words, of which edition: those of a program from before there was
// a search have none. What was written later has them by itself, but for what
// an older program writes beside; so each start goes on there.
type searchState struct {
	ID      string `bson:"_id"`
	Edition string `bson:"edition"`
	Pos     int64  `bson:"pos"`
}

const searchID = "search"

// Index gives words to the messages up to the position at the first call.
func (s *Store) Index(ctx context.Context, limit int) (chat.Indexed, error) {
	if s.indexed.Load() {
		return chat.Indexed{Done: true}, nil
	}
	if !s.indexing.TryLock() {
		return chat.Indexed{Elsewhere: true}, nil
	}
	defer s.indexing.Unlock()
	_, newest, err := s.Position(ctx)
	if err != nil {
		return chat.Indexed{}, err
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	at, err := s.giveWords(ctx, newest, limit)
	if err != nil {
		return chat.Indexed{}, fmt.Errorf("give messages their words: %w", err)
	}
	return at, nil
}

func (s *Store) giveWords(ctx context.Context, newest int64, limit int) (at chat.Indexed, err error) {
	state, err := one[searchState](ctx, s.meta, searchID)
	if err != nil {
		return at, err
	}
	if state == nil || state.Edition != terms.Edition {
		state = &searchState{ID: searchID, Edition: terms.Edition}
	}
	found, err := find[written](ctx, s.log, bson.D{over("_id", state.Pos), is("kind", kindMessage)}, ascending("_id", limit))
	if err != nil {
		return at, err
	}
	var updates []mongo.WriteModel
	for i := range found {
		e := found[i].Entry
		state.Pos = e.First
		words := e.words()
		if slices.Equal(words, found[i].Words) {
			continue
		}
		change := bson.D{is("$set", bson.D{is("words", words)})}
		if len(words) == 0 {
			change = bson.D{is("$unset", bson.D{is("words", "")})}
		}
		updates = append(updates, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", e.First), is("rev", e.Rev)}). // else who revised it has given it its words
			SetUpdate(change))
	}
	if err := s.update(ctx, s.log, updates); err != nil {
		return at, err
	}
	if len(found) < limit {
		state.Pos = max(state.Pos, newest)
		at.Done = true
	}
	_, err = s.meta.ReplaceOne(ctx, bson.D{is("_id", searchID)}, state, options.Replace().SetUpsert(true))
	if err = mongodb.Translate(err); err != nil && !errors.Is(err, mongodb.ErrDuplicate) { // another node's
		return at, err
	}
	s.indexed.Store(at.Done)
	at.UpTo, at.Newest = state.Pos, newest
	return at, nil
}
