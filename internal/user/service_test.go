package user_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

var now = usertest.Born.Add(time.Hour)

func setup(t *testing.T) (*user.Service, *usertest.Fake) {
	t.Helper()
	store := usertest.NewFake()
	return user.New(
		user.Deps{Store: store, Cursors: page.NewSealer([]byte("0123456789abcdef"))},
		user.Config{Now: func() time.Time { return now }},
	), store
}

func register(t *testing.T, s *user.Service, username, displayName string) ids.User {
	t.Helper()
	id := ids.New[ids.User]()
	err := s.Create(t.Context(), user.NewProfile{
		User: id, Username: username, DisplayName: displayName, CreatedAt: usertest.Born,
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTheEventOfAnAccountRepairsItsProfileAndNoMore(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	id := ids.New[ids.User]()
	payload, err := json.Marshal(authv1.AccountRegistered{
		UserID: id, Username: "ada", DisplayName: "Ada", Role: principal.Bot, At: usertest.Born,
	})
	if err != nil {
		t.Fatal(err)
	}
	event := bus.Envelope{Name: authv1.AccountRegisteredName, Topic: authv1.Topic, Key: id.String(), Payload: payload}
	if err := s.Handle(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	bio := "changed since"
	if _, err := s.Update(t.Context(), id, user.Patch{Bio: &bio}); err != nil {
		t.Fatal(err)
	}
	if err := s.Handle(t.Context(), event); err != nil { // at least once
		t.Fatal(err)
	}
	p, err := s.User(t.Context(), id)
	if err != nil || p.Username != "ada" || p.DisplayName != "Ada" || p.Bio != bio || !p.Bot || !p.CreatedAt.Equal(usertest.Born) {
		t.Errorf("profile %+v, %v", p, err)
	}
	renamed := func(was, is string, id ids.User) {
		t.Helper()
		payload, err := json.Marshal(authv1.UsernameChanged{UserID: id, Username: is, Was: was, At: usertest.Born})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Handle(t.Context(), bus.Envelope{Name: authv1.UsernameChangedName, Topic: authv1.Topic, Key: id.String(), Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ was, is, want string }{{"ada", "eva", "eva"}, {"ada", "eva", "eva"}, {"someone", "x", "eva"}} {
		renamed(step.was, step.is, id)
		if p, err := s.User(t.Context(), id); err != nil || p.Username != step.want {
			t.Errorf("%+v: %+v, %v", step, p, err)
		}
	}
	renamed("ada", "eva", ids.New[ids.User]()) // of nobody, any more
	if err := s.Handle(t.Context(), bus.Envelope{Name: "auth.something_else.v1"}); err != nil {
		t.Errorf("an event of another name: %v", err)
	}
}

func TestProfilesAreReadOnce(t *testing.T) {
	t.Parallel()
	s, store := setup(t)
	a, b, nobody := register(t, s, "ada", "Ada"), register(t, s, "bob", "Bob"), ids.New[ids.User]()
	for range 3 {
		found, err := s.Users(t.Context(), []ids.User{a, b, a})
		if err != nil || len(found) != 2 || found[a].Username != "ada" || found[b].Username != "bob" {
			t.Fatalf("found %+v, %v", found, err)
		}
	}
	if n := store.Reads(); n != 1 {
		t.Errorf("%d reads", n)
	}
	known, err := s.Known(t.Context(), []ids.User{nobody, b, {}, b})
	if err != nil || len(known) != 1 || known[0] != b {
		t.Errorf("known are %v, %v", known, err)
	}
	if _, err := s.User(t.Context(), nobody); !errors.Is(err, user.ErrNoUser) {
		t.Errorf("nobody: %v", err)
	}
}

// slowStore lets a change overtake a read.
type slowStore struct {
	*usertest.Fake
	read func() // after the profiles were read, before they are returned
}

func (s *slowStore) Profiles(ctx context.Context, of []ids.User) ([]user.Profile, error) {
	found, err := s.Fake.Profiles(ctx, of)
	s.read()
	return found, err
}

func TestAReadThatAChangeOvertookIsNotKept(t *testing.T) {
	t.Parallel()
	store := &slowStore{Fake: usertest.NewFake(), read: func() {}}
	s := user.New(user.Deps{Store: store, Cursors: page.NewSealer(make([]byte, 16))}, user.Config{})
	id := register(t, s, "ada", "Ada")
	name := "Countess"
	store.read = sync.OnceFunc(func() {
		if _, err := s.Update(t.Context(), id, user.Patch{DisplayName: &name}); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.User(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if p, err := s.User(t.Context(), id); err != nil || p.DisplayName != name {
		t.Errorf("afterwards %q, %v", p.DisplayName, err)
	}
}

func TestUpdatesAtOnceLeaveTheCacheAsTheStore(t *testing.T) {
	t.Parallel()
	s, store := setup(t)
	id := register(t, s, "ada", "Ada")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			bio := strconv.Itoa(i)
			if _, err := s.Update(t.Context(), id, user.Patch{Bio: &bio}); err != nil {
				t.Error(err)
			}
			if _, err := s.User(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	cached, err := s.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := store.Profiles(t.Context(), []ids.User{id})
	if err != nil || cached != stored[0] {
		t.Errorf("kept %+v, stored %+v, %v", cached, stored, err)
	}
}

func TestUpdateChecksEveryFieldAndChangesAllOrNothing(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	at := func(t time.Time) *time.Time { return &t }
	long := strings.Repeat
	for name, test := range map[string]struct {
		patch user.Patch
		want  error
	}{
		"name of 64":            {user.Patch{DisplayName: text(long("漢", 64))}, nil},
		"name of 65":            {user.Patch{DisplayName: text(long("a", 65))}, user.ErrBadDisplayName},
		"empty name":            {user.Patch{DisplayName: text(" \t ")}, user.ErrBadDisplayName},
		"name of two lines":     {user.Patch{DisplayName: text("a\nb")}, user.ErrBadDisplayName},
		"name that turns round": {user.Patch{DisplayName: text("a\u202eb")}, user.ErrBadDisplayName},
		"name with a mark":      {user.Patch{DisplayName: text("שלום\u200e")}, nil},
		"name with NUL":         {user.Patch{DisplayName: text("a\x00b")}, user.ErrBadDisplayName},
		"name that is no UTF-8": {user.Patch{DisplayName: text("a\xff")}, user.ErrBadDisplayName},
		"bio of 500":            {user.Patch{Bio: text(long("👍", 499) + "\n")}, nil},
		"bio of 501":            {user.Patch{Bio: text(long("é", 501))}, user.ErrBadBio},
		"bio with escape":       {user.Patch{Bio: text("\x1b[2J")}, user.ErrBadBio},
		"status of 101":         {user.Patch{StatusText: text(long("a", 101))}, user.ErrBadStatusText},
		"emoji":                 {user.Patch{StatusEmoji: text("👩🏽‍🚀")}, nil},
		"emoji flag":            {user.Patch{StatusEmoji: text("🏴󠁧󠁢󠁥󠁮󠁧󠁿")}, nil},
		"no emoji":              {user.Patch{StatusEmoji: text("ok")}, user.ErrBadStatusEmoji},
		"two lines of emoji":    {user.Patch{StatusEmoji: text("👍 👍")}, user.ErrBadStatusEmoji},
		"expires in the past":   {user.Patch{StatusExpiresAt: at(now)}, user.ErrBadExpiry},
		"zone":                  {user.Patch{TimeZone: text("Europe/Vienna")}, nil},
		"no zone":               {user.Patch{TimeZone: text("Europe/Nowhere")}, user.ErrBadTimeZone},
		"zone of the machine":   {user.Patch{TimeZone: text("Local")}, user.ErrBadTimeZone},
		"zone that is a path":   {user.Patch{TimeZone: text("../../../etc/passwd")}, user.ErrBadTimeZone},
		"locale":                {user.Patch{Locale: text("de-AT")}, nil},
		"no locale":             {user.Patch{Locale: text("deutsch bitte")}, user.ErrBadLocale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, store := setup(t)
			id := register(t, s, "ada", "Ada")
			before, err := s.User(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			status := "fine"
			if test.patch.StatusText == nil {
				test.patch.StatusText = &status
			}
			p, err := s.Update(t.Context(), id, test.patch)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err == nil {
				if p.Status.Text != status || !p.UpdatedAt.Equal(now) {
					t.Errorf("updated to %+v", p)
				}
				return
			}
			if errs.KindOf(err) != errs.BadInput || errs.Of(err).Extensions()["field"] == nil {
				t.Errorf("%v names no field", err)
			}
			after, err := store.Profiles(t.Context(), []ids.User{id})
			if err != nil || after[0] != before {
				t.Errorf("changed to %+v, %v", after, err)
			}
		})
	}
}

func TestAStatusExpiresAndIsThenGone(t *testing.T) {
	t.Parallel()
	clock := now
	s := user.New(user.Deps{Store: usertest.NewFake(), Cursors: page.NewSealer(make([]byte, 16))},
		user.Config{Now: func() time.Time { return clock }})
	id := register(t, s, "ada", "Ada")
	text, emoji, ends := "lunch", "🍜", now.Add(time.Hour)
	p, err := s.Update(t.Context(), id, user.Patch{StatusText: &text, StatusEmoji: &emoji, StatusExpiresAt: &ends})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Status.At(ends.Add(-1)); got.Text != text {
		t.Errorf("before its end it is %+v", got)
	}
	if got := p.Status.At(ends); got != (user.Status{}) {
		t.Errorf("at its end it is %+v", got)
	}
	clock = ends
	text = "back"
	if p, err = s.Update(t.Context(), id, user.Patch{StatusText: &text}); err != nil || p.Status != (user.Status{Text: text}) {
		t.Errorf("the next is %+v, %v", p.Status, err)
	}
}

func TestUsernamesAreFoundInAnyCaseAndNeverFail(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	id := register(t, s, "ada", "Ada")
	if p, err := s.ByUsername(t.Context(), "AdA"); err != nil || p.ID != id {
		t.Errorf("found %+v, %v", p, err)
	}
	for _, name := range append([]string{"", "ada ", "ada\x00", "\xff", strings.Repeat("a", 9000)}, usertest.Injections...) {
		if _, err := s.ByUsername(t.Context(), name); !errors.Is(err, user.ErrNoUser) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// as is a member of the server.
func as(u ids.User) principal.Principal { return principal.Principal{User: u, Role: principal.Member} }

func TestSearchCursorsAreOfOneViewerAndOneQuery(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	for i := range 5 {
		register(t, s, fmt.Sprintf("ada%d", i), "Ada")
	}
	me, other, two := ids.New[ids.User](), ids.New[ids.User](), int32(2)
	found, err := s.Search(t.Context(), as(me), "ada", page.Args{First: &two})
	if err != nil || len(found.Profiles) != 2 || !found.Info.HasNext {
		t.Fatalf("found %+v, %v", found, err)
	}
	cursor := found.Info.End
	if found, err = s.Search(t.Context(), as(me), " ÁDA ", page.Args{After: &cursor}); err != nil || len(found.Profiles) != 3 {
		t.Errorf("the same words: %+v, %v", found, err)
	}
	refused := func(viewer ids.User, query, cursor string) {
		t.Helper()
		_, err := s.Search(t.Context(), as(viewer), query, page.Args{After: &cursor})
		if !errors.Is(err, errs.ErrBadCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	refused(other, "ada", cursor)
	refused(me, "ad", cursor)
	refused(me, "ada", "made up")
	for i := range cursor {
		for _, c := range []byte("AB") {
			if forged := cursor[:i] + string(c) + cursor[i+1:]; forged != cursor {
				refused(me, "ada", forged)
			}
		}
	}
}

func TestSearchRefusesWhatIsNoQuery(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	for _, query := range []string{"", "  ", "\x00", "\u0301", strings.Repeat("a", 101)} {
		if _, err := s.Search(t.Context(), as(ids.User{}), query, page.Args{}); !errors.Is(err, user.ErrBadQuery) {
			t.Errorf("%q: %v", query, err)
		}
	}
	for _, size := range []int32{0, -1, 101} {
		if _, err := s.Search(t.Context(), as(ids.User{}), "a", page.Args{First: &size}); !errors.Is(err, errs.ErrBadInput) {
			t.Errorf("first %d: %v", size, err)
		}
	}
}

func FuzzTermsBeginWithWhatIsSearched(f *testing.F) {
	for _, s := range append([]string{"Zoë Łukasz", "漢字 太郎", "100% Öl", "\xff\ufffe", "ﷺ", "İı"}, usertest.Injections...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if utf8.RuneCountInString(name) > 64 {
			t.Skip("longer than names are")
		}
		s, _ := setup(t)
		register(t, s, "x", name)
		found, err := s.Search(t.Context(), as(ids.User{}), name, page.Args{})
		if errors.Is(err, user.ErrBadQuery) {
			return // nothing in it that shows
		}
		if err != nil || len(found.Profiles) != 1 {
			t.Errorf("%q does not find itself: %v", name, err)
		}
	})
}
