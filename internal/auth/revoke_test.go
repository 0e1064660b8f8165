package auth_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

func TestLogoutIsFinalWhenItReturns(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		other := h.Login(t, first.Account)
		bystander := h.Register(t)
		if err := h.Logout(t.Context(), h.Caller(t, first)); err != nil {
			t.Fatal(err)
		}
		dead(t, h, first)
		h.Caller(t, other)
		third := h.Login(t, first.Account)
		if err := h.LogoutEverywhere(t.Context(), h.Caller(t, other)); err != nil {
			t.Fatal(err)
		}
		dead(t, h, other)
		dead(t, h, third)
		h.Caller(t, bystander)
	})
}

func TestOneListsAndEndsHisOwnSessionsOnly(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		mine := h.Register(t)
		h.Clock.Add(time.Second)
		also := h.Login(t, mine.Account)
		foreign := h.Register(t)
		p := h.Caller(t, mine)
		list, err := h.Sessions(t.Context(), p)
		if err != nil || len(list) != 2 || list[0].ID != also.Session.ID || list[1].ID != mine.Session.ID {
			t.Fatalf("%+v %v", list, err)
		}
		unknown := h.RevokeSession(t.Context(), p, ids.New[ids.Session]())
		another := h.RevokeSession(t.Context(), p, foreign.Session.ID)
		if !errors.Is(unknown, auth.ErrNoSession) || !errors.Is(another, auth.ErrNoSession) ||
			errs.Of(unknown).Error() != errs.Of(another).Error() {
			t.Fatalf("unknown: %v, another's: %v", unknown, another)
		}
		if _, err := h.Session(t.Context(), p, foreign.Session.ID); !errors.Is(err, auth.ErrNoSession) {
			t.Fatal(err)
		}
		h.Caller(t, foreign)
		if err := h.RevokeSession(t.Context(), p, also.Session.ID); err != nil {
			t.Fatal(err)
		}
		dead(t, h, also)
		h.Caller(t, mine)
	})
}

func TestOnlyOwnersAndAdministratorsSeeAnAccount(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin, member, other := h.Register(t), h.Register(t), h.Register(t)
	for _, in := range []auth.SignIn{admin, member} {
		if a, err := h.Account(t.Context(), h.Caller(t, in), member.Account.ID); err != nil || a != member.Account {
			t.Errorf("%+v %v", a, err)
		}
	}
	for _, id := range []ids.User{member.Account.ID, ids.New[ids.User]()} {
		if _, err := h.Account(t.Context(), h.Caller(t, other), id); !errors.Is(err, errs.ErrForbidden) {
			t.Error(err)
		}
	}
}

func TestAnotherNodeEndsTheSessionWithinASecond(t *testing.T) {
	each(t, func(t *testing.T, a *authtest.House) {
		b := authtest.New(t, a.Store, func(_ *auth.Deps, c *auth.Config) { c.Now = a.Clock.Now })
		in := a.Register(t)
		b.Caller(t, in)
		if err := a.Logout(t.Context(), a.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		a.Clock.Add(time.Second + time.Millisecond)
		dead(t, b, in)
	})
}

func TestRunReadsWhatEndedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, a *authtest.House) {
		b := authtest.New(t, a.Store)
		told := make(chan ids.Session, 10)
		b.OnEnded(func(list []ids.Session) { told <- list[0] })
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := b.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		in := a.Register(t)
		b.Caller(t, in)
		if err := a.Logout(t.Context(), a.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		if id := <-told; id != in.Session.ID {
			t.Errorf("told of %v", id)
		}
		if _, err := b.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
			t.Error(err)
		}
		cancel()
		wg.Wait()
	})
}

func TestWhatEndsHereIsSharedOnceAndWhatIsHeardIsNot(t *testing.T) {
	each(t, func(t *testing.T, a *authtest.House) {
		b := authtest.New(t, a.Store, func(_ *auth.Deps, c *auth.Config) { c.Now = a.Clock.Now })
		var here, there []ids.Session
		a.OnEndedHere(func(list []ids.Session) { here = append(here, list...) })
		b.OnEndedHere(func(list []ids.Session) { there = append(there, list...) })
		in := a.Register(t)
		b.Caller(t, in)
		if err := a.Logout(t.Context(), a.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		if len(here) != 1 || here[0] != in.Session.ID {
			t.Fatalf("shared %v", here)
		}
		b.Hear(here)
		dead(t, b, in)
		for _, h := range []*authtest.House{a, b} {
			h.Clock.Add(2 * time.Second)
			stay := h.Register(t)
			h.Caller(t, stay) // reads the log
			h.Hear([]ids.Session{stay.Session.ID})
			h.Caller(t, stay) // a lie ends nothing
		}
		if len(here) != 1 || len(there) != 0 {
			t.Errorf("what was read or heard is shared again: %v %v", here, there)
		}
	})
}

// cutOff is a storage whose change log can be made out of reach.
type cutOff struct {
	log   auth.Changes
	off   atomic.Bool
	reads atomic.Int64
}

func (c *cutOff) Changes(ctx context.Context, after int64, limit int) ([]auth.Change, error) {
	c.reads.Add(1)
	if c.off.Load() {
		return nil, errs.ErrUnavailable
	}
	return c.log.Changes(ctx, after, limit)
}

func (c *cutOff) LastChange(ctx context.Context) (int64, error) { return c.log.LastChange(ctx) }

func TestANodeThatCannotReadRevocationsLetsNobodyIn(t *testing.T) {
	t.Parallel()
	var log *cutOff
	h := setup(t, func(d *auth.Deps, _ *auth.Config) {
		log = &cutOff{log: d.Changes}
		d.Changes = log
	})
	in := h.Register(t)
	h.Caller(t, in)
	log.off.Store(true)
	h.Clock.Add(900 * time.Millisecond)
	h.Caller(t, in)
	h.Clock.Add(200 * time.Millisecond)
	if _, err := h.Authenticate(t.Context(), in.AccessToken); errs.KindOf(err) != errs.Unavailable {
		t.Fatalf("cut off for more than a second: %v", err)
	}
	if err := h.Healthy(t.Context()); !errors.Is(err, auth.ErrNotCaughtUp) {
		t.Fatal(err)
	}
	log.off.Store(false)
	h.Caller(t, in)
	if err := h.Healthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := log.reads.Load()
	for range 100 {
		h.Caller(t, in)
	}
	if n := log.reads.Load() - before; n > 1 {
		t.Errorf("100 requests read the log %d times", n)
	}
}

type socket struct{ renewed []principal.Principal }

func (s *socket) Renew(p principal.Principal) error {
	s.renewed = append(s.renewed, p)
	return nil
}

func TestASocketIsRenewedWithItsOwnSessionOnly(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	p := h.Caller(t, in)
	if _, err := h.Renew(t.Context(), p, in.AccessToken); !errors.Is(err, auth.ErrNotASocket) {
		t.Fatalf("over HTTP: %v", err)
	}
	conn := &socket{}
	ctx := principal.WithConnection(t.Context(), conn)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"rubbish":                {"rubbish", auth.ErrBadToken},
		"refresh token":          {in.RefreshToken, auth.ErrBadToken},
		"another session of his": {h.Login(t, in.Account).AccessToken, auth.ErrOtherSession},
		"another user":           {h.Register(t).AccessToken, auth.ErrOtherSession},
	} {
		if _, err := h.Renew(ctx, p, c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(conn.renewed) != 0 {
		t.Fatalf("renewed by %+v", conn.renewed)
	}
	h.Clock.Add(10 * time.Minute)
	next := refresh(t, h, in.RefreshToken)
	got, err := h.Renew(ctx, p, next.AccessToken)
	if err != nil || len(conn.renewed) != 1 || conn.renewed[0] != got || !got.Expires.After(p.Expires) {
		t.Fatalf("%+v %v", conn.renewed, err)
	}
}

func TestATokenCheckedWhileItsSessionEndsIsNotRemembered(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	for range 30 {
		in := h.Login(t, in.Account)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _, _ = h.Authenticate(t.Context(), in.AccessToken) })
		}
		if err := h.RevokeSession(t.Context(), principal.Principal{User: in.Account.ID}, in.Session.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
			t.Fatalf("after the acknowledgement: %v", err)
		}
		wg.Wait()
		if _, err := h.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
			t.Fatalf("remembered: %v", err)
		}
	}
}

func TestNoSecretIsStoredAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := houseIn(t, dir)
	secrets := []string{authtest.Password}
	in, err := h.Service.Register(authtest.From(t.Context(), "198.51.100.77"), authtest.Input())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		secrets = append(secrets, in.AccessToken, in.RefreshToken)
		in = refresh(t, h, in.RefreshToken)
	}
	of := secured(t, h, in)
	_, private := h.SigningKey()
	needles := [][]byte{private[:32], of.secret}
	for range 5 {
		_, text := personal(t, h, h.Caller(t, in), readWrite)
		raw, _ := b64.DecodeString(strings.TrimPrefix(text, "chatd_pat_"))
		needles = append(needles, []byte(text), raw[16:40]) // also the secret part alone
	}
	for _, code := range of.recovery {
		raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(strings.ReplaceAll(code, "-", "")))
		if err != nil {
			t.Fatal(err)
		}
		needles = append(needles, []byte(code), raw)
	}
	for _, s := range secrets {
		needles = append(needles, []byte(s))
		if raw, err := b64.DecodeString(strings.TrimPrefix(s, "chatd_rt_")); err == nil {
			needles = append(needles, raw[20:52]) // the secret part alone
		}
	}
	seen := false
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		seen = seen || bytes.Contains(content, []byte(in.Account.Username))
		for i, needle := range needles {
			if bytes.Contains(content, needle) {
				t.Errorf("%s holds secret %d", path, i)
			}
		}
		return err
	})
	if err != nil || !seen {
		t.Fatal("the files were not searched", err)
	}
}
