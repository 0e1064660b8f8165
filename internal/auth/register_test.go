package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

func TestRegisterMakesAnAccountAProfileAndASession(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := auth.RegisterInput{
			Email: "Ada@Example.org", Username: "Ada.L", Password: authtest.Password, DisplayName: " Ada Lovelace ",
		}
		got, err := h.Service.Register(authtest.From(t.Context(), "192.0.2.7"), in)
		if err != nil {
			t.Fatal(err)
		}
		a := got.Account
		if a.Email != "Ada@Example.org" || a.Username != "ada.l" || a.Role != principal.Admin {
			t.Fatalf("%+v", a)
		}
		if got.Session.Address != "192.0.2.7" || got.Session.Device != "test" {
			t.Fatalf("%+v", got.Session)
		}
		if p := h.Profiles.Of(a.ID); p.Username != "ada.l" || p.DisplayName != "Ada Lovelace" {
			t.Fatalf("profile %+v", p)
		}
		if p := h.Caller(t, got); p.User != a.ID || p.Session != got.Session.ID || p.Role != principal.Admin {
			t.Fatalf("%+v", p)
		}
		changes, err := h.Store.Changes(t.Context(), 0, 10)
		var e authv1.AccountRegistered
		if err != nil || len(changes) != 1 || json.Unmarshal(changes[0].Payload, &e) != nil {
			t.Fatal(changes, err)
		}
		if e.UserID != a.ID || e.DisplayName != "Ada Lovelace" || e.Role != principal.Admin {
			t.Fatalf("%+v", e)
		}
		if second := h.Register(t); second.Account.Role != principal.Member {
			t.Fatalf("the second account is %s", second.Account.Role)
		}
	})
}

func TestBadInputOfRegisterNamesItsField(t *testing.T) {
	t.Parallel()
	h := setup(t)
	for name, c := range map[string]struct {
		change func(*auth.RegisterInput)
		field  string
	}{
		"e-mail without @":          {func(in *auth.RegisterInput) { in.Email = "ada" }, "email"},
		"e-mail without domain":     {func(in *auth.RegisterInput) { in.Email = "ada@" }, "email"},
		"e-mail with two @":         {func(in *auth.RegisterInput) { in.Email = "a@b@c.org" }, "email"},
		"e-mail with a name":        {func(in *auth.RegisterInput) { in.Email = "Ada <ada@example.org>" }, "email"},
		"e-mail with a line break":  {func(in *auth.RegisterInput) { in.Email = "ada@example.org\r\nBcc: x@y.org" }, "email"},
		"two e-mails":               {func(in *auth.RegisterInput) { in.Email = "a@b.org,c@d.org" }, "email"},
		"quoted e-mail":             {func(in *auth.RegisterInput) { in.Email = `"a b"@c.org` }, "email"},
		"e-mail with look-alikes":   {func(in *auth.RegisterInput) { in.Email = "аda@example.org" }, "email"},
		"e-mail with NUL":           {func(in *auth.RegisterInput) { in.Email = "a\x00@b.org" }, "email"},
		"e-mail of a bare hyphen":   {func(in *auth.RegisterInput) { in.Email = "a@-b.org" }, "email"},
		"e-mail with empty label":   {func(in *auth.RegisterInput) { in.Email = "a@b..org" }, "email"},
		"e-mail too long":           {func(in *auth.RegisterInput) { in.Email = "a@" + strings.Repeat("b.", 130) + "org" }, "email"},
		"username too short":        {func(in *auth.RegisterInput) { in.Username = "ab" }, "username"},
		"username too long":         {func(in *auth.RegisterInput) { in.Username = strings.Repeat("a", 33) }, "username"},
		"username with @":           {func(in *auth.RegisterInput) { in.Username = "a@b.org" }, "username"},
		"username with a space":     {func(in *auth.RegisterInput) { in.Username = "ada l" }, "username"},
		"username of other letters": {func(in *auth.RegisterInput) { in.Username = "адарус" }, "username"},
		"username that folds":       {func(in *auth.RegisterInput) { in.Username = "\u212a\u212a\u212a" }, "username"},
		"display name of spaces":    {func(in *auth.RegisterInput) { in.DisplayName = "   " }, "displayName"},
		"display name too long":     {func(in *auth.RegisterInput) { in.DisplayName = strings.Repeat("é", 65) }, "displayName"},
		"display name of two lines": {func(in *auth.RegisterInput) { in.DisplayName = "a\nb" }, "displayName"},
		"display name that turns":   {func(in *auth.RegisterInput) { in.DisplayName = "a\u202eb" }, "displayName"},
		"password of nine":          {func(in *auth.RegisterInput) { in.Password = "123456789" }, "password"},
		"password of 129":           {func(in *auth.RegisterInput) { in.Password = strings.Repeat("é", 129) }, "password"},
		"password of a megabyte":    {func(in *auth.RegisterInput) { in.Password = strings.Repeat("x", 1<<20) }, "password"},
		"common password":           {func(in *auth.RegisterInput) { in.Password = "Password123" }, "password"},
		"username as password":      {func(in *auth.RegisterInput) { in.Username, in.Password = "ada.lovelace", "Ada.Lovelace" }, "password"},
		"e-mail as password":        {func(in *auth.RegisterInput) { in.Password = in.Email }, "password"},
		"name as password":          {func(in *auth.RegisterInput) { in.DisplayName, in.Password = "Ada Lovelace", "ada lovelace" }, "password"},
		"setup token":               {func(in *auth.RegisterInput) { in.SetupToken = "guess" }, "setupToken"},
	} {
		in := authtest.Input()
		c.change(&in)
		_, err := h.Service.Register(t.Context(), in)
		if errs.KindOf(err) != errs.BadInput || field(err) != c.field {
			t.Errorf("%s: %v, field %v", name, err, field(err))
		}
	}
	if n := h.HashRuns(); n != 0 {
		t.Errorf("bad input cost %d hashes", n)
	}
	if last, err := h.Store.LastChange(t.Context()); err != nil || last != 0 {
		t.Fatal("bad input made an account", err)
	}
}

func TestGoodPasswordsAreTaken(t *testing.T) {
	t.Parallel()
	h := setup(t)
	for _, password := range []string{
		strings.Repeat("é", 128), "with spaces and 🦀 in it", "contains password123 somewhere", " leading and trailing ",
	} {
		in := authtest.Input()
		in.Password = password
		got, err := h.Service.Register(t.Context(), in)
		if err != nil {
			t.Errorf("%q: %v", password, err)
			continue
		}
		for _, wrong := range []string{password[:len(password)-1], password + "x", strings.ToUpper(password), strings.TrimSpace(password) + "."} {
			if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: got.Account.Username, Password: wrong}); !errors.Is(err, auth.ErrBadCredentials) {
				t.Errorf("%q lets %q in: %v", password, wrong, err)
			}
		}
	}
}

func TestTakenNamesAreAConflict(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := authtest.Input()
		if _, err := h.Service.Register(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		again := authtest.Input()
		again.Username = strings.ToUpper(first.Username)
		if _, err := h.Service.Register(t.Context(), again); !errors.Is(err, auth.ErrUsernameTaken) || field(err) != "username" {
			t.Fatal(err)
		}
		again = authtest.Input()
		again.Email = strings.ToUpper(first.Email)
		if _, err := h.Service.Register(t.Context(), again); !errors.Is(err, auth.ErrEmailTaken) || field(err) != "email" {
			t.Fatal(err)
		}
	})
}

func TestOnlyThreeAddressesAnHourCanBeProbed(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits)
	taken := h.Register(t).Account.Email
	ctx := authtest.From(t.Context(), "192.0.2.7")
	var conflicts, limited atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			in := authtest.Input()
			in.Email = taken
			_, err := h.Service.Register(ctx, in)
			switch {
			case errors.Is(err, auth.ErrEmailTaken):
				conflicts.Add(1)
			case errors.Is(err, auth.ErrTooMany):
				limited.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if conflicts.Load() != 3 || limited.Load() != 17 {
		t.Fatalf("%d conflicts, %d limited", conflicts.Load(), limited.Load())
	}
	// A new address gets the same answer now, so the refusal tells nothing.
	if _, err := h.Service.Register(ctx, authtest.Input()); !errors.Is(err, auth.ErrTooMany) {
		t.Fatalf("an address that is free: %v", err)
	}
	if _, err := h.Service.Register(authtest.From(t.Context(), "192.0.2.8"), authtest.Input()); err != nil {
		t.Fatalf("another network: %v", err)
	}
}

func TestOfManyThatRegisterAtOnceOneIsTheAdministratorAndOneGetsTheName(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		var admins, won atomic.Int32
		var wg sync.WaitGroup
		for i := range 40 {
			in := authtest.Input()
			if i%2 == 0 {
				in.Username = "contested"
			}
			wg.Go(func() {
				got, err := h.Service.Register(t.Context(), in)
				if errors.Is(err, auth.ErrUsernameTaken) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if got.Account.Role == principal.Admin {
					admins.Add(1)
				}
				if got.Account.Username == "contested" {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if admins.Load() != 1 || won.Load() != 1 {
			t.Fatalf("%d administrators, %d with the name", admins.Load(), won.Load())
		}
	})
}

func TestRegistrationCanBeClosed(t *testing.T) {
	t.Parallel()
	for how, want := range map[auth.Registration]error{
		auth.Closed: auth.ErrRegistrationClosed, auth.Invite: auth.ErrInviteRequired,
	} {
		h := setup(t, config(func(c *auth.Config) { c.Registration = how }))
		if _, err := h.Service.Register(t.Context(), authtest.Input()); !errors.Is(err, want) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestInProductionTheSetupTokenMakesTheFirstAdministratorOnce(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		token, err := h.SetupToken(t.Context())
		if err != nil || token == "" {
			t.Fatal(token, err)
		}
		with := func(token string) (auth.SignIn, error) {
			in := authtest.Input()
			in.SetupToken = token
			return h.Service.Register(t.Context(), in)
		}
		if got, err := h.Service.Register(t.Context(), authtest.Input()); !errors.Is(err, auth.ErrRegistrationClosed) {
			t.Fatal(got, err)
		}
		if _, err := with(token + "x"); !errors.Is(err, auth.ErrBadSetupToken) {
			t.Fatal(err)
		}
		var admins atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				got, err := with(token)
				if err == nil && got.Account.Role == principal.Admin {
					admins.Add(1)
				} else if !errors.Is(err, auth.ErrBadSetupToken) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if admins.Load() != 1 {
			t.Fatalf("%d administrators", admins.Load())
		}
		if again, err := h.SetupToken(t.Context()); err != nil || again != "" {
			t.Fatal("a second setup token", err)
		}
	}, config(func(c *auth.Config) { c.Env, c.Registration = auth.Production, auth.Closed }))
}

func TestWithoutItsProfileRegisterFailsButTheEventIsThere(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.Profiles.Err = errs.ErrUnavailable
	in := authtest.Input()
	if _, err := h.Service.Register(t.Context(), in); !errors.Is(err, errs.ErrUnavailable) {
		t.Fatal(err)
	}
	if changes, err := h.Store.Changes(t.Context(), 0, 10); err != nil || len(changes) != 1 {
		t.Fatal(changes, err)
	}
	if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: in.Username, Password: in.Password}); err != nil {
		t.Fatal(err)
	}
}
