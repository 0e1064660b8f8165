package chattest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) inviteTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"an invite is found by its id and its hash":           s.invites,
		"a hundred who join at once take no more than it has": s.inviteRace,
		"an invite that is not good lets nobody in":           s.inviteNotGood,
		"who is in already takes no use":                      s.inviteAgain,
		"an invite decided on another membership is refused":  s.inviteMoved,
		"there are two hundred invites and no more":           s.inviteMany,
		"a revoked invite lets nobody in, whoever races":      s.inviteRevoked,
	}
}

func (s suite) invites(t *testing.T) {
	u := Users(1)
	c, other := s.Group(t, u...), s.Group(t, u...)
	var made []chat.Invite
	for i := range 5 {
		expires := time.Time{}
		if i%2 == 0 {
			expires = s.Now().Add(time.Hour)
		}
		invite, hash := s.Invite(t, c.ID, u[0], i, expires)
		byID, err := s.Store.Invite(t.Context(), invite.ID)
		byHash, err2 := s.Store.InviteByHash(t.Context(), hash)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		same(t, "by id", byID, invite)
		same(t, "by hash", byHash, invite)
		made = append([]chat.Invite{invite}, made...) // the newest first
	}
	s.Invite(t, other.ID, u[0], 0, time.Time{})
	after, err := s.Store.RevokeInvite(t.Context(), made[2].ID, s.Now())
	if err != nil || after.RevokedAt.IsZero() {
		t.Fatal(after, err)
	}
	again, err := s.Store.RevokeInvite(t.Context(), made[2].ID, s.Now())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "revoked again", again, after)
	var got []chat.Invite
	for before := (ids.GroupInvite{}); ; before = got[len(got)-1].ID {
		some, err := s.Store.Invites(t.Context(), c.ID, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, some...); len(some) < 2 {
			break
		}
	}
	same(t, "listed", got, []chat.Invite{made[0], made[1], made[3], made[4]})
	for _, err := range []error{
		second(s.Store.Invite(t.Context(), ids.New[ids.GroupInvite]())),
		second(s.Store.InviteByHash(t.Context(), bytes.Repeat([]byte{7}, 32))),
		second(s.Store.RevokeInvite(t.Context(), ids.New[ids.GroupInvite](), s.Now())),
	} {
		refused(t, "none", err, chat.ErrNoInvite)
	}
}

// inviteMany fills a conversation's invites; one more is refused until one is
// revoked, and another conversation's are its own.
func (s suite) inviteMany(t *testing.T) {
	u := Users(1)
	c, other := s.Group(t, u...), s.Group(t, u...)
	v := s.View(t, u[0], c.ID)
	one := func() (chat.Invite, error) {
		id := ids.New[ids.GroupInvite]()
		invite := chat.Invite{ID: id, Conversation: c.ID, Creator: u[0], CreatedAt: s.Now()}
		return invite, s.Store.CreateInvite(t.Context(), invite, id.Bytes(), v.MemberVersion)
	}
	var last chat.Invite
	var work sync.WaitGroup
	for i := range 50 {
		work.Go(func() {
			for range chat.MaxInvites / 50 {
				made, err := one()
				if err != nil {
					t.Error(err)
				}
				if i == 0 {
					last = made
				}
			}
		})
	}
	work.Wait()
	_, err := one()
	refused(t, "one more", err, chat.ErrTooManyInvites)
	s.Invite(t, other.ID, u[0], 0, time.Time{})
	if _, err := s.Store.RevokeInvite(t.Context(), last.ID, s.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := one(); err != nil {
		t.Errorf("in the place of a revoked one: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func (s suite) inviteRace(t *testing.T) {
	u := Users(101)
	c := s.Group(t, u[0])
	invite, _ := s.Invite(t, c.ID, u[0], 10, time.Time{})
	in := 0
	for _, err := range atOnce(t.Context(), 100, func(ctx context.Context, i int) error {
		_, err := s.Store.Join(ctx, s.Joining(c.ID, u[i+1], invite.ID))
		return err
	}) {
		if err == nil {
			in++
		} else if !errors.Is(err, chat.ErrNoInvite) {
			t.Fatal(err)
		}
	}
	same(t, "in", in, 10)
	same(t, "members", len(s.AllMembers(t, u[0], c.ID)), 11)
	after, err := s.Store.Invite(t.Context(), invite.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "uses", after.Uses, 10)
}

func (s suite) inviteNotGood(t *testing.T) {
	u := Users(3)
	c, other := s.Group(t, u[0]), s.Group(t, u[0])
	ended, _ := s.Invite(t, c.ID, u[0], 0, s.Now())
	revoked, _ := s.Invite(t, c.ID, u[0], 0, time.Time{})
	usedUp, _ := s.Invite(t, c.ID, u[0], 1, time.Time{})
	others, _ := s.Invite(t, other.ID, u[0], 0, time.Time{})
	if _, err := s.Store.RevokeInvite(t.Context(), revoked.ID, s.Now()); err != nil {
		t.Fatal(err)
	}
	if joined, err := s.Store.Join(t.Context(), s.Joining(c.ID, u[1], usedUp.ID)); err != nil || !joined {
		t.Fatal(joined, err)
	}
	for what, id := range map[string]ids.GroupInvite{
		"ended": ended.ID, "revoked": revoked.ID, "used up": usedUp.ID, "another's": others.ID, "none": ids.New[ids.GroupInvite](),
	} {
		_, err := s.Store.Join(t.Context(), s.Joining(c.ID, u[2], id))
		refused(t, what, err, chat.ErrNoInvite)
	}
	_, err := s.Store.View(t.Context(), u[2], c.ID)
	refused(t, "nobody came in", err, chat.ErrNoConversation)
}

func (s suite) inviteAgain(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u[0])
	invite, _ := s.Invite(t, c.ID, u[0], 2, time.Time{})
	joined := 0
	for range 4 {
		did, err := s.Store.Join(t.Context(), s.Joining(c.ID, u[1], invite.ID))
		if err != nil {
			t.Fatal(err)
		}
		if did {
			joined++
		}
	}
	after, err := s.Store.Invite(t.Context(), invite.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "joins and uses", []int{joined, after.Uses}, []int{1, 1})
}

func (s suite) inviteMoved(t *testing.T) {
	u := Users(2)
	c := s.Group(t, u...)
	invite := chat.Invite{ID: ids.New[ids.GroupInvite](), Conversation: c.ID, Creator: u[1], CreatedAt: s.Now()}
	before := s.View(t, u[1], c.ID).MemberVersion
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	refused(t, "an old version", s.Store.CreateInvite(t.Context(), invite, []byte("hash of an old version"), before), chat.ErrMoved)
	_, err := s.Store.Invite(t.Context(), invite.ID)
	refused(t, "it is not there", err, chat.ErrNoInvite)
}

func (s suite) inviteRevoked(t *testing.T) {
	u := Users(21)
	c := s.Group(t, u[0])
	invite, _ := s.Invite(t, c.ID, u[0], 0, time.Time{})
	var revoked int // members when the revocation was over
	for i, err := range atOnce(t.Context(), 20, func(ctx context.Context, i int) error {
		if i == 7 {
			_, err := s.Store.RevokeInvite(ctx, invite.ID, s.Now())
			revoked = s.View(t, u[0], c.ID).MemberCount
			return err
		}
		_, err := s.Store.Join(ctx, s.Joining(c.ID, u[i+1], invite.ID))
		return err
	}) {
		if err != nil && (i == 7 || !errors.Is(err, chat.ErrNoInvite)) {
			t.Fatal(err)
		}
	}
	after, err := s.Store.Invite(t.Context(), invite.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nobody came in after it", s.View(t, u[0], c.ID).MemberCount, revoked)
	same(t, "uses", after.Uses, revoked-1)
}
