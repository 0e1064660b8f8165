package chatmongo

import (
	"context"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// List returns the viewer's conversations, the most active first.
func (s *Store) List(
	ctx context.Context, viewer ids.User, f chat.Filter, before int64, limit int,
) ([]chat.View, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if before == 0 {
		before = math.MaxInt64
	}
	mine, err := s.mine(ctx, viewer)
	if err != nil {
		return nil, fmt.Errorf("list conversations: %w", err)
	}
	var rooms [][]byte
	of := make(map[string]*memberDocument, len(mine))
	for i := range mine {
		if set := mine[i].Set; set.Away != f.Away() || f.Pinned != nil && *f.Pinned != set.Pinned {
			continue
		}
		rooms = append(rooms, mine[i].Room)
		of[string(mine[i].Room)] = &mine[i]
	}
	if len(rooms) == 0 {
		return nil, nil
	}
	filter := bson.D{in("_id", rooms), is("archived", int64(0)), is("active_pos", bson.D{is("$lt", before)})}
	if f.Kind != "" {
		filter = append(filter, is("kind", string(f.Kind)))
	}
	most := limit
	if f.Unread != nil { // which is known of both documents together
		most = 0
	}
	found, err := find[conversationDocument](ctx, s.conversations, filter,
		options.Find().SetSort(bson.D{is("active_pos", -1)}).SetLimit(int64(most)))
	if err != nil {
		return nil, fmt.Errorf("list conversations: %w", err)
	}
	all := make([]chat.View, 0, min(len(found), limit))
	for i := range found {
		v := chat.View{Conversation: found[i].conversation(), Viewer: of[string(found[i].ID)].member()}
		if len(all) < limit && (f.Unread == nil || *f.Unread == (v.UnreadCount() > 0)) {
			all = append(all, v)
		}
	}
	return all, nil
}
