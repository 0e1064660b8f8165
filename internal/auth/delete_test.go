package auth_test

import (
	"context"
	"encoding/base32"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/zipdir"
)

// eraser fails as often as it is told, and remembers of whom it was asked.
type eraser struct {
	mu    sync.Mutex
	fails int
	of    []ids.User
}

func (e *eraser) Erase(_ context.Context, user ids.User) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of = append(e.of, user)
	if e.fails > 0 {
		e.fails--
		return errors.New("not now")
	}
	return nil
}

func (e *eraser) asked() []ids.User {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.of)
}

func register(t *testing.T, h *authtest.House) (auth.SignIn, principal.Principal) {
	t.Helper()
	s := h.Register(t)
	return s, h.Caller(t, s)
}

func TestADeletedAccountIsOutAtOnceAndStaysIt(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		register(t, h) // the administrator
		in, p := register(t, h)
		if err := h.DeleteAccount(t.Context(), p, "another passphrase", ""); !errors.Is(err, auth.ErrWrongPassword) {
			t.Fatal(err)
		}
		setup, err := h.BeginTotp(t.Context(), p, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		step := h.Clock.Now().Unix() / 30
		codes, err := h.ConfirmTotp(t.Context(), p, codeAt(t, setup, step))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteAccount(t.Context(), p, authtest.Password, ""); !errors.Is(err, auth.ErrTotpRequired) {
			t.Errorf("without a code: %v", err)
		}
		if err := h.DeleteAccount(t.Context(), p, authtest.Password, codeAt(t, setup, step)); !errors.Is(err, auth.ErrBadCode) || field(err) != "totp" {
			t.Errorf("with a code that is spent: %v", err)
		}
		if _, err := h.Authenticate(t.Context(), in.AccessToken); err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteAccount(t.Context(), p, authtest.Password, codes[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
			t.Error(err)
		}
		if _, err := h.Refresh(t.Context(), in.RefreshToken); !errors.Is(err, auth.ErrBadRefresh) {
			t.Error(err)
		}
		if h.Told(in.Session.ID) == 0 || !h.Profiles.Of(p.User).User.IsZero() {
			t.Error("its sockets or its profile were not told")
		}
		for _, login := range []string{in.Account.Username, in.Account.Email, auth.GoneName(p.User)} {
			if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: login, Password: authtest.Password, Totp: codes[1]}); !errors.Is(err, auth.ErrBadCredentials) {
				t.Errorf("%s: %v", login, err)
			}
		}
		other, _ := register(t, h)
		if _, err := h.ChangeUsername(t.Context(), h.Caller(t, other), in.Account.Username, authtest.Password); !errors.Is(err, auth.ErrUsernameTaken) {
			t.Error("by another name:", err)
		}
		again := authtest.Input()
		again.Username = in.Account.Username
		if _, err := h.Service.Register(t.Context(), again); !errors.Is(err, auth.ErrUsernameTaken) {
			t.Error(err)
		}
	})
}

// What deleted accounts have left is erased until all are done with it, and once
// more when what was under way is over.
func TestWhatADeletedAccountLeftIsErasedUntilItIsGone(t *testing.T) {
	t.Parallel()
	first, second := &eraser{fails: 1}, &eraser{fails: 1}
	h := setup(t, func(d *auth.Deps, _ *auth.Config) { d.Erasers = []auth.Eraser{first, second} })
	register(t, h)
	_, p := register(t, h)
	if err := h.DeleteAccount(t.Context(), p, authtest.Password, ""); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		fails        bool
		after        time.Duration
		first, asked int
	}{
		{true, 0, 1, 0}, {true, 0, 2, 1}, {false, 0, 3, 2}, {false, 0, 3, 2}, {false, 11 * time.Second, 4, 3}, {false, 0, 4, 3},
	} {
		h.Clock.Add(want.after)
		err := h.EraseAll(t.Context())
		if (err != nil) != want.fails || len(first.asked()) != want.first || len(second.asked()) != want.asked {
			t.Errorf("turn %d: %v, asked %d and %d times", i, err, len(first.asked()), len(second.asked()))
		}
	}
}

// half is an Exporter that fails after it has begun.
type half struct{ fails int }

func (e *half) Export(_ context.Context, _ ids.User, to *zipdir.Writer) error {
	if err := to.JSON("half.json", "half"); err != nil {
		return err
	}
	if e.fails--; e.fails >= 0 {
		return errors.New("broken")
	}
	return nil
}

func TestAnExportThatCannotBeMadeFailsAndAnotherMayBeAskedFor(t *testing.T) {
	t.Parallel()
	dir, broken := zipdir.New(t.TempDir()), &half{fails: 5}
	h := setup(t, func(d *auth.Deps, _ *auth.Config) { d.Archives, d.Exporters = dir, []auth.Exporter{broken} })
	_, p := register(t, h)
	first, err := h.RequestExport(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := h.MakeExports(t.Context()); (err != nil) != (i < 5) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if list, err := h.Exports(t.Context(), p); err != nil || len(list) != 1 || list[0].State != auth.ExportFailed {
		t.Fatalf("%+v %v", list, err)
	}
	if _, _, err := h.OpenExport(t.Context(), p.User, first.ID); !errors.Is(err, auth.ErrNoExport) {
		t.Error(err)
	}
	next, err := h.RequestExport(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.MakeExports(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, f, err := h.OpenExport(t.Context(), p.User, next.ID)
	if err != nil || e.Size == 0 {
		t.Fatal(e, err)
	}
	_ = f.Close()
	if _, _, err := h.OpenExport(t.Context(), ids.New[ids.User](), next.ID); !errors.Is(err, auth.ErrNoExport) {
		t.Error("another's:", err)
	}
	h.Clock.Add(7*24*time.Hour + time.Second)
	if _, _, err := h.OpenExport(t.Context(), p.User, next.ID); !errors.Is(err, auth.ErrNoExport) {
		t.Error("after its time:", err)
	}
	if err := h.MakeExports(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err := dir.Open(next.ID.String() + ".zip"); err == nil {
		_ = f.Close()
		t.Error("its bytes are there after its time")
	}
	if _, err := setup(t).RequestExport(t.Context(), p); !errors.Is(err, auth.ErrNoExports) {
		t.Error(err)
	}
}

func codeAt(t *testing.T, setup auth.TotpSetup, step int64) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(setup.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return auth.TotpCode(secret, step)
}
