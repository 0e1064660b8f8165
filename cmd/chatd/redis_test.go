package main

import (
	"strings"
	"testing"

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
	spend := func(login string) (codes map[string]int) {
		codes = map[string]int{}
		for range 12 {
			codes[p.ask(t, "", strings.Replace(guess, "nobody", login, 1), nil).code()]++
		}
		return codes
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
	if codes := spend("nobody"); codes["UNAUTHENTICATED"] != 10 || codes["RATE_LIMITED"] != 2 {
		t.Errorf("with Redis, of 12 guesses: %v", codes)
	}
	over := p.login(t, ada)
	overSocket := p.dial(t, over)
	works("with Redis", "one")

	shared.Stop(t)
	if codes := spend("nobody"); codes["RATE_LIMITED"] != 12 {
		t.Errorf("without Redis the guesses that were spent are free again: %v", codes)
	}
	if codes := spend("somebody"); codes["UNAUTHENTICATED"] != 10 || codes["RATE_LIMITED"] != 2 {
		t.Errorf("without Redis, of 12 guesses: %v", codes)
	}
	works("without Redis", "two")
	if err := p.gql(t.Context(), over.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	p.mustBeOver(t, over, overSocket)
	redisdbtest.Eventually(t, "degraded", shows("degraded"))

	shared.Again(t)
	redisdbtest.Eventually(t, "as before", func() bool { return !shows("degraded")() })
	works("with Redis again", "three")
	if codes := spend("nobody"); codes["RATE_LIMITED"] < 11 { // one comes back every few seconds
		t.Errorf("with an empty Redis the guesses are free again: %v", codes)
	}
	if n := len(p.history(t, bob, room)); n != 3 {
		t.Errorf("%d messages", n)
	}
}
