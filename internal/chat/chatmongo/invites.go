package chatmongo

import (
	"context"
	"fmt"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// inviteDocument is a document of chat_invites. Uses are counted by the commits
// that take them; the rest is no part of the log.
type inviteDocument struct {
	ID      []byte `bson:"_id"`
	Hash    []byte `bson:"hash"`
	Room    []byte `bson:"c"`
	Creator []byte `bson:"creator,omitempty"`
	Created int64  `bson:"created"`
	Expires int64  `bson:"expires"`
	Max     int64  `bson:"max"`
	Uses    int64  `bson:"uses"`
	Revoked int64  `bson:"revoked"` // 0 while it is not
	Pos     int64  `bson:"pos"`     // up to which Uses is brought up
}

// inviteUse is that somebody came in by an invite.
type inviteUse struct {
	Invite []byte `bson:"invite"`
	Uses   int64  `bson:"uses"` // with this one
}

func (d *inviteDocument) invite() chat.Invite {
	return chat.Invite{
		ID: idOf[ids.GroupInvite](d.ID), Conversation: idOf[ids.Conversation](d.Room), Creator: idOf[ids.User](d.Creator),
		CreatedAt: instant(d.Created), ExpiresAt: optInstant(d.Expires), MaxUses: int(d.Max), Uses: int(d.Uses),
		RevokedAt: optInstant(d.Revoked),
	}
}

func inviteOf(i *chat.ArchivedInvite, pos int64) *inviteDocument {
	return &inviteDocument{
		ID: i.ID.Bytes(), Hash: i.Hash, Room: i.Conversation.Bytes(), Creator: blob(i.Creator), Created: micros(i.CreatedAt),
		Expires: optMicros(i.ExpiresAt), Max: int64(i.MaxUses), Uses: int64(i.Uses), Revoked: optMicros(i.RevokedAt), Pos: pos,
	}
}

// CreateInvite stores an invite.
func (s *Store) CreateInvite(ctx context.Context, invite chat.Invite, hash []byte, version int64) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	err := s.do(ctx, &job{room: invite.Conversation, plan: func(c *commit) (*entry, error) {
		h, err := c.head(invite.Conversation)
		if err == nil && h.version != version {
			err = chat.ErrMoved
		}
		return nil, err
	}})
	if err == nil {
		var there int64
		there, err = s.invites.CountDocuments(ctx, bson.D{is("c", invite.Conversation.Bytes()), is("revoked", int64(0))})
		if err = mongodb.Translate(err); err == nil && there >= chat.MaxInvites {
			err = chat.ErrTooManyInvites
		}
	}
	if err == nil {
		_, err = s.invites.InsertOne(ctx, inviteOf(&chat.ArchivedInvite{Invite: invite, Hash: hash}, 0))
		err = mongodb.Translate(err)
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", invite.ID, err)
	}
	return nil
}

// Invite returns an invite.
func (s *Store) Invite(ctx context.Context, id ids.GroupInvite) (chat.Invite, error) {
	i, err := s.inviteWith(ctx, is("_id", id.Bytes()))
	if err != nil {
		return chat.Invite{}, fmt.Errorf("read %s: %w", id, err)
	}
	return i, nil
}

// InviteByHash returns the invite of a code.
func (s *Store) InviteByHash(ctx context.Context, hash []byte) (chat.Invite, error) {
	i, err := s.inviteWith(ctx, is("hash", hash))
	if err != nil {
		return chat.Invite{}, fmt.Errorf("find an invite: %w", err)
	}
	return i, nil
}

func (s *Store) inviteWith(ctx context.Context, which bson.E) (chat.Invite, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	found, err := find[inviteDocument](ctx, s.invites, bson.D{which})
	if err == nil && len(found) == 0 {
		err = chat.ErrNoInvite
	}
	if err != nil {
		return chat.Invite{}, err
	}
	return found[0].invite(), nil
}

// Invites returns a page of a conversation's invites that are not revoked.
func (s *Store) Invites(
	ctx context.Context, id ids.Conversation, before ids.GroupInvite, limit int,
) ([]chat.Invite, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	filter := bson.D{is("c", id.Bytes()), is("revoked", int64(0))}
	if !before.IsZero() {
		filter = append(filter, is("_id", bson.D{is("$lt", before.Bytes())}))
	}
	found, err := find[inviteDocument](ctx, s.invites, filter, descending("_id", limit))
	if err != nil {
		return nil, fmt.Errorf("invites of %s: %w", id, err)
	}
	var all []chat.Invite
	for i := range found {
		all = append(all, found[i].invite())
	}
	return all, nil
}

// RevokeInvite makes an invite good for nothing. It takes the turn, so that no
// join of this node is between its look at the invite and its commit; one of
// another node may be, for as long as that takes.
func (s *Store) RevokeInvite(ctx context.Context, id ids.GroupInvite, at time.Time) (chat.Invite, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return chat.Invite{}, gaveUp(ctx)
	}
	_, err := s.invites.UpdateOne(ctx, bson.D{is("_id", id.Bytes()), is("revoked", int64(0))},
		bson.D{is("$set", bson.D{is("revoked", micros(at))})})
	<-s.turn
	if err != nil {
		return chat.Invite{}, fmt.Errorf("revoke %s: %w", id, mongodb.Translate(err))
	}
	return s.Invite(ctx, id)
}

// loadInvites reads those that the jobs need to see.
func (s *Store) loadInvites(ctx context.Context, c *commit, jobs []*job) error {
	var wanted [][]byte
	for _, j := range jobs {
		if !j.invite.IsZero() {
			wanted = append(wanted, j.invite.Bytes())
		}
	}
	for _, part := range parts(wanted) {
		found, err := find[inviteDocument](ctx, s.invites, bson.D{in("_id", part)})
		if err != nil {
			return fmt.Errorf("read invites: %w", err)
		}
		if c.invites == nil {
			c.invites = make(map[ids.GroupInvite]*inviteDocument)
		}
		for i := range found {
			c.invites[idOf[ids.GroupInvite](found[i].ID)] = &found[i]
		}
	}
	return nil
}

// applyUses counts the uses that commits have taken.
func (s *Store) applyUses(ctx context.Context, of []*entry) error {
	newest := make(map[string]*entry)
	for _, e := range of {
		if e.Use != nil {
			newest[string(e.Use.Invite)] = e
		}
	}
	var updates []mongo.WriteModel
	for _, e := range newest {
		updates = append(updates, mongo.NewUpdateOneModel().
			SetFilter(bson.D{is("_id", e.Use.Invite), is("pos", bson.D{is("$lt", e.End)})}).
			SetUpdate(bson.D{is("$set", bson.D{is("uses", e.Use.Uses), is("pos", e.End)})}))
	}
	return s.update(ctx, s.invites, updates)
}

// Invites implements chat.Archive.
func (a *Archive) Invites(ctx context.Context, after ids.GroupInvite) iter.Seq2[chat.ArchivedInvite, error] {
	return walked(ctx, a.s.invites, after.Bytes(), func(i *inviteDocument) (chat.ArchivedInvite, any, error) {
		return chat.ArchivedInvite{Invite: i.invite(), Hash: i.Hash}, i.ID, nil
	})
}

func (s *Store) inviteIndexes(ctx context.Context) error {
	return s.db.Index(ctx, s.invites.Name(), map[string]mongo.IndexModel{
		"hash": unique("hash"), "of": {Keys: bson.D{is("c", 1), is("_id", -1)}},
	})
}

// fillInvites brings over the invites that are not there yet.
func (f *Filler) fillInvites(ctx context.Context, from chat.Archive, pos int64, told func(part string, n int)) error {
	last, err := find[inviteDocument](ctx, f.s.invites, bson.D{}, descending("_id", 1))
	if err != nil {
		return fmt.Errorf("read the end of the invites: %w", err)
	}
	var after ids.GroupInvite
	for _, i := range last {
		after = idOf[ids.GroupInvite](i.ID)
	}
	return fill(ctx, f, f.s.invites, from.Invites(ctx, after), func(i *chat.ArchivedInvite) (any, int) {
		return inviteOf(i, pos), 300
	}, func(n int) { told(chat.PartInvites, n) })
}
