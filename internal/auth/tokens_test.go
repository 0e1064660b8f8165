package auth_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

const readWrite = principal.ScopeRead | principal.ScopeWrite

// personal makes a token for the caller.
func personal(t testing.TB, h *authtest.House, p principal.Principal, scopes principal.Scope) (auth.PersonalToken, string) {
	t.Helper()
	made, text, err := h.CreatePersonalToken(t.Context(), p, auth.NewToken{Name: "a script", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return made, text
}

// counted counts readings of tokens.
type counted struct {
	auth.Tokens
	reads atomic.Int64
}

func (c *counted) Token(ctx context.Context, id ids.PersonalToken, now time.Time) (auth.PersonalToken, auth.Access, error) {
	c.reads.Add(1)
	return c.Tokens.Token(ctx, id, now)
}

func counting(c *counted) authtest.Setup {
	return func(d *auth.Deps, _ *auth.Config) {
		c.Tokens = d.Tokens
		d.Tokens = c
	}
}

func refusedToken(t *testing.T, h *authtest.House, text string) {
	t.Helper()
	if p, err := h.Authenticate(t.Context(), text); !errors.Is(err, auth.ErrBadToken) {
		t.Fatalf("%+v %v", p, err)
	}
}

func TestAPersonalTokenSpeaksForItsUser(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		admin, member := h.Register(t), h.Register(t)
		made, text := personal(t, h, h.Caller(t, member), readWrite)
		want := principal.Principal{
			User: member.Account.ID, Session: auth.Handle(made.ID), Role: principal.Member, Token: made.ID, Scopes: readWrite,
		}
		for range 3 {
			if p, err := h.Authenticate(t.Context(), text); err != nil || p != want {
				t.Fatalf("%+v %v", p, err)
			}
		}
		for scopes, role := range map[principal.Scope]principal.Role{
			readWrite: principal.Member, readWrite | principal.ScopeAdmin: principal.Admin,
		} {
			_, text := personal(t, h, h.Caller(t, admin), scopes)
			if p, err := h.Authenticate(t.Context(), text); err != nil || p.Role != role || p.IsAdmin() != (role == principal.Admin) {
				t.Errorf("%+v %v", p, err)
			}
		}
		if _, _, err := h.CreatePersonalToken(t.Context(), h.Caller(t, member), auth.NewToken{Name: "x", Scopes: principal.ScopeAdmin}); !errors.Is(err, auth.ErrNoAdminScope) {
			t.Error(err)
		}
	})
}

func TestAPersonalTokenIsReadOnceAndInventedOnesNever(t *testing.T) {
	t.Parallel()
	var c counted
	h := setup(t, counting(&c))
	in := h.Register(t)
	_, text := personal(t, h, h.Caller(t, in), readWrite)
	for range 100 {
		if _, err := h.Authenticate(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.reads.Load(); n != 1 {
		t.Errorf("100 requests cost %d reads", n)
	}
	raw, err := b64.DecodeString(strings.TrimPrefix(text, "chatd_pat_"))
	if err != nil || len(raw) != 52 {
		t.Fatal(len(raw), err)
	}
	if crc32.ChecksumIEEE(raw[:48]) != binary.BigEndian.Uint32(raw[48:]) {
		t.Error("a scanner cannot tell it by its checksum")
	}
	for i := range 48 { // changed, with the checksum put right
		forged := append([]byte(nil), raw[:48]...)
		forged[i] ^= 1
		refusedToken(t, h, "chatd_pat_"+b64.EncodeToString(binary.BigEndian.AppendUint32(forged, crc32.ChecksumIEEE(forged))))
	}
	for i := range len(text) { // mistyped
		bad := []byte(text)
		bad[i] = map[bool]byte{true: 'x', false: 'y'}[bad[i] == 'y']
		_, err := h.Authenticate(t.Context(), string(bad))
		if !errors.Is(err, auth.ErrBadToken) || i >= 10 && errs.Of(err).Public() != auth.ErrMistypedToken.Public() {
			t.Fatalf("at %d: %v", i, err)
		}
	}
	for _, bad := range []string{text[:40], text + "A", "chatd_pat_", strings.ToUpper(text), text + "=", " " + text, in.RefreshToken, strings.Replace(text, "pat", "rt", 1)} {
		refusedToken(t, h, bad)
	}
	if n := c.reads.Load(); n != 1 {
		t.Errorf("invented tokens cost %d reads", n-1)
	}
	if _, err := h.Refresh(t.Context(), text); !errors.Is(err, auth.ErrBadRefresh) {
		t.Error(err)
	}
}

func TestARevokedTokenIsOverOnEveryNodeWithinASecond(t *testing.T) {
	each(t, func(t *testing.T, a *authtest.House) {
		b := authtest.New(t, a.Store, func(_ *auth.Deps, c *auth.Config) { c.Now = a.Clock.Now })
		in, other := a.Register(t), a.Register(t)
		p := a.Caller(t, in)
		made, text := personal(t, a, p, readWrite)
		_, kept := personal(t, a, p, readWrite)
		for _, h := range []*authtest.House{a, b} {
			if _, err := h.Authenticate(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []ids.PersonalToken{made.ID, ids.New[ids.PersonalToken]()} {
			if err := a.RevokePersonalToken(t.Context(), a.Caller(t, other), id); !errors.Is(err, auth.ErrNoToken) {
				t.Errorf("by another: %v", err)
			}
		}
		if err := a.RevokePersonalToken(t.Context(), p, made.ID); err != nil {
			t.Fatal(err)
		}
		refusedToken(t, a, text)
		if a.Told(auth.Handle(made.ID)) == 0 {
			t.Error("its sockets were not told")
		}
		a.Clock.Add(time.Second + time.Millisecond)
		refusedToken(t, b, text)
		if b.Told(auth.Handle(made.ID)) == 0 {
			t.Error("its sockets on the other node were not told")
		}
		if err := a.RevokePersonalToken(t.Context(), p, made.ID); !errors.Is(err, auth.ErrNoToken) {
			t.Errorf("again: %v", err)
		}
		if _, err := b.Authenticate(t.Context(), kept); err != nil {
			t.Errorf("another token of his: %v", err)
		}
	})
}

func TestTokensOutliveSignInsButNotASuspension(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		in := h.Register(t)
		made, text := personal(t, h, h.Caller(t, in), readWrite)
		if err := h.LogoutEverywhere(t.Context(), h.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		p, err := h.Authenticate(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		gone, err := h.Store.EndSessions(t.Context(), p.User, auth.Which{Reason: auth.StateLocked, At: h.Clock.Now()})
		if err != nil || len(gone) != 1 || gone[0] != auth.Handle(made.ID) {
			t.Fatal(gone, err)
		}
		h.Clock.Add(2 * time.Second) // the log is read by then
		refusedToken(t, h, text)
		if h.Told(auth.Handle(made.ID)) == 0 {
			t.Error("its sockets were not told")
		}
	})
}

func TestTokensHaveNamesScopesEndsAndALimit(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		p := h.Caller(t, h.Register(t))
		good := auth.NewToken{Name: "backup", Scopes: readWrite, ExpiresAt: h.Clock.Now().Add(time.Hour)}
		for want, change := range map[string]func(*auth.NewToken){
			"name":      func(n *auth.NewToken) { n.Name = " \n" },
			"scopes":    func(n *auth.NewToken) { n.Scopes = 0 },
			"expiresAt": func(n *auth.NewToken) { n.ExpiresAt = h.Clock.Now() },
		} {
			n := good
			change(&n)
			if _, _, err := h.CreatePersonalToken(t.Context(), p, n); field(err) != want {
				t.Errorf("%s: %v", want, err)
			}
		}
		_, text, err := h.CreatePersonalToken(t.Context(), p, good)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			personal(t, h, p, principal.ScopeRead)
		}
		if _, _, err := h.CreatePersonalToken(t.Context(), p, good); !errors.Is(err, auth.ErrTooManyTokens) {
			t.Fatal(err)
		}
		if got, err := h.Authenticate(t.Context(), text); err != nil || !got.Expires.Equal(good.ExpiresAt.Truncate(time.Millisecond)) {
			t.Fatalf("%+v %v", got, err)
		}
		h.Clock.Add(time.Hour)
		refusedToken(t, h, text)
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err := h.PersonalTokens(t.Context(), p, ids.User{}); err != nil || len(list) != 2 {
			t.Fatalf("%+v %v", list, err)
		}
	}, config(func(c *auth.Config) { c.TokenLimit = 3 }))
}

// touched counts what the store is told of uses.
type touched struct {
	auth.Tokens
	told atomic.Int64
	fail atomic.Bool
}

func (c *touched) TokensUsed(ctx context.Context, at map[ids.PersonalToken]time.Time) error {
	if c.fail.Load() {
		return errors.New("the store is away")
	}
	c.told.Add(int64(len(at)))
	return c.Tokens.TokensUsed(ctx, at)
}

func TestTheLastUseIsKeptByTheMinuteNotByTheRequest(t *testing.T) {
	t.Parallel()
	var c touched
	h := setup(t, func(d *auth.Deps, _ *auth.Config) { c.Tokens, d.Tokens = d.Tokens, &c })
	p := h.Caller(t, h.Register(t))
	made, text := personal(t, h, p, readWrite)
	lastUsed := func() time.Time {
		t.Helper()
		list, err := h.PersonalTokens(t.Context(), p, ids.User{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].LastUsedAt
	}
	if !lastUsed().IsZero() {
		t.Error("used before it was")
	}
	for range 3 {
		for range 100 {
			if _, err := h.Authenticate(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if want := h.Clock.Now().Truncate(time.Minute); !lastUsed().Equal(want) {
			t.Errorf("listed as %s, used at %s", lastUsed(), want)
		}
		c.fail.Store(true)
		if err := h.FlushUses(t.Context()); err == nil {
			t.Error("the store's failure is not told")
		}
		c.fail.Store(false)
		for range 2 {
			if err := h.FlushUses(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if stored, _, err := h.Store.Token(t.Context(), made.ID, h.Clock.Now()); err != nil || !stored.LastUsedAt.Equal(h.Clock.Now().Truncate(time.Minute)) {
			t.Error(stored.LastUsedAt, err)
		}
		h.Clock.Add(time.Minute)
	}
	if n := c.told.Load(); n != 3 {
		t.Errorf("300 requests within 3 minutes were %d writes", n)
	}
	if _, err := h.Authenticate(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(ctx); !errors.Is(err, context.Canceled) || c.told.Load() != 4 {
		t.Errorf("what was left at the end: %v, %d", err, c.told.Load())
	}
}

func TestBotsComeInByTokensOfTheirOwnersAlone(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		admin, member := h.Register(t), h.Register(t)
		p, other := h.Caller(t, admin), h.Caller(t, member)
		if _, err := h.CreateBot(t.Context(), other, "robot", ""); !errors.Is(err, errs.ErrForbidden) {
			t.Error(err)
		}
		name := authtest.Input().Username
		bot, err := h.CreateBot(t.Context(), p, strings.ToUpper(name), "A robot")
		if err != nil || bot.Role != principal.Bot || bot.Username != name {
			t.Fatalf("%+v %v", bot, err)
		}
		if made := h.Profiles.Of(bot.ID); made.DisplayName != "A robot" || !made.Bot {
			t.Errorf("%+v", made)
		}
		for _, password := range []string{"", authtest.Password} {
			if _, err := h.Service.Login(t.Context(), auth.LoginInput{Login: name, Password: password}); !errors.Is(err, auth.ErrBadCredentials) {
				t.Errorf("%q: %v", password, err)
			}
		}
		n := auth.NewToken{User: bot.ID, Name: "a bot's", Scopes: readWrite}
		for who, c := range map[string]struct {
			p principal.Principal
			n auth.NewToken
		}{
			"a member":                             {other, n},
			"an administrator who does not own it": {principal.Principal{User: member.Account.ID, Session: member.Session.ID, Role: principal.Admin}, n},
			"its owner, once no administrator":     {principal.Principal{User: p.User, Session: p.Session, Role: principal.Member}, n},
			"its owner for a member":               {p, auth.NewToken{User: other.User, Name: "x", Scopes: readWrite}},
			"its owner for nobody":                 {p, auth.NewToken{User: ids.New[ids.User](), Name: "x", Scopes: readWrite}},
		} {
			if _, _, err := h.CreatePersonalToken(t.Context(), c.p, c.n); !errors.Is(err, auth.ErrNoBot) {
				t.Errorf("%s: %v", who, err)
			}
		}
		bad := n
		bad.Scopes |= principal.ScopeAdmin
		if _, _, err := h.CreatePersonalToken(t.Context(), p, bad); !errors.Is(err, auth.ErrNoAdminScope) {
			t.Error(err)
		}
		made, text, err := h.CreatePersonalToken(t.Context(), p, n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Authenticate(t.Context(), text); err != nil || got.User != bot.ID || got.Role != principal.Bot {
			t.Fatalf("%+v %v", got, err)
		}
		if list, err := h.PersonalTokens(t.Context(), p, bot.ID); err != nil || len(list) != 1 || list[0].MadeBy != p.User {
			t.Fatalf("%+v %v", list, err)
		}
		if _, err := h.PersonalTokens(t.Context(), other, bot.ID); !errors.Is(err, auth.ErrNoBot) {
			t.Error(err)
		}
		if err := h.RevokePersonalToken(t.Context(), other, made.ID); !errors.Is(err, auth.ErrNoToken) {
			t.Error(err)
		}
		if err := h.RevokePersonalToken(t.Context(), p, made.ID); err != nil {
			t.Fatal(err)
		}
		refusedToken(t, h, text)
	})
}

func TestTheCommandLineMakesTokensForAccountsInUse(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	_, text, err := h.CreateTokenFor(t.Context(), in.Account.Username, auth.NewToken{Name: "x", Scopes: readWrite | principal.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := h.Authenticate(t.Context(), text); err != nil || !p.IsAdmin() {
		t.Fatalf("%+v %v", p, err)
	}
	if _, _, err := h.CreateTokenFor(t.Context(), "nobody", auth.NewToken{Name: "x", Scopes: readWrite}); !errors.Is(err, auth.ErrNoAccount) {
		t.Error(err)
	}
}

// BenchmarkAuthenticatePersonal stands for what every request of a bot pays.
func BenchmarkAuthenticatePersonal(b *testing.B) {
	h := house(b, config(func(c *auth.Config) { c.Now = nil }))
	in, err := h.Service.Register(b.Context(), authtest.Input())
	if err != nil {
		b.Fatal(err)
	}
	p, err := h.Authenticate(b.Context(), in.AccessToken)
	if err != nil {
		b.Fatal(err)
	}
	_, text := personal(b, h, p, readWrite)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() { _ = h.Run(ctx) }()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Authenticate(ctx, text); err != nil {
			b.Fatal(err)
		}
	}
}
