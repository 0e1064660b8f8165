package chatgraph

import (
	"context"
	"slices"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/user/usergraph"
)

// reactors is emoji under messages, and who put them there.
type reactors interface {
	React(ctx context.Context, viewer ids.User, msg ids.Message, emoji string) (chat.Message, error)
	Unreact(ctx context.Context, viewer ids.User, msg ids.Message, emoji string) (chat.Message, error)
	Reacted(ctx context.Context, viewer ids.User, of []ids.Message) ([]chat.Reactor, error)
	Reactors(ctx context.Context, of []chat.Message, limit int) ([]chat.Reactor, error)
}

// ReactionInput is the input of addReaction and removeReaction.
type ReactionInput struct {
	MessageID graphql.ID
	Emoji     string
}

// AddReaction resolves addReaction.
func (m *Mutation) AddReaction(ctx context.Context, args struct{ Input ReactionInput }) (*MessagePayload, error) {
	return m.revise(ctx, args.Input.MessageID, func(ctx context.Context, who ids.User, id ids.Message) (chat.Message, error) {
		return m.g.Chat.React(ctx, who, id, args.Input.Emoji)
	})
}

// RemoveReaction resolves removeReaction.
func (m *Mutation) RemoveReaction(ctx context.Context, args struct{ Input ReactionInput }) (*MessagePayload, error) {
	return m.revise(ctx, args.Input.MessageID, func(ctx context.Context, who ids.User, id ids.Message) (chat.Message, error) {
		return m.g.Chat.Unreact(ctx, who, id, args.Input.Emoji)
	})
}

// Reactions resolves reactions.
func (m *Message) Reactions() []*Reaction {
	out := make([]*Reaction, len(m.m.Reactions))
	for i := range m.m.Reactions {
		out[i] = &Reaction{m, &m.m.Reactions[i]}
	}
	return out
}

// React resolves react.
func (r *MessageRights) React() bool { return r.r.React }

// Reaction is one emoji under a message.
type Reaction struct {
	of *Message
	r  *chat.Reaction
}

// Emoji resolves emoji.
func (r *Reaction) Emoji() string { return r.r.Emoji }

// Count resolves count.
func (r *Reaction) Count() int32 { return int32Of(r.r.Count) }

// ViewerReacted resolves viewerReacted.
func (r *Reaction) ViewerReacted(ctx context.Context) (bool, error) {
	own, err := r.of.near.viewerReacted(ctx, r.of.m.ID)
	return slices.Contains(own, r.r.Emoji), err
}

// Users resolves users.
func (r *Reaction) Users(ctx context.Context, args struct{ First *int32 }) ([]*usergraph.User, error) {
	s, err := page.Args{First: args.First}.Check()
	if err != nil {
		return nil, err
	}
	return r.of.near.reactors(ctx, reactionKey{r.of.m.ID, r.r.Emoji}, s.Limit)
}

type reactionKey struct {
	message ids.Message
	emoji   string
}

// besideReactions are the users behind the reactions to the messages of one
// list. Messages without reactions cost nothing.
type besideReactions struct {
	own batch[ids.Message, []string]

	mu sync.Mutex
	by map[int]*batch[reactionKey, []*usergraph.User] // by how many of each are wanted
}

// marked are those of the messages that have reactions.
func (b *besideMessages) marked() []chat.Message {
	var of []chat.Message
	b.each(func(m *chat.Message) {
		if len(m.Reactions) > 0 {
			of = append(of, *m)
		}
	})
	return of
}

// viewerReacted returns with what the viewer has reacted to a message.
func (b *besideMessages) viewerReacted(ctx context.Context, id ids.Message) ([]string, error) {
	own, _, err := b.reactions.own.get(id, func() (map[ids.Message][]string, error) {
		who, err := viewer(ctx)
		if err != nil {
			return nil, err
		}
		var of []ids.Message
		for _, m := range b.marked() {
			of = append(of, m.ID)
		}
		found, err := b.g.Chat.Reacted(ctx, who, of)
		if err != nil {
			return nil, err
		}
		out := make(map[ids.Message][]string)
		for _, r := range found {
			out[r.Message] = append(out[r.Message], r.Emoji)
		}
		return out, nil
	})
	return own, err
}

// reactors returns the first users of a reaction.
func (b *besideMessages) reactors(ctx context.Context, of reactionKey, limit int) ([]*usergraph.User, error) {
	b.reactions.mu.Lock()
	some := b.reactions.by[limit]
	if some == nil {
		some = &batch[reactionKey, []*usergraph.User]{}
		if b.reactions.by == nil {
			b.reactions.by = make(map[int]*batch[reactionKey, []*usergraph.User])
		}
		b.reactions.by[limit] = some
	}
	b.reactions.mu.Unlock()
	users, _, err := some.get(of, func() (map[reactionKey][]*usergraph.User, error) {
		found, err := b.g.Chat.Reactors(ctx, b.marked(), limit)
		if err != nil {
			return nil, err
		}
		all := &crowd{people: b.g.People, who: make([]ids.User, len(found))}
		for i, r := range found {
			all.who[i] = r.User
		}
		out := make(map[reactionKey][]*usergraph.User)
		for _, r := range found {
			u, err := all.one(ctx, r.User)
			if err != nil {
				return nil, err
			}
			k := reactionKey{r.Message, r.Emoji}
			out[k] = append(out[k], u)
		}
		return out, nil
	})
	return users, err
}
