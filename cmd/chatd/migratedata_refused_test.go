package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/sqlmove"
)

// alter runs a statement in a database.
func alter(t testing.TB, cfg sqldb.Config, text string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(context.WithoutCancel(t.Context()), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), text)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestWhatCannotBeMovedIsRefusedInOneLineAndNotTouched(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	p.register(t, "ada")
	busy := doesNot(t, "migrate-data", "--from", p.dir, "--to", sqldbtest.PostgresURL(t))
	says(t, busy, "in use by another chatd")
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	before := marked(t, p.dir)
	used, empty := toPlace(t, false), toPlace(t, false)
	other := startProgram(t, append(slices.Clone(unlimited), used...)...)
	says(t, doesNot(t, used.moving(p.dir)...), "a chatd works on this PostgreSQL")
	other.kill()
	missing := filepath.Join(t.TempDir(), "missing")
	fresh := filepath.Join(t.TempDir(), "fresh")
	does(t, "migrate", "--data-dir", fresh)
	onMongo := filepath.Join(t.TempDir(), "mongo")
	makeWithoutChat(t, onMongo)
	backup := filepath.Join(t.TempDir(), "backup")
	does(t, "backup", "--data-dir", p.dir, "--to", backup)
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"a target that was served":           {used.moving(p.dir), []string{"not empty", "auth_keys"}},
		"no target":                          {[]string{"migrate-data", "--from", p.dir}, []string{"--to"}},
		"a target that is no URL":            {[]string{"migrate-data", "--from", p.dir, "--to", "db"}, []string{"--to must be a URL"}},
		"two targets":                        {append(empty.moving(p.dir), "--to", used.url()), []string{"--to and --postgres-url"}},
		"a target that is away":              {[]string{"migrate-data", "--from", p.dir, "--to", "postgres://chatd:secret@127.0.0.1:1/chatd"}, []string{"127.0.0.1"}},
		"a MongoDB that is away":             {append(empty.moving(p.dir), "--mongo-url", "mongodb://127.0.0.1:1/chatd"), []string{"open MongoDB", "127.0.0.1:1"}},
		"a PostgreSQL that loses commits":    {[]string{"migrate-data", "--from", p.dir, "--to", empty.url()}, []string{"fsync=off"}},
		"a directory that is not there":      {empty.moving(missing), []string{missing}},
		"a backup":                           {empty.moving(backup), []string{"is a backup", "chatd restore"}},
		"conversations that are in MongoDB":  {empty.moving(onMongo), []string{"conversations are in a MongoDB"}},
		"what was never moved is taken back": {[]string{"migrate-data", "--undo", "--from", p.dir}, []string{"nothing to take back"}},
	} {
		t.Run(name, func(t *testing.T) {
			line := doesNot(t, c.args...)
			says(t, line, append(c.want, "migrate-data: ")...)
			if strings.Contains(line, "secret@") {
				t.Errorf("it shows the password: %s", line)
			}
		})
	}
	if after := marked(t, p.dir); after != before {
		t.Errorf("the directory was marked: %s", after)
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("a directory was made")
	}
	t.Run("a directory without anybody in it is moved, too", func(t *testing.T) {
		to := toPlace(t, false)
		does(t, append([]string{"migrate"}, append(slices.Clone(to), "--data-dir", filepath.Join(t.TempDir(), "data"))...)...) // the tables are there, empty
		says(t, does(t, to.moving(fresh)...), "Moved")
	})
}

// makeWithoutChat makes a data directory as a chatd with a MongoDB does.
func makeWithoutChat(t testing.TB, dir string) {
	t.Helper()
	does(t, "migrate", "--data-dir", dir)
	for _, table := range chatTables(t, filepath.Join(dir, databaseFile)) {
		alter(t, sqldb.Config{Path: filepath.Join(dir, databaseFile)}, "DROP TABLE "+table)
	}
}

// chatTables are those that a chatd with a MongoDB lacks, the newest first: what
// refers to another comes before that.
func chatTables(t testing.TB, path string) []string {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'chat\_%' ESCAPE '\' ORDER BY rowid DESC`)
	all, err := sqldb.Collect(rows, err, func(r sqldb.Row) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil || len(all) < 6 {
		t.Fatal(all, err)
	}
	return all
}

func TestACopyBelongsToOneDirectoryAndItsSettings(t *testing.T) {
	t.Parallel()
	dirs := make([]string, 2)
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), "data")
		does(t, "migrate", "--data-dir", dirs[i])
	}
	to, elsewhere := toPlace(t, false), toPlace(t, false)
	does(t, to.moving(dirs[0])...)
	says(t, doesNot(t, to.moving(dirs[1])...), "not empty", "another copy")
	unfinished := sqldb.Config{URL: to.url()}
	alter(t, unfinished, `UPDATE move_state SET state = 'COPYING'`)
	says(t, doesNot(t, to.moving(dirs[1])...), "not empty", "another copy")
	says(t, doesNot(t, append([]string{"serve", "--data-dir", dirs[0]}, to...)...), "unfinished copy")
	says(t, doesNot(t, elsewhere.moving(dirs[0])...), "was moved to")
	says(t, does(t, to.moving(dirs[0])...), "nothing is left to do")
	alter(t, unfinished, `UPDATE move_state SET parts = 'auth,user,relay|chat'`)
	for _, args := range [][]string{append([]string{"serve", "--data-dir", dirs[0]}, to...), to.moving(dirs[0])} {
		says(t, doesNot(t, args...), "its conversations are in MongoDB; give --mongo-url")
	}
	alter(t, unfinished, `UPDATE move_state SET parts = 'auth|'`) // by a version with fewer sets
	says(t, does(t, to.moving(dirs[0])...), "nothing is left to do")

	// One that was begun elsewhere may be given up, but not the other way round.
	does(t, elsewhere.moving(dirs[1])...)
	does(t, "migrate-data", "--undo", "--from", dirs[1])
	third := toPlace(t, false)
	says(t, does(t, third.moving(dirs[1])...), "Moved")
	says(t, doesNot(t, elsewhere.moving(dirs[1])...), "was moved to")
}

// A value that differs, wherever it is, must be found before anybody is served.
func TestAChangedRowInTheTargetIsFoundAndNotServed(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := settle(t, p)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	to := toPlace(t, false)
	does(t, to.moving(p.dir)...)
	db := sqldb.Config{URL: to.url()}
	source, err := sqldb.Open(t.Context(), sqldb.Config{Path: filepath.Join(p.dir, databaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	tables, err := sqlmove.Tables(t.Context(), source, (&Config{}).sets())
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	unfinish := func() {
		alter(t, db, `UPDATE move_state SET state = 'COPYING'`)
		text, _, done := strings.Cut(marked(t, p.dir), `,"target"`)
		if !done {
			return
		}
		if err := os.WriteFile(filepath.Join(p.dir, markerFile), []byte(text+"}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c1 := range []struct{ do, undo, want string }{
		{`UPDATE chat_message SET text = text || '.' WHERE seq = 3`, `UPDATE chat_message SET text = left(text, -1) WHERE seq = 3`, "chat_message"},
		{`UPDATE auth_sessions SET refresh_generation = refresh_generation + 1`, `UPDATE auth_sessions SET refresh_generation = refresh_generation - 1`, "auth_sessions"},
		{`INSERT INTO user_presence SELECT id, 'BUSY', 1 FROM user_profiles p WHERE NOT EXISTS (SELECT 1 FROM user_presence s WHERE s.user_id = p.id) LIMIT 1`, `DELETE FROM user_presence WHERE last_active_at = 1`, "user_presence"},
		{`UPDATE relay_positions SET pos = pos + 1`, `UPDATE relay_positions SET pos = pos - 1`, "relay_positions"},
	} {
		unfinish()
		alter(t, db, c1.do)
		cmd, out := command(t.Context(), to.moving(p.dir)...)
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("%s went unnoticed: %v", c1.do, err)
		}
		_, line, _ := strings.Cut(out.String(), "chatd: ")
		says(t, line, "migrate-data: compare "+c1.want+": the two sides differ", "--undo")
		says(t, mustRefuse(t, freeAddr(t), p.dir, to...), "unfinished copy")
		alter(t, db, c1.undo)
	}
	says(t, does(t, to.moving(p.dir)...), "Moved")
	q := startProgramIn(t, p.dir, append(slices.Clone(unlimited), to...)...)
	q.history(t, c.people[0], c.rooms[0])
	if len(tables) < 14 {
		t.Errorf("only %d tables", len(tables))
	}
}

// Every table and column of both engines' schemas is copied: one that a
// migration adds and that cannot be, or is on one engine alone, fails here. Those
// that are derived are made anew.
func TestAllThatMigrationsMakeIsMoved(t *testing.T) {
	t.Parallel()
	var all [][]sqlmove.Table
	for _, db := range []*sqldb.DB{sqldbtest.SQLite(t), sqldbtest.Postgres(t)} {
		if err := migrateSets(t.Context(), db, (&Config{}).sets()); err != nil {
			t.Fatal(err)
		}
		tables, err := sqlmove.Tables(t.Context(), db, (&Config{}).sets())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tables)
		text := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
		if db.Engine() == sqldb.PostgreSQL {
			text = `SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`
		}
		rows, err := db.Query(t.Context(), text)
		names, err := sqldb.Collect(rows, err, func(r sqldb.Row) (s string, err error) {
			err = r.Scan(&s)
			return s, err
		})
		if err != nil || len(names) < 15 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			known := strings.HasSuffix(name, "_migrations") || strings.HasPrefix(name, "derived_") ||
				slices.ContainsFunc(tables, func(of sqlmove.Table) bool { return of.Name == name })
			if !known {
				t.Errorf("%s: nobody moves %s", db.Engine(), name)
			}
		}
	}
	if err := sqlmove.Alike(all[0], all[1]); err != nil {
		t.Error(err)
	}
	folders, err := os.ReadDir(filepath.Join("..", "..", "migrations"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		steps, _ := filepath.Glob(filepath.Join("..", "..", "migrations", folder.Name(), "*.sql"))
		if len(steps) > 0 && folder.Name() != sqlmove.Set && !slices.Contains((&Config{}).sets(), folder.Name()) {
			t.Errorf("the set %s is not moved", folder.Name())
		}
	}
}
