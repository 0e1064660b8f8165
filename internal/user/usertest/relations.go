package usertest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/userv1"
)

// related is what one user is to another, in the fake.
type related struct {
	is    user.Relationship
	since time.Time
}

func (f *Fake) pair(a, b ids.User) user.Pair {
	is := func(one user.Block) user.Relationship {
		if r, ok := f.related[one]; ok {
			return r.is
		}
		return user.Strangers
	}
	return user.Pair{Mine: is(user.Block{By: a, Of: b}), Theirs: is(user.Block{By: b, Of: a})}
}

// Relate implements user.Store.
func (f *Fake) Relate(
	_ context.Context, actor, other ids.User, at time.Time, change func(user.Pair) (user.Pair, error),
) (before, after user.Pair, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range []ids.User{actor, other} {
		if !f.there(u) {
			return before, after, user.ErrNoUser
		}
	}
	before = f.pair(actor, other)
	if after, err = change(before); err != nil {
		return before, after, err
	}
	set := func(one user.Block, was, is user.Relationship) {
		switch {
		case was == is:
		case is == user.Strangers:
			delete(f.related, one)
		default:
			f.related[one] = related{is, at}
		}
	}
	set(user.Block{By: actor, Of: other}, before.Mine, after.Mine)
	set(user.Block{By: other, Of: actor}, before.Theirs, after.Theirs)
	for _, e := range user.AllRelated(actor, other, before, after, at) {
		f.add(e)
	}
	return before, after, nil
}

// Relationships implements user.Store.
func (f *Fake) Relationships(_ context.Context, viewer ids.User, of []ids.User) (map[ids.User]user.Relationship, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[ids.User]user.Relationship{}
	for _, u := range of {
		if r, ok := f.related[user.Block{By: viewer, Of: u}]; ok {
			all[u] = r.is
		}
	}
	return all, nil
}

// Contacts implements user.Store.
func (f *Fake) Contacts(_ context.Context, q user.ContactQuery) ([]user.Contact, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	newest := func(a, b user.Contact) int {
		return cmp.Or(b.Since.Compare(a.Since), b.User.Compare(a.User))
	}
	var all []user.Contact
	for k, r := range f.related {
		c := user.Contact{User: k.Of, Since: r.since}
		if k.By == q.Viewer && r.is == q.Is && f.pair(k.By, k.Of).Theirs != user.Blocked &&
			(q.Before.User.IsZero() || newest(q.Before, c) < 0) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, newest)
	return all[:min(len(all), q.Limit)], nil
}

// CountContacts implements user.Store.
func (f *Fake) CountContacts(_ context.Context, of ids.User, is user.Relationship, most int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for k, r := range f.related {
		if k.By == of && r.is == is {
			n++
		}
	}
	return min(n, most), nil
}

// Blocks implements user.Store.
func (f *Fake) Blocks(_ context.Context, after user.Block, limit int) ([]user.Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rising := func(a, b user.Block) int { return cmp.Or(a.By.Compare(b.By), a.Of.Compare(b.Of)) }
	var all []user.Block
	for k, r := range f.related {
		if r.is == user.Blocked && rising(k, after) > 0 {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, rising)
	return all[:min(len(all), limit)], nil
}

// Related implements user.Store.
func (f *Fake) Related(_ context.Context, viewer ids.User, after, upTo int64, limit int) ([]bus.Envelope, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []bus.Envelope
	for _, e := range f.log {
		if e.Name == userv1.RelationshipChangedName && e.Key == viewer.String() && e.Pos > after && e.Pos <= upTo {
			all = append(all, e)
		}
	}
	return all[:min(len(all), limit)], nil
}

// Block has so many blocks be there, spread over some users, without events.
func (f *Fake) Block(who []ids.User, blocks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range blocks {
		by := i % len(who)
		of := (by + 1 + i/len(who)) % len(who)
		f.related[user.Block{By: who[by], Of: who[of]}] = related{user.Blocked, Born}
	}
}
