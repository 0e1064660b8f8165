package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/testenv"
	"chatd/internal/platform/wsgql/wsclient"
)

// clockwork is a chatd whose wall clock can be set: the same sources, built
// with a package time of which Now adds to the wall clock and leaves monotonic
// time alone, as the step of a machine's clock does. So all of the program
// sees it, its libraries too, and the program as it is shipped has no place
// for it. The first build takes a minute or two.
var clockwork = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chatd-clock-")
	if err != nil {
		return "", err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const read, imports = "sec, nsec, mono := runtimeNow()\n\tif mono == 0 {", "import (\n"
	if strings.Count(string(text), read) != 1 || strings.Count(string(text), imports) != 1 {
		return "", fmt.Errorf("%s is not as it was: look again where Now reads the wall clock", source)
	}
	changed := strings.Replace(string(text), read, "sec, nsec, mono := runtimeNow()\n\tsec += shifted.Load()\n\tif mono == 0 {", 1)
	changed = strings.Replace(changed, imports, imports+"\t\"internal/runtime/atomic\"\n", 1)
	changed += "\nvar shifted atomic.Int64\n\nfunc Shift(by Duration) { shifted.Store(int64(by / Second)) }\n"
	clock := filepath.Join(dir, "time.go")
	if err := os.WriteFile(clock, []byte(changed), 0o600); err != nil {
		return "", err
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		source:                           clock,
		filepath.Join(here, "zshift.go"): filepath.Join(here, "testdata", "clock", "shift.go"),
	}})
	if err != nil {
		return "", err
	}
	plan := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(plan, overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "chatd")
	build := exec.Command("go", "build", "-overlay", plan, "-o", program, ".")
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// withClock makes a program one whose clock can be set, before its start.
func (p *program) withClock(t testing.TB) {
	t.Helper()
	if !soak && !testenv.Required("clock") {
		testenv.Missing(t, "clock", "chatd is built anew, with another package time")
	}
	testenv.Tool(t, "go")
	built, err := clockwork()
	if err != nil {
		t.Fatal(err)
	}
	p.exe, p.clock = built, filepath.Join(t.TempDir(), "clock")
	p.env = append(p.env, "CHATD_TEST_CLOCK="+p.clock)
}

// setClock lets the program's clock stand wrong by so much, in whole seconds,
// and waits until a running one shows it.
func (p *program) setClock(t testing.TB, by time.Duration, runs bool) {
	t.Helper()
	next := p.clock + ".next"
	if err := os.WriteFile(next, []byte(strconv.Itoa(int(by/time.Second))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, p.clock); err != nil {
		t.Fatal(err)
	}
	if !runs {
		return
	}
	await(t, 10*time.Second, fmt.Sprint("the clock is wrong by ", by), func() bool {
		shown, err := http.ParseTime(p.do(t, http.MethodGet, "/healthz", nil, nil).header.Get("Date"))
		off := time.Until(shown) - by
		return err == nil && off < 3*time.Second && off > -3*time.Second
	})
}

// startNodesApart is startNodes with clocks that are wrong by so much each.
func startNodesApart(t *testing.T, by ...time.Duration) []*program {
	t.Helper()
	nodes := makeNodes(t, len(by), onPostgres(t), kafkaOf(t))
	for i, p := range nodes {
		p.withClock(t)
		p.setClock(t, by[i], false)
		p.start(t)
		p.setClock(t, by[i], true)
	}
	return nodes
}

// With seconds between their clocks nodes do not differ for anybody: who signed
// in on one is known on all, and the same key makes the same message.
func TestNodesWhoseClocksDifferBySecondsAreOneServer(t *testing.T) {
	t.Parallel()
	nodes := startNodesApart(t, 0, 5*time.Second, -50*time.Second)
	c := assemble(t, nodes[0], 2, 6, 9)
	for _, w := range c.writers {
		w.pause = 5 * time.Millisecond
	}
	c.start(t, func() time.Duration { return 300 * time.Millisecond })
	for range 10 {
		pause(t.Context(), clockTime/10)
		var first message
		key := fmt.Sprint("key of all ", time.Now().UnixNano())
		for i, p := range nodes {
			m, err := p.send(t.Context(), c.people[0], c.rooms[0], key, key)
			if err != nil {
				t.Fatalf("node %d: %v", i, err)
			}
			if i == 0 {
				first = m
				c.log.add(&sent{writer: 3000, room: c.rooms[0], text: key, fate: acked, got: m})
			}
			if m.ID != first.ID || m.Seq != first.Seq {
				t.Errorf("node %d has made another message of the key: %+v, %+v", i, m, first)
			}
		}
	}
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused", n)
	}
}

// With hours between them nobody's message is lost, doubled or out of order. A
// token is good on the nodes whose clocks are near the one that it came from;
// elsewhere the client refreshes it and goes on.
func TestNodesWhoseClocksDifferByHoursKeepOneOrder(t *testing.T) {
	t.Parallel()
	nodes := startNodesApart(t, 0, time.Hour, -time.Hour)
	nodes[0].peers = nil
	c := assemble(t, nodes[0], 2, 6, 9)
	local := make([][]person, len(nodes)) // everybody, with a session of the node
	for i, p := range nodes {
		for _, who := range c.people {
			local[i] = append(local[i], p.login(t, who))
		}
	}
	for i, w := range c.writers {
		w.p, w.who, w.pause = nodes[i%3], local[i%3][i%len(c.people)], 5*time.Millisecond
	}
	for i, f := range c.followers {
		f.p, f.who, f.next = nodes[i%3], local[i%3][i%len(c.people)], nodes[i%3].ws
	}
	c.start(t, func() time.Duration { return 300 * time.Millisecond })
	pause(t.Context(), clockTime)
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused", n)
	}
	for i, p := range nodes {
		who := local[(i+1)%3][0]
		if err := p.gql(t.Context(), who.token, whoAmI, nil, nil); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("a token from a clock an hour away on node %d: %v", i, err)
		}
		again, err := p.renew(t, who.refresh)
		if err != nil {
			t.Errorf("node %d does not refresh a session of another: %v", i, err)
			continue
		}
		if err := p.gql(t.Context(), again.token, whoAmI, nil, nil); err != nil {
			t.Errorf("and its token is no good: %v", err)
		}
	}
}

// A clock that steps back under load changes no order, ends no session, and
// lets nobody type for ever.
func TestAClockThatStepsBackIsNotNoticed(t *testing.T) {
	t.Parallel()
	p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), args: unlimited}
	p.withClock(t)
	p.start(t)
	t.Cleanup(p.kill)
	c := assemble(t, p, 2, 4, 6)
	for _, w := range c.writers {
		w.pause = 5 * time.Millisecond
	}
	c.start(t, func() time.Duration { return 300 * time.Millisecond })
	pause(t.Context(), 500*time.Millisecond)
	ada, bob := c.people[0], c.people[1]
	socket := p.dial(t, bob)
	typing := make(chan string, 100)
	if err := socket.Subscribe("1", `subscription($c: ID!) { typing(conversationId: $c) { typing } }`, vars("c", c.rooms[0]),
		func(e wsclient.Event) { typing <- string(e.Payload) }); err != nil {
		t.Fatal(err)
	}
	barrier(t, socket)
	if err := p.gql(t.Context(), ada.token, `mutation($i: SetTypingInput!) { setTyping(input: $i) { ok } }`,
		vars("i", vars("conversationId", c.rooms[0], "typing", true)), nil); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, typing); !strings.Contains(got, "true") {
		t.Fatalf("typing: %s", got)
	}
	before, err := p.send(t.Context(), ada, c.rooms[0], "before", "one key")
	if err != nil {
		t.Fatal(err)
	}
	c.log.add(&sent{writer: 3000, room: c.rooms[0], text: "before", fate: acked, got: before})

	p.setClock(t, -10*time.Minute, true)
	stepped := time.Now()
	again, err := p.send(t.Context(), ada, c.rooms[0], "before", "one key")
	if err != nil || again.ID != before.ID {
		t.Errorf("the key makes %+v, %v", again, err)
	}
	if got := receive(t, typing); !strings.Contains(got, "false") {
		t.Errorf("typing: %s", got)
	}
	t.Logf("she ceased to type %v after the step", time.Since(stepped).Round(time.Millisecond))
	for _, who := range c.people { // everybody is still in, and may come in
		if err := p.gql(t.Context(), who.token, whoAmI, nil, nil); err != nil {
			t.Errorf("the token of %s: %v", who.name, err)
		}
	}
	late := p.login(t, ada)
	if late, err = p.renew(t, late.refresh); err != nil {
		t.Errorf("refresh: %v", err)
	} else if err := p.gql(t.Context(), late.token, whoAmI, nil, nil); err != nil {
		t.Errorf("the token after a refresh: %v", err)
	}
	pause(t.Context(), 500*time.Millisecond)
	p.setClock(t, time.Minute, true)
	pause(t.Context(), 500*time.Millisecond)
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused", n)
	}
	if c.log.count(unknown) != 0 {
		t.Errorf("%d sends had no answer", c.log.count(unknown))
	}
	barrier(t, socket) // it was open all the time
}
