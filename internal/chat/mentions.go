package chat

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// MaxMentions is how many members a message mentions at most.
const MaxMentions = 50

// Mentions is whom a message mentions. It is shared and never changed.
type Mentions struct {
	// Users were members when it was written, each once: as they were given,
	// or in the order of the text; at most MaxMentions.
	Users []ids.User `json:"users,omitempty"`
	All   bool       `json:"all,omitempty"` // everybody in the conversation
}

// addressed is what a text and its sender say of mentions, before it is known
// who is meant.
type addressed struct {
	given *[]ids.User // nil: whom the text names
	names [][]string  // for each name in the text what it may be, the longest first
	all   bool
}

// addressedBy checks the given mentions and reads the text. Without an @ there
// is nothing to read.
func addressedBy(text string, given *[]ids.User) (addressed, error) {
	a := addressed{given: given}
	if given != nil && len(*given) > MaxMentions {
		return a, ErrMentions.With(errs.Field("input.mentions"))
	}
	a.names, a.all = mentionsIn(text)
	if given != nil {
		a.names = nil
	}
	return a, nil
}

func (a addressed) nobody() bool {
	return !a.all && len(a.names) == 0 && (a.given == nil || len(*a.given) == 0)
}

// mentioned finds out who is meant: members only, everybody by right only; nil
// for nobody. What it returns holds for the membership of now.
func (s *Service) mentioned(ctx context.Context, id ids.Conversation, viewer ids.User, k Kind, role Role, a addressed) (*Mentions, error) {
	if a.nobody() {
		return nil, nil //nolint:nilnil // Nobody is an answer.
	}
	m := &Mentions{All: a.all && may(k, role, mayMentionAll)}
	var meant []ids.User
	if a.given != nil {
		meant = *a.given
	} else if len(a.names) > 0 {
		named, err := s.Directory.Named(ctx, slices.Concat(a.names...))
		if err != nil {
			return nil, fmt.Errorf("look up mentioned users: %w", err)
		}
		for _, name := range a.names {
			for _, form := range name {
				if u, ok := named[form]; ok {
					meant = append(meant, u)
					break
				}
			}
		}
	}
	if meant = s.withoutApart(viewer, meant); len(meant) > 0 {
		in, err := s.Store.Among(ctx, viewer, id, distinct(meant, ids.User{}))
		if err != nil {
			return nil, fmt.Errorf("look up mentioned members: %w", err)
		}
		for _, u := range meant {
			if len(m.Users) < MaxMentions && slices.Contains(in, u) && !slices.Contains(m.Users, u) {
				m.Users = append(m.Users, u)
			}
		}
	}
	if !m.All && len(m.Users) == 0 {
		return nil, nil //nolint:nilnil // As above.
	}
	return m, nil
}

// hashMore adds what not every message has. What was hashed before there was
// any of it keeps its hash.
func (in SendInput) hashMore(h hash.Hash) {
	if !in.ThreadRoot.IsZero() {
		h.Write([]byte("thread"))
		h.Write(in.ThreadRoot.Bytes())
	}
	if in.Mentions != nil {
		h.Write([]byte("mentions"))
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(*in.Mentions)))) //nolint:gosec // At most MaxMentions.
		for _, u := range *in.Mentions {
			h.Write(u.Bytes())
		}
	}
	if len(in.Attachments) > 0 {
		h.Write([]byte("attachments"))
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(in.Attachments)))) //nolint:gosec // As above.
		for _, id := range in.Attachments {
			h.Write(id.Bytes())
		}
	}
}
