package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// Source returns chat's part of the streams of everything that concerns a
// viewer. Its entries carry *Event.
func (s *Service) Source() feed.Source { return source{s} }

type source struct{ s *Service }

func (src source) Position(ctx context.Context) (string, int64, error) {
	return src.s.Store.Position(ctx)
}

func (src source) Missed(ctx context.Context, viewer ids.User, after, upTo int64, limit int) ([]feed.Ref, error) {
	refs, err := src.s.Store.Missed(ctx, viewer, after, upTo, limit)
	if errors.Is(err, ErrTooMany) {
		return nil, feed.ErrTooMany
	}
	if err != nil {
		return nil, err
	}
	out := make([]feed.Ref, len(refs))
	for i, r := range refs {
		out[i] = feed.Ref{Pos: r.Pos, Key: r}
	}
	return out, nil
}

func (src source) Load(ctx context.Context, viewer ids.User, refs []feed.Ref) ([]feed.Entry, error) {
	mine := make([]Ref, 0, len(refs))
	for _, r := range refs {
		if k, ok := r.Key.(Ref); ok {
			mine = append(mine, k)
		}
	}
	events, err := src.s.Store.Load(ctx, viewer, mine)
	if err != nil {
		return nil, err
	}
	events = src.s.replayedTo(viewer, events)
	read, err := src.readTo(ctx, viewer, events)
	if err != nil {
		return nil, err
	}
	out := make([]feed.Entry, len(events))
	for i, e := range events {
		out[i] = entry(e, read[e.Conversation])
	}
	return out, nil
}

// readTo returns how far the viewer has read in the events' conversations.
func (src source) readTo(ctx context.Context, viewer ids.User, events []*Event) (map[ids.Conversation]int64, error) {
	var convs []ids.Conversation
	read := map[ids.Conversation]int64{}
	for _, e := range events {
		if _, seen := read[e.Conversation]; !seen {
			read[e.Conversation] = 0
			convs = append(convs, e.Conversation)
		}
	}
	views, err := src.s.Store.Views(ctx, viewer, convs)
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		read[v.ID] = v.Viewer.ReadOrd
	}
	return read, nil
}

func entry(e *Event, readOrd int64) feed.Entry {
	return feed.Entry{Pos: e.Pos, Event: e, Size: e.Size(), Unread: int32(min(max(e.LastOrd-readOrd, 0), 1<<31-1))}
}

// Follow implements feed.Source.
func (src source) Follow(ctx context.Context, viewer ids.User, to func(feed.Entry)) (func(), error) {
	f := &follower{user: viewer, hub: src.s.hub, shown: src.s.shownTo, to: to, in: map[ids.Conversation]*following{}}
	// It can be told of new conversations before it asks for those that are
	// there, so that none falls between.
	src.s.viewers.add(f)
	// What is committed after a reading and dispatched before the joining would
	// be missed: so it reads until it has joined all. No stream is in force yet.
	for moved := true; moved; {
		asOf := src.s.tail.last.Load() // all up to it is in what is read now
		standings, err := src.s.Store.Standings(ctx, viewer)
		if err != nil {
			src.s.viewers.remove(f)
			return nil, fmt.Errorf("follow: %w", err)
		}
		moved = f.align(standings, asOf)
	}
	return func() { src.s.viewers.remove(f) }, nil
}

// followers finds who follows a user's events on this node, to tell them of
// conversations that he comes into.
type followers struct {
	hub *fanout.Hub[ids.Conversation, *Event]
	mu  sync.RWMutex
	by  map[ids.User]map[*follower]struct{}
}

func newFollowers(hub *fanout.Hub[ids.Conversation, *Event]) *followers {
	return &followers{hub: hub, by: map[ids.User]map[*follower]struct{}{}}
}

func (fs *followers) add(f *follower) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[f.user] == nil {
		fs.by[f.user] = map[*follower]struct{}{}
	}
	fs.by[f.user][f] = struct{}{}
}

func (fs *followers) remove(f *follower) {
	fs.mu.Lock()
	delete(fs.by[f.user], f)
	if len(fs.by[f.user]) == 0 {
		delete(fs.by, f.user)
	}
	fs.mu.Unlock()
	f.leaveAll()
}

// join lets those who follow the user hear of a conversation from now on.
func (fs *followers) join(user ids.User, id ids.Conversation, readOrd, asOf int64) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	for f := range fs.by[user] {
		f.join(id, readOrd, asOf)
	}
}

// follower hands the events of all of a user's conversations to one function.
type follower struct {
	user  ids.User
	hub   *fanout.Hub[ids.Conversation, *Event]
	shown func(ids.User, *Event) *Event

	mu   sync.Mutex // serialises to; never held while the hub is called
	to   func(feed.Entry)
	in   map[ids.Conversation]*following
	gone bool
}

// following is a follower's subscription of one conversation.
type following struct {
	f       *follower
	readOrd int64 // how far the user has read; under f.mu
	at      int64 // the position of the event that last said so; 0 when none has
	sub     *fanout.Subscription[ids.Conversation, *Event]
}

// align makes the follower hear of exactly these conversations, and says
// whether they are others than before. The standings have all up to asOf.
func (f *follower) align(standings []Standing, asOf int64) (moved bool) {
	in := make(map[ids.Conversation]bool, len(standings))
	for _, st := range standings {
		in[st.Conversation] = true
		moved = f.join(st.Conversation, st.ReadOrd, asOf) || moved
	}
	var over []*following
	f.mu.Lock()
	for id, w := range f.in {
		if !in[id] && w.sub != nil { // else somebody is joining just now
			over = append(over, w)
			delete(f.in, id)
		}
	}
	f.mu.Unlock()
	for _, w := range over {
		w.sub.Unsubscribe()
	}
	return moved || len(over) > 0
}

// join makes the follower hear of a conversation that the user had read up to
// readOrd at the position asOf or later, and says whether it did not hear of it
// before. What an event has said since counts: a position may go back.
func (f *follower) join(id ids.Conversation, readOrd, asOf int64) bool {
	w := &following{f: f, readOrd: readOrd}
	f.mu.Lock()
	if f.gone {
		f.mu.Unlock()
		return false
	}
	if known := f.in[id]; known != nil {
		if known.at <= asOf {
			known.readOrd = readOrd
		}
		f.mu.Unlock()
		return false
	}
	f.in[id] = w
	f.mu.Unlock()
	sub := f.hub.Subscribe(id, w)
	f.mu.Lock()
	w.sub = sub
	gone := f.gone
	f.mu.Unlock()
	if gone {
		sub.Unsubscribe()
	}
	return true
}

func (f *follower) leaveAll() {
	f.mu.Lock()
	f.gone = true
	in := f.in
	f.in = nil
	f.mu.Unlock()
	for _, w := range in {
		f.mu.Lock()
		sub := w.sub
		f.mu.Unlock()
		if sub != nil {
			sub.Unsubscribe()
		}
	}
}

// Offer takes an event of one conversation from the hub.
func (w *following) Offer(e *Event) bool {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return false
	}
	if e = f.shown(f.user, e); e == nil {
		return true
	}
	switch e.Kind {
	case MessageAdded:
		if e.Message.Sender == f.user && e.Message.Kind == Text { // notes of what he did move nothing
			w.readOrd, w.at = max(w.readOrd, e.Message.Ord), e.Pos
		}
	case ReceiptChanged:
		if e.Receipt.User == f.user {
			w.readOrd, w.at = e.Receipt.ReadOrd, e.Pos
		}
	case TypingChanged:
		if e.Typing.User == f.user {
			return true
		}
	case MembershipChanged, MessageChanged, ConversationChanged, SettingsChanged:
	}
	f.to(entry(e, w.readOrd))
	if e.Kind == MembershipChanged && e.Membership.User == f.user && e.Membership.Change.Ends() {
		delete(f.in, e.Conversation)
		return false
	}
	return true
}

// fewListeners are served before their event's sender is answered: that takes
// less time than waking another thread.
const fewListeners = 128

// quick says whether few hear of the event.
func (s *Service) quick(e *Event) bool {
	return len(e.Joined) <= fewListeners && s.hub.Subscribers(e.Conversation) <= fewListeners
}

// dispatch hands one committed event to this node's listeners. It is called
// in position order, never twice at once. False says that the event is no good.
func (s *Service) dispatch(e *Event) bool {
	if e.Kind == MessageAdded {
		s.indexer.heard(e.Pos)
	}
	e, ok := s.whole(e)
	if e == nil {
		return ok
	}
	if e.Kind == MembershipChanged {
		s.forget(e.Conversation, e.Membership.User)
		if e.Membership.Change == Joined {
			s.viewers.join(e.Membership.User, e.Conversation, e.LastOrd, e.Pos)
		}
	}
	for _, u := range e.Joined {
		s.viewers.join(u, e.Conversation, 0, e.Pos)
	}
	if e.Kind == ReceiptChanged {
		e = outwardly(e)
	}
	s.hub.Publish(e.Conversation, e)
	return true
}
