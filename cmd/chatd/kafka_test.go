package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/testenv"
)

// sum adds a series of all nodes.
func sum(t testing.TB, nodes []*program, series string) (n float64) {
	t.Helper()
	for _, p := range nodes {
		n += p.metric(t, series)
	}
	return n
}

// readiness is what /readyz of a node says.
func readiness(t testing.TB, p *program) string {
	t.Helper()
	status, body := p.get(t, "/readyz")
	if status != http.StatusOK {
		t.Errorf("/readyz answers %d: %s", status, body)
	}
	return body
}

// Kafka is killed while messages are sent on both of two nodes. Nobody who
// sends notices, nobody misses anything, and events between contexts wait.
func TestNobodyNoticesAKafkaThatIsKilled(t *testing.T) {
	t.Parallel()
	kafka := kafkabustest.Start(t)
	brokers := []string{kafka.Address(kafkabustest.Plain)}
	nodes := startNodesOn(t, 2, brokers)
	here, there := nodes[0], nodes[1]
	c := assemble(t, here, 2, kafkaWriters, 8)
	for i, w := range c.writers {
		w.pause, w.p = 25*time.Millisecond, nodes[i%2]
	}
	c.start(t, forEver)
	registered := len(c.people)
	phase := func(d time.Duration) []time.Duration {
		from := len(c.log.all())
		pause(t.Context(), d)
		var took []time.Duration
		for _, s := range c.log.all()[from:] {
			took = append(took, s.took)
		}
		if len(took) == 0 {
			t.Fatal("nothing was sent")
		}
		slices.Sort(took)
		return took
	}
	p := func(took []time.Duration, percent int) time.Duration { return took[len(took)*percent/100] }
	for n := range kafkaKills {
		before := phase(3 * time.Second)
		kafka.Kill(t)
		dead := make(chan struct{})
		go func() { // accounts, whose events wait
			defer close(dead)
			for i := range 4 {
				nodes[i%2].register(t, fmt.Sprintf("late%d_%d", n, i))
			}
		}()
		during := phase(kafkaDown)
		<-dead
		registered += 4
		for _, p := range nodes {
			await(t, 10*time.Second, "/readyz names Kafka", func() bool {
				return strings.Contains(readiness(t, p), `"kafka":"degraded"`)
			})
		}
		await(t, 10*time.Second, "the metrics tell the 4 events that wait", func() bool {
			return sum(t, nodes, `chatd_relay_backlog{relay="auth>kafka"}`) == 4
		})
		started := kafka.Again(t)
		back := time.Now()
		await(t, 30*time.Second, "all events are with Kafka", func() bool {
			return sum(t, nodes, `chatd_relay_backlog{relay="auth>kafka"}`) == 0
		})
		events := time.Since(back)
		await(t, 30*time.Second, "both nodes have Kafka again", func() bool {
			return !strings.Contains(readiness(t, here)+readiness(t, there), "degraded")
		})
		t.Logf("Kafka was away for %v and started in %v; then all events were there after %v, /readyz was as before after %v",
			kafkaDown, started.Round(time.Millisecond), events.Round(time.Millisecond), time.Since(back).Round(time.Millisecond))
		after := phase(2 * time.Second)
		for name, took := range map[string][]time.Duration{"before": before, "without Kafka": during, "after": after} {
			t.Logf("%5d sends %s: p50 %v, p99 %v", len(took), name, p(took, 50), p(took, 99))
		}
		most := 3*p(before, 50) + 100*time.Millisecond
		if !soak { // the machine may do more meanwhile; who waits for Kafka has no answer for seconds
			most = time.Second
		}
		if p(during, 50) > most {
			t.Error("sends wait for Kafka")
		}
	}
	lively(t, c, here, there)
	c.settle(t)
	if refused, lost := c.log.count(refused), c.log.count(unknown); refused+lost != 0 {
		t.Errorf("%d sends were refused, %d not answered", refused, lost)
	}
	ids := map[string]int{}
	for _, r := range kafkabustest.Read(t, brokers, "chatd.auth") {
		if r.Headers["name"] == authv1.AccountRegisteredName {
			ids[r.Headers["id"]]++
		}
	}
	if len(ids) != registered {
		t.Errorf("%d events of %d accounts", len(ids), registered)
	}
	await(t, 10*time.Second, "each is handled", func() bool {
		return sum(t, nodes, `chatd_bus_handled_total{group="user"}`) >= float64(registered)
	})
}

// lively waits until news of one node reach the other by the bus again, rather
// than by the store.
func lively(t *testing.T, c *crowd, here, there *program) {
	t.Helper()
	who := c.people[0]
	room := here.group(t, who, c.people[1])
	begin := time.Now()
	heard := listen(t, there.dial(t, c.people[1]), "1", room, nil)
	// By the store each would take about the 500 ms between two looks at it, since
	// it is sent right after one.
	var soon []bool // of the last ten
	most, within := 10, 30*time.Second
	if !soak { // a broker on a busy machine takes its time, at its start and for each
		most, within = 3, 2*time.Minute
	}
	await(t, within, fmt.Sprint(most, " of ten messages reach the other node at once"), func() bool {
		sent := time.Now()
		if _, err := here.send(t.Context(), who, room, fmt.Sprint(sent.UnixNano()), ""); err != nil {
			t.Fatal(err)
		}
		receive(t, heard)
		soon = append(soon, time.Since(sent) < 250*time.Millisecond)
		if len(soon) < 10 {
			return false
		}
		soon = soon[len(soon)-10:]
		return len(slices.DeleteFunc(slices.Clone(soon), func(s bool) bool { return !s })) >= most
	})
	t.Logf("news went by Kafka again %v later", time.Since(begin))
}

// Nodes are killed while accounts are made and sessions ended on them. What
// became of it in the store and what Kafka tells of it must be the same.
func TestEveryChangeBecomesAnEventHoweverNodesDie(t *testing.T) {
	t.Parallel()
	brokers, prefix := kafkabustest.Apache(t), kafkaPrefix()
	nodes := startNodesOn(t, 2, brokers, "--kafka-prefix", prefix)
	ctx, quiet := context.WithCancel(t.Context())
	defer quiet()
	var working sync.WaitGroup
	var made, ended atomic.Int64
	for n := range 3 {
		working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if !change(t, nodes[i%2], fmt.Sprintf("user%d_%d", n, i), i%2 == 0, &made, &ended) {
					pause(ctx, 50*time.Millisecond)
				}
			}
		})
	}
	for n := range 2 * nodeKills {
		pause(t.Context(), time.Second)
		nodes[n%2].kill()
		pause(t.Context(), rand.N(300*time.Millisecond))
		nodes[n%2].start(t)
	}
	quiet()
	working.Wait()
	accounts, without := inStore(t, nodes[0])
	registered, gone := map[string]bool{}, map[string]bool{}
	repeats := 0
	await(t, 30*time.Second, "all events are with Kafka", func() bool {
		clear(registered)
		clear(gone)
		repeats = 0
		for _, r := range kafkabustest.Read(t, brokers, prefix+"auth") {
			set := registered
			if r.Headers["name"] == authv1.SessionEndedName {
				set = gone
			}
			if set[r.Key] {
				repeats++
			}
			set[r.Key] = true
		}
		return len(registered)+len(gone) >= len(accounts)+len(without)
	})
	t.Logf("%d accounts (%d acknowledged), %d ended sessions (%d acknowledged); %d and %d events, %d repeated",
		len(accounts), made.Load(), len(without), ended.Load(), len(registered), len(gone), repeats)
	if !maps.Equal(registered, accounts) {
		t.Errorf("accounts in the store %v\nand in events %v", accounts, registered)
	}
	if !maps.Equal(gone, without) {
		t.Errorf("ended sessions in the store %v\nand in events %v", without, gone)
	}
	if len(accounts) < int(made.Load()) || len(without) < int(ended.Load()) || made.Load() == 0 || ended.Load() == 0 {
		t.Error("what was acknowledged is not there, or nothing was")
	}

	// What is no event at all harms nothing that comes after it.
	handled := func() float64 { return sum(t, nodes, `chatd_bus_handled_total{group="user"}`) }
	aside := func() float64 { return sum(t, nodes, `chatd_bus_aside_total{group="user"}`) }
	var key string
	for key = range accounts {
		break
	}
	kafkabustest.Write(t, brokers, prefix+"auth", kafkabustest.Record{Key: key, Value: "poison"})
	await(t, 30*time.Second, "it is put aside", func() bool { return aside() == 1 })
	before := handled()
	nodes[0].register(t, "last")
	await(t, 30*time.Second, "what follows is handled", func() bool { return handled() > before })
	dead := kafkabustest.Read(t, brokers, prefix+"dead-letters")
	if len(dead) != 1 || dead[0].Value != "poison" || dead[0].Key != key || dead[0].Headers["dead_group"] != "user" {
		t.Errorf("dead letters: %+v", dead)
	}
}

// change makes an account, and ends its session if told to. It says whether
// that was answered.
func change(t *testing.T, p *program, name string, leave bool, made, ended *atomic.Int64) bool {
	t.Helper()
	var d struct{ Register struct{ AccessToken string } }
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second+grace)
	defer cancel()
	err := p.gql(ctx, "", `mutation($i: RegisterInput!) { register(input: $i) { accessToken } }`, vars("i", vars(
		"email", name+"@example.org", "username", name, "password", "a long passphrase of "+name, "displayName", name)), &d)
	if err != nil {
		return false
	}
	made.Add(1)
	if !leave {
		return true
	}
	if p.gql(ctx, d.Register.AccessToken, `mutation { logout { ok } }`, nil, nil) != nil {
		return false
	}
	ended.Add(1)
	return true
}

// inStore returns the accounts, and those of them that have no session.
func inStore(t *testing.T, p *program) (accounts, without map[string]bool) {
	t.Helper()
	address := p.args[slices.Index(p.args, "--postgres-url")+1]
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: address, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read := func(text string) map[string]bool {
		rows, err := db.Query(t.Context(), text)
		ids, err := sqldb.Collect(rows, err, func(r sqldb.Row) (id ids.User, err error) { return id, r.Scan(&id) })
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]bool{}
		for _, id := range ids {
			set[id.String()] = true
		}
		return set
	}
	return read(`SELECT id FROM auth_accounts`),
		read(`SELECT id FROM auth_accounts WHERE id NOT IN (SELECT user_id FROM auth_sessions)`)
}

// An operator follows the page on a dead letter.
func TestTheCommandsInTheDocsPutADeadLetterBack(t *testing.T) {
	t.Parallel()
	testenv.Tool(t, "kcat")
	testenv.Tool(t, "jq")
	brokers, prefix := kafkabustest.Apache(t), kafkaPrefix()
	p := startNodesOn(t, 1, brokers, "--kafka-prefix", prefix)[0]
	p.register(t, "ada")
	handled := func() float64 { return p.metric(t, `chatd_bus_handled_total{group="user"}`) }
	await(t, 30*time.Second, "the event is handled", func() bool { return handled() == 1 })
	event := kafkabustest.Read(t, brokers, prefix+"auth")[0]
	dead := event
	dead.Headers = maps.Clone(event.Headers)
	maps.Copy(dead.Headers, map[string]string{
		"dead_group": "user", "dead_tries": "10", "dead_error": "no 'luck' = \"none\"",
		"dead_from": fmt.Sprintf("%sauth/%d/0", prefix, event.Partition),
	})
	kafkabustest.Write(t, brokers, prefix+"dead-letters", kafkabustest.Record{Value: "another"})
	kafkabustest.Write(t, brokers, prefix+"dead-letters", dead)

	_, text, _ := strings.Cut(pages(t)["operations.md"], "```bash\n")
	text, _, _ = strings.Cut(text, "```")
	given := "brokers=127.0.0.1:9092 prefix=chatd. offset=17\n"
	if !strings.Contains(text, given) {
		t.Fatalf("docs/operations.md has other commands:\n%s", text)
	}
	text = strings.Replace(text, given, fmt.Sprintf("brokers=%s prefix=%s offset=1\n", strings.Join(brokers, ","), prefix), 1)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	says(t, string(out), `"dead_group":"user"`, `no 'luck'`, event.Headers["id"])
	await(t, 30*time.Second, "the event is handled again", func() bool { return handled() == 2 })
	all := kafkabustest.Read(t, brokers, prefix+"auth")
	if len(all) != 2 || all[1].Key != event.Key || all[1].Value != event.Value || all[1].Partition != event.Partition ||
		!maps.Equal(all[1].Headers, event.Headers) {
		t.Errorf("put back as %+v", all)
	}
}

// What is wrong with brokers is told in full in kafkabus; here, that it reaches
// who starts the program, before anything else is touched.
func TestAKafkaThatCannotBeUsedIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	kafka := kafkabustest.Shared(t)
	for name, tc := range map[string]struct {
		at    kafkabustest.Listener
		args  []string
		words []string
	}{
		"a wrong password": {
			kafkabustest.SASL,
			[]string{"--kafka-sasl", "SCRAM-SHA-256", "--kafka-user", "chatd"},
			[]string{`refuse SASL SCRAM-SHA-256 as "chatd"`},
		},
		"no TLS to a port with": {kafkabustest.TLS, nil, []string{"want TLS"}},
		"no topics":             {kafkabustest.Plain, []string{"--kafka-topics", "expect"}, []string{"missing topics", "kafka-topics.sh", "--partitions 12"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			var line string
			if took := testenv.Quickest(10*time.Second, func() time.Duration {
				return testenv.Took(func() {
					line = mustRefuseWith(t, []string{sharedSecret, "CHATD_KAFKA_PASSWORD=a wrong one"}, append([]string{
						"--postgres-url", "postgres://chatd@127.0.0.1:1/chatd", "--data-dir", dir,
						"--kafka-brokers", kafka.Address(tc.at), "--kafka-prefix", kafkaPrefix(),
					}, tc.args...)...)
				})
			}); took > 10*time.Second {
				t.Errorf("after %v", took)
			}
			if strings.Contains(line, "a wrong one") {
				t.Errorf("the password is told: %q", line)
			}
			says(t, line, append(tc.words, kafka.Address(tc.at))...)
		})
	}
}
