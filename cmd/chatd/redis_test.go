package main

import (
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/redisdb/redisdbtest"
)

// Redis goes away under a running server and comes back. Nothing opens up
// meanwhile, and nobody is kept from working.
func TestWithoutItsRedisAServerGoesOnAndStaysClosed(t *testing.T) {
	t.Parallel()
	shared := redisdbtest.Start(t)
	p := startProgram(t, "--redis-url", shared.URL())
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	const guess = `mutation { login(input: {login: "nobody", password: "a guess of many"}) { accessToken } }`
	begun, passed := map[string]time.Time{}, map[string]int{}
	// Of all guesses at an account ten pass, and one more each half minute.
	spend := func(when, login string) {
		t.Helper()
		if begun[login].IsZero() {
			begun[login] = time.Now()
		}
		for range 12 {
			switch code := p.ask(t, "", strings.Replace(guess, "nobody", login, 1), nil).code(); code {
			case "UNAUTHENTICATED":
				passed[login]++
			case "RATE_LIMITED":
			default:
				t.Errorf("%s: a guess is told %q", when, code)
			}
		}
		if most := 10 + int(time.Since(begun[login])/(30*time.Second)); passed[login] < 10 || passed[login] > most {
			t.Errorf("%s: %d guesses have passed, and %d may", when, passed[login], most)
		}
	}
	works := func(when, text string) {
		t.Helper()
		if _, err := p.send(t.Context(), ada, room, text, ""); err != nil {
			t.Errorf("a send %s: %v", when, err)
		}
	}
	shows := func(want string) func() bool {
		return func() bool {
			status, body := p.get(t, "/readyz")
			return status == 200 && strings.Contains(body, want)
		}
	}
	spend("with Redis", "nobody")
	over := p.login(t, ada)
	overSocket := p.dial(t, over)
	works("with Redis", "one")

	shared.Stop(t)
	spend("without Redis, again", "nobody")
	spend("without Redis", "somebody")
	works("without Redis", "two")
	if err := p.gql(t.Context(), over.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	p.mustBeOver(t, over, overSocket)
	redisdbtest.Eventually(t, "degraded", shows("degraded"))

	shared.Again(t)
	redisdbtest.Eventually(t, "as before", func() bool { return !shows("degraded")() })
	works("with Redis again", "three")
	spend("with an empty Redis", "nobody")
	if n := len(p.history(t, bob, room)); n != 3 {
		t.Errorf("%d messages", n)
	}
}
