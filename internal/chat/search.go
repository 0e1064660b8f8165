package chat

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/terms"
)

// The limits of a search.
const (
	MaxQueryLen   = 256  // Unicode code points
	maxHighlights = 50   // of a message
	maxLooked     = 1000 // messages that are looked at for a page
)

// Searching finds messages by their words.
type Searching interface {
	// Search returns, newest first, at most q.Limit of the messages that the
	// viewer may read now, are no tombstones and no system messages, are as
	// the filters say, and whose words have all needs as far as the index
	// goes. It may return some whose text has them no longer, or not side by
	// side: the caller looks.
	Search(ctx context.Context, viewer ids.User, q MessageQuery) ([]Message, error)
	// Index takes up to limit messages that are not in the index yet into it,
	// by rising position, in one commit, and says how far it goes then. Those
	// that Revise changes it need not see again: Revise keeps the index as it
	// keeps the text. What was indexed by another edition of terms is begun
	// anew. Any number of nodes may call it at once.
	Index(ctx context.Context, limit int) (Indexed, error)
}

// MessageQuery is what a store searches for; zero fields do not filter.
type MessageQuery struct {
	Needs        []terms.Need
	Conversation ids.Conversation
	Sender       ids.User
	SentFrom     time.Time // inclusive
	SentBefore   time.Time // exclusive
	Attached     Attached
	Before       int64 // only messages with Pos < Before
	Limit        int
}

// Indexed is how far an index goes.
type Indexed struct {
	UpTo      int64 // every message up to it is in the index
	Newest    int64 // the position that there is
	Elsewhere bool  // another node is at it; nothing was done
	Done      bool  // from now on messages get into the index with their commits
}

// SearchInput is what somebody looks for; zero fields do not filter.
type SearchInput struct {
	Query        string
	Conversation ids.Conversation
	Sender       ids.User
	SentFrom     time.Time // inclusive
	SentBefore   time.Time // exclusive
	Attached     Attached
	Before       int64 // a position, of the page before
	Limit        int
}

// Attached says which messages a search is for by their attachments.
type Attached int

// All of them, those with attachments, and those without.
const (
	AttachedOrNot Attached = iota
	WithAttachment
	WithoutAttachment
)

// Hit is a message that was found, and where in its text, in code points.
type Hit struct {
	Message
	Highlights []terms.Range
}

// Found is a page of a search, newest first.
type Found struct {
	Hits []Hit
	// Next is the position before which the search goes on; 0 when this was
	// all. The page may be short of its limit all the same.
	Next int64
}

// ParseQuery reads a query. ErrQuery when it is too long or has nothing that
// can be looked for.
func ParseQuery(text string) (terms.Query, error) {
	if utf8.RuneCountInString(text) > MaxQueryLen {
		return terms.Query{}, ErrQuery.With(errs.Field("query"))
	}
	q, ok := terms.Parse(text)
	if !ok {
		return q, ErrQuery.With(errs.Field("query"))
	}
	return q, nil
}

// Search finds the messages that the viewer may read now and that have all
// words of the query, or begin so. It compares the text as it is, so that
// nothing is found by what it said before. ErrQuery; ErrNoConversation.
func (s *Service) Search(ctx context.Context, viewer ids.User, in SearchInput) (Found, error) {
	query, err := ParseQuery(in.Query)
	if err != nil {
		return Found{}, err
	}
	if !in.Conversation.IsZero() {
		if _, err := s.Store.View(ctx, viewer, in.Conversation); err != nil {
			return Found{}, fmt.Errorf("search in %s: %w", in.Conversation, err)
		}
	}
	q := MessageQuery{
		Needs: query.Needs(), Conversation: in.Conversation, Sender: in.Sender,
		SentFrom: in.SentFrom, SentBefore: in.SentBefore, Attached: in.Attached, Before: in.Before, Limit: in.Limit + 1,
	}
	var found Found
	for looked := 0; looked < maxLooked; looked += q.Limit {
		some, err := s.Store.Search(ctx, viewer, q)
		if err != nil {
			return Found{}, fmt.Errorf("search: %w", err)
		}
		for i := range some {
			m := &some[i]
			where, ok := query.Find(m.Text, maxHighlights)
			switch {
			case !ok || m.Deleted() || m.Kind == System:
			case len(found.Hits) == in.Limit:
				found.Next = found.Hits[in.Limit-1].Pos
				return found, nil
			default:
				found.Hits = append(found.Hits, Hit{*m, where})
			}
			q.Before = m.Pos
		}
		if len(some) < q.Limit {
			return found, nil
		}
	}
	found.Next = q.Before
	return found, nil
}
