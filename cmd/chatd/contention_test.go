package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
)

func TestAReaderThatStaysDoesNotHinderWriters(t *testing.T) {
	t.Parallel()
	p := startProgram(t, append([]string{"--durability", "relaxed"}, unlimited...)...)
	c := assemble(t, p, 8, 64, 0)
	file := filepath.Join(p.dir, databaseFile)
	reader, err := sqldb.Open(t.Context(), sqldb.Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	size := func() int64 {
		info, err := os.Stat(file + "-wal")
		if err != nil {
			return 0
		}
		return info.Size()
	}
	ctx, cancel := context.WithTimeout(t.Context(), contentionTime)
	defer cancel()
	c.write(t)
	err = reader.Snapshot(context.WithoutCancel(ctx), func(q sqldb.Querier) error {
		var first, last int
		if err := q.QueryRow(t.Context(), "SELECT count(*) FROM chat_message").Scan(&first); err != nil {
			return err
		}
		<-ctx.Done()
		err := q.QueryRow(t.Context(), "SELECT count(*) FROM chat_message").Scan(&last)
		if first != last {
			t.Errorf("the reader saw %d messages, then %d", first, last)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	held := size()
	await(t, 20*time.Second, "the log is cut back", func() bool { return size() <= 64<<20 && size() <= max(held, 20<<20) })
	c.hush()
	mustBeClean(t, judge(c.log, p.histories(t, c.people[0], c.rooms), nil))
	if n := c.log.count(unknown) + c.log.count(refused); n != 0 {
		t.Errorf("%d sends failed", n)
	}
	t.Logf("log: %.1f MiB while the reader stayed, %.1f MiB after", float64(held)/(1<<20), float64(size())/(1<<20))
}
