package main

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/redisdb/redisdbtest"
)

// A Redis that takes what it is told and answers nothing is worse than one
// that is down: whoever waits for it waits in vain.
func TestARedisThatHangsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	shared := redisdbtest.Start(t)
	way := newProxy(t, strings.TrimPrefix(shared.URL(), "redis://"))
	p := startProgram(t, "--limit", "sends=off", "--redis-url", way.before(t, shared.URL()))
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	messages := listen(t, p.dial(t, bob), "1", room, nil)
	over := p.login(t, ada)
	if err := p.gql(t.Context(), over.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	// Of all guesses ten pass, and one more each half minute.
	begun, passed, refused := time.Now(), 0, 0
	guess := func(when string, n int) {
		t.Helper()
		for range n {
			switch p.ask(t, "", `mutation { login(input: {login: "nobody", password: "a guess of many"}) { accessToken } }`, nil).code() {
			case "UNAUTHENTICATED":
				passed++
			case "RATE_LIMITED":
				refused++
			}
		}
		if most := 10 + int(time.Since(begun)/(30*time.Second)); passed > most || passed < 10 || passed+refused == 0 {
			t.Errorf("%s: %d guesses have passed, %d were refused", when, passed, refused)
		}
	}
	guess("with Redis", 10)
	// What is counted of sends is settled with Redis behind them; their answers
	// tell what it costs.
	sends := func(what string, lasts time.Duration) {
		t.Helper()
		var took []time.Duration
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			begin := time.Now()
			if _, err := p.send(t.Context(), ada, room, what, ""); err != nil {
				t.Fatalf("a send while %s: %v", what, err)
			}
			took = append(took, time.Since(begin))
			if m := receive(t, messages); m.text() != what {
				t.Fatalf("%q came", m.text())
			}
			pause(t.Context(), 20*time.Millisecond) // the rate of one account
		}
		var held, sum time.Duration
		for _, d := range took {
			if d > 50*time.Millisecond {
				held += d
			}
			sum += d
		}
		slices.Sort(took)
		t.Logf("%s: %d sends, p50 %v, slowest %v; %v in all above 50 ms", what, len(took), took[len(took)/2], took[len(took)-1], held)
		if slowest := took[len(took)-1]; slowest > 2*time.Second+slack {
			t.Errorf("%s: a send took %v", what, slowest)
		}
		if mean := sum / time.Duration(len(took)); soak && mean > 100*time.Millisecond {
			t.Errorf("%s: sends took %v in the mean", what, mean)
		}
	}
	sends("Redis answers", time.Second)
	faults := []fault{isSilent, isDown}
	if soak {
		faults = append(faults, isReset, isFar)
	}
	for _, f := range faults {
		way.suffer(t, f)
		inVain := p.metric(t, "chatd_redis_failed_calls_total")
		sends("Redis is "+string(f), redisHang)
		if inVain = p.metric(t, "chatd_redis_failed_calls_total") - inVain; inVain > 10 { // at once, and in a row
			t.Errorf("Redis is %s and was asked %v times", f, inVain)
		}
		guess("while Redis is "+string(f), 5)
		p.mustBeNoToken(t, "the token of the session that was ended", over.token)
		gone := p.login(t, bob)
		socket := p.dial(t, gone)
		if err := p.gql(t.Context(), gone.token, `mutation { logout { ok } }`, nil, nil); err != nil {
			t.Fatal(err)
		}
		p.mustBeOver(t, gone, socket)
		way.heal(t, f)
		begin := time.Now()
		await(t, 30*time.Second, "Redis is asked again", func() bool {
			_, body := p.get(t, "/readyz")
			return !strings.Contains(body, "degraded")
		})
		before := p.metric(t, `chatd_limit_counts_total{by="redis"}`)
		await(t, 10*time.Second, "Redis counts again", func() bool {
			p.ask(t, "", `mutation { login(input: {login: "`+rand.Text()+`", password: "a guess of many"}) { accessToken } }`, nil)
			return p.metric(t, `chatd_limit_counts_total{by="redis"}`) > before
		})
		t.Logf("%s: shared again after %v", f, time.Since(begin))
	}
	guess("in the end", 5)
	if refused == 0 {
		t.Error("no guess was refused")
	}
}
