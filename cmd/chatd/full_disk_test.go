package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/testenv"
)

func TestAFullDiskRefusesWritesAndHeals(t *testing.T) {
	t.Parallel()
	disk := testenv.SmallDisk(t, diskBytes)
	p := startProgramIn(t, filepath.Join(disk, "data"), unlimited...)
	c := assemble(t, p, 1, 4, int(followings))
	for _, w := range c.writers {
		w.text = strings.Repeat(" and so on", 900)
	}
	ballast := filepath.Join(disk, "ballast") // its removal is how space is made
	if err := os.WriteFile(ballast, make([]byte, diskBytes/2), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start(t, forEver)
	for round := range diskRounds {
		unavailable := func() int {
			n := 0
			for _, s := range c.log.all() {
				if s.code == "UNAVAILABLE" {
					n++
				}
			}
			return n
		}
		before := unavailable()
		await(t, 2*time.Minute, "sends are refused", func() bool { return unavailable() > before+20 })
		c.hush()
		who := c.people[0]
		for n := range 3 { // there may be room for one that is small
			if s := c.writers[0].sendOnce(t); s.fate != acked && s.code != "UNAVAILABLE" {
				t.Errorf("send %d on a full disk: %v", n, s.code)
			}
		}
		stored := p.histories(t, who, c.rooms) // reads go on
		await(t, 10*time.Second, "readiness is degraded", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusServiceUnavailable })
		if round == diskRounds-1 {
			p.kill()
			p.launch(t) // is not ready, and yet reads
			await(t, 20*time.Second, "reads after kill -9 on a full disk", func() bool {
				return p.gql(t.Context(), who.token, `{ viewer { user { id } } }`, nil, nil) == nil
			})
			if again := p.history(t, who, c.rooms[0]); len(again) < len(stored[c.rooms[0]]) {
				t.Errorf("%d messages after kill -9, %d before", len(again), len(stored[c.rooms[0]]))
			}
		}
		if err := os.Truncate(ballast, int64(diskBytes/2*(diskRounds-round-1)/diskRounds)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		await(t, 10*time.Second, "sends work again", func() bool {
			s := c.writers[0].sendOnce(t)
			return s.fate == acked
		})
		await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
		t.Logf("round %d: %d sends unavailable, healed %v after there was space", round, unavailable()-before, time.Since(begin))
		if round < diskRounds-1 {
			c.write(t)
		}
	}
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused otherwise than by UNAVAILABLE", n)
	}
	if err := p.stop(t); err != nil {
		t.Errorf("stop: %v", err)
	}
	mustBeWhole(t, filepath.Join(p.dir, databaseFile))
}

// sendOnce sends the writer's next message on a socket of its own.
func (w *writer) sendOnce(t testing.TB) *sent {
	t.Helper()
	c := w.p.dial(t, w.who)
	defer c.Close()
	return w.send(t.Context(), c)
}

// mustBeWhole has SQLite check its file.
func mustBeWhole(t testing.TB, path string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity_check: %s, %v", result, err)
	}
}
