package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// mustBeOver says that a session has ended for requests, for the refresh token
// and for its socket, which had a second.
func (p *program) mustBeOver(t testing.TB, who person, socket *wsclient.Conn) {
	t.Helper()
	closesWith(t, socket, 4403, time.Second+slack)
	p.mustBeNoToken(t, "the access token", who.token)
	if _, err := p.renew(t, who.refresh); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("the refresh token: %v", err)
	}
}

func TestTheEndOfASessionEndsItsTokensAndItsSockets(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, p *program, gone, other person) error{
		"logout": func(t *testing.T, p *program, gone, _ person) error {
			return p.gql(t.Context(), gone.token, `mutation { logout { ok } }`, nil, nil)
		},
		"logoutEverywhere by another device": func(t *testing.T, p *program, _, other person) error {
			return p.gql(t.Context(), other.token, `mutation { logoutEverywhere { ok } }`, nil, nil)
		},
		"revokeSession by another device": func(t *testing.T, p *program, gone, other person) error {
			_, claims, _ := jwtParts(t, gone.token)
			return p.gql(t.Context(), other.token, `mutation($s: ID!) { revokeSession(input: {sessionId: $s}) { ok } }`, vars("s", claims["sid"]), nil)
		},
		"logout on the socket itself": func(t *testing.T, p *program, gone, _ person) error {
			c := p.dial(t, gone)
			_, err := c.Query(t.Context(), `mutation { logout { ok } }`, nil)
			if closeCode(c.Err()) == 4403 {
				return nil // the end may overtake the answer
			}
			return err
		},
	}
	p := startProgram(t)
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := p.register(t, fmt.Sprintf("user%d", len(name)))
			gone := p.login(t, other)
			socket := p.dial(t, gone)
			if err := end(t, p, gone, other); err != nil {
				t.Fatal(err)
			}
			p.mustBeOver(t, gone, socket)
		})
	}
}

func TestAStolenRefreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	first := p.register(t, "ada")
	second, err := p.renew(t, first.refresh)
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.renew(t, first.refresh)
	if err != nil || again.refresh != second.refresh {
		t.Fatalf("a lost answer asked for again gives another token: %v", err)
	}
	third, err := p.renew(t, second.refresh)
	if err != nil {
		t.Fatal(err)
	}
	socket := p.dial(t, third)
	if _, err := p.renew(t, first.refresh); codeOf(err) != "UNAUTHENTICATED" {
		t.Fatalf("the grandparent, within the grace: %v", err)
	}
	p.mustBeOver(t, third, socket)
}

func TestManyThatRefreshAtOnceStaySignedIn(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	for range 5 {
		var wg sync.WaitGroup
		got := make([]person, 50)
		for i := range got {
			wg.Go(func() {
				next, err := p.renew(t, ada.refresh)
				if err != nil {
					t.Errorf("at once: %v", err)
				}
				got[i] = next
			})
		}
		wg.Wait()
		for _, next := range got {
			if next.refresh != got[0].refresh {
				t.Fatal("two children of one token")
			}
		}
		ada.token, ada.refresh = got[0].token, got[0].refresh
	}
	if r := p.ask(t, ada.token, whoAmI, nil); r.code() != "" {
		t.Errorf("afterwards: %v", r)
	}
}

func TestASignInNeverTakesOverASessionOfTheCallersChoice(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, eve := p.register(t, "ada"), p.register(t, "eve")
	seen := map[string]bool{p.session(t, eve): true}
	_, claims, _ := jwtParts(t, ada.token)
	seen[claims["sid"].(string)] = true
	for range 3 {
		// Whatever the request carries of another session: a token, a cookie.
		r := p.do(t, http.MethodPost, "/graphql", map[string]string{
			"Content-Type": "application/json", "Authorization": "Bearer " + eve.token, "Cookie": "sid=" + p.session(t, eve),
		}, strings.NewReader(`{"query":"mutation { login(input: {login: \"ada\", password: \"a long passphrase of ada\"}) { session { id } accessToken } }"}`))
		_, rest, _ := strings.Cut(r.body, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if r.code() != "" || seen[id] || !strings.HasPrefix(id, "ses_") {
			t.Errorf("%v", r)
		}
		seen[id] = true
	}
}

func TestASocketIsRenewedByItsOwnSessionAlone(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	const renew = `mutation($t: String!) { renewConnection(input: {accessToken: $t}) { __typename } }`
	if r := p.ask(t, ada.token, renew, vars("t", ada.token)); r.code() != "FAILED_PRECONDITION" {
		t.Errorf("over HTTP: %v", r)
	}
	socket := p.dial(t, ada)
	live := listenAll(t, socket, "live", nil)
	receive(t, live)
	for what, token := range map[string]string{
		"another's": bob.token, "one's own of another device": p.login(t, ada).token, "a refresh token": ada.refresh, "nothing": "",
	} {
		if r := askSocket(t, socket, renew, vars("t", token)); !strings.Contains(r, `"errors"`) {
			t.Errorf("%s: %s", what, r)
		}
	}
	next, err := p.renew(t, ada.refresh)
	if err != nil {
		t.Fatal(err)
	}
	if r := askSocket(t, socket, renew, vars("t", next.token)); strings.Contains(r, `"errors"`) {
		t.Errorf("with the next token: %s", r)
	}
	room := p.group(t, ada, bob)
	if _, err := p.send(t.Context(), bob, room, "still there?", ""); err != nil {
		t.Fatal(err)
	}
	for e := receive(t, live); e.Message == nil || e.Message.text() != "still there?"; e = receive(t, live) {
		if e.Type == "Reset" {
			t.Fatalf("%+v", e)
		}
	}
}

// One budget for both ways: what is spent over HTTP is missing on a socket.
func TestGuessesAreCountedOverAllWaysTogether(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	socket := dialAnonymously(t, p)
	const guess = `mutation { login(input: {login: "nobody", password: "a guess of many"}) { accessToken } }`
	codes, begun := map[string]int{}, time.Now()
	for range 6 {
		codes[p.ask(t, "", guess, nil).code()]++
		for _, code := range []string{"UNAUTHENTICATED", "RATE_LIMITED"} {
			if strings.Contains(askSocket(t, socket, guess, nil), code) {
				codes[code]++
				break
			}
		}
	}
	most := 10 + int(time.Since(begun)/(30*time.Second)) // one comes back each half minute
	if n := codes["UNAUTHENTICATED"]; n < 10 || n > most || n+codes["RATE_LIMITED"] != 12 {
		t.Errorf("of 12 guesses %v", codes)
	}
	var err error
	for n := 0; n < 12 && codeOf(err) != "RATE_LIMITED"; n++ { // unless one has come back just now
		err = p.gql(t.Context(), "", guess, nil, nil)
	}
	if failed, ok := errors.AsType[*gqlError](err); !ok || failed.Extensions["retryAfterMs"] == nil {
		t.Errorf("the refusal says not when to come again: %v", err)
	}
}
