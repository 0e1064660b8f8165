package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/redisdb/redisdbtest"
)

// What operators read of the limits is what the program has.
func TestTheLimitsOfTheDocsAreTheLimits(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "| limit | default | each | counts |\n| --- | --- | --- | --- |\n")
	if !ok {
		t.Fatal("docs/operations.md has no table of limits")
	}
	var want strings.Builder
	for _, r := range budgets() {
		fmt.Fprintf(&want, "| `%s` | `%s` | %s | %s |\n", r.Name, r.Rate, r.Whose, r.What)
	}
	got, _, _ := strings.Cut(rest, "\n\n")
	if got+"\n" != want.String() {
		t.Errorf("the table of docs/operations.md is\n%s\nand should be\n%s", got, want.String())
	}
}

const ownName = `{ viewer { user { id } } }`

// once counts how many of n tries pass; a refusal has to say RATE_LIMITED and
// for how long.
func once(t testing.TB, n int, try func(i int) reply) (passed int) {
	t.Helper()
	for i := range n {
		r := try(i)
		switch r.code() {
		case "":
			passed++
		case "RATE_LIMITED":
			var a struct{ Errors []*gqlError }
			_ = json.Unmarshal([]byte(r.body), &a)
			if ms, _ := a.Errors[0].Extensions["retryAfterMs"].(float64); ms < 1 || ms > 64*3_600_000 { // what several nodes gave is paid back
				t.Errorf("try %d: %v", i, r)
			}
			if s, err := strconv.Atoi(r.header.Get("Retry-After")); r.status == http.StatusTooManyRequests && (err != nil || s < 1 || s > 3600) {
				t.Errorf("try %d: Retry-After: %q", i, r.header.Get("Retry-After"))
			}
		default:
			t.Errorf("try %d: %v", i, r)
		}
	}
	return passed
}

const hourly = "/1h" // so that nothing comes back while the test runs

// One budget of sends over HTTP and all sockets, of each user; retries count,
// and what is refused is not stored.
func TestSendsAreCountedOverAllWaysTogether(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--limit", "sends=5"+hourly)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	room := p.group(t, ada, bob)
	say := `mutation { sendMessage(input: {conversationId: "` + room + `", text: "one", clientId: "1"}) { message { id } } }`
	if n := once(t, 3, func(int) reply { return p.ask(t, ada.token, say, nil) }); n != 3 {
		t.Fatalf("%d of the first three passed", n)
	}
	socket := p.dial(t, ada)
	for i, want := range []string{"next", "next", "RATE_LIMITED", "retryAfterMs"} {
		if r := askSocket(t, socket, say, nil); !strings.Contains(r, want) {
			t.Errorf("send %d on a socket: %s", i, r)
		}
	}
	if n := once(t, 3, func(int) reply { return p.ask(t, ada.token, strings.Replace(say, `"1"`, `"2"`, 1), nil) }); n != 0 {
		t.Errorf("%d passed over HTTP after the budget was used on a socket", n)
	}
	if n := once(t, 5, func(int) reply { return p.ask(t, bob.token, say, nil) }); n != 5 {
		t.Errorf("somebody else may send %d", n)
	}
	if h := p.history(t, ada, room); len(h) != 2 { // hers and bob's: all others were retries
		t.Errorf("%d messages", len(h))
	}
	if n := p.metric(t, `chatd_limit_refused_total{limit="sends"}`); n != 5 {
		t.Errorf("%v refusals are counted", n)
	}
}

// A personal token has a budget of its own within its user's.
func TestATokenHasABudgetOfItsOwn(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--limit", "requests-token=4"+hourly+",requests-user=12"+hourly)
	ada := p.register(t, "ada")
	_, one := p.personal(t, ada, "", "READ")
	_, other := p.personal(t, ada, "", "READ")
	for name, token := range map[string]string{"one token": one, "another": other} {
		if n := once(t, 6, func(int) reply { return p.ask(t, token, ownName, nil) }); n != 4 {
			t.Errorf("%s passed %d of 4", name, n)
		}
	}
	// Two to make the tokens and eight by them: two are left of hers.
	if n := once(t, 4, func(int) reply { return p.ask(t, ada.token, ownName, nil) }); n != 2 {
		t.Errorf("of her own budget %d were left", n)
	}
	if r := p.files(t, ada.token, http.MethodGet, "/files/"+nobodys["attachment"], nil); r.status != http.StatusTooManyRequests || r.head.Get("Retry-After") == "" {
		t.Errorf("a file is fetched beyond the budget: %d %v", r.status, r.head)
	}
}

func TestUploadsAreCounted(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--limit", "uploads=2"+hourly)
	ada := p.register(t, "ada")
	begin := func() fileReply {
		return p.files(t, ada.token, http.MethodPost, "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "3", "Upload-Metadata", called("a"))
	}
	for range 2 {
		if r := begin(); r.status != http.StatusCreated {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	r := begin()
	if s, err := strconv.Atoi(r.head.Get("Retry-After")); r.status != http.StatusTooManyRequests || err != nil || s < 3000 || s > 3600 || !strings.Contains(string(r.body), "RATE_LIMITED") {
		t.Errorf("the third: %d %v %s", r.status, r.head, r.body)
	}
}

// A client's address is its connection's; what it writes of itself into
// headers gives it no other budget. Behind a trusted proxy the proxy's word
// counts, two clients have a budget each, and a /64 of IPv6 has one.
func TestNobodyWritesHimselfAnotherAddress(t *testing.T) {
	t.Parallel()
	limits := []string{"--limit", "requests-network=20" + hourly, "--limit", "login-network=3" + hourly + ",login-known=3" + hourly}
	ask := func(t *testing.T, p *program, headers map[string]string, doc string) reply {
		t.Helper()
		h := map[string]string{"Content-Type": "application/json"}
		maps.Copy(h, headers)
		b, _ := json.Marshal(vars("query", doc))
		return p.do(t, http.MethodPost, "/graphql", h, strings.NewReader(string(b)))
	}
	names := []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Cluster-Client-Ip"}
	all := func(address string) map[string]string {
		h := map[string]string{}
		for _, name := range names {
			h[name] = address
		}
		h["Forwarded"] = "for=" + address
		return h
	}
	t.Run("without a proxy", func(t *testing.T) {
		t.Parallel()
		p := startProgram(t, limits...)
		if n := once(t, 100, func(i int) reply { return ask(t, p, all(fmt.Sprintf("203.0.113.%d", i)), `{ __typename }`) }); n != 20 {
			t.Errorf("%d of a budget of 20 passed", n)
		}
	})
	t.Run("sign-ins without a proxy", func(t *testing.T) {
		t.Parallel()
		p := startProgram(t, limits...)
		looked := 0
		for i := range 10 {
			guess := fmt.Sprintf(`mutation { login(input: {login: "nobody%d", password: "a guess of many"}) { accessToken } }`, i)
			if r := ask(t, p, all(fmt.Sprintf("203.0.113.%d", i)), guess); r.code() == "UNAUTHENTICATED" {
				looked++
			}
		}
		if looked != 3 {
			t.Errorf("%d guesses of a budget of 3 were looked at", looked)
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		t.Parallel()
		p := startProgram(t, append([]string{"--trusted-proxies", "127.0.0.1"}, limits...)...)
		for _, client := range []string{"203.0.113.1", "203.0.113.2"} {
			// What stands further left was written by the client.
			if n := once(t, 40, func(i int) reply {
				return ask(t, p, map[string]string{"X-Forwarded-For": fmt.Sprintf("198.51.100.%d, %s", i, client)}, `{ __typename }`)
			}); n != 20 {
				t.Errorf("%s: %d of a budget of 20 passed", client, n)
			}
		}
		if n := once(t, 100, func(i int) reply {
			return ask(t, p, map[string]string{"X-Forwarded-For": fmt.Sprintf("2001:db8:7::%x:%x", (i*7919)&0xffff, i)}, `{ __typename }`)
		}); n != 20 {
			t.Errorf("one /64: %d of a budget of 20 passed", n)
		}
		if n := once(t, 3, func(int) reply {
			return ask(t, p, map[string]string{"X-Forwarded-For": "2001:db8:8::1"}, `{ __typename }`)
		}); n != 3 {
			t.Errorf("another /64: %d passed", n)
		}
	})
}

// What is sent on one node counts on the others, without one of them asking
// before it answers; without Redis each counts alone, at the same numbers.
func TestSendsAreCountedOverAllNodesTogether(t *testing.T) {
	t.Parallel()
	redis := redisdbtest.Start(t)
	args := []string{"--limit", "sends=32" + hourly, "--redis-url", redis.URL(), "--kafka-brokers", strings.Join(kafkabustest.Brokers(t), ",")}
	nodes := startNodesWith(t, 2, onPostgres(t)[len(unlimited):], func(int) []string { return args })
	here, there := nodes[0], nodes[1]
	ada := here.register(t, "ada")
	room := here.group(t, ada)
	say := `mutation { sendMessage(input: {conversationId: "` + room + `", text: "one"}) { message { id } } }`
	sent := func(p *program) func(int) reply {
		return func(int) reply { return p.ask(t, ada.token, say, nil) }
	}
	if n := once(t, 40, sent(here)); n != 32 {
		t.Errorf("%d of 32 were sent on the first node", n)
	}
	// The other gives two at a time and hears of the rest.
	passed := 0
	await(t, 30*time.Second, "the other node refuses", func() bool {
		if n := once(t, 1, sent(there)); n == 1 {
			passed++
			return false
		}
		return true
	})
	if passed > 31 {
		t.Errorf("%d were sent on the other node", passed)
	}
	t.Logf("of 32, %d more were sent on the other node before it knew", passed)
	redis.Stop(t)
	bob := there.register(t, "bob")
	open := there.group(t, bob)
	say = strings.Replace(say, room, open, 1)
	if n := once(t, 40, func(int) reply { return there.ask(t, bob.token, say, nil) }); n != 32 {
		t.Errorf("without Redis %d of 32 were sent", n)
	}
}

// A budget that auth has is a row of the table, and what is set by its name is
// what auth counts by.
func TestEveryBudgetOfSignInIsInTheTable(t *testing.T) {
	t.Parallel()
	var settings []string
	for i, r := range budgets() {
		settings = append(settings, fmt.Sprintf("%s=%d/1s", r.Name, i+1))
	}
	cfg := LimitsConfig{Rates: settings}
	rates := reflect.ValueOf((&limits{table: cfg.table()}).signIn())
	seen := map[int]bool{}
	for i := range rates.NumField() {
		name := rates.Type().Field(i).Name
		r, ok := reflect.TypeAssert[limit.Rate](rates.Field(i))
		if !ok || r.Burst == 0 || r.Per != time.Second || seen[r.Burst] {
			t.Errorf("Rates.%s is %v: give it a row of its own in budgets, and a line in signIn", name, r)
		}
		seen[r.Burst] = true
	}
}
