package chatsql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Create stores a conversation with its members.
func (s *Store) Create(ctx context.Context, n chat.NewConversation) (chat.Conversation, bool, error) {
	var pair []byte
	if n.Kind == chat.Direct {
		pair = pairKey(n.Members)
		if c, err := ofPair(ctx, s.db, pair); !errors.Is(err, chat.ErrNoConversation) {
			return c, false, err
		}
	}
	if len(n.Members) > chat.MaxMembers {
		return chat.Conversation{}, false, chat.ErrTooManyMembers
	}
	var made chat.Conversation
	var created bool
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) (err error) {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		if pair != nil { // Who came before is visible now: the position is ours.
			if made, err = ofPair(ctx, tx, pair); !errors.Is(err, chat.ErrNoConversation) {
				created = false
				return err
			}
		}
		made, err = c.create(ctx, n.Conversation, pair, n.Members)
		created = true
		return err
	})
	if err != nil {
		return chat.Conversation{}, false, fmt.Errorf("create a conversation: %w", err)
	}
	return made, created, nil
}

// pairKey is the same whoever of the two opens the conversation.
func pairKey(members []chat.Member) []byte {
	all := make([][]byte, len(members))
	for i, m := range members {
		all[i] = m.User.Bytes()
	}
	if len(all) == 2 && bytes.Compare(all[0], all[1]) > 0 {
		all[0], all[1] = all[1], all[0]
	}
	return bytes.Join(all, nil)
}

func ofPair(ctx context.Context, q sqldb.Querier, pair []byte) (chat.Conversation, error) {
	c, err := scanConversation(q.QueryRow(ctx,
		`SELECT `+conversationColumns+` FROM chat_conversation c WHERE c.direct_key = $1`, pair))
	return c, orElse(err, chat.ErrNoConversation)
}

// orElse makes "no row" the given error.
func orElse(err, none error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return none
	}
	return err
}

func (c *commit) create(
	ctx context.Context, n chat.Conversation, pair []byte, members []chat.Member,
) (chat.Conversation, error) {
	h := &head{id: n.ID, activePos: c.pos + 1, memberVersion: 1, memberCount: int64(len(members))}
	c.heads[n.ID] = h
	n.CreatedAt = stored(n.CreatedAt)
	n.UpdatedAt = n.CreatedAt
	_, err := c.tx.Exec(ctx,
		`INSERT INTO chat_conversation (id, kind, name, description, creator, direct_key, created_at, updated_at,
			last_seq, last_rev, last_ord, last_pos, active_pos, member_version, member_count)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9, $9, $10, $11)`,
		n.ID, string(n.Kind), n.Name, n.Description, n.Creator, pair, micros(n.CreatedAt), micros(n.UpdatedAt),
		h.activePos, h.memberVersion, h.memberCount)
	if err != nil {
		return n, fmt.Errorf("insert the conversation: %w", err)
	}
	for _, m := range members {
		if m.JoinedAt.IsZero() {
			m.JoinedAt = n.CreatedAt
		}
		if err := c.join(ctx, h, m); err != nil {
			return n, err
		}
	}
	if n.Kind == chat.Channel {
		if err := c.list(ctx, n.ID, n.Name); err != nil {
			return n, err
		}
	}
	made := chat.Event{Kind: chat.ConversationChanged}
	for _, m := range members {
		made.Joined = append(made.Joined, m.User)
	}
	_, err = c.change(ctx, h, made, entry{kind: entryConversation, at: n.CreatedAt})
	if err != nil {
		return n, err
	}
	n.LastSeq, n.LastRev, n.LastOrd, n.ArchivedAt = h.lastSeq, h.lastRev, h.lastOrd, time.Time{}
	n.MemberVersion, n.MemberCount, n.ActivePos = h.memberVersion, len(members), h.activePos
	return n, c.finish(ctx)
}

// View returns a conversation to a member of it.
func (s *Store) View(ctx context.Context, viewer ids.User, id ids.Conversation) (chat.View, error) {
	v, err := scanView(s.db.QueryRow(ctx, selectViews+` AND v.conversation = $2`, viewer, id))
	if err != nil {
		return chat.View{}, fmt.Errorf("view %s: %w", id, orElse(err, chat.ErrNoConversation))
	}
	return v, nil
}

// selectViews selects the conversations of the user $1.
const selectViews = `SELECT ` + conversationColumns + `, ` + memberColumns + `
	FROM chat_member v JOIN chat_conversation c ON c.id = v.conversation
	WHERE v.user_id = $1 AND v.left_pos IS NULL`

// Views returns several conversations to a member of them.
func (s *Store) Views(ctx context.Context, viewer ids.User, of []ids.Conversation) ([]chat.View, error) {
	var all []chat.View
	for _, p := range parts(blobs(of)) {
		some, err := collect(ctx, s.db, scanView,
			selectViews+` AND v.conversation IN (`+p.list(2)+`)`, append([]any{viewer}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("view conversations: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}
