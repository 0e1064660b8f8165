package chatmongo

import (
	"context"
	"fmt"
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// ChangeAbout gives a conversation another name or description: one commit.
func (s *Store) ChangeAbout(ctx context.Context, edit chat.AboutEdit) (chat.Conversation, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	err := s.do(ctx, &job{room: edit.Conversation, plan: func(c *commit) (*entry, error) { return c.changeAbout(edit) }})
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("change the name and description of %s: %w", edit.Conversation, err)
	}
	return s.conversation(ctx, edit.Conversation)
}

func (c *commit) changeAbout(edit chat.AboutEdit) (*entry, error) {
	h, err := c.head(edit.Conversation)
	if err != nil {
		return nil, err
	}
	if h.version != edit.Version {
		return nil, chat.ErrMoved
	}
	note := edit.Note
	note.Conversation, note.Kind = edit.Conversation, chat.System
	e := c.message(h, &note, 1)
	e.Edit = &memberEdit{
		Version: h.version + 1, Count: h.count, At: micros(edit.At), LastSeq: h.lastSeq, LastOrd: h.lastOrd,
		About: aboutOf(&edit.Change),
	}
	e.Edit.About.Listed = edit.Kind == chat.Channel
	return e, nil
}

// aboutChange is a change of what a conversation is called and is for.
type aboutChange struct {
	Before about `bson:"before"`
	After  about `bson:"after"`
	Listed bool  `bson:"listed,omitempty"` // it is a channel
}

type about struct {
	Name        string `bson:"name"`
	Description string `bson:"description"`
}

func aboutOf(c *chat.AboutChange) *aboutChange {
	return &aboutChange{Before: about(c.Before), After: about(c.After)}
}

func (c *aboutChange) change() *chat.AboutChange {
	return &chat.AboutChange{Before: chat.About(c.Before), After: chat.About(c.After)}
}

// changes is how many positions an edit has before its note's.
func (d *memberEdit) changes() int64 {
	if d == nil {
		return 0
	}
	if d.About != nil {
		return 1
	}
	return int64(len(d.Changes))
}

// onto puts new name and description among what a conversation's document is set to.
func (c *aboutChange) onto(id ids.Conversation, set bson.M) {
	set["name"], set["description"] = c.After.Name, c.After.Description
	if c.Listed {
		set["place"], set["terms"] = chat.ChannelKey(c.After.Name, id), chat.ChannelTerms(c.After.Name)
	}
}

// list lets a channel be found, by its name as it is.
func (c *conversationDocument) list() {
	if chat.Kind(c.Kind) == chat.Channel {
		c.Place = chat.ChannelKey(c.Name, idOf[ids.Conversation](c.ID))
		c.Terms = chat.ChannelTerms(c.Name)
	}
}

// listOld lists the channels of a database that had no list of them.
func (s *Store) listOld(ctx context.Context) error {
	unlisted := is("place", bson.D{is("$exists", false)})
	found, err := find[conversationDocument](ctx, s.conversations, bson.D{is("kind", string(chat.Channel)), unlisted})
	if err != nil {
		return fmt.Errorf("look for channels that are not listed: %w", err)
	}
	for i := range found {
		c := &found[i]
		c.list()
		_, err := s.conversations.UpdateOne(ctx, bson.D{is("_id", c.ID), is("name", c.Name), unlisted},
			bson.D{is("$set", bson.D{is("place", c.Place), is("terms", c.Terms)})})
		if err != nil {
			return fmt.Errorf("list a channel: %w", mongodb.Translate(err))
		}
	}
	return nil
}

// Channel returns a channel that somebody is in.
func (s *Store) Channel(ctx context.Context, id ids.Conversation) (chat.Conversation, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	c, err := one[conversationDocument](ctx, s.conversations, id.Bytes())
	if err == nil && (c == nil || chat.Kind(c.Kind) != chat.Channel || c.Archived != 0) {
		err = chat.ErrNoConversation
	}
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("read channel %s: %w", id, err)
	}
	return c.conversation(), nil
}

// Channels returns a page of the list of channels.
func (s *Store) Channels(ctx context.Context, viewer ids.User, q chat.ChannelQuery) ([]chat.ListedChannel, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	filter := bson.D{over("place", q.After), is("archived", int64(0))}
	var words bson.A
	for _, word := range q.Words {
		words = append(words, bson.D{is("terms", bson.Regex{Pattern: "^" + regexp.QuoteMeta(word)})})
	}
	if len(words) > 0 {
		filter = append(filter, is("$and", words))
	}
	found, err := find[conversationDocument](ctx, s.conversations, filter,
		ascending("place", q.Limit).SetProjection(bson.D{is("terms", 0)}))
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	rooms := make([]ids.Conversation, len(found))
	for i := range found {
		rooms[i] = idOf[ids.Conversation](found[i].ID)
	}
	mine, err := s.memberships(ctx, viewer, rooms)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	var all []chat.ListedChannel
	for i := range found {
		c := &found[i]
		all = append(all, chat.ListedChannel{
			ID: rooms[i], Name: c.Name, Description: c.Description, CreatedAt: instant(c.Created),
			MemberCount: int(c.Count), Key: c.Place, Joined: mine[rooms[i]].isIn(),
		})
	}
	return all, nil
}

// Join brings a user in who comes by himself: one commit, which takes the use
// of an invite with it.
func (s *Store) Join(ctx context.Context, j chat.Joining) (bool, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	joined := false
	err := s.do(ctx, &job{
		room: j.Conversation, members: []memberID{{j.Conversation, j.User}}, invite: j.Invite,
		plan: func(c *commit) (*entry, error) {
			e, err := c.comeIn(j)
			joined = e != nil
			return e, err
		},
	})
	if err != nil {
		return false, fmt.Errorf("join %s: %w", j.Conversation, err)
	}
	return joined, nil
}

func (c *commit) comeIn(j chat.Joining) (*entry, error) {
	h, err := c.head(j.Conversation)
	switch {
	case err != nil:
		return nil, err
	case h.count == 0:
		return nil, chat.ErrNoConversation
	case c.members[memberID{j.Conversation, j.User}].isIn():
		return nil, nil //nolint:nilnil // Nothing is to be written.
	}
	var use *inviteUse
	if !j.Invite.IsZero() {
		i := c.invites[j.Invite]
		if i == nil || idOf[ids.Conversation](i.Room) != j.Conversation {
			return nil, chat.ErrNoInvite
		}
		if now := i.invite(); !now.Good(j.At) {
			return nil, chat.ErrNoInvite
		}
		use = &inviteUse{Invite: i.ID, Uses: i.Uses + 1}
	}
	e, err := c.changeMembers(chat.MemberEdit{
		Conversation: j.Conversation, Version: h.version, At: j.At, Note: j.Note,
		Changes: []chat.Membership{{User: j.User, Change: chat.Joined, Role: chat.Plain, Actor: j.User}},
	})
	if e != nil {
		e.Use = use
	}
	return e, err
}

// channelIndexes are those by which channels are found.
func (s *Store) channelIndexes(ctx context.Context) error {
	return s.db.Index(ctx, s.conversations.Name(), map[string]mongo.IndexModel{
		"place": unique("place"),
		"terms": {Keys: bson.D{is("terms", 1)}, Options: options.Index().SetSparse(true)},
	})
}
