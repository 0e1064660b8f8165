package chatsql

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// List returns the viewer's conversations, the most active first.
func (s *Store) List(
	ctx context.Context, viewer ids.User, f chat.Filter, before int64, limit int,
) ([]chat.View, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	text, args := filtered(f, viewer, before)
	args = append(args, limit)
	all, err := collect(ctx, s.db, scanView,
		selectViews+` AND c.archived_at IS NULL AND c.active_pos < $2`+text+
			` ORDER BY c.active_pos DESC LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list conversations: %w", err)
	}
	return all, nil
}

// filtered adds a filter's conditions to a query of selectViews.
func filtered(f chat.Filter, args ...any) (string, []any) {
	text := ` AND v.put_away = 0`
	if f.Away() {
		text = ` AND v.put_away = 1`
	}
	if f.Pinned != nil {
		args = append(args, bit(*f.Pinned))
		text += ` AND v.pinned = $` + strconv.Itoa(len(args))
	}
	switch {
	case f.Unread == nil:
	case *f.Unread:
		text += ` AND c.last_ord > v.read_ord`
	default:
		text += ` AND c.last_ord <= v.read_ord`
	}
	if f.Kind != "" {
		args = append(args, string(f.Kind))
		text += ` AND c.kind = $` + strconv.Itoa(len(args))
	}
	return text, args
}
