package chat_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/migrations"
)

// everybody is a directory in which everybody is.
type everybody struct{}

func (everybody) Known(_ context.Context, of []ids.User) ([]ids.User, error) { return of, nil }

func (everybody) Named(context.Context, []string) (map[string]ids.User, error) { return nil, nil }

// house is the use cases on a real store.
type house struct {
	*chat.Service
	now time.Time
}

func setup(t *testing.T, db *sqldb.DB) *house {
	t.Helper()
	if err := db.Migrate(t.Context(), "chat", migrations.FS("chat")); err != nil {
		t.Fatal(err)
	}
	h := &house{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	h.Service = chat.New(chat.Deps{
		Store: chatsql.New(db, chatsql.Config{}), Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(),
		Limiter: limit.NewLocal(limit.Config{}),
	}, chat.Config{Now: func() time.Time { return h.now }, Codes: limit.Rate{Burst: 1000, Per: time.Second}})
	return h
}

// as is a member of the server.
func as(u ids.User) principal.Principal { return principal.Principal{User: u, Role: principal.Member} }

func users(n int) []ids.User {
	all := make([]ids.User, n)
	for i := range all {
		all[i] = ids.New[ids.User]()
	}
	return all
}

func (h *house) group(t *testing.T, public bool, u ...ids.User) ids.Conversation {
	t.Helper()
	v, err := h.CreateGroup(t.Context(), as(u[0]), chat.NewGroup{Name: "Books", Members: u[1:], Public: public})
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func (h *house) invite(t *testing.T, by ids.User, id ids.Conversation, n chat.NewInvite) (chat.Invite, string) {
	t.Helper()
	i, code, err := h.CreateInvite(t.Context(), as(by), id, n)
	if err != nil {
		t.Fatal(err)
	}
	return i, code
}

func member(u ids.User) principal.Principal {
	return principal.Principal{User: u, Role: principal.Member}
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Owner, admins and members leave, are promoted, handed the group and removed,
// all at once: whoever is left, one of them owns it.
func TestAGroupIsNeverWithoutOneOwner(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		h := setup(t, db)
		for round := range 6 {
			u := users(6)
			id := h.group(t, round%2 == 0, u...)
			for _, admin := range u[1:3] {
				if _, err := h.SetMemberRole(t.Context(), u[0], id, admin, chat.Admin); err != nil {
					t.Fatal(err)
				}
			}
			acts := []func(ctx context.Context) error{
				func(ctx context.Context) error { return h.Leave(ctx, u[0], id) },
				func(ctx context.Context) error { return h.Leave(ctx, u[1], id) },
				func(ctx context.Context) error { return h.Leave(ctx, u[3], id) },
				func(ctx context.Context) error { _, err := h.TransferOwnership(ctx, u[0], id, u[3]); return err },
				func(ctx context.Context) error { _, err := h.TransferOwnership(ctx, u[0], id, u[1]); return err },
				func(ctx context.Context) error {
					_, err := h.SetMemberRole(ctx, u[0], id, u[3], chat.Admin)
					return err
				},
				func(ctx context.Context) error { _, err := h.RemoveMember(ctx, u[1], id, u[3]); return err },
				func(ctx context.Context) error {
					_, err := h.SetMemberRole(ctx, u[0], id, u[1], chat.Plain)
					return err
				},
			}
			rand.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
			var done sync.WaitGroup
			for _, act := range acts {
				done.Go(func() {
					switch err := act(t.Context()); errs.KindOf(err) {
					case errs.NotFound, errs.Forbidden: // it came too late
					default:
						if err != nil && !errors.Is(err, chat.ErrMoved) {
							t.Error(err)
						}
					}
				})
			}
			done.Wait()
			h.mustBeOwned(t, id, u)
			for _, last := range u {
				if err := h.Leave(t.Context(), last, id); err != nil && errs.KindOf(err) != errs.NotFound {
					t.Fatal(err)
				}
				h.mustBeOwned(t, id, u)
			}
			for _, gone := range u {
				_, err := h.Conversation(t.Context(), gone, id)
				wants(t, "when all have left", err, chat.ErrNoConversation)
			}
			_, err := h.JoinChannel(t.Context(), member(u[5]), id)
			wants(t, "nobody comes back", err, chat.ErrNoConversation)
		}
	})
}

// mustBeOwned looks whether one of those who are in owns the conversation.
func (h *house) mustBeOwned(t *testing.T, id ids.Conversation, u []ids.User) {
	t.Helper()
	owners, in := 0, 0
	for _, viewer := range u {
		v, err := h.Conversation(t.Context(), viewer, id)
		if errors.Is(err, chat.ErrNoConversation) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if in++; v.Viewer.Role == chat.Owner {
			owners++
		}
	}
	if in > 0 && owners != 1 {
		t.Fatalf("%d members have %d owners", in, owners)
	}
}

func TestAGroupHasFiveThousandMembersAndNoMore(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		h := setup(t, db)
		u := users(chat.MaxMembers + 3)
		all, late := u[:chat.MaxMembers], u[chat.MaxMembers:]
		_, err := h.CreateGroup(t.Context(), as(u[0]), chat.NewGroup{Name: "Books", Members: u})
		wants(t, "made with more", err, chat.ErrTooManyMembers)
		id := h.group(t, true, all...)
		_, code := h.invite(t, all[0], id, chat.NewInvite{})
		_, err = h.AddMembers(t.Context(), as(all[0]), id, late[:1])
		wants(t, "one more is added", err, chat.ErrTooManyMembers)
		_, err = h.JoinChannel(t.Context(), member(late[1]), id)
		wants(t, "one more joins", err, chat.ErrTooManyMembers)
		_, err = h.JoinByInvite(t.Context(), late[2], code)
		wants(t, "one more comes by a code", err, chat.ErrTooManyMembers)

		seen, pages := map[ids.User]bool{}, 0
		for key := (chat.MemberKey{}); ; pages++ {
			page, err := h.Members(t.Context(), all[17], id, key, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page {
				seen[m.User] = true
				key = chat.MemberKey{JoinedAt: m.JoinedAt, User: m.User}
			}
			if len(page) < 100 {
				break
			}
		}
		if len(seen) != chat.MaxMembers || pages != chat.MaxMembers/100 {
			t.Errorf("%d members on %d pages", len(seen), pages)
		}
		found, err := h.Channels(t.Context(), member(late[0]), "books", "", 10)
		if err != nil || len(found) != 1 || found[0].MemberCount != chat.MaxMembers || chat.MayJoin(member(late[0]), found[0]) {
			t.Errorf("in the list: %+v, %v", found, err)
		}
		if err := h.Leave(t.Context(), all[9], id); err != nil {
			t.Fatal(err)
		}
		if v, err := h.JoinChannel(t.Context(), member(late[1]), id); err != nil || v.MemberCount != chat.MaxMembers {
			t.Errorf("one for another: %d, %v", v.MemberCount, err)
		}
	})
}

func TestAnInviteEndsWhenItSays(t *testing.T) {
	t.Parallel()
	h := setup(t, sqldbtest.SQLite(t))
	u, once := users(4), 1
	id := h.group(t, false, u[0])
	ends := h.now.Add(time.Hour)
	_, code := h.invite(t, u[0], id, chat.NewInvite{ExpiresAt: ends})
	_, single := h.invite(t, u[0], id, chat.NewInvite{MaxUses: &once})
	if code == single || len(code) < 26 {
		t.Errorf("codes %q, %q", code, single)
	}
	h.now = ends.Add(-time.Millisecond)
	for range 2 { // a second time for an answer that was lost
		if v, err := h.JoinByInvite(t.Context(), u[1], code); err != nil || v.MemberCount < 2 {
			t.Errorf("before the end: %v", err)
		}
		if v, err := h.JoinByInvite(t.Context(), u[2], single); err != nil || v.MemberCount < 2 {
			t.Errorf("the only use: %v", err)
		}
	}
	h.now = ends
	_, err := h.JoinByInvite(t.Context(), u[3], code)
	wants(t, "at the end", err, chat.ErrNoInvite)
	_, err = h.JoinByInvite(t.Context(), u[3], single)
	wants(t, "used up", err, chat.ErrNoInvite)
	_, err = h.JoinByInvite(t.Context(), u[3], strings.ToLower(code))
	wants(t, "another code", err, chat.ErrNoInvite)
	if _, err := h.JoinByInvite(t.Context(), u[1], code); err != nil {
		t.Errorf("who is in already: %v", err)
	}
	for what, n := range map[string]chat.NewInvite{
		"in the past": {ExpiresAt: h.now}, "no use": {MaxUses: new(int)}, "too many uses": {MaxUses: new(chat.MaxInviteUses + 1)},
		"less than no use": {MaxUses: new(-1)},
	} {
		if _, _, err := h.CreateInvite(t.Context(), as(u[0]), id, n); errs.KindOf(err) != errs.BadInput {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestGuestsAreWhereTheyWereBroughtIn(t *testing.T) {
	t.Parallel()
	h := setup(t, sqldbtest.SQLite(t))
	u := users(2)
	id := h.group(t, true, u[0])
	guest := principal.Principal{User: u[1], Role: principal.Guest}
	_, err := h.Channels(t.Context(), guest, "", "", 10)
	wants(t, "the list", err, chat.ErrGuest)
	_, err = h.JoinChannel(t.Context(), guest, id)
	wants(t, "joining", err, chat.ErrGuest)
	if chat.MayJoin(guest, chat.ListedChannel{}) {
		t.Error("he is told that he may join")
	}
	_, code := h.invite(t, u[0], id, chat.NewInvite{})
	if _, err := h.JoinByInvite(t.Context(), u[1], code); err != nil {
		t.Errorf("by a code: %v", err)
	}
}

func TestWhatAGroupIsAboutIsCheckedAndSaidOnce(t *testing.T) {
	t.Parallel()
	h := setup(t, sqldbtest.SQLite(t))
	u := users(2)
	id := h.group(t, false, u...)
	for what, c := range map[string]struct {
		u     chat.GroupUpdate
		field string
	}{
		"no name":              {chat.GroupUpdate{Name: new(" \t ")}, "input.name"},
		"a long name":          {chat.GroupUpdate{Name: new(strings.Repeat("ä", 101))}, "input.name"},
		"two lines":            {chat.GroupUpdate{Name: new("a\nb")}, "input.name"},
		"no text":              {chat.GroupUpdate{Description: new("\xff")}, "input.description"},
		"a long description":   {chat.GroupUpdate{Description: new(strings.Repeat("x", 1001))}, "input.description"},
		"a bell":               {chat.GroupUpdate{Description: new("\a")}, "input.description"},
		"one good and one bad": {chat.GroupUpdate{Name: new("good"), Description: new("\x00")}, "input.description"},
	} {
		_, err := h.UpdateGroup(t.Context(), u[0], id, c.u)
		if errs.KindOf(err) != errs.BadInput || !strings.Contains(fmt.Sprint(errs.Of(err).Extensions()), c.field) {
			t.Errorf("%s: %v", what, err)
		}
	}
	before, err := h.Conversation(t.Context(), u[0], id)
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []chat.GroupUpdate{{}, {Name: new(" Books ")}, {Name: new("Books"), Description: new("")}} {
		if v, err := h.UpdateGroup(t.Context(), u[0], id, same); err != nil || v.LastRev != before.LastRev {
			t.Errorf("what is so already: rev %d of %d, %v", v.LastRev, before.LastRev, err)
		}
	}
	v, err := h.UpdateGroup(t.Context(), u[0], id, chat.GroupUpdate{Name: new(" Films "), Description: new("Seen")})
	if err != nil || v.Name != "Films" || v.Description != "Seen" || v.LastRev != before.LastRev+2 || v.LastSeq != before.LastSeq+1 {
		t.Fatalf("%+v, %v", v.Conversation, err)
	}
	notes, err := h.Page(t.Context(), u[1], chat.MessagePage{Conversation: id, Limit: 1, Backward: true})
	if err != nil || len(notes) != 1 || *notes[0].Note.Name != "Films" || *notes[0].Note.Description != "Seen" || notes[0].Note.Change != chat.Updated {
		t.Fatalf("noted: %+v, %v", notes, err)
	}
	if v, err = h.UpdateGroup(t.Context(), u[0], id, chat.GroupUpdate{Description: new("")}); err != nil || v.Name != "Films" || v.Description != "" {
		t.Errorf("%+v, %v", v.Conversation, err)
	}
	d, err := h.OpenDirect(t.Context(), as(u[0]), u[1])
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.UpdateGroup(t.Context(), u[0], d.ID, chat.GroupUpdate{Name: new("We")})
	wants(t, "a direct one", err, chat.ErrDirect)
	_, _, err = h.CreateInvite(t.Context(), as(u[0]), d.ID, chat.NewInvite{})
	wants(t, "an invite into a direct one", err, chat.ErrDirect)
}
