package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/names"
	"chatd/internal/platform/principal"
)

// Bounds of a search for channels and of what they are found by: no index
// takes longer terms.
const (
	MaxChannelQuery = 100 // code points
	maxChannelWords = 10
	maxTermLen      = 200 // bytes
)

// ChannelTerms returns what a channel of that name is found by, sorted, each
// once.
func ChannelTerms(name string) []string { return cutAll(names.Of(name)) }

// ChannelQueryWords returns the words of a query as ChannelQuery takes them.
func ChannelQueryWords(query string) []string { return cutAll(names.Words(query)) }

// ChannelTermEnd returns a text that sorts after every term that begins with
// prefix, and before every other that sorts after prefix, both by bytes.
func ChannelTermEnd(prefix string) string { return names.End(prefix) }

// ChannelKey is a channel's place in the list of all: by its folded name, then
// by its age. Keys are compared by their bytes, and no two are the same.
func ChannelKey(name string, id ids.Conversation) string {
	return cutTerm(strings.Join(names.Words(name), " ")) + "\x01" + id.String() // which no folded name has
}

func cutAll(words []string) []string {
	for i := range words {
		words[i] = cutTerm(words[i])
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func cutTerm(s string) string {
	if len(s) <= maxTermLen {
		return s
	}
	n := maxTermLen
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// mayFind says whether the caller may list public channels and join them by
// himself: guests are where they were brought in.
func mayFind(who principal.Principal) bool { return who.May(principal.FindChannels) }

// Channels lists the public channels by name, those after the key only; with a
// query those of whose names a word begins with each of its words, whatever
// its case and accents. No character of the query has a meaning of its own.
func (s *Service) Channels(
	ctx context.Context, who principal.Principal, query, after string, limit int,
) ([]ListedChannel, error) {
	if !mayFind(who) {
		return nil, ErrGuest
	}
	q := ChannelQuery{Words: ChannelQueryWords(query), After: after, Limit: limit}
	if utf8.RuneCountInString(query) > MaxChannelQuery || len(q.Words) > maxChannelWords {
		return nil, ErrChannelQuery.With(errs.Field("query"))
	}
	return s.Store.Channels(ctx, who.User, q)
}

// MayJoin says whether the viewer may join a channel from its list.
func MayJoin(who principal.Principal, c ListedChannel) bool {
	return mayFind(who) && !c.Joined && c.MemberCount < MaxMembers
}

// JoinChannel makes the viewer a member of a public channel. Where he is in
// already nothing changes.
func (s *Service) JoinChannel(ctx context.Context, who principal.Principal, id ids.Conversation) (View, error) {
	if !mayFind(who) {
		return View{}, ErrGuest
	}
	if _, err := s.Store.Channel(ctx, id); err != nil {
		return View{}, fmt.Errorf("join %s: %w", id, err)
	}
	return s.join(ctx, who.User, id, ids.GroupInvite{})
}

func (s *Service) join(ctx context.Context, viewer ids.User, id ids.Conversation, invite ids.GroupInvite) (View, error) {
	now := s.cfg.Now()
	note := s.note(id, viewer, Joined, []ids.User{viewer}, now)
	note.Text = "joined"
	joined, err := s.Store.Join(ctx, Joining{Conversation: id, User: viewer, Invite: invite, At: now, Note: note})
	if err != nil {
		return View{}, fmt.Errorf("join %s: %w", id, err)
	}
	if joined {
		s.forget(id, viewer)
	}
	return s.Store.View(ctx, viewer, id)
}
