package chatsql

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// settingsColumns are what a settingsRow is scanned from, of chat_member v.
const settingsColumns = `v.muted_until, v.pinned, v.put_away, v.notify`

type settingsRow struct {
	muted         sql.NullInt64
	pinned, away  int64
	notifications chat.Notify
}

func (r *settingsRow) fields() []any { return []any{&r.muted, &r.pinned, &r.away, &r.notifications} }

func (r *settingsRow) settings() chat.Settings {
	return chat.Settings{MutedUntil: optInstant(r.muted), Pinned: r.pinned != 0, Archived: r.away != 0, Notify: r.notifications}
}

// bit is a truth value as both engines keep it.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// SetSettings changes a member's settings of a conversation.
func (s *Store) SetSettings(
	ctx context.Context, user ids.User, id ids.Conversation, change func(*chat.Settings),
) (chat.Settings, error) {
	var now chat.Settings
	err := s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		h, err := c.head(ctx, id)
		if err != nil {
			return err
		}
		var row settingsRow
		err = tx.QueryRow(ctx, `SELECT `+settingsColumns+` FROM chat_member v
			WHERE v.conversation = $1 AND v.user_id = $2 AND v.left_pos IS NULL`, id, user).Scan(row.fields()...)
		if err != nil {
			return orElse(err, chat.ErrNoConversation)
		}
		before := row.settings()
		now = before
		if change(&now); now == before {
			return nil
		}
		return c.set(ctx, h, chat.SettingsOf{User: user, Settings: now})
	})
	if err != nil {
		return chat.Settings{}, fmt.Errorf("set a member's settings of %s: %w", id, err)
	}
	return now, nil
}

// set writes settings that are others than before.
func (c *commit) set(ctx context.Context, h *head, of chat.SettingsOf) error {
	e := &chat.Event{Kind: chat.SettingsChanged, Conversation: h.id, Pos: c.take(h), Settings: &of}
	_, err := c.tx.Exec(ctx,
		`UPDATE chat_member SET muted_until = $1, pinned = $2, put_away = $3, notify = $4, set_pos = $5
		WHERE conversation = $6 AND user_id = $7`,
		optMicros(of.Settings.MutedUntil), bit(of.Settings.Pinned), bit(of.Settings.Archived), string(of.Settings.Notify),
		e.Pos, h.id, of.User)
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	c.events = append(c.events, e)
	return c.finish(ctx)
}

// settingsEvents reads the members' newest settings, of chat_member v.
func settingsEvents(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error) {
	return collect(ctx, q, func(r sqldb.Row) (*chat.Event, error) {
		e := &chat.Event{Kind: chat.SettingsChanged, Settings: &chat.SettingsOf{}}
		var row settingsRow
		err := r.Scan(append([]any{&e.Pos, &e.Conversation, &e.Settings.User}, row.fields()...)...)
		e.Settings.Settings = row.settings()
		return e, err
	}, `SELECT v.set_pos, v.conversation, v.user_id, `+settingsColumns+`
		FROM chat_member v WHERE v.set_pos > 0 AND `+which, args...)
}

// settingsRows are the members' newest settings after a position.
func settingsRows(ctx context.Context, db *sqldb.DB, after int64) iter.Seq2[chat.Entry, error] {
	return walked(ctx, db, func(r sqldb.Row) (e chat.Entry, err error) {
		e.Settings = &chat.SettingsOf{}
		var row settingsRow
		err = r.Scan(append([]any{&e.Pos, &e.Conversation, &e.Settings.User}, row.fields()...)...)
		e.Settings.Settings = row.settings()
		return e, err
	}, `SELECT v.set_pos, v.conversation, v.user_id, `+settingsColumns+`
		FROM chat_member v WHERE v.set_pos > 0 AND v.set_pos > $1 ORDER BY v.set_pos LIMIT $2`,
		[]any{after}, lastPos)
}
