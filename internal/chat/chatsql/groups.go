package chatsql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// ChangeAbout gives a conversation another name or description.
func (s *Store) ChangeAbout(ctx context.Context, edit chat.AboutEdit) (chat.Conversation, error) {
	var after chat.Conversation
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		if err := c.changeAbout(ctx, edit); err != nil {
			return err
		}
		after, err = scanConversation(tx.QueryRow(ctx,
			`SELECT `+conversationColumns+` FROM chat_conversation c WHERE c.id = $1`, edit.Conversation))
		return err
	})
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("change the name and description of %s: %w", edit.Conversation, err)
	}
	return after, nil
}

func (c *commit) changeAbout(ctx context.Context, edit chat.AboutEdit) error {
	h, err := c.head(ctx, edit.Conversation)
	if err != nil {
		return err
	}
	if h.memberVersion != edit.Version {
		return chat.ErrMoved
	}
	text, err := json.Marshal(edit.Change)
	if err != nil {
		return fmt.Errorf("encode the name and description: %w", err)
	}
	after := edit.Change.After
	event, err := c.change(ctx, h, chat.Event{Kind: chat.ConversationChanged, About: &after},
		entry{kind: entryConversation, at: edit.At})
	if err != nil {
		return err
	}
	h.memberVersion++
	if _, err := c.tx.Exec(ctx, `UPDATE chat_change SET about = $1 WHERE pos = $2`, string(text), event.Pos); err != nil {
		return fmt.Errorf("journal the name and description: %w", err)
	}
	_, err = c.tx.Exec(ctx,
		`UPDATE chat_conversation SET name = $1, description = $2, member_version = $3, updated_at = $4 WHERE id = $5`,
		after.Name, after.Description, h.memberVersion, micros(edit.At), h.id)
	if err != nil {
		return fmt.Errorf("write the name and description: %w", err)
	}
	if after.Name != edit.Change.Before.Name {
		listed, err := c.unlist(ctx, h.id)
		if err == nil && listed {
			err = c.list(ctx, h.id, after.Name)
		}
		if err != nil {
			return err
		}
	}
	if err := c.appendNote(ctx, h, edit.Note); err != nil {
		return err
	}
	return c.finish(ctx)
}

// appendNote adds a system message at the end of an edit.
func (c *commit) appendNote(ctx context.Context, h *head, note chat.NewMessage) error {
	note.Conversation, note.Kind = h.id, chat.System
	r, err := rowOf(c.add(h, &note), nil)
	if err != nil {
		return err
	}
	_, err = c.insert(ctx, []row{r})
	return err
}

// list lets a channel be found.
func (c *commit) list(ctx context.Context, id ids.Conversation, name string) error {
	err := c.tx.Later(ctx, `INSERT INTO chat_channel (place, conversation) VALUES ($1, $2)`, chat.ChannelKey(name, id), id)
	for _, term := range chat.ChannelTerms(name) {
		if err == nil {
			err = c.tx.Later(ctx, `INSERT INTO chat_channel_term (term, conversation) VALUES ($1, $2)`, term, id)
		}
	}
	if err != nil {
		return fmt.Errorf("list the channel: %w", err)
	}
	return nil
}

// unlist takes a conversation from the list of channels, and says whether it
// was there.
func (c *commit) unlist(ctx context.Context, id ids.Conversation) (bool, error) {
	n, err := c.tx.Exec(ctx, `DELETE FROM chat_channel WHERE conversation = $1`, id)
	if err == nil && n > 0 {
		_, err = c.tx.Exec(ctx, `DELETE FROM chat_channel_term WHERE conversation = $1`, id)
	}
	if err != nil {
		return false, fmt.Errorf("take the channel from the list: %w", err)
	}
	return n > 0, nil
}

// Prepare lists the channels of a database that had no list of them. It may run
// on several nodes at once, after the migrations and before any other use.
func (s *Store) Prepare(ctx context.Context) error {
	const missing = `FROM chat_conversation c WHERE c.kind = 'CHANNEL' AND c.archived_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM chat_channel k WHERE k.conversation = c.id)`
	var n int
	if err := s.db.QueryRow(ctx, `SELECT count(*) `+missing).Scan(&n); err != nil {
		return fmt.Errorf("look for channels that are not listed: %w", err)
	}
	if n == 0 {
		return nil
	}
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		all, err := collect(ctx, tx, scanConversation, `SELECT `+conversationColumns+` `+missing)
		if err != nil {
			return err
		}
		for _, found := range all {
			if err := c.list(ctx, found.ID, found.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %d channels: %w", n, err)
	}
	return nil
}

// Channel returns a channel that somebody is in.
func (s *Store) Channel(ctx context.Context, id ids.Conversation) (chat.Conversation, error) {
	c, err := scanConversation(s.db.QueryRow(ctx, `SELECT `+conversationColumns+`
		FROM chat_conversation c WHERE c.id = $1 AND c.kind = 'CHANNEL' AND c.archived_at IS NULL`, id))
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("read channel %s: %w", id, orElse(err, chat.ErrNoConversation))
	}
	return c, nil
}

// Channels returns a page of the list of channels. The longest word is looked
// up among the terms, the others are compared for those whom it finds.
func (s *Store) Channels(ctx context.Context, viewer ids.User, q chat.ChannelQuery) ([]chat.ListedChannel, error) {
	args := []any{viewer, q.After, q.Limit}
	longest := 0
	for i, word := range q.Words {
		if len(word) > len(q.Words[longest]) {
			longest = i
		}
		args = append(args, word, chat.ChannelTermEnd(word))
	}
	var b strings.Builder
	b.WriteString(`SELECT c.id, c.name, c.description, c.created_at, c.member_count, k.place,
			EXISTS (SELECT 1 FROM chat_member v WHERE v.conversation = c.id AND v.user_id = $1 AND v.left_pos IS NULL)
		FROM chat_channel k JOIN chat_conversation c ON c.id = k.conversation WHERE k.place > $2`)
	for i := range q.Words {
		bounds := `t.term >= $` + strconv.Itoa(4+2*i) + ` AND t.term < $` + strconv.Itoa(5+2*i)
		if i == longest {
			b.WriteString(` AND k.conversation IN (SELECT t.conversation FROM chat_channel_term t WHERE ` + bounds + `)`)
		} else {
			b.WriteString(` AND EXISTS (SELECT 1 FROM chat_channel_term t WHERE t.conversation = k.conversation AND ` + bounds + `)`)
		}
	}
	b.WriteString(` ORDER BY k.place LIMIT $3`)
	all, err := collect(ctx, s.db, func(r sqldb.Row) (c chat.ListedChannel, err error) {
		var created int64
		err = r.Scan(&c.ID, &c.Name, &c.Description, &created, &c.MemberCount, &c.Key, &c.Joined)
		c.CreatedAt = instant(created)
		return c, err
	}, b.String(), args...)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return all, nil
}

// Join brings a user in who comes by himself.
func (s *Store) Join(ctx context.Context, j chat.Joining) (bool, error) {
	joined := false
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		joined, err = c.comeIn(ctx, j)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("join %s: %w", j.Conversation, err)
	}
	return joined, nil
}

func (c *commit) comeIn(ctx context.Context, j chat.Joining) (bool, error) {
	h, err := c.head(ctx, j.Conversation)
	if err != nil {
		return false, err
	}
	if h.memberCount == 0 {
		return false, chat.ErrNoConversation
	}
	edit := chat.MemberEdit{
		Conversation: j.Conversation, Version: h.memberVersion, At: j.At, Note: j.Note,
		Changes: []chat.Membership{{User: j.User, Change: chat.Joined, Role: chat.Plain, Actor: j.User}},
	}
	roles, err := c.roles(ctx, edit)
	if _, in := roles[j.User]; in || err != nil {
		return false, err
	}
	if !j.Invite.IsZero() {
		if err := c.useInvite(ctx, j); err != nil {
			return false, err
		}
	}
	return true, c.changeMembers(ctx, edit)
}

// aboutOf reads what a change of name and description has stored; nil for another.
func aboutOf(text sql.NullString) (*chat.AboutChange, error) {
	if !text.Valid {
		return nil, nil //nolint:nilnil // Most changes are others.
	}
	var did chat.AboutChange
	if err := json.Unmarshal([]byte(text.String), &did); err != nil {
		return nil, fmt.Errorf("decode the name and description: %w", err)
	}
	return &did, nil
}
