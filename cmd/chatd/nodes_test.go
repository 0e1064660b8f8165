package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/testenv"
	"chatd/internal/platform/wsgql/wsclient"
)

// sharedSecret is what nodes of one server have in common.
const sharedSecret = "CHATD_SECRET=the secret that all nodes of this test have"

// startNodes starts several nodes on one PostgreSQL and one Kafka. The first
// has the others as its peers.
func startNodes(t testing.TB, n int, args ...string) []*program {
	t.Helper()
	return startNodesWith(t, n, append(onPostgres(t), args...), kafkaOf(t))
}

// startNodesOn is startNodes on brokers that are there.
func startNodesOn(t testing.TB, n int, brokers []string, args ...string) []*program {
	t.Helper()
	return startNodesWith(t, n, append(onPostgres(t), args...), func(int) []string {
		return []string{"--kafka-brokers", strings.Join(brokers, ",")}
	})
}

// startNodesWith is startNodes with arguments that all nodes have, and such of
// each.
func startNodesWith(t testing.TB, n int, args []string, own func(node int) []string) []*program {
	t.Helper()
	nodes := makeNodes(t, n, args, own)
	for _, p := range nodes {
		p.start(t)
	}
	return nodes
}

// kafkaOf gives all nodes the same brokers.
func kafkaOf(t testing.TB) func(node int) []string {
	t.Helper()
	brokers := strings.Join(kafkabustest.Brokers(t), ",")
	return func(int) []string { return []string{"--kafka-brokers", brokers} }
}

// makeNodes makes nodes that are to be started.
func makeNodes(t testing.TB, n int, args []string, own func(node int) []string) []*program {
	t.Helper()
	nodes := make([]*program, n)
	for i := range nodes {
		p := &program{
			dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), args: slices.Concat(args, own(i)),
			env: []string{sharedSecret},
		}
		nodes[i] = p
		t.Cleanup(func() {
			p.kill()
			if t.Failed() {
				b, _ := os.ReadFile(p.logFile())
				t.Logf("the log of node %d:\n%s", i, b[max(0, len(b)-4000):])
			}
		})
	}
	nodes[0].peers = nodes[1:]
	return nodes
}

func TestSeveralNodesAreOneServer(t *testing.T) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) {
		t.Parallel()
		oneServer(t, startNodes(t, 2))
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		oneServer(t, startNodesOn(t, 2, kafkabustest.Apache(t), "--kafka-prefix", kafkaPrefix()))
	})
}

// kafkaPrefix is one that no other test has.
func kafkaPrefix() string { return "test-" + strings.ToLower(crand.Text()) + "." }

func oneServer(t *testing.T, nodes []*program) {
	t.Helper()
	here, there := nodes[0], nodes[1]
	ada, bob := here.register(t, "ada"), here.register(t, "bob")
	room := here.group(t, ada, bob)
	far := there.dial(t, bob)
	messages := listen(t, far, "1", room, nil)
	events := listenAll(t, far, "2", nil)
	if e := receive(t, events); e.Type != "StreamStarted" {
		t.Fatalf("%+v", e)
	}
	barrier(t, far)

	const sends, byBus = 50, 250 * time.Millisecond // the journal is looked at every 500 ms
	if p50 := testenv.Quickest(byBus, func() time.Duration {
		took := make([]time.Duration, sends)
		for n := range sends {
			begin := time.Now()
			if _, err := here.send(t.Context(), ada, room, fmt.Sprint(n), ""); err != nil {
				t.Fatal(err)
			}
			if m := receive(t, messages); m.text() != fmt.Sprint(n) {
				t.Fatalf("message %d is %q", n, m.text())
			}
			took[n] = time.Since(begin)
		}
		slices.Sort(took)
		t.Logf("from one node to a socket of another: p50 %v, p90 %v, slowest %v", took[sends/2], took[sends*9/10], took[sends-1])
		return took[sends/2]
	}); p50 > byBus {
		t.Error("events came by the journal, not by the bus")
	}

	typing := make(chan string, 100)
	err := far.Subscribe("3", `subscription($c: ID!) { typing(conversationId: $c) { user { id } typing } }`, vars("c", room), func(e wsclient.Event) {
		typing <- string(e.Payload)
	})
	if err != nil {
		t.Fatal(err)
	}
	barrier(t, far)
	if err := here.gql(t.Context(), ada.token, `mutation($i: SetTypingInput!) { setTyping(input: $i) { ok } }`,
		vars("i", vars("conversationId", room, "typing", true)), nil); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, typing); !strings.Contains(got, ada.id) || !strings.Contains(got, "true") {
		t.Errorf("typing: %s", got)
	}
	here.kill() // nobody says any more that she has ceased to
	select {
	case got := <-typing:
		if !strings.Contains(got, "false") {
			t.Errorf("typing: %s", got)
		}
	case <-time.After(10*time.Second + grace):
		t.Error("she types for ever")
	}
	here.start(t)

	gone := here.login(t, ada)
	socket := there.dial(t, gone)
	if err := here.gql(t.Context(), gone.token, `mutation { logout { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	there.mustBeOver(t, gone, socket)
}

// Clients hop between nodes while one of them is killed and comes back: what
// was acknowledged is there once and in order, and everybody has it.
func TestNodesThatAreKilledTakeNothingWithThem(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3)
	c := assemble(t, nodes[0], 2, 6, 12)
	for _, w := range c.writers {
		w.pause = 5 * time.Millisecond
	}
	c.start(t, func() time.Duration { return rand.N(time.Second) })
	for range nodeKills {
		pause(t.Context(), time.Second)
		victim := nodes[1+rand.IntN(2)] // the first is asked for the histories
		victim.kill()
		pause(t.Context(), rand.N(500*time.Millisecond))
		begin := time.Now()
		victim.start(t)
		t.Logf("a node was back after %v", time.Since(begin))
	}
	c.settle(t)
}

func TestANodeWithoutABusIsRefusedBesideNodesWithOne(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	database := nodes[0].args[:len(nodes[0].args)-2] // without the brokers
	env := []string{"CHATD_SECRET=the secret that all nodes of this test have"}
	says(t, mustRefuseWith(t, env, database...), "another chatd", "--kafka-brokers")
	for _, p := range nodes {
		p.kill()
	}
	lone := &program{dir: nodes[0].dir, addr: nodes[0].addr, args: database, env: env}
	lone.start(t)
	t.Cleanup(lone.kill)
	says(t, mustRefuseWith(t, env, nodes[1].args...), "without --kafka-brokers")
}

func TestNodesWithoutWhatTheyMustShareAreRefused(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := run(context.WithoutCancel(t.Context()), []string{"config", "check", "--kafka-brokers", "127.0.0.1:1,nowhere"}, nil, &out)
	if err == nil {
		t.Fatal("taken")
	}
	says(t, err.Error(), `"nowhere" is no broker`)
	err = run(t.Context(), []string{"config", "check", "--kafka-brokers", "127.0.0.1:1", "--kafka-sasl", "PLAIN"}, nil, &out)
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"--postgres-url", "CHATD_SECRET", "--kafka-user"} {
		says(t, err.Error(), want)
	}
	args := append(onPostgres(t), "--kafka-brokers", "127.0.0.1:1")
	var line string
	if took := testenv.Quickest(10*time.Second, func() time.Duration {
		return testenv.Took(func() { line = mustRefuseWith(t, []string{sharedSecret}, args...) })
	}); took > 10*time.Second {
		t.Errorf("after %v", took)
	}
	says(t, line, "kafka", "127.0.0.1:1")
}
