package chatsql

import (
	"context"
	"fmt"
	"slices"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

func scanUser(r sqldb.Row) (u ids.User, err error) {
	err = r.Scan(&u)
	return u, err
}

// Companions returns who is with the user in his small conversations.
func (s *Store) Companions(ctx context.Context, user ids.User, most, limit int) ([]ids.User, error) {
	all, err := collect(ctx, s.db, scanUser, `SELECT DISTINCT o.user_id FROM chat_member me
		JOIN chat_conversation c ON c.id = me.conversation AND c.member_count <= $2
		JOIN chat_member o ON o.conversation = me.conversation AND o.left_pos IS NULL
		WHERE me.user_id = $1 AND me.left_pos IS NULL LIMIT $3`, user, most, limit)
	if err != nil {
		return nil, fmt.Errorf("companions: %w", err)
	}
	return all, nil
}

// Together returns those of the users who are in a conversation with the user.
func (s *Store) Together(ctx context.Context, user ids.User, of []ids.User) ([]ids.User, error) {
	users := slices.Clone(of)
	slices.SortFunc(users, ids.User.Compare)
	users = slices.Compact(users)
	args := make([]any, len(users))
	for i, u := range users {
		args[i] = u.Bytes()
	}
	var all []ids.User
	for _, p := range parts(args) {
		found, err := collect(ctx, s.db, scanUser, `SELECT DISTINCT o.user_id FROM chat_member o
			JOIN chat_member me ON me.conversation = o.conversation AND me.user_id = $1 AND me.left_pos IS NULL
			WHERE o.user_id IN (`+p.list(2)+`) AND o.left_pos IS NULL`, append([]any{user}, p...)...)
		if err != nil {
			return nil, fmt.Errorf("together: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
