package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/wsgql/wsclient"
)

// asProgram makes the test binary chatd itself, so that tests have a process
// of its own to kill, built with the flags of the tests.
const asProgram = "CHATD_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	code := m.Run()
	atTheEnd()
	os.Exit(code)
}

// What the tests look at in a data directory.
const (
	databaseFile = datadir.DatabaseFile
	markerFile   = datadir.MarkerFile
)

// program is one chatd process with a data directory of its own.
type program struct {
	dir  string
	addr string   // host:port of the main listener
	args []string // beside --listen and --data-dir
	env  []string // beside the tests' own
	// exe is another build of the program than the test binary, and clock the
	// file that sets its clock; see clock_test.go.
	exe, clock string
	// Other nodes of the same server; clients that connect take any.
	peers []*program
	cmd   *exec.Cmd
	done  chan struct{} // closed when cmd has ended
	err   error         // of cmd, once done
}

// startProgram starts chatd and waits until it is ready. It is killed when the
// test ends.
func startProgram(t testing.TB, args ...string) *program {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	withTables(t, dir, args)
	return startProgramIn(t, dir, args...)
}

// startProgramIn is startProgram with a data directory that may be there
// already. Beside it lies the program's log.
func startProgramIn(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	p := &program{dir: dir, addr: freeAddr(t), args: args}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			b, _ := os.ReadFile(p.logFile())
			t.Logf("the program's log:\n%s", b[max(0, len(b)-4000):])
		}
	})
	return p
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *program) logFile() string { return filepath.Join(filepath.Dir(p.dir), "log") }

func (p *program) launch(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"serve", "--listen", p.addr, "--data-dir", p.dir}, p.args...)
	p.cmd = exec.Command(cmp.Or(p.exe, os.Args[0]), args...) // outlives what starts it; kill ends it
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		p.err = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

// start launches the program, again after kill or stop, and waits until it is
// ready. It returns how long that took.
func (p *program) start(t testing.TB) time.Duration {
	t.Helper()
	begin := time.Now()
	p.launch(t)
	if err := p.ready(20*time.Second + grace); err != nil {
		b, _ := os.ReadFile(p.logFile())
		t.Fatalf("%v:\n%s", err, b[max(0, len(b)-4000):])
	}
	return time.Since(begin)
}

func (p *program) ready(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.url("/readyz"), nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("the program ended before it was ready: %w", p.err)
		case <-ctx.Done():
			return errors.New("the program is not ready")
		case <-tick.C:
		}
	}
}

// kill ends the process at once, as a power cut of the process alone.
func (p *program) kill() {
	if p.cmd == nil {
		return // it was not started
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// stop asks the process to end and returns its error.
func (p *program) stop(t testing.TB) error {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(40*time.Second + grace):
		p.kill()
		return errors.New("the program did not stop within 40 s")
	}
}

func (p *program) url(path string) string { return "http://" + p.addr + path }

// anyWS is ws of the program or of one of its peers.
func (p *program) anyWS() string {
	if n := rand.IntN(1 + len(p.peers)); n > 0 {
		return p.peers[n-1].ws()
	}
	return p.ws()
}

func (p *program) ws() string { return "ws://" + p.addr + "/graphql" }

// gqlError is the first error of an answer.
type gqlError struct {
	Message    string
	Extensions map[string]any
	status     int
}

func (e *gqlError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.code()) }

func (e *gqlError) code() string { s, _ := e.Extensions["code"].(string); return s }

// codeOf is the extensions.code of an error of gql or of a socket; "" for nil,
// "?" for any other.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*gqlError](err); ok {
		return e.code()
	}
	if e, ok := errors.AsType[*wsclient.ErrorsError](err); ok {
		return e.Code()
	}
	return "?"
}

// gql runs an operation over HTTP and decodes its data into out. An answer
// with errors is a *gqlError.
func (p *program) gql(ctx context.Context, token, doc string, vars map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": doc, "variables": vars})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url("/graphql"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var r struct {
		Data   json.RawMessage
		Errors []*gqlError
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("%s: %.200s", resp.Status, b)
	}
	if len(r.Errors) > 0 {
		r.Errors[0].status = resp.StatusCode
		return r.Errors[0]
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(r.Data, out)
}

// httpClient keeps enough connections for tests with many senders.
var httpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 40 * time.Second}

// person is a registered user.
type person struct {
	id, name, token, refresh string
}

// register makes an account; people are registered a few at a time, since
// hashing is meant to be slow.
func (p *program) register(t testing.TB, name string) person {
	t.Helper()
	var d struct {
		Register struct {
			User         struct{ ID string }
			AccessToken  string
			RefreshToken string
		}
	}
	err := p.gql(t.Context(), "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } accessToken refreshToken } }`, vars("i", map[string]any{
		"email": name + "@example.org", "username": name, "password": "a long passphrase of " + name, "displayName": strings.ToUpper(name),
	}), &d)
	if err != nil {
		t.Fatalf("register %s: %v", name, err)
	}
	return person{d.Register.User.ID, name, d.Register.AccessToken, d.Register.RefreshToken}
}

// people registers n people named with the prefix.
func (p *program) people(t testing.TB, prefix string, n int) []person {
	t.Helper()
	out := make([]person, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = p.register(t, fmt.Sprintf("%s%d", prefix, i))
		})
	}
	wg.Wait()
	return out
}

// vars makes a map of name, value, name, value …
func vars(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// group makes a group of the first person with the others and returns its id.
func (p *program) group(t testing.TB, owner person, others ...person) string {
	t.Helper()
	members := []string{}
	for _, o := range others {
		members = append(members, o.id)
	}
	var d struct {
		CreateGroup struct{ Conversation struct{ ID string } }
	}
	if err := p.gql(t.Context(), owner.token, `mutation($i: CreateGroupInput!) { createGroup(input: $i) { conversation { id } } }`,
		vars("i", vars("name", "a group", "memberIds", members)), &d); err != nil {
		t.Fatalf("createGroup: %v", err)
	}
	return d.CreateGroup.Conversation.ID
}

// message is a message as tests ask for it.
type message struct {
	ID   string
	Seq  int
	Rev  int
	Text *string
}

func (m message) text() string {
	if m.Text == nil {
		return ""
	}
	return *m.Text
}

// send sends a message over HTTP; key is the clientId, none when empty.
func (p *program) send(ctx context.Context, who person, conversation, text, key string) (message, error) {
	in := vars("conversationId", conversation, "text", text)
	if key != "" {
		in["clientId"] = key
	}
	var d struct{ SendMessage struct{ Message message } }
	err := p.gql(ctx, who.token, `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id seq rev text } } }`, vars("i", in), &d)
	return d.SendMessage.Message, err
}

// history returns all messages of a conversation, oldest first.
func (p *program) history(t testing.TB, who person, conversation string) []message {
	t.Helper()
	var out []message
	after := ""
	for {
		var d struct {
			Messages struct {
				Edges    []struct{ Node message }
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		v := vars("c", conversation)
		if after != "" {
			v["a"] = after
		}
		if err := p.gql(t.Context(), who.token, `query($c: ID!, $a: String) { messages(conversationId: $c, first: 100, after: $a) {
			edges { node { id seq rev text } } pageInfo { hasNextPage endCursor } } }`, v, &d); err != nil {
			t.Fatalf("history: %v", err)
		}
		for _, e := range d.Messages.Edges {
			out = append(out, e.Node)
		}
		if !d.Messages.PageInfo.HasNextPage {
			return out
		}
		after = d.Messages.PageInfo.EndCursor
	}
}

// dial opens a socket as that person; it is closed when the test ends.
func (p *program) dial(t testing.TB, who person) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second+grace)
	defer cancel()
	c, err := wsclient.Dial(ctx, p.ws(), vars("authorization", "Bearer "+who.token))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listen subscribes to the messages of a conversation; after is nil for live
// only. The channel closes when the socket or the subscription ends.
func listen(t testing.TB, c *wsclient.Conn, id, conversation string, after any) <-chan message {
	t.Helper()
	out := make(chan message, 1<<16)
	err := c.Subscribe(id, `subscription($c: ID!, $a: Int) { messageAdded(conversationId: $c, afterSeq: $a) { id seq rev text } }`,
		vars("c", conversation, "a", after), func(e wsclient.Event) {
			if e.Kind != wsclient.Next {
				close(out)
				return
			}
			var d struct {
				Data struct{ MessageAdded message }
			}
			if json.Unmarshal(e.Payload, &d) == nil && d.Data.MessageAdded.ID != "" {
				out <- d.Data.MessageAdded
			}
		})
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	barrier(t, c)
	return out
}

// barrier returns when what was sent on the socket before is in force.
func barrier(t testing.TB, c *wsclient.Conn) {
	t.Helper()
	if _, err := c.Query(t.Context(), `{ __typename }`, nil); err != nil {
		t.Fatalf("barrier: %v", err)
	}
}

// receive takes the next value within a while.
func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatal("the stream has ended")
		}
		return v
	case <-time.After(15*time.Second + grace):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}
