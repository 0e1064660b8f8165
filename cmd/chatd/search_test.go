package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/mongodb/mongodbtest"
)

const searchDoc = `query($q: String!, $c: ID, $u: ID, $from: Time, $to: Time, $has: Boolean, $n: Int, $a: String) {
	searchMessages(query: $q, conversationId: $c, senderId: $u, sentAfter: $from, sentBefore: $to, hasAttachment: $has, first: $n, after: $a) {
		edges { highlights { start end } node { id seq text sender { username } conversation { id } } } pageInfo { hasNextPage endCursor } } }`

type foundMessages struct {
	SearchMessages struct {
		Edges []struct {
			Highlights []struct{ Start, End int }
			Node       struct{ ID, Text string }
		}
		PageInfo struct {
			HasNextPage bool
			EndCursor   *string
		}
	}
}

// search returns the texts that somebody finds, with what is highlighted in
// brackets, all pages of them.
func (p *program) search(t testing.TB, who person, v map[string]any) (texts []string) {
	t.Helper()
	for {
		var d foundMessages
		if err := p.gql(t.Context(), who.token, searchDoc, v, &d); err != nil {
			t.Fatalf("search %v: %v", v, err)
		}
		for _, e := range d.SearchMessages.Edges {
			text, at, runes := "", 0, []rune(e.Node.Text)
			for _, h := range e.Highlights {
				text += string(runes[at:h.Start]) + "[" + string(runes[h.Start:h.End]) + "]"
				at = h.End
			}
			texts = append(texts, text+string(runes[at:]))
		}
		if !d.SearchMessages.PageInfo.HasNextPage {
			return texts
		}
		v["a"] = d.SearchMessages.PageInfo.EndCursor
	}
}

// finds waits until the search says so, for as long as it is promised, and a
// machine's business.
func (p *program) finds(t testing.TB, who person, query string, want ...string) {
	t.Helper()
	var got []string
	begun := time.Now()
	if !soon(t, 10*time.Second, func() bool {
		got = p.search(t, who, vars("q", query))
		return slices.Equal(got, want)
	}) {
		t.Errorf("%q finds %q, want %q", query, got, want)
	}
	if took := time.Since(begun); took > time.Second {
		t.Logf("%q took %v", query, took)
	}
}

// soon tries until it is so.
func soon(t testing.TB, within time.Duration, so func() bool) bool {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ; <-tick.C {
		if so() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// searchesAll waits until all messages are in the index.
func (p *program) searchesAll(t testing.TB) {
	t.Helper()
	if !soon(t, 30*time.Second, func() bool { return p.metric(t, "chatd_search_behind") == 0 }) {
		t.Fatalf("the search is %v behind", p.metric(t, "chatd_search_behind"))
	}
}

// onEachStore is onEachEngine, and MongoDB where it is asked for.
func onEachStore(t *testing.T, fn func(t *testing.T, args []string)) {
	t.Helper()
	onEachEngine(t, fn)
	t.Run("mongo", func(t *testing.T) {
		t.Parallel()
		cfg := mongodbtest.Config(t)
		db := mongodbtest.Open(t, cfg)
		t.Cleanup(func() { _ = db.Drop(context.WithoutCancel(t.Context())) })
		fn(t, append(slices.Clone(unlimited), "--mongo-url", in(t, cfg)))
	})
}

// A message is found as soon as it was sent, by what it says now, by those who
// may read it now, and by nobody else; deleted it is gone; and after kill -9
// all is as it was.
func TestASearchFindsWhatMayBeReadNowAsItIsNow(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		room, other := p.group(t, ada, bob), p.group(t, cyd)
		p.says(t, cyd, other, "cyd has a canary of her own")
		fox := p.says(t, ada, room, "Der flinke Straßen-Fuchs 🦊 springt <b>über</b> 東京都")
		dog := p.says(t, bob, room, "the lazy canary sleeps")
		p.finds(t, bob, "STRASSEN fuchs", "Der flinke [Straßen]-[Fuchs] 🦊 springt <b>über</b> 東京都")
		p.finds(t, bob, "京都 🦊 uber", "Der flinke Straßen-Fuchs [🦊] springt <b>[über]</b> 東[京都]")
		p.finds(t, ada, "canar", "the lazy [canary] sleeps")
		p.finds(t, cyd, "canar", "cyd has a [canary] of her own")
		p.finds(t, cyd, "fuchs")

		if err := p.gql(t.Context(), ada.token, `mutation($i: EditMessageInput!) { editMessage(input: $i) { message { id } } }`,
			vars("i", vars("id", fox.ID, "text", "ein träger Hund")), nil); err != nil {
			t.Fatal(err)
		}
		if got := p.search(t, bob, vars("q", "fuchs")); len(got) > 0 {
			t.Errorf("the text of before is found: %q", got)
		}
		p.finds(t, bob, "trager", "ein [träger] Hund")
		if err := p.gql(t.Context(), bob.token, `mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { id } } }`,
			vars("i", vars("id", dog.ID)), nil); err != nil {
			t.Fatal(err)
		}
		if got := p.search(t, ada, vars("q", "canary")); len(got) > 0 {
			t.Errorf("a tombstone is found: %q", got)
		}

		p.says(t, bob, room, "last words")
		p.kill()
		p.start(t)
		p.finds(t, ada, "last", "[last] words")
		p.finds(t, ada, "trager", "ein [träger] Hund")
		if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", bob.id), nil); err != nil {
			t.Fatal(err)
		}
		if got := p.search(t, bob, vars("q", "last")); len(got) > 0 {
			t.Errorf("who was removed finds %q", got)
		}
		if err := p.gql(t.Context(), bob.token, searchDoc, vars("q", "last", "c", room), nil); codeOf(err) != "NOT_FOUND" {
			t.Errorf("who was removed searches there: %v", err)
		}
		p.finds(t, ada, "last", "[last] words")
		for _, q := range []string{"", "* - \" ( ) & | !", strings.Repeat("東", 10_000)} {
			if err := p.gql(t.Context(), ada.token, searchDoc, vars("q", q), nil); codeOf(err) != "BAD_USER_INPUT" {
				t.Errorf("a search for %.20q: %v", q, err)
			}
		}
		p.searchesAll(t)
	})
}

func TestASearchHasFiltersAndPages(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 2)
		rooms := []string{p.group(t, all[0], all[1]), p.group(t, all[1], all[0])}
		var want []string
		for i := range 25 {
			p.says(t, all[i%2], rooms[i/2%2], fmt.Sprintf("needle %02d", i))
			want = append([]string{fmt.Sprintf("[needle] %02d", i)}, want...)
			if i == 0 {
				p.finds(t, all[0], "needle", "[needle] 00")
			}
		}
		file := p.upload(t, all[0], "needle.txt", []byte("needle"))
		if _, err := p.sendFiles(t, all[0], rooms[0], "needle file", "", file); err != nil {
			t.Fatal(err)
		}
		plain := slices.Clone(want)
		want = append([]string{"[needle] file"}, want...)
		p.searchesAll(t)
		pick := func(of func(i int) bool) (some []string) {
			for n, text := range plain {
				if of(24 - n) {
					some = append(some, text)
				}
			}
			return some
		}
		for _, c := range []struct {
			name string
			v    map[string]any
			want []string
		}{
			{"all in pages", vars("n", 4), want},
			{"of one conversation", vars("n", 3, "c", rooms[1]), pick(func(i int) bool { return i/2%2 == 1 })},
			{"with files", vars("has", true), want[:1]},
			{"with files of one sender", vars("has", true, "u", all[1].id), nil},
			{"without files", vars("n", 7, "has", false), plain},
			{"of one sender", vars("n", 5, "u", all[1].id), pick(func(i int) bool { return i%2 == 1 })},
			{"of both", vars("c", rooms[0], "u", all[1].id), pick(func(i int) bool { return i%4 == 1 })},
			{"of the past", vars("to", "2020-01-01T00:00:00Z"), nil},
			{"since the past", vars("from", "2020-01-01T00:00:00Z", "to", "2100-01-01T00:00:00+02:00"), want},
			{"of the future", vars("from", "2100-01-01T00:00:00Z"), nil},
		} {
			c.v["q"] = "needl"
			if got := p.search(t, all[0], c.v); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	})
}

// What one node has taken in is found on another, and what a node that was
// killed had not taken in is taken in by the other.
func TestASearchFindsOnOneNodeWhatWasSentOnAnother(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	ada := nodes[0].register(t, "ada")
	room := nodes[0].group(t, ada)
	for i := range 20 {
		nodes[i%2].says(t, ada, room, fmt.Sprintf("word number%dx", i))
	}
	nodes[0].says(t, ada, room, "the last")
	nodes[0].kill()
	for i := range 20 {
		nodes[1].finds(t, ada, fmt.Sprintf("number%dx", i), fmt.Sprintf("word [number%dx]", i))
	}
	nodes[1].finds(t, ada, "last", "the [last]")
}

// The words of what was deleted are in no file of the data directory once the
// server has stopped, and no backup of it has them.
func TestWhatWasDeletedIsInNoFile(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	stays := p.says(t, ada, room, "rhinoceros stays")
	m := p.says(t, ada, room, "hippopotamus goes")
	p.finds(t, ada, "hippopotamus", "[hippopotamus] goes")
	p.finds(t, ada, "rhinoceros", "[rhinoceros] stays")
	if err := p.gql(t.Context(), ada.token, `mutation($i: DeleteMessageInput!) { deleteMessage(input: $i) { message { id } } }`,
		vars("i", vars("id", m.ID)), nil); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "copy")
	does(t, "backup", "--data-dir", p.dir, "--to", backup)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{p.dir, backup} {
		kept := 0
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if strings.Contains(string(raw), "ippopotamu") {
				t.Errorf("%s has the word", path)
			}
			kept += strings.Count(string(raw), "hinocero")
			return err
		})
		if err != nil || kept < 2 {
			t.Errorf("%s has the word of %s %d times: %v", dir, stays.ID, kept, err)
		}
	}
}
