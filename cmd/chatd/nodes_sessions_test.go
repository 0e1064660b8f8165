package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/redisdb/redisdbtest"
)

// Whoever signs out on one node is out on the other, with Redis to tell it and
// without.
func TestTheEndOfASessionIsHeardOnEveryNode(t *testing.T) {
	t.Parallel()
	shared := redisdbtest.Start(t)
	way := newProxy(t, strings.TrimPrefix(shared.URL(), "redis://"))
	nodes := startNodes(t, 2, "--redis-url", way.before(t, shared.URL()))
	here, there := nodes[0], nodes[1]
	ada := here.register(t, "ada")
	rounds := func(what string) {
		t.Helper()
		var took []time.Duration
		for range sessionRounds {
			gone := here.login(t, ada)
			socket := there.dial(t, gone)
			barrier(t, socket)
			begin := time.Now()
			if err := here.gql(t.Context(), gone.token, `mutation { logout { ok } }`, nil, nil); err != nil {
				t.Fatal(err)
			}
			closesWith(t, socket, 4403, time.Second+slack)
			took = append(took, time.Since(begin))
			there.mustBeNoToken(t, "the access token", gone.token)
			if _, err := there.renew(t, gone.refresh); codeOf(err) != "UNAUTHENTICATED" {
				t.Errorf("the refresh token: %v", err)
			}
		}
		slices.Sort(took)
		t.Logf("%s: %d sockets of another node closed within %v, half of them within %v", what, len(took), took[len(took)-1], took[len(took)/2])
	}
	rounds("with Redis")
	id, text := here.personal(t, ada, "", "READ")
	socket := there.dial(t, person{token: text})
	barrier(t, socket)
	if err := here.gql(t.Context(), ada.token, `mutation($t: ID!) { revokePersonalToken(input: {tokenId: $t}) { ok } }`, vars("t", id), nil); err != nil {
		t.Fatal(err)
	}
	closesWith(t, socket, 4403, time.Second+slack)
	there.mustBeNoToken(t, "a personal token", text)
	way.suffer(t, isSilent)
	rounds("with a Redis that hangs")
	way.heal(t, isSilent)
}

// A hundred guesses at once on two nodes spend one budget: as many are looked
// at as on one node, and no more. Where a machine is so busy that Redis does
// not answer within its 100 ms, each node counts by itself.
func TestGuessesAreCountedOverAllNodesTogether(t *testing.T) {
	t.Parallel()
	redis := []string{"--redis-url", redisdbtest.Start(t).URL(), "--kafka-brokers", strings.Join(kafkabustest.Brokers(t), ",")}
	nodes := startNodesWith(t, 2, onPostgres(t)[len(unlimited):], func(int) []string { return redis })
	alone := func() (n float64) {
		for _, p := range nodes {
			n += p.metric(t, `chatd_limit_counts_total{by="process"}`)
		}
		return n
	}
	exact := 0
	const login = `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { accessToken } }`
	for _, c := range []struct {
		what, login, password string
		budget                int
		per                   time.Duration // one comes back
		rounds                int
	}{
		{"an account, from where it signed in before", "user", "a long passphrase of user", 30, 10 * time.Second, guessRounds},
		{"nobody's account", "nobody", "", 10, 30 * time.Second, 1},
	} {
		for round := 0; round < c.rounds || exact == 0 && c.password == "" && round < 10; round++ {
			guesses := 100
			if round >= c.rounds { // not as many at once, where Redis was not quick enough for that
				guesses = max(24, guesses>>(round-c.rounds+1))
				for _, p := range nodes {
					await(t, 30*time.Second, "Redis is asked again", func() bool { return !strings.Contains(readiness(t, p), "degraded") })
				}
			}
			name, right := c.login+string(rune('a'+round/26))+string(rune('a'+round%26)), ""
			if c.password != "" {
				nodes[round%2].register(t, name)
				right = "a long passphrase of " + name
			}
			lucky := rand.IntN(guesses)
			var mu sync.Mutex
			codes := map[string]int{}
			begin, without := time.Now(), alone()
			var wg sync.WaitGroup
			for n := range guesses {
				wg.Go(func() {
					password := "a guess of many"
					if n == lucky && right != "" {
						password = right
					}
					code := nodes[n%2].ask(t, "", login, vars("l", name, "p", password)).code()
					mu.Lock()
					codes[code]++
					mu.Unlock()
				})
			}
			wg.Wait()
			looked := codes["UNAUTHENTICATED"] + codes[""]
			most := c.budget + 1 + int(time.Since(begin)/c.per)
			if alone() == without {
				exact++
			} else {
				most *= len(nodes)
			}
			// A machine that is too busy for all these hashes has no answer in time
			// for some that pass.
			hurried := codes["UNAVAILABLE"]
			if looked+hurried < c.budget || looked > most || looked+hurried+codes["RATE_LIMITED"] != guesses {
				t.Errorf("%s: of %d guesses on two nodes %d were looked at, want %d: %v", c.what, guesses, looked, c.budget, codes)
			}
			if round == 0 || round >= c.rounds {
				t.Logf("%s: of %d guesses on two nodes %d were looked at, in %v", c.what, guesses, looked, time.Since(begin).Round(time.Millisecond))
			}
		}
	}
	t.Logf("in %d rounds Redis answered every time", exact)
	if exact == 0 {
		t.Error("in no round were guesses counted together")
	}
}
