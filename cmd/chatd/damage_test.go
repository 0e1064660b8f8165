package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/keys"
)

// damage is one way to spoil a data directory.
type damage struct {
	name string
	file string // what a refusal must name
	// flip says that one bit is changed in the middle of a file that has no
	// checksums: SQLite finds what breaks its structure, not what changes a
	// letter.
	flip bool
	do   func(path string) error
}

// What a start on a damaged directory may come to.
const (
	refusedStart = "refused, naming the file"
	intact       = "all data intact"
	readError    = "started, and reading tells the damage"
	unnoticed    = "started with other data, unnoticed"
	freshStart   = "started empty"
)

func TestADamagedDataDirectoryIsNeverTakenForAnEmptyOne(t *testing.T) {
	t.Parallel()
	for name, crashed := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t, unlimited...)
			ada := p.register(t, "ada")
			room := p.group(t, ada)
			for n := range 60 {
				if _, err := p.send(t.Context(), ada, room, fmt.Sprintf("text %d %s", n, strings.Repeat("lorem ipsum ", 20)), ""); err != nil {
					t.Fatal(err)
				}
			}
			want := p.history(t, ada, room)
			if crashed {
				p.kill()
			} else if err := p.stop(t); err != nil {
				t.Fatalf("stop: %v", err)
			}
			results := map[string][]string{}
			for _, d := range damagesOf(crashed) {
				result, said := p.startDamaged(t, d, ada, room, want)
				results[result] = append(results[result], d.name)
				switch {
				case result == refusedStart, result == intact:
				case d.flip && result != freshStart: // told below
				default:
					t.Errorf("%s: %s (%s)", d.name, result, said)
				}
			}
			for result, names := range results {
				t.Logf("%d %s: %s", len(names), result, strings.Join(names, ", "))
			}
		})
	}
}

func damagesOf(crashed bool) []damage {
	cutTo := func(share float64) func(string) error {
		return func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, int64(float64(info.Size())*share))
		}
	}
	all := []damage{
		{"database removed", databaseFile, false, os.Remove},
		{"database emptied", databaseFile, false, cutTo(0)},
		{"database cut to a half", databaseFile, false, cutTo(0.5)},
		{"database cut by a little", databaseFile, false, cutTo(0.99)},
		{"database header changed", databaseFile, false, flipAt(3)},
		{"key removed", keys.FileName, false, os.Remove},
		{"key emptied", keys.FileName, false, cutTo(0)},
		{"key cut", keys.FileName, false, cutTo(0.6)},
		{"marker emptied", markerFile, false, cutTo(0)},
		{"marker damaged", markerFile, false, flipAt(0)},
	}
	if crashed {
		all = []damage{
			{"database removed beside its log", databaseFile, false, os.Remove},
			{"database emptied beside its log", databaseFile, false, cutTo(0)},
			{"log header changed", databaseFile + "-wal", false, flipAt(17)},
		}
	}
	for n := range damages - 10 {
		name := databaseFile
		if crashed {
			name += "-wal"
		}
		all = append(all, damage{fmt.Sprintf("bit %d of %s flipped", n, name), name, true, flipAt(-1)})
	}
	return all
}

// flipAt changes a bit of the byte at that place, or at a random one.
func flipAt(at int) func(string) error {
	return func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		i := at
		if i < 0 {
			i = rand.IntN(len(b))
		}
		b[i] ^= 1 << rand.IntN(8)
		return os.WriteFile(path, b, 0o600)
	}
}

// startDamaged starts a program on a damaged copy of p's data directory and
// says what came of it.
func (p *program) startDamaged(t testing.TB, d damage, who person, room string, want []message) (result, said string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // a copy is open to others
		if err := os.Chmod(filepath.Join(dir, e.Name()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.do(filepath.Join(dir, d.file)); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	q := &program{dir: dir, addr: freeAddr(t), args: p.args}
	q.launch(t)
	defer q.kill()
	if err := q.ready(20 * time.Second); err != nil {
		log, _ := os.ReadFile(q.logFile())
		exit, ended := errors.AsType[*exec.ExitError](q.err)
		if !ended || exit.ExitCode() != 1 || !strings.Contains(string(log), d.file) {
			return "refused, without naming the file", string(log)
		}
		return refusedStart, string(log)
	}
	got, err := q.allOf(t, who, room)
	switch {
	case err != nil && codeOf(err) != "INTERNAL" && codeOf(err) != "UNAVAILABLE":
		return freshStart, err.Error()
	case err != nil:
		return readError, err.Error()
	case !slices.EqualFunc(got, want, func(a, b message) bool { return a.ID == b.ID && a.Seq == b.Seq && a.text() == b.text() }):
		return unnoticed, fmt.Sprintf("%d messages of %d", len(got), len(want))
	}
	return intact, ""
}

// allOf reads up to a hundred messages of a conversation.
func (p *program) allOf(t testing.TB, who person, room string) (out []message, err error) {
	t.Helper()
	var d struct {
		Messages struct{ Edges []struct{ Node message } }
	}
	err = p.gql(t.Context(), who.token, `query($c: ID!) { messages(conversationId: $c, first: 100) { edges { node { id seq rev text } } } }`, vars("c", room), &d)
	for _, e := range d.Messages.Edges {
		out = append(out, e.Node)
	}
	return out, err
}
