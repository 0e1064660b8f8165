package chatmongo

import (
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
)

// group is jobs that are written together, in rounds.
type group struct {
	s    *Store
	jobs []*job // not answered yet
	// current says that the position was compared with the log after the jobs
	// were taken, so that a refusal is not one of yesterday's state.
	current bool
}

// errTaken says that the identifier of something new exists.
var errTaken = errors.New("chatmongo: the identifier is taken")

// round plans all jobs on what the node knows and inserts what comes of it, in
// order, with one command. A document that is refused ends it: then either
// another node has taken the position, and the rest is planned again on what
// that has written, or a key is taken.
func (g *group) round(ctx context.Context) error {
	if g.s.at < 0 {
		if _, err := g.s.sync(ctx); err != nil {
			return err
		}
		g.current = true
	}
	if err := g.answerRepeated(ctx); err != nil || len(g.jobs) == 0 {
		return err
	}
	c, err := g.s.begin(ctx, g.jobs)
	if err != nil {
		return err
	}
	planned, entries := g.plan(c)
	n, err := g.s.insert(ctx, entries)
	if n > 0 {
		if err := g.s.settle(ctx, c, entries[:n]); err != nil {
			return err
		}
		for _, j := range planned[:n] {
			j.finish(nil)
		}
		planned, g.jobs = planned[n:], g.jobs[n:]
	}
	if err != nil && !errors.Is(err, mongodb.ErrDuplicate) {
		return fmt.Errorf("commit: %w", err)
	}
	if len(g.jobs) == 0 {
		return nil
	}
	others, syncErr := g.s.sync(ctx)
	if g.current = true; syncErr != nil {
		return syncErr
	}
	if err != nil && (others || lostPosition(err)) {
		g.s.overtaken.Add(1)
	}
	if len(planned) > 0 && !others && !lostPosition(err) {
		g.blame(planned)
	}
	return nil
}

// plan asks every job for its commit. Those with one come to the front; those
// that wait for another of the same key, or whose answer must not be given
// yet, are left for the next round.
func (g *group) plan(c *commit) (planned []*job, entries []*entry) {
	keys := make(map[string]bool)
	var rest []*job
	for _, j := range g.jobs {
		if j.key != nil && keys[string(j.key)] {
			j.doubtful = true
			rest = append(rest, j)
			continue
		}
		e, err := j.plan(c)
		switch {
		case e != nil && err == nil:
			e.Key = j.key
			keys[string(j.key)] = true
			c.took(e)
			planned, entries = append(planned, j), append(entries, e)
		case g.current && len(planned) == 0: // else it may be for what is not written yet
			j.finish(err)
		default:
			rest = append(rest, j)
		}
	}
	g.jobs = slices.Concat(planned, rest)
	return planned, entries
}

// blame says that it was a key of the first job that was taken. Where it is
// already known not to be the key that repeats are told by, it is the
// identifier.
func (g *group) blame(planned []*job) {
	first := planned[0]
	if first.key == nil || first.doubtful {
		first.finish(errTaken)
		g.jobs = g.jobs[1:]
		return
	}
	for _, j := range planned { // Repeats come in swarms.
		j.doubtful = true
	}
}

// answerRepeated looks the doubtful keys up and answers their jobs.
func (g *group) answerRepeated(ctx context.Context) error {
	var keys [][]byte
	for _, j := range g.jobs {
		if j.doubtful && j.key != nil {
			keys = append(keys, j.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	of := make(map[string]*entry)
	for _, part := range parts(keys) {
		found, err := find[entry](ctx, g.s.log, bson.D{in("key", part)})
		if err != nil {
			return fmt.Errorf("look up keys: %w", err)
		}
		for i := range found {
			of[string(found[i].Key)] = &found[i]
		}
	}
	var rest []*job
	for _, j := range g.jobs {
		e := of[string(j.key)]
		if !j.doubtful || e == nil {
			rest = append(rest, j)
			continue
		}
		j.finish(j.repeated(e))
	}
	g.jobs = rest
	return nil
}

// commit is what a round's plans work on: the state as of the node's position
// and, as they go on, what they make of it.
type commit struct {
	at       int64
	since    int64
	base     map[ids.Conversation]head
	heads    map[ids.Conversation]*head
	members  map[memberID]*memberDocument // those asked for; nil: never was one
	messages map[ids.Message]*entry
	invites  map[ids.GroupInvite]*inviteDocument
	files    map[ids.Attachment]*fileDocument // those asked for that are there
	reactors map[string]int64                 // the _ids of those asked for, by reactor and emoji
	pins     map[ids.Conversation]int         // how many, of those asked for
}

// begin reads what the jobs need to see, and is not in memory, in at most
// four queries; files, reactions and pins need one more each.
func (s *Store) begin(ctx context.Context, jobs []*job) (*commit, error) {
	c := &commit{
		at: s.at, since: s.at, base: make(map[ids.Conversation]head), heads: make(map[ids.Conversation]*head),
		members: make(map[memberID]*memberDocument), messages: make(map[ids.Message]*entry),
		reactors: make(map[string]int64), pins: make(map[ids.Conversation]int),
	}
	// Before the messages, so that what is told to be there is in their counts.
	if err := s.readReactors(ctx, c, jobs); err != nil {
		return nil, err
	}
	var messages []ids.Message
	var members [][]byte
	if err := s.loadFiles(ctx, c, jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if !j.message.IsZero() {
			messages = append(messages, j.message)
		}
		for _, m := range j.members {
			members = append(members, m.bytes())
		}
	}
	for _, part := range parts(blobs(messages)) {
		found, err := find[entry](ctx, s.log, bson.D{in("id", part)})
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		for i := range found {
			if found[i].Kind == kindMessage {
				c.messages[idOf[ids.Message](found[i].ID)] = &found[i]
			}
		}
	}
	if err := s.roots(ctx, c); err != nil {
		return nil, err
	}
	for _, part := range parts(members) {
		found, err := find[memberDocument](ctx, s.members, bson.D{in("_id", part)})
		if err != nil {
			return nil, fmt.Errorf("read members: %w", err)
		}
		for i := range found {
			m := found[i].member()
			c.members[memberID{m.Conversation, m.User}] = &found[i]
		}
	}
	if err := s.loadInvites(ctx, c, jobs); err != nil {
		return nil, err
	}
	if err := s.readPins(ctx, c, jobs); err != nil {
		return nil, err
	}
	return c, s.loadHeads(ctx, c, jobs)
}

func (s *Store) loadHeads(ctx context.Context, c *commit, jobs []*job) error {
	var missing []ids.Conversation
	need := func(id ids.Conversation) {
		if _, ok := c.base[id]; ok || id.IsZero() {
			return
		}
		if h, ok := s.heads.Get(id); ok {
			c.base[id] = h
			c.heads[id] = &h
			return
		}
		missing = append(missing, id)
	}
	for _, j := range jobs {
		if need(j.room); !j.message.IsZero() && c.messages[j.message] != nil {
			need(c.messages[j.message].room())
		}
	}
	for _, part := range parts(blobs(missing)) {
		found, err := find[conversationDocument](ctx, s.conversations, bson.D{in("_id", part)})
		if err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
		for i := range found {
			id, h := idOf[ids.Conversation](found[i].ID), headOf(&found[i])
			c.base[id] = h
			c.heads[id] = &h
		}
	}
	return nil
}

// head returns a conversation's counters; chat.ErrNoConversation when there
// is none.
func (c *commit) head(id ids.Conversation) (*head, error) {
	if h := c.heads[id]; h != nil {
		return h, nil
	}
	return nil, chat.ErrNoConversation
}

// next begins a commit of n positions.
func (c *commit) next(kind string, n int) *entry {
	return &entry{First: c.at + 1, End: c.at + int64(n), Since: c.since, Kind: kind}
}

// took lets the plans that follow see a commit.
func (c *commit) took(e *entry) {
	c.at = e.End
	room := e.room()
	h := c.heads[room]
	if h == nil {
		h = &head{}
		c.heads[room] = h
	}
	e.advance(h)
	for id, effect := range effects([]*entry{e}) {
		if m := c.members[id]; m != nil {
			effect.onto(m)
		} else if effect.joins {
			m = &memberDocument{}
			effect.onto(m)
			c.members[id] = m
		}
	}
	if e.Use != nil {
		if i := c.invites[idOf[ids.GroupInvite](e.Use.Invite)]; i != nil {
			i.Uses = e.Use.Uses
		}
	}
	for i := range e.Files {
		c.files[idOf[ids.Attachment](e.Files[i].ID)].Message = e.ID
	}
	if r := e.Root; r != nil {
		if m := c.messages[idOf[ids.Message](r.ID)]; m != nil {
			r.onto(m, e)
		}
	}
	if r := e.Revision; r != nil {
		if m := c.messages[idOf[ids.Message](r.Message)]; m != nil {
			c.mark(e, m)
			r.onto(m, e)
		}
	}
}

// insert writes commits in their order and returns how many are written. With
// mongodb.ErrDuplicate that is all that it did; with another error nobody
// knows.
func (s *Store) insert(ctx context.Context, entries []*entry) (int, error) {
	if len(entries) == 0 {
		return 0, nil
	}
	documents := make([]written, len(entries))
	for i, e := range entries {
		documents[i] = e.written()
	}
	_, err := s.log.InsertMany(ctx, documents, options.InsertMany().SetOrdered(true))
	if err == nil {
		return len(entries), nil
	}
	failed, ok := errors.AsType[mongo.BulkWriteException](err)
	if ok && failed.WriteConcernError == nil && len(failed.WriteErrors) == 1 && failed.WriteErrors[0].HasErrorCode(11000) {
		return failed.WriteErrors[0].Index, mongodb.Translate(err)
	}
	if errors.Is(mongodb.Translate(err), mongodb.ErrDuplicate) { // and something besides
		return 0, fmt.Errorf("insert commits: %w", errors.New(err.Error()))
	}
	return 0, mongodb.Translate(err)
}

// lostPosition says whether the server names the position as the key that is
// taken. It may do so before a majority has what took it, and reads show it.
func lostPosition(err error) bool {
	failed, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || len(failed.WriteErrors) == 0 {
		return false
	}
	key, ok := failed.WriteErrors[0].Raw.Lookup("keyPattern").DocumentOK()
	return ok && (key.Lookup("_id").Type != 0 || key.Lookup("end").Type != 0)
}

// settle brings up what was committed, moves the position and tells.
func (s *Store) settle(ctx context.Context, c *commit, entries []*entry) error {
	if err := s.apply(ctx, entries); err != nil {
		return fmt.Errorf("bring up commits: %w", err)
	}
	s.at = entries[len(entries)-1].End
	for _, e := range entries {
		id := e.room()
		h := c.base[id]
		e.advance(&h)
		c.base[id] = h
		s.heads.Add(id, h)
	}
	s.tell(entries)
	return nil
}
