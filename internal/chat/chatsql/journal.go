package chatsql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Standings returns the viewer's conversations and how far he has read.
func (s *Store) Standings(ctx context.Context, viewer ids.User) ([]chat.Standing, error) {
	all, err := collect(ctx, s.db, func(r sqldb.Row) (st chat.Standing, err error) {
		err = r.Scan(&st.Conversation, &st.ReadOrd)
		return st, err
	}, `SELECT conversation, read_ord FROM chat_member WHERE user_id = $1 AND left_pos IS NULL`, viewer)
	if err != nil {
		return nil, fmt.Errorf("standings: %w", err)
	}
	return all, nil
}

// Load turns references into events with today's state.
func (s *Store) Load(ctx context.Context, viewer ids.User, refs []chat.Ref) ([]*chat.Event, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	var events []*chat.Event
	err := s.db.Snapshot(ctx, func(q sqldb.Querier) error {
		at := make(map[int64]*chat.Event, len(refs))
		err := load(ctx, q, refs, func(e *chat.Event) { at[e.Pos] = e })
		if err != nil {
			return err
		}
		mine, err := memberships(ctx, q, viewer, refs)
		if err != nil {
			return err
		}
		events = make([]*chat.Event, 0, len(refs))
		for _, ref := range refs {
			e := at[ref.Pos]
			if e == nil || e.Kind == chat.MessageAdded && e.Message.Deleted() || e.Settings != nil && e.Settings.User != viewer {
				continue
			}
			// left is 0 for a member; of others only the end itself is theirs.
			if left, ok := mine[e.Conversation]; ok && (left == 0 || left == e.Pos) {
				events = append(events, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load events: %w", err)
	}
	return events, nil
}

// load reads the events at the references, in any order.
func load(ctx context.Context, q sqldb.Querier, refs []chat.Ref, found func(*chat.Event)) error {
	var added, changed, receipts, settings []any
	for _, r := range refs {
		switch r.Kind {
		case chat.MessageAdded:
			added = append(added, r.Pos)
		case chat.ReceiptChanged:
			receipts = append(receipts, r.Pos)
		case chat.SettingsChanged:
			settings = append(settings, r.Pos)
		case chat.MessageChanged, chat.MembershipChanged, chat.ConversationChanged:
			changed = append(changed, r.Pos)
		case chat.TypingChanged: // never stored
		}
	}
	for _, source := range []struct {
		at   []any
		read func(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error)
		pos  string
	}{{added, addedEvents, "m.pos"}, {changed, changeEvents, "j.pos"}, {receipts, receiptEvents, "v.read_pos"}, {settings, settingsEvents, "v.set_pos"}} {
		for _, p := range parts(source.at) {
			events, err := source.read(ctx, q, source.pos+` IN (`+p.list(1)+`)`, p...)
			if err != nil {
				return err
			}
			for _, e := range events {
				found(e)
			}
		}
	}
	return nil
}

// memberships returns at which position the viewer left each conversation of
// the references; 0 where he is a member.
func memberships(
	ctx context.Context, q sqldb.Querier, viewer ids.User, refs []chat.Ref,
) (map[ids.Conversation]int64, error) {
	left := make(map[ids.Conversation]int64)
	var of []any
	for _, r := range refs {
		if _, ok := left[r.Conversation]; !ok {
			left[r.Conversation] = 0
			of = append(of, r.Conversation.Bytes())
		}
	}
	clear(left)
	for _, p := range parts(of) {
		_, err := collect(ctx, q, func(r sqldb.Row) (struct{}, error) {
			var id ids.Conversation
			var pos sql.NullInt64
			err := r.Scan(&id, &pos)
			left[id] = pos.Int64
			return struct{}{}, err
		}, `SELECT conversation, left_pos FROM chat_member WHERE user_id = $1 AND conversation IN (`+p.list(2)+`)`,
			append([]any{viewer}, p...)...)
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

// Read returns the events of all conversations after a position.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]*chat.Event, int64, error) {
	var events []*chat.Event
	upTo := after
	err := s.db.Snapshot(ctx, func(q sqldb.Querier) error {
		at, err := position(ctx, q)
		if err != nil || at.pos <= after {
			return orElse(err, nil)
		}
		upTo = at.pos
		for _, source := range []struct {
			read func(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error)
			next string
		}{
			{addedEvents, `m.pos > $1 ORDER BY m.pos LIMIT $2`},
			{changeEvents, `j.pos > $1 ORDER BY j.pos LIMIT $2`},
			{receiptEvents, `v.read_pos > $1 ORDER BY v.read_pos LIMIT $2`},
			{settingsEvents, `v.set_pos > $1 ORDER BY v.set_pos LIMIT $2`},
		} {
			some, err := source.read(ctx, q, source.next, after, limit)
			if err != nil {
				return err
			}
			events = append(events, some...)
		}
		return joined(ctx, q, events)
	})
	if err != nil {
		return nil, after, fmt.Errorf("read the journal: %w", err)
	}
	slices.SortFunc(events, func(a, b *chat.Event) int { return cmp.Compare(a.Pos, b.Pos) })
	if len(events) >= limit { // A source may have more.
		events = events[:limit]
		upTo = events[limit-1].Pos
	}
	return events, upTo, nil
}

// joined fills in who came in with a conversation's making. Those who joined
// later are among them, too: they may read all of it.
func joined(ctx context.Context, q sqldb.Querier, events []*chat.Event) error {
	for _, e := range events {
		if e.Kind != chat.ConversationChanged || e.Rev != 1 {
			continue
		}
		var err error
		e.Joined, err = collect(ctx, q, func(r sqldb.Row) (ids.User, error) {
			var u ids.User
			err := r.Scan(&u)
			return u, err
		}, `SELECT user_id FROM chat_member WHERE conversation = $1`, e.Conversation)
		if err != nil {
			return err
		}
	}
	return nil
}

// addedEvents reads added messages, those of which holds, of chat_message m.
func addedEvents(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error) {
	return collect(ctx, q, func(r sqldb.Row) (*chat.Event, error) {
		e := &chat.Event{Kind: chat.MessageAdded}
		m, err := scanMessageAnd(r, &e.Rev)
		if err != nil {
			return nil, err
		}
		e.Message, e.Conversation, e.Pos, e.LastOrd = m, m.Conversation, m.Pos, m.Ord
		return e, nil
	}, `SELECT `+messageColumns+`, m.add_rev FROM chat_message m WHERE `+which, args...)
}

// changeEvents reads other changes, of chat_change j.
func changeEvents(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error) {
	of := make(map[ids.Message][]*chat.Event) // waiting for their messages
	events, err := collect(ctx, q, func(r sqldb.Row) (*chat.Event, error) {
		var (
			e            chat.Event
			kind         string
			id           ids.Message
			m            chat.Membership
			change, role sql.NullString
			about        sql.NullString
		)
		err := r.Scan(&e.Pos, &e.Conversation, &e.Rev, &e.LastOrd, &kind, &id, &m.User, &change, &role, &m.Actor, &about)
		switch kind {
		case entryMessage, entryThread:
			e.Kind = chat.MessageChanged
			of[id] = append(of[id], &e)
		case entryMembership:
			e.Kind, e.Membership = chat.MembershipChanged, &m
			m.Change, m.Role = chat.Change(change.String), chat.Role(role.String)
		default:
			e.Kind = chat.ConversationChanged
			if did, failed := aboutOf(about); did != nil {
				e.About = &did.After
			} else if err == nil {
				err = failed
			}
		}
		return &e, err
	}, `SELECT j.pos, j.conversation, j.rev, j.ord, j.kind, j.message, j.user_id, j.change, j.role, j.actor, j.about
		FROM chat_change j WHERE `+which, args...)
	if err != nil || len(of) == 0 {
		return events, err
	}
	wanted := make([]any, 0, len(of))
	for id := range of {
		wanted = append(wanted, id.Bytes())
	}
	for _, p := range parts(wanted) {
		messages, err := collect(ctx, q, scanMessage,
			`SELECT `+messageColumns+` FROM chat_message m WHERE m.id IN (`+p.list(1)+`)`, p...)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			for _, e := range of[m.ID] {
				e.Message = m
			}
		}
	}
	return events, nil
}

// receiptEvents reads the members' newest receipts, of chat_member v.
func receiptEvents(ctx context.Context, q sqldb.Querier, which string, args ...any) ([]*chat.Event, error) {
	return collect(ctx, q, func(r sqldb.Row) (*chat.Event, error) {
		e := &chat.Event{Kind: chat.ReceiptChanged, Receipt: &chat.Receipt{}}
		err := r.Scan(&e.Pos, &e.Conversation, &e.LastOrd,
			&e.Receipt.User, &e.Receipt.ReadSeq, &e.Receipt.ReadOrd, &e.Receipt.DeliveredSeq, &e.Receipt.SeenSeq)
		return e, err
	}, `SELECT v.read_pos, v.conversation, v.read_top, v.user_id, v.read_seq, v.read_ord, v.delivered_seq, v.seen_seq
		FROM chat_member v WHERE v.read_pos > 0 AND `+which, args...)
}
