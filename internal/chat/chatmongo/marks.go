package chatmongo

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// A reaction is the revision that put it there: while it is there, that has
// the keys reactor and reacted. Its message has but the counts.

// marks are what has been put on a message.
type marks struct {
	Reactions []reaction `bson:"reactions,omitempty"` // by first use
	Pin       *pin       `bson:"pin,omitempty"`
}

type reaction struct {
	Emoji string `bson:"e"`
	Count int64  `bson:"n"`
}

type pin struct {
	Rev int64  `bson:"rev"`
	At  int64  `bson:"at"`
	By  []byte `bson:"by,omitempty"`
}

// marksOf are those of a message; nil when it has none.
func marksOf(m *chat.Message) *marks {
	if len(m.Reactions) == 0 && m.Pin == nil {
		return nil
	}
	d := &marks{}
	for _, r := range m.Reactions {
		d.Reactions = append(d.Reactions, reaction{r.Emoji, r.Count})
	}
	if p := m.Pin; p != nil {
		d.Pin = &pin{Rev: p.Rev, At: micros(p.At), By: blob(p.By)}
	}
	return d
}

// onto puts marks onto a message in memory.
func (d *marks) onto(m *chat.Message) {
	m.Reactions, m.Pin = nil, nil
	if d == nil {
		return
	}
	for _, r := range d.Reactions {
		m.Reactions = append(m.Reactions, chat.Reaction{Emoji: r.Emoji, Count: r.Count})
	}
	if p := d.Pin; p != nil {
		m.Pin = &chat.Pin{Rev: p.Rev, At: instant(p.At), By: idOf[ids.User](p.By)}
	}
}

// pinned is a message's place among the pinned ones; nil when it is none.
func (d *marks) pinned(room []byte) []byte {
	if d == nil || d.Pin == nil {
		return nil
	}
	return numbered(room, d.Pin.Rev)
}

// reactorKey is a user's reactions to a message.
func reactorKey(message, user []byte) []byte { return slices.Concat(message, user) }

// reactedKey is a place among the reactions to a message with one emoji.
func reactedKey(message []byte, emoji string, pos int64) []byte {
	return numbered(slices.Concat(message, []byte(emoji)), pos)
}

// index gives a revision the keys of what it has.
func (e *entry) index() {
	r := e.Revision
	if r.Before != "" || r.Text != "" || r.Emoji != "" || r.Marks != nil { // no edit is without text
		e.Past = numbered(r.Message, e.Rev)
	}
	if r.Emoji != "" {
		e.Reactor, e.Reacted = reactorKey(r.Message, r.User), reactedKey(r.Message, r.Emoji, e.End)
	}
}

// react plans a reaction; false when nothing changes.
func (c *commit) react(m *entry, r chat.Revision, out *revision, after *chat.Message) (bool, error) {
	there := c.reactors[string(reactorKey(m.ID, r.User.Bytes()))+r.Emoji]
	by := int64(1)
	if r.Kind == chat.ToReact {
		out.User, out.Emoji = r.User.Bytes(), r.Emoji
	} else {
		by, out.Undoes = -1, there
	}
	if (there != 0) == (r.Kind == chat.ToReact) {
		return false, nil
	}
	var err error
	after.Reactions, err = chat.Reacted(after.Reactions, r.Emoji, by)
	return true, err
}

// pin plans what pins or unpins a message; false when nothing changes.
func (c *commit) pin(r chat.Revision, rev int64, after *chat.Message) (bool, error) {
	switch {
	case (after.Pin != nil) == (r.Kind == chat.ToPin):
		return false, nil
	case r.Kind == chat.ToUnpin:
		after.Pin = nil
	case c.pins[after.Conversation] >= chat.MaxPins:
		return false, chat.ErrTooManyPins
	default:
		after.Pin = &chat.Pin{Rev: rev, At: instant(micros(r.At)), By: r.User}
	}
	return true, nil
}

// readReactors reads what the jobs' users have reacted with.
func (s *Store) readReactors(ctx context.Context, c *commit, jobs []*job) error {
	var keys [][]byte
	for _, j := range jobs {
		if j.reactor != nil {
			keys = append(keys, j.reactor)
		}
	}
	for _, part := range parts(keys) {
		found, err := find[entry](ctx, s.log, bson.D{in("reactor", part)})
		if err != nil {
			return fmt.Errorf("read reactions: %w", err)
		}
		for i := range found {
			c.reactors[string(found[i].Reactor)+found[i].Revision.Emoji] = found[i].First
		}
	}
	return nil
}

// readPins counts the pins of the conversations in which jobs pin. The jobs'
// messages are there.
func (s *Store) readPins(ctx context.Context, c *commit, jobs []*job) error {
	for _, j := range jobs {
		m := c.messages[j.message]
		if !j.pins || m == nil {
			continue
		}
		id := m.room()
		if _, ok := c.pins[id]; ok {
			continue
		}
		found, err := find[entry](ctx, s.log, pinsBefore(id, 0), ascending("pinned", chat.MaxPins).SetProjection(bson.D{is("_id", 1)}))
		if err != nil {
			return fmt.Errorf("count pins: %w", err)
		}
		c.pins[id] = len(found)
	}
	return nil
}

// pinsBefore are the pins of a conversation whose rev is below before; 0: all.
func pinsBefore(id ids.Conversation, before int64) bson.D {
	return bson.D{between("pinned", numbered(id.Bytes(), 0), numbered(id.Bytes(), cmp.Or(before, math.MaxInt64)))}
}

// mark lets the plans that follow see what a revision has put on a message, or
// taken from it. m is the message as it was.
func (c *commit) mark(e, m *entry) {
	r := e.Revision
	switch r.kind() {
	case chat.ToReact:
		c.reactors[string(e.Reactor)+r.Emoji] = e.First
	case chat.ToUnreact:
		for k, first := range c.reactors {
			if first == r.Undoes {
				delete(c.reactors, k)
			}
		}
	case chat.ToPin:
		c.pins[e.room()]++
	case chat.ToUnpin:
		c.pins[e.room()]--
	case chat.ToDelete:
		if m.Pinned != nil {
			c.pins[e.room()]--
		}
	case chat.ToEdit:
	}
}

// Reacted returns the user's reactions to some messages.
func (s *Store) Reacted(ctx context.Context, user ids.User, of []ids.Message) ([]chat.Reactor, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	keys := make([][]byte, len(of))
	for i, id := range of {
		keys[i] = reactorKey(id.Bytes(), user.Bytes())
	}
	var all []chat.Reactor
	for _, part := range parts(keys) {
		found, err := find[entry](ctx, s.log, bson.D{in("reactor", part)}, options.Find().SetProjection(reactorFields))
		if err != nil {
			return nil, fmt.Errorf("read reactions of %s: %w", user, err)
		}
		all = append(all, reactorsIn(found)...)
	}
	return all, nil
}

var reactorFields = bson.D{is("revision.message", 1), is("revision.user", 1), is("revision.emoji", 1)} //nolint:gochecknoglobals // A table.

func reactorsIn(found []entry) []chat.Reactor {
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(a.First, b.First) })
	all := make([]chat.Reactor, 0, len(found))
	for i := range found {
		// What has no keys any more may lack the rest, too.
		if r := found[i].Revision; r != nil && r.Emoji != "" {
			all = append(all, chat.Reactor{Message: idOf[ids.Message](r.Message), Emoji: r.Emoji, User: idOf[ids.User](r.User)})
		}
	}
	return all
}

// Reactions of more users than manyUsers are read each by itself, as far as
// is wanted; all others together, and whole.
const (
	manyUsers     = 50
	readsAtOnce   = 8
	rangesAtATime = 100
)

// Reactors returns the first users of each of the messages' reactions.
func (s *Store) Reactors(ctx context.Context, of []chat.Message, limit int) ([]chat.Reactor, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var few bson.A
	var many []bson.D
	for i := range of {
		id := of[i].ID.Bytes()
		for _, r := range of[i].Reactions {
			place := bson.D{between("reacted", reactedKey(id, r.Emoji, 0), reactedKey(id, r.Emoji, math.MaxInt64))}
			if r.Count > manyUsers {
				many = append(many, place)
			} else {
				few = append(few, place)
			}
		}
	}
	chunks := slices.Collect(slices.Chunk(few, rangesAtATime))
	read := make([][]chat.Reactor, len(chunks)+len(many))
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(readsAtOnce)
	for i, chunk := range chunks {
		g.Go(func() error {
			found, err := find[entry](each, s.log, bson.D{is("$or", chunk)}, options.Find().SetProjection(reactorFields))
			read[i] = firstOfEach(reactorsIn(found), limit)
			return err
		})
	}
	for i, place := range many {
		g.Go(func() error {
			found, err := find[entry](each, s.log, place, ascending("reacted", limit).SetProjection(reactorFields))
			read[len(chunks)+i] = reactorsIn(found)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read reactors: %w", err)
	}
	return slices.Concat(read...), nil
}

// firstOfEach leaves the first limit users of each reaction.
func firstOfEach(all []chat.Reactor, limit int) []chat.Reactor {
	type reaction struct {
		message ids.Message
		emoji   string
	}
	n := make(map[reaction]int)
	return slices.DeleteFunc(all, func(r chat.Reactor) bool {
		k := reaction{r.Message, r.Emoji}
		n[k]++
		return n[k] > limit
	})
}

// Pinned returns a conversation's pinned messages to a member.
func (s *Store) Pinned(
	ctx context.Context, viewer ids.User, id ids.Conversation, before int64, limit int,
) ([]chat.Message, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[entry](ctx, s.log, pinsBefore(id, before), descending("pinned", limit))
	if err == nil {
		err = s.isIn(ctx, viewer, id)
	}
	if err != nil {
		return nil, fmt.Errorf("pins of %s: %w", id, err)
	}
	return messages(found), nil
}
