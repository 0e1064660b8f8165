package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// weight is how much the program's directory takes.
func (p *program) weight(t testing.TB) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(p.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm") {
			return nil //nolint:nilerr // Files come and go; the log is of a bounded length.
		}
		if info, err := os.Stat(name); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// together does something so many times, a few at once, and counts what came
// of it.
func together(times int, do func(n int) string) map[string]int {
	out := map[string]int{}
	var (
		mu    sync.Mutex
		work  sync.WaitGroup
		slots = make(chan struct{}, 8)
	)
	for n := range times {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			got := do(n)
			mu.Lock()
			out[got]++
			mu.Unlock()
		})
	}
	work.Wait()
	return out
}

// What one user can pile up has its bound: what is beyond gets an error that
// says which bound it is, and the data do not grow by it. Members have a test
// of their own, and sessions.
func TestWhatCanBePiledUpIsBounded(t *testing.T) {
	t.Parallel()
	p := startProgram(t, append([]string{"--file-quota", "1MiB"}, unlimited...)...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	m := p.says(t, ada, room, "a message")
	reasonOf := func(err error) string {
		if e, ok := err.(*gqlError); ok { //nolint:errorlint // It is not wrapped.
			s, _ := e.Extensions["reason"].(string)
			return strings.TrimSpace(e.code() + " " + s)
		}
		return fmt.Sprint(err)
	}
	ask := func(doc string, v map[string]any) string { return reasonOf(p.gql(t.Context(), ada.token, doc, v, nil)) }
	var pins []string
	for n := range 110 {
		pins = append(pins, p.says(t, ada, room, fmt.Sprint("to be pinned ", n)).ID)
	}
	list, err := os.ReadFile(filepath.Join("..", "..", "internal", "platform", "emoji", "rgi.txt"))
	if err != nil {
		t.Fatal(err)
	}
	signs := strings.Fields(string(list))
	for _, pile := range []struct {
		name, beyond string
		most         int
		add          func(n int) string
	}{
		{"reactions", "FAILED_PRECONDITION TOO_MANY_REACTIONS", 50, func(n int) string {
			return ask(`mutation($m: ID!, $e: String!) { addReaction(input: {messageId: $m, emoji: $e}) { message { id } } }`, vars("m", m.ID, "e", signs[n%len(signs)]))
		}},
		{"pins", "FAILED_PRECONDITION TOO_MANY_PINS", 100, func(n int) string {
			return ask(`mutation($m: ID!) { pinMessage(input: {messageId: $m}) { message { id } } }`, vars("m", pins[n%len(pins)]))
		}},
		{"invitations", "FAILED_PRECONDITION TOO_MANY_INVITES", 200, func(int) string { return ask(inviteDoc, vars("c", room)) }},
		{"uploads", "403", 100, func(int) string {
			r := p.files(t, ada.token, "POST", "/files/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "1")
			if r.status == 201 {
				return "<nil>"
			}
			return fmt.Sprint(r.status)
		}},
	} {
		got := together(pile.most+pilesBeyond/10, pile.add)
		before := p.weight(t)
		begun := time.Now()
		beyond := together(pilesBeyond, pile.add)
		took := time.Since(begun)
		grown := p.weight(t) - before
		// What is in already may be put in again; of uploads that begin at once one
		// may make room for another that was refused by it.
		if pile.name == "invitations" && beyond[pile.beyond] != pilesBeyond || pile.name == "uploads" && beyond["<nil>"] > 10 || beyond[pile.beyond]+beyond["<nil>"] != pilesBeyond || beyond[pile.beyond] == 0 {
			t.Errorf("%s beyond the bound: %v", pile.name, beyond)
		}
		if len(got) > 2 || got["<nil>"] < pile.most/2 {
			t.Errorf("%s: %v", pile.name, got)
		}
		if grown > 256<<10+300*pilesBeyond { // a refused upload is noted until the next sweep
			t.Errorf("%s beyond the bound took %d bytes", pile.name, grown)
		}
		t.Logf("%s: %v, then %v in %v and %d bytes", pile.name, got, beyond, took, grown)
	}
	// What has one value is one, however often it is set.
	before := p.weight(t)
	got := together(pilesBeyond, func(n int) string {
		switch n % 4 {
		case 0:
			return ask(`mutation($c: ID!, $b: Boolean) { updateConversationSettings(input: {conversationId: $c, pinned: $b}) { conversation { id } } }`, vars("c", room, "b", n%8 == 0))
		case 1:
			return ask(`mutation($b: Boolean) { updateSettings(input: {shareReadReceipts: $b}) { settings { shareReadReceipts } } }`, vars("b", n%8 == 1))
		case 2:
			return ask(`mutation($m: ID!) { reportMessage(input: {messageId: $m, reason: "again"}) { report { id } } }`, vars("m", m.ID))
		}
		return ask(`mutation($c: ID!) { setTyping(input: {conversationId: $c, typing: true}) { ok } }`, vars("c", room))
	})
	if grown := p.weight(t) - before; got["<nil>"] != pilesBeyond || grown > 1<<20 {
		t.Errorf("%v took %d bytes", got, grown)
	} else {
		t.Logf("%v took %d bytes", got, grown)
	}
}

// Invitations that have ended make room for others by themselves.
func TestInvitationsThatHaveEndedMakeRoom(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		room := p.group(t, ada)
		_, code := p.invite(t, ada, room, vars("m", 1))
		if err := p.gql(t.Context(), bob.token, byInviteDoc, vars("k", code), nil); err != nil {
			t.Fatal(err)
		}
		together(199, func(int) string { p.invite(t, ada, room, nil); return "" })
		if _, code = p.invite(t, ada, room, nil); code == "" {
			t.Error("none was made in the place of the one that is used up")
		}
		if err := p.gql(t.Context(), ada.token, inviteDoc, vars("c", room), nil); codeOf(err) != "FAILED_PRECONDITION" {
			t.Errorf("one more: %v", err)
		}
	})
}
