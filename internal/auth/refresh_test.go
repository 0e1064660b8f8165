package auth_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
)

func refresh(t *testing.T, h *authtest.House, token string) auth.SignIn {
	t.Helper()
	got, err := h.Refresh(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// dead says that a session is gone: its tokens are refused and its sockets told.
func dead(t *testing.T, h *authtest.House, in auth.SignIn) {
	t.Helper()
	if _, err := h.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("the access token: %v", err)
	}
	if _, err := h.Refresh(t.Context(), in.RefreshToken); !errors.Is(err, auth.ErrBadRefresh) {
		t.Errorf("the refresh token: %v", err)
	}
	if h.Told(in.Session.ID) == 0 {
		t.Error("the sockets were not told")
	}
}

func TestARefreshTokenGivesTheNextPair(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		h.Clock.Add(time.Hour)
		second, err := h.Refresh(authtest.From(t.Context(), "192.0.2.9"), first.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		if second.Session.ID != first.Session.ID || second.RefreshToken == first.RefreshToken ||
			second.Account != first.Account || second.Session.Address != "192.0.2.9" {
			t.Fatalf("%+v", second)
		}
		if slid := second.Session.ExpiresAt.Sub(first.Session.ExpiresAt); slid < time.Hour {
			t.Fatalf("the session slid by %v", slid)
		}
		h.Caller(t, second)
		refresh(t, h, second.RefreshToken)
	})
}

func TestAUsedRefreshTokenEndsItsSessionAfterTheGrace(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		bystander := h.Login(t, first.Account)
		second := refresh(t, h, first.RefreshToken)
		h.Caller(t, second)
		h.Clock.Add(10*time.Second + time.Millisecond)
		_, err := h.Refresh(t.Context(), first.RefreshToken)
		if !errors.Is(err, auth.ErrBadRefresh) {
			t.Fatal(err)
		}
		dead(t, h, second)
		h.Caller(t, bystander)
	})
}

func TestALostAnswerIsGivenAgainWithinTheGrace(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		second := refresh(t, h, first.RefreshToken)
		h.Clock.Add(9 * time.Second)
		again := refresh(t, h, first.RefreshToken)
		if again.RefreshToken != second.RefreshToken {
			t.Fatal("a second child")
		}
		h.Caller(t, refresh(t, h, again.RefreshToken))
	})
}

func TestTheGraceIsForTheDirectParentOnly(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		first := h.Register(t)
		second := refresh(t, h, first.RefreshToken)
		third := refresh(t, h, second.RefreshToken)
		if _, err := h.Refresh(t.Context(), first.RefreshToken); !errors.Is(err, auth.ErrBadRefresh) {
			t.Fatalf("the grandparent within the grace: %v", err)
		}
		dead(t, h, third)
	})
}

func TestManyThatRefreshAtOnceGetOneChild(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		last := h.Register(t)
		for range 5 {
			var mu sync.Mutex
			children := map[string]auth.SignIn{}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					got, err := h.Refresh(t.Context(), last.RefreshToken)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					children[got.RefreshToken] = got
				})
			}
			wg.Wait()
			if len(children) != 1 {
				t.Fatalf("%d children", len(children))
			}
			for _, child := range children {
				last = child
			}
			h.Caller(t, last)
		}
		if list, err := h.Sessions(t.Context(), h.Caller(t, last)); err != nil || len(list) != 1 {
			t.Fatal(len(list), err)
		}
	})
}

func TestASessionEndsUnusedAndForGood(t *testing.T) {
	each(t, func(t *testing.T, h *authtest.House) {
		idle := h.Register(t)
		used := h.Login(t, idle.Account)
		for range 3 {
			h.Clock.Add(50 * time.Minute)
			used = refresh(t, h, used.RefreshToken)
		}
		if _, err := h.Refresh(t.Context(), idle.RefreshToken); !errors.Is(err, auth.ErrBadRefresh) {
			t.Fatalf("unused for two hours and a half: %v", err)
		}
		if !used.Session.ExpiresAt.Equal(used.Session.EndsAt) {
			t.Fatalf("slides past its end: %+v", used.Session)
		}
		h.Clock.Add(31 * time.Minute)
		if _, err := h.Refresh(t.Context(), used.RefreshToken); !errors.Is(err, auth.ErrBadRefresh) {
			t.Fatalf("past its absolute end: %v", err)
		}
		if err := h.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}, config(func(c *auth.Config) { c.SessionIdle, c.SessionLife = time.Hour, 3*time.Hour }))
}

func TestInventedRefreshTokensEndNothing(t *testing.T) {
	t.Parallel()
	h := setup(t)
	in := h.Register(t)
	foreign := setup(t)
	for name, token := range map[string]string{
		"empty":              "",
		"an access token":    in.AccessToken,
		"cut off":            in.RefreshToken[:len(in.RefreshToken)-1],
		"longer":             in.RefreshToken + "A",
		"no prefix":          in.RefreshToken[9:],
		"another session":    h.RefreshFor(ids.New[ids.Session](), 0),
		"another secret":     h.RefreshFor(in.Session.ID, 0),
		"from the future":    h.RefreshFor(in.Session.ID, 7),
		"of another account": foreign.Register(t).RefreshToken,
	} {
		if _, err := h.Refresh(t.Context(), token); !errors.Is(err, auth.ErrBadRefresh) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range in.RefreshToken {
		b := []byte(in.RefreshToken)
		b[i] ^= 1
		if _, err := h.Refresh(t.Context(), string(b)); !errors.Is(err, auth.ErrBadRefresh) {
			t.Errorf("a flipped bit at %d: %v", i, err)
		}
	}
	h.Caller(t, refresh(t, h, in.RefreshToken))
}

func FuzzParseRefresh(f *testing.F) {
	ring := house(f)
	f.Add("")
	f.Add("chatd_rt_")
	f.Add(ring.RefreshFor(ids.New[ids.Session](), 0))
	f.Add(ring.RefreshFor(ids.New[ids.Session](), 1<<32-1))
	f.Fuzz(func(t *testing.T, text string) {
		if back, ok := ring.ParseRefresh(text); ok && back != text {
			t.Fatalf("%q is a second form of %q", text, back)
		}
	})
}
