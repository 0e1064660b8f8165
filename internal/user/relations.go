package user

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
)

// SendFriendRequest asks another to be the viewer's friend. Who has asked the
// viewer is his friend from then on; asking again changes nothing. A guest asks
// those alone who are near. ErrNoUser, ErrSelf, ErrTooManyRequests.
func (s *Service) SendFriendRequest(ctx context.Context, who principal.Principal, other ids.User) error {
	viewer := who.User
	if near, err := s.near(ctx, who, []ids.User{other}); err != nil {
		return err
	} else if len(near) == 0 {
		return ErrNoUser
	}
	if err := s.room(ctx, viewer, other, RequestSent, MaxRequests, ErrTooManyRequests); err != nil {
		return err
	}
	return s.relate(ctx, viewer, other, request)
}

// AcceptFriendRequest makes who has asked the viewer his friend; it changes
// nothing where he is. ErrNoUser, ErrNoRequest.
func (s *Service) AcceptFriendRequest(ctx context.Context, viewer, other ids.User) error {
	return s.relate(ctx, viewer, other, accept)
}

// DeclineFriendRequest answers who has asked the viewer with no. Where nobody
// has asked nothing changes. ErrNoUser.
func (s *Service) DeclineFriendRequest(ctx context.Context, viewer, other ids.User) error {
	return s.relate(ctx, viewer, other, decline)
}

// CancelFriendRequest takes the viewer's own question back. Where he has not
// asked nothing changes. ErrNoUser.
func (s *Service) CancelFriendRequest(ctx context.Context, viewer, other ids.User) error {
	return s.relate(ctx, viewer, other, cancel)
}

// RemoveFriend ends a friendship. Where there is none nothing changes.
// ErrNoUser.
func (s *Service) RemoveFriend(ctx context.Context, viewer, other ids.User) error {
	return s.relate(ctx, viewer, other, unfriend)
}

// Block keeps the viewer and another apart. It holds on this node once it
// returns, also for what was under way, and on others within a second. Nobody
// is told: not the other, and not the viewer whether the other exists; so of
// nobody, too, it succeeds. ErrSelf, ErrTooManyBlocks.
func (s *Service) Block(ctx context.Context, viewer, other ids.User) error {
	if err := s.room(ctx, viewer, other, Blocked, MaxBlocked, ErrTooManyBlocks); err != nil {
		return err
	}
	err := s.relate(ctx, viewer, other, block)
	if err == nil && s.Settle != nil {
		s.Settle(viewer, other)
	}
	return passed(err)
}

// Unblock takes the viewer's own block away; one of the other's stays, and what
// the two were before does not come back.
func (s *Service) Unblock(ctx context.Context, viewer, other ids.User) error {
	return passed(s.relate(ctx, viewer, other, unblock))
}

func passed(err error) error {
	if errors.Is(err, ErrNoUser) {
		return nil
	}
	return err
}

// room refuses somebody who has too many of what he may have of his own accord.
// At once he may get a few more.
func (s *Service) room(ctx context.Context, viewer, other ids.User, what Relationship, most int, full *errs.Error) error {
	if viewer == other {
		return ErrSelf
	}
	n, err := s.Store.CountContacts(ctx, viewer, what, most)
	if err != nil {
		return fmt.Errorf("count what %s is to others: %w", viewer, err)
	}
	if n < most {
		return nil
	}
	is, err := s.Store.Relationships(ctx, viewer, []ids.User{other})
	if err == nil && is[other] != what {
		err = full
	}
	return err
}

// relate does something about another, in one step with what the other does.
func (s *Service) relate(ctx context.Context, viewer, other ids.User, do act) error {
	if viewer == other {
		return ErrSelf
	}
	before, after, err := s.Store.Relate(ctx, viewer, other, s.Now(), do)
	if err != nil {
		return fmt.Errorf("relate %s to %s: %w", viewer, other, err)
	}
	if before.apart() || after.apart() {
		// What is stored holds, whether or not somebody waits for the answer.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWait)
		defer cancel()
		if err := s.rereadBlocks(within, []Block{{viewer, other}}); err != nil {
			return err
		}
	}
	s.Wake()
	return nil
}

// Relationships returns what users are to the viewer; who is not named is a
// stranger. It is one read.
func (s *Service) Relationships(ctx context.Context, viewer ids.User, of []ids.User) (map[ids.User]Relationship, error) {
	found, err := s.Store.Relationships(ctx, viewer, of)
	if err != nil {
		return nil, fmt.Errorf("what %d users are to %s: %w", len(of), viewer, err)
	}
	for u := range found {
		if s.Conceals(u, viewer) {
			delete(found, u)
		}
	}
	return found, nil
}

// FoundContacts is a page of contacts.
type FoundContacts struct {
	Contacts []Contact
	Cursors  []string // of each
	Info     page.Info
}

// Contacts returns those who are something to the viewer, the newest first.
// ErrBadState for strangers; errs.ErrBadInput for the page's size and
// errs.ErrBadCursor for a cursor that is not of this viewer and state.
func (s *Service) Contacts(ctx context.Context, viewer ids.User, is Relationship, args page.Args) (FoundContacts, error) {
	if is == Strangers {
		return FoundContacts{}, ErrBadState
	}
	part, err := args.Check()
	if err != nil {
		return FoundContacts{}, err
	}
	q := ContactQuery{Viewer: viewer, Is: is, Limit: part.Limit + 1}
	scope := "user.contacts " + viewer.String() + " " + string(is)
	if part.After != "" {
		key, err := s.Cursors.Open(scope, part.After)
		if err != nil {
			return FoundContacts{}, err
		}
		q.Before = contactAt(key)
	}
	all, err := s.Store.Contacts(ctx, q)
	if err != nil {
		return FoundContacts{}, fmt.Errorf("contacts of %s: %w", viewer, err)
	}
	f := FoundContacts{Info: page.Info{HasNext: len(all) > part.Limit, HasPrevious: part.After != ""}}
	f.Contacts = all[:min(len(all), part.Limit)]
	for _, c := range f.Contacts {
		f.Cursors = append(f.Cursors, s.Cursors.Seal(scope, c.key()))
	}
	if n := len(f.Cursors); n > 0 {
		f.Info.Start, f.Info.End = f.Cursors[0], f.Cursors[n-1]
	}
	return f, nil
}

// ContactQuery asks for some of a viewer's contacts.
type ContactQuery struct {
	Viewer ids.User
	Is     Relationship
	Before Contact // only those that come after it in the list; zero: all
	Limit  int
}

// key is a contact's place in its list.
func (c Contact) key() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(c.Since.UnixMicro())), c.User.Bytes()...)
}

// contactAt reads a place that key has made.
func contactAt(key []byte) Contact {
	u, err := ids.FromBytes[ids.User](key[8:])
	if err != nil {
		panic(err) // it was sealed
	}
	return Contact{User: u, Since: time.UnixMicro(int64(binary.BigEndian.Uint64(key))).UTC()} //nolint:gosec // As above.
}
