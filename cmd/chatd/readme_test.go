package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/testenv"
)

// codeOfReadme returns the code of the README in a language that has a word in
// it, with the address of the program and a directory of the test's own.
func codeOfReadme(t testing.TB, p *program, dir, language, word string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		if strings.Contains(m[1], word) {
			return strings.NewReplacer("127.0.0.1:4000", p.addr, "/tmp/", dir+"/").Replace(m[1])
		}
	}
	t.Fatalf("the README has no %s with %s", language, word)
	return ""
}

// readme runs what the README shows, as it stands: two people and a message by
// curl, a client that resumes while the server is killed and started, and a
// file by tus.
func (js nodeScripts) readme(t *testing.T) {
	t.Parallel()
	bash, curl := testenv.Tool(t, "bash"), testenv.Tool(t, "curl")
	p := startProgram(t)
	dir := t.TempDir()
	shell := codeOfReadme(t, p, dir, "sh", "curl") + "\necho \"token=$token\"; echo \"conversation=$conversation\"\n"
	c := exec.CommandContext(t.Context(), bash, "-eu", "-c", "token=; "+shell)
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(curl)+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), `"errors"`) || strings.Count(string(out), "Hello, Bob") != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	told := func(name string) string {
		_, rest, _ := strings.Cut(string(out), "\n"+name+"=")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	ada, room := person{token: told("token")}, told("conversation")
	for _, name := range []string{"follow.mjs", "send-file.mjs"} {
		if err := os.WriteFile(filepath.Join(js.dir, "readme-"+name), []byte(codeOfReadme(t, p, dir, "js", name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	follow := exec.CommandContext(t.Context(), js.node, "readme-follow.mjs")
	follow.Dir, follow.Stderr = js.dir, os.Stderr
	lines, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 100)
	go func() {
		defer close(heard)
		for s := bufio.NewScanner(lines); s.Scan(); {
			if !strings.Contains(s.Text(), "Presence") {
				heard <- s.Text()
			}
		}
	}()
	defer func() {
		_ = follow.Process.Kill()
		for range heard { // to its end
		}
		_ = follow.Wait()
	}()
	hears := func(want string) {
		t.Helper()
		for late := time.After(60 * time.Second); ; {
			select {
			case got, ok := <-heard:
				switch {
				case !ok || strings.Contains(got, "Reset"):
					t.Fatalf("heard %q, %v", got, ok)
				case strings.Contains(got, `"MessageAdded"`) || !strings.HasPrefix(want, "message") && strings.Contains(got, want):
					if !strings.Contains(got, want) {
						t.Fatalf("heard %s instead of %s", got, want)
					}
					return
				}
			case <-late:
				t.Fatalf("%s was not heard", want)
			}
		}
	}
	hears("StreamStarted")
	for n := range 6 {
		if n == 2 || n == 4 {
			p.kill()
			p.start(t)
		}
		text := fmt.Sprintf("message %d", n)
		if _, err := p.send(t.Context(), ada, room, text, ""); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 6 {
		hears(fmt.Sprintf("message %d", n))
	}
	send := exec.CommandContext(t.Context(), js.node, "readme-send-file.mjs", "package.json", ada.token, room)
	send.Dir = js.dir
	if out, err := send.CombinedOutput(); err != nil || !strings.Contains(string(out), `"name":"package.json"`) {
		t.Fatalf("%v\n%s", err, out)
	}
	hears("Here it is")
}
