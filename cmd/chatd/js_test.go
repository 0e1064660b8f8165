package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/testenv"
)

// TestStockJavaScriptClients runs the scripts of testdata/js, each against a
// program of its own. npm fetches the packages once for all of them.
func TestStockJavaScriptClients(t *testing.T) {
	t.Parallel()
	js := installJS(t)
	t.Run("graphql-ws resumes after a kill and after a stop without a gap or a double", js.graphqlWS)
	t.Run("Apollo's cache follows mutations and subscriptions, through a kill too", js.apollo)
	t.Run("all audits of graphql-http pass", js.audits)
	t.Run("the WebSocket protocol is kept message by message", js.protocol)
	t.Run("tus-js-client resumes an upload after an abort and a kill", js.tus)
	t.Run("what _service gives composes into a federation", js.federation)
	t.Run("no file runs a script in a browser", js.chromiumFiles)
	t.Run("somebody signs in by a provider in a browser", js.chromiumSignIn)
	t.Run("what the README shows runs as it stands", js.readme)
	t.Run("the pages of mails work in a browser without scripts", js.mailPages)
	t.Run("GraphiQL works in a browser under its own policy", js.graphiql)
}

// nodeScripts are testdata/js with the packages that they need.
type nodeScripts struct{ node, dir string }

// installJS copies testdata/js, so that the checkout stays clean, and installs
// the packages of its lock file. Without node, or npm's registry, the test
// ends as by testenv.Missing.
func installJS(t *testing.T) nodeScripts {
	t.Helper()
	js := nodeScripts{node: testenv.Tool(t, "node"), dir: t.TempDir()}
	npm := testenv.Tool(t, "npm")
	if err := os.CopyFS(js.dir, os.DirFS(filepath.Join("testdata", "js"))); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	c.Dir = js.dir
	if out, err := c.CombinedOutput(); err != nil {
		testenv.Missing(t, "node", fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	return js
}

// run runs a script to its end; what it prints is told when it fails.
func (js nodeScripts) run(t *testing.T, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), js.node, args...)
	c.Dir = js.dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

// nodeScript is one that runs; see talk.mjs. It ends when its input does, which is
// when the test ends.
type nodeScript struct {
	t     *testing.T
	in    io.Writer
	words chan nodeWord
}

// nodeWord is a line that a script prints.
type nodeWord struct {
	User      string
	Message   *message
	Event     string
	Closed    int
	Failed    string
	Texts     []string
	Requests  int
	Edited    string
	Page      string
	Title     string
	Links     int
	Answered  bool
	Listening bool
	Received  bool
	Faults    *[]string
}

func (js nodeScripts) start(t *testing.T, args ...string) *nodeScript {
	t.Helper()
	c := exec.CommandContext(t.Context(), js.node, args...)
	c.Dir = js.dir
	var complaints bytes.Buffer
	c.Stderr = &complaints
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &nodeScript{t: t, in: in, words: make(chan nodeWord, 4096)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(s.words)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var w nodeWord
			if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
				w.Failed = lines.Text()
			}
			s.words <- w
		}
	})
	t.Cleanup(func() {
		_ = in.Close()
		for range s.words { // so that it can finish what it says
		}
		reading.Wait()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s said on stderr:\n%s", args[0], complaints.String())
		}
	})
	return s
}

// tell sends the script a line.
func (s *nodeScript) tell(pairs ...any) {
	s.t.Helper()
	if err := json.NewEncoder(s.in).Encode(vars(pairs...)); err != nil {
		s.t.Fatalf("tell the script: %v", err)
	}
}

// until passes the script's words to f until it says that this is enough.
func (s *nodeScript) until(f func(nodeWord) bool) {
	s.t.Helper()
	late := time.After(60 * time.Second)
	for {
		select {
		case w, ok := <-s.words:
			switch {
			case !ok:
				s.t.Fatal("the script has ended")
			case w.Failed != "":
				s.t.Fatalf("the script: %s", w.Failed)
			case f(w):
				return
			}
		case <-late:
			s.t.Fatal("the script did not say what it should")
		}
	}
}

// graphqlWS has a stranger sign up and listen with the stock client while the
// program is killed and stopped under it. After each return messages are sent
// at once, before the client is back.
func (js nodeScripts) graphqlWS(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	s := js.start(t, "graphql-ws.mjs", p.url(""))
	var jay person
	s.until(func(w nodeWord) bool { jay.id = w.User; return w.User != "" })
	room := p.group(t, ada, jay)
	s.tell("conversation", room)

	var added, events []string // texts, by the two subscriptions
	var closes []int
	heard := func(w nodeWord) {
		switch {
		case w.Event == "Reset":
			t.Error("the stream was reset")
		case w.Event == "MessageAdded":
			events = append(events, w.Message.text())
		case w.Event == "" && w.Message != nil:
			added = append(added, w.Message.text())
		case w.Closed != 0:
			closes = append(closes, w.Closed)
		}
	}
	s.until(func(w nodeWord) bool { heard(w); return w.Event == "StreamStarted" })

	var sent []string
	send := func(n int) {
		t.Helper()
		for range n {
			text := fmt.Sprint("message ", len(sent))
			if _, err := p.send(t.Context(), ada, room, text, ""); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, text)
		}
	}
	caughtUp := func() {
		t.Helper()
		s.until(func(w nodeWord) bool { heard(w); return len(added) >= len(sent) && len(events) >= len(sent) })
	}
	send(10)
	caughtUp()
	send(10) // perhaps not delivered when the process dies
	p.kill()
	p.start(t)
	send(10)
	caughtUp()
	send(10)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	send(10)
	caughtUp()
	send(1)
	caughtUp()
	if !slices.Equal(added, sent) {
		t.Errorf("messageAdded brought %q", added)
	}
	if !slices.Equal(events, sent) {
		t.Errorf("events brought %q", events)
	}
	if !slices.Contains(closes, 1012) {
		t.Errorf("closed with %v", closes)
	}
}

// apollo keeps a page of messages in the cache by id.
func (js nodeScripts) apollo(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	var sent []message
	for _, text := range []string{"one", "two", "three"} {
		m, err := p.send(t.Context(), ada, room, text, "")
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, m)
	}
	s := js.start(t, "apollo.mjs", p.url(""))
	s.tell("token", ada.token, "conversation", room)
	requests := 0
	shows := func(texts ...string) {
		t.Helper()
		s.until(func(w nodeWord) bool { requests = w.Requests; return slices.Equal(w.Texts, texts) })
	}
	shows("one", "two", "three")

	s.tell("edit", sent[0].ID, "text", "ONE")
	shows("ONE", "two", "three")
	s.until(func(w nodeWord) bool { return w.Edited == "ONE" })

	edit := func(id, text string) {
		t.Helper()
		if err := p.gql(t.Context(), ada.token, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`,
			vars("i", vars("id", id, "text", text)), nil); err != nil {
			t.Fatal(err)
		}
	}
	edit(sent[1].ID, "TWO")
	shows("ONE", "TWO", "three")
	if _, err := p.send(t.Context(), ada, room, "four", ""); err != nil {
		t.Fatal(err)
	}
	shows("ONE", "TWO", "three", "four")

	p.kill()
	p.start(t)
	edit(sent[2].ID, "THREE")
	if _, err := p.send(t.Context(), ada, room, "five", ""); err != nil {
		t.Fatal(err)
	}
	shows("ONE", "TWO", "THREE", "four", "five")
	if requests != 2 { // the page and the mutation
		t.Errorf("Apollo asked %d times", requests)
	}
}

func (js nodeScripts) audits(t *testing.T) {
	t.Parallel()
	js.run(t, "audit.mjs", startProgram(t).url(""))
}

func (js nodeScripts) protocol(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	for range 3 {
		if _, err := p.send(t.Context(), ada, room, "hello", ""); err != nil {
			t.Fatal(err)
		}
	}
	js.run(t, "protocol.mjs", p.url(""), ada.token, room)
}

// tus kills the program in the middle of an upload.
func (js nodeScripts) tus(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	s := js.start(t, "tus.mjs", p.url(""))
	s.tell("token", ada.token, "conversation", p.group(t, ada))
	s.until(func(w nodeWord) bool { return w.Page != "" })
	p.kill()
	pause(t.Context(), 300*time.Millisecond)
	p.start(t)
	s.until(func(w nodeWord) bool {
		if w.Title != "" && (!w.Received || w.Requests == 0 || w.Title != "Urlaub 🏖.bin") {
			t.Errorf("%+v", w)
		}
		return w.Title != ""
	})
}

// graphiql leaves screenshots in the directory that CHATD_TEST_PICTURES names.
func (js nodeScripts) graphiql(t *testing.T) {
	t.Parallel()
	chromium := testenv.Tool(t, "chromium")
	p := startProgram(t)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	if _, err := p.send(t.Context(), ada, room, "before the page", ""); err != nil {
		t.Fatal(err)
	}
	s := js.start(t, "graphiql.mjs", p.url(""), chromium, os.Getenv("CHATD_TEST_PICTURES"))
	s.tell("token", ada.token, "conversation", room)
	s.until(func(w nodeWord) bool {
		if w.Page != "" && (w.Links == 0 || !strings.Contains(w.Title, "chatd")) {
			t.Errorf("%+v", w)
		}
		return w.Answered
	})
	s.until(func(w nodeWord) bool { return w.Listening })
	if _, err := p.send(t.Context(), ada, room, "while it is open", ""); err != nil {
		t.Fatal(err)
	}
	s.until(func(w nodeWord) bool { return w.Received })
	s.until(func(w nodeWord) bool {
		if w.Faults != nil && len(*w.Faults) > 0 {
			t.Errorf("the browser complains: %q", *w.Faults)
		}
		return w.Faults != nil
	})
}
