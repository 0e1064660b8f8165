package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// ears remember who was said to have another role.
type ears struct {
	mu    sync.Mutex
	heard []ids.User
}

func (e *ears) hear(of []ids.User) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, of...)
}

func (e *ears) count(id ids.User) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, h := range e.heard {
		if h == id {
			n++
		}
	}
	return n
}

// Two services on one store: the role that one gives counts on the other once
// it has read the log.
func TestARoleCountsForTokensThatAreRememberedOnEveryNode(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		store := open(t, db)
		here, there := authtest.New(t, store), authtest.New(t, store)
		var near, far ears
		here.OnRoleChanged(near.hear)
		there.OnRoleChanged(far.hear)
		root, ada, bob := here.Register(t), here.Register(t), here.Register(t)
		admin := here.Caller(t, root)
		for _, role := range []principal.Role{principal.Admin, principal.Guest, principal.Member} {
			was := there.Caller(t, ada).Role
			here.Caller(t, ada)
			if a, err := here.SetRole(t.Context(), admin, ada.Account.ID, role); err != nil || a.Role != role {
				t.Fatal(a, err)
			}
			if got := here.Caller(t, ada).Role; got != role {
				t.Errorf("here it is %s, not %s", got, role)
			}
			if got := there.Caller(t, ada).Role; got != was {
				t.Errorf("there it is %s before anything was read", got)
			}
			there.Clock.Add(2 * time.Second) // it has to read now
			if got := there.Caller(t, ada).Role; got != role {
				t.Errorf("there it is %s, not %s", got, role)
			}
		}
		if near.count(ada.Account.ID) < 3 || far.count(ada.Account.ID) != 3 || near.count(bob.Account.ID) != 0 {
			t.Errorf("heard here %v, there %v", near.heard, far.heard)
		}
		if _, err := here.SetRole(t.Context(), admin, ada.Account.ID, "KING"); errs.KindOf(err) != errs.BadInput {
			t.Error(err)
		}
	})
}

// The use cases ask for the right themselves: whoever forgets to elsewhere gives
// nothing away.
func TestAdministrationIsForAdministrators(t *testing.T) {
	t.Parallel()
	h := setup(t)
	root, ada := h.Register(t), h.Register(t)
	i, _, err := h.CreateInvite(t.Context(), h.Caller(t, root), auth.NewInvite{})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []principal.Role{principal.Member, principal.Guest, principal.Bot, ""} {
		p := h.Caller(t, ada)
		p.Role = role
		of := root.Account.ID
		for what, try := range map[string]func() error{
			"SetRole":      func() error { _, err := h.SetRole(t.Context(), p, of, principal.Guest); return err },
			"Suspend":      func() error { _, err := h.Suspend(t.Context(), p, of, ""); return err },
			"Reinstate":    func() error { _, err := h.Reinstate(t.Context(), p, of); return err },
			"CreateInvite": func() error { _, _, err := h.CreateInvite(t.Context(), p, auth.NewInvite{}); return err },
			"RevokeInvite": func() error { _, err := h.RevokeInvite(t.Context(), p, i.ID); return err },
			"Invitations":  func() error { _, err := h.Invitations(t.Context(), p, ids.Invite{}, 10); return err },
			"AuditLog":     func() error { _, err := h.AuditLog(t.Context(), p, auth.AuditFilter{}, ids.Audit{}, 10); return err },
		} {
			if err := try(); !errors.Is(err, auth.ErrNotAdmin) {
				t.Errorf("%s by %q: %v", what, role, err)
			}
		}
		if _, err := h.Invitation(t.Context(), p, i.ID); !errors.Is(err, auth.ErrNoInvite) {
			t.Error(err)
		}
		log, err := h.AuditLog(t.Context(), h.Caller(t, root), auth.AuditFilter{}, ids.Audit{}, 10)
		if err != nil || len(log) == 0 {
			t.Fatal(log, err)
		}
		if _, err := h.Act(t.Context(), p, log[0].ID); !errors.Is(err, auth.ErrNoAct) {
			t.Error(err)
		}
	}
}

func TestAReasonIsShortAndOnOneLine(t *testing.T) {
	t.Parallel()
	h := setup(t)
	root, ada := h.Register(t), h.Register(t)
	for _, bad := range []string{strings.Repeat("é", 501), "two\nlines", "\xff"} {
		if _, err := h.Suspend(t.Context(), h.Caller(t, root), ada.Account.ID, bad); !errors.Is(err, auth.ErrBadReason) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	if _, err := h.Suspend(t.Context(), h.Caller(t, root), ada.Account.ID, strings.Repeat("é", 500)); err != nil {
		t.Error(err)
	}
}

// A sign-in whose password was found right before the suspension was committed
// begins no session after it.
func TestASignInThatASuspensionOvertakesIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		root, ada := h.Register(t), h.Register(t)
		admin := h.Caller(t, root)
		ended := make(chan []auth.SignIn)
		stop := make(chan struct{})
		go func() {
			var in []auth.SignIn
			defer func() { ended <- in }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				s, err := h.Service.Login(t.Context(), auth.LoginInput{Login: ada.Account.Username, Password: authtest.Password})
				switch {
				case err == nil:
					in = append(in, s)
				case !errors.Is(err, auth.ErrBadCredentials):
					t.Error(err)
					return
				}
			}
		}()
		for range 10 {
			if _, err := h.Suspend(t.Context(), admin, ada.Account.ID, ""); err != nil {
				t.Fatal(err)
			}
			if list, err := h.Store.UserSessions(t.Context(), ada.Account.ID, h.Clock.Now()); err != nil || len(list) != 0 {
				t.Fatalf("%d sessions of a suspended one, %v", len(list), err)
			}
			if _, err := h.Reinstate(t.Context(), admin, ada.Account.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.Suspend(t.Context(), admin, ada.Account.ID, ""); err != nil {
			t.Fatal(err)
		}
		close(stop)
		for _, s := range <-ended {
			if _, err := h.Authenticate(t.Context(), s.AccessToken); !errors.Is(err, auth.ErrBadToken) {
				t.Fatalf("a session outlived the suspension: %v", err)
			}
		}
	})
}

// Failed sign-ins are stored behind the answer, while Run runs and when it ends;
// of an account that there is not nothing is.
func TestFailedSignInsAreStoredBehindTheAnswer(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		root := h.Register(t)
		admin := h.Caller(t, root)
		for _, login := range []string{root.Account.Username, "nobody", root.Account.Email} {
			if _, err := h.Service.Login(authtest.From(t.Context(), "192.0.2.9"), auth.LoginInput{Login: login, Password: "not the passphrase"}); !errors.Is(err, auth.ErrBadCredentials) {
				t.Fatal(err)
			}
		}
		failed := func() []auth.Act {
			t.Helper()
			list, err := h.AuditLog(t.Context(), admin, auth.AuditFilter{Actions: []auth.Action{auth.ActSignInFailed}}, ids.Audit{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if n := len(failed()); n != 0 {
			t.Fatalf("%d before Run", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it stores what waits, and ends
		if err := h.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		list := failed()
		if len(list) != 2 || list[0].Target != root.Account.ID || !list[0].Actor.IsZero() || list[0].Address != "192.0.2.9" || list[0].Detail != "PASSWORD" {
			t.Errorf("%+v", list)
		}
	})
}

func TestTheAuditLogIsForgottenWithAge(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{0, 24 * time.Hour} {
		h := setup(t, config(func(c *auth.Config) { c.AuditLife = life }))
		root := h.Register(t)
		h.Clock.Add(25 * time.Hour)
		again := h.Login(t, root.Account)
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := h.AuditLog(t.Context(), h.Caller(t, again), auth.AuditFilter{}, ids.Audit{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []auth.Action
		for _, a := range list {
			got = append(got, a.Action)
		}
		want := []auth.Action{auth.ActSignedIn, auth.ActRegistered}
		if life > 0 {
			want = want[:1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("kept for %v: %v", life, got)
		}
	}
}

func TestAnOperatorNeedsNoAccount(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := authtest.Input()
		root, err := h.AddAccount(t.Context(), in, principal.Admin)
		if err != nil || root.Role != principal.Admin || h.Profiles.Of(root.ID).Username != in.Username {
			t.Fatal(root, err)
		}
		if _, err := h.AddAccount(t.Context(), authtest.Input(), principal.Bot); !errors.Is(err, auth.ErrBotRole) {
			t.Error(err)
		}
		for _, login := range []string{in.Username, strings.ToUpper(in.Email), root.ID.String()} {
			if a, err := h.Find(t.Context(), login); err != nil || a != root {
				t.Errorf("%s: %+v %v", login, a, err)
			}
		}
		for _, login := range []string{"nobody", "", "nobody@example.org", ids.New[ids.User]().String()} {
			if _, err := h.Find(t.Context(), login); !errors.Is(err, auth.ErrNoAccount) {
				t.Errorf("%q: %v", login, err)
			}
		}
		session := h.Login(t, root)
		if err := h.ResetPassword(t.Context(), root, "short"); !errors.Is(err, passwords.ErrBadLength) {
			t.Error(err)
		}
		next := auth.RandomPassword()
		if err := h.ResetPassword(t.Context(), root, next); err != nil {
			t.Fatal(err)
		}
		dead(t, h, session)
		for password, want := range map[string]error{in.Password: auth.ErrBadCredentials, next: nil} {
			if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: in.Username, Password: password}); !errors.Is(err, want) {
				t.Error(err)
			}
		}
	})
}
