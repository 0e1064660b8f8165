//go:build soak

package main

import (
	"net/http"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
)

func TestNothingIsLostWhenPostgresIsRestarted(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	p := startProgram(t, append([]string{"--postgres-url", pg.url()}, unlimited...)...)
	c := assemble(t, p, 4, 16, 6)
	for _, w := range c.writers {
		w.pause = time.Millisecond
	}
	c.start(t, forEver)
	for n := range outages {
		pause(t.Context(), 2*time.Second)
		pg.ctl("restart", "-m", "immediate")
		t.Logf("restart %d: sends again after %v", n, recovery(t, c, "restart"))
	}
	await(t, 10*time.Second, "the server is ready", func() bool { status, _ := p.get(t, "/readyz"); return status == http.StatusOK })
	c.settle(t)
	if n := c.log.count(refused); n != 0 {
		t.Errorf("%d sends were refused otherwise than by UNAVAILABLE", n)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: pg.url(), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var backends int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`).Scan(&backends); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections to PostgreSQL", backends)
	if backends > 21 { // the pool's 20, and this one
		t.Error("connections have leaked")
	}
}
