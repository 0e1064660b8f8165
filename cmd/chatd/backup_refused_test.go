package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/testenv"
)

func TestWhatStandsInTheWayOfABackupIsToldInOneLine(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	if _, err := p.send(t.Context(), ada, room, "hello", ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	good := in("good")
	says(t, does(t, "backup", "--data-dir", p.dir, "--to", good), good, "MiB", "checked")
	file, empty := in("file"), in("empty")
	if err := errors.Join(os.WriteFile(file, []byte("a diary"), 0o600), os.Mkdir(empty, 0o700), os.Mkdir(in("x"+datadir.Unfinished), 0o700),
		os.WriteFile(filepath.Join(in("x"+datadir.Unfinished), "diary"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	noStore := in("postgres")
	if err := errors.Join(os.Mkdir(noStore, 0o700), os.WriteFile(filepath.Join(noStore, markerFile), []byte(`{"format":1,"holds":[]}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct {
		args []string
		want []string
	}{
		"the target is there":              {[]string{"backup", "--data-dir", p.dir, "--to", good}, []string{good, "is there"}},
		"the target is an empty directory": {[]string{"backup", "--data-dir", p.dir, "--to", empty}, []string{empty, "is there"}},
		"the target is a file":             {[]string{"backup", "--data-dir", p.dir, "--to", file}, []string{file, "is there"}},
		"the target is in a file":          {[]string{"backup", "--data-dir", p.dir, "--to", filepath.Join(file, "x")}, []string{file}},
		"the target's parent is missing":   {[]string{"backup", "--data-dir", p.dir, "--to", filepath.Join(dir, "no", "x")}, []string{in("no"), "make it"}},
		"the target is in the data":        {[]string{"backup", "--data-dir", p.dir, "--to", filepath.Join(p.dir, "x")}, []string{"outside"}},
		"the target cannot be written":     {[]string{"backup", "--data-dir", p.dir, "--to", "/sys/fs/x"}, []string{"/sys/fs/x", "cannot be made"}},
		"another's directory is in between": {
			[]string{"backup", "--data-dir", p.dir, "--to", in("x")}, []string{in("x"), "diary"},
		},
		"no data directory":     {[]string{"backup", "--data-dir", empty, "--to", in("y")}, []string{empty, "no data directory of chatd"}},
		"nothing":               {[]string{"backup", "--data-dir", in("nothing"), "--to", in("y")}, []string{in("nothing")}},
		"a backup":              {[]string{"backup", "--data-dir", good, "--to", in("y")}, []string{good, "a backup itself"}},
		"PostgreSQL":            {[]string{"backup", "--data-dir", p.dir, "--to", in("y"), "--postgres-url", "postgres://a:hidden@127.0.0.1/b"}, []string{"pg_dump"}},
		"PostgreSQL's files":    {[]string{"backup", "--data-dir", noStore, "--to", in("y")}, []string{noStore, "PostgreSQL"}},
		"restore to PostgreSQL": {[]string{"restore", "--from", good, "--data-dir", in("y"), "--postgres-url", "postgres://a:hidden@127.0.0.1/b"}, []string{"pg_restore"}},
		"restore over data":     {[]string{"restore", "--from", good, "--data-dir", p.dir}, []string{p.dir, "in use"}},
		"restore over files":    {[]string{"restore", "--from", good, "--data-dir", dir}, []string{dir, "not empty"}},
		"restore over a file":   {[]string{"restore", "--from", good, "--data-dir", file}, []string{file}},
		"restore over itself":   {[]string{"restore", "--from", good, "--data-dir", good}, []string{good, "another --data-dir"}},
		"restore into itself":   {[]string{"restore", "--from", good, "--data-dir", filepath.Join(good, "x")}, []string{good, "another --data-dir"}},
		"restore what is in use": {
			[]string{"restore", "--from", p.dir, "--data-dir", in("y")}, []string{p.dir, "chatd backup"},
		},
		"restore of nothing": {[]string{"restore", "--from", empty, "--data-dir", in("y")}, []string{empty, "no data directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			line := doesNot(t, r.args...)
			says(t, line, r.want...)
			if strings.Contains(line, "hidden") {
				t.Error("the password is told")
			}
		})
	}
	t.Run("a backup is served only when it is restored", func(t *testing.T) {
		says(t, mustRefuse(t, freeAddr(t), good), good, "is a backup", "chatd restore")
	})
	for _, name := range []string{databaseFile, keys.FileName} {
		t.Run("a backup with a changed "+name, func(t *testing.T) {
			damaged := filepath.Join(t.TempDir(), "damaged")
			if err := os.CopyFS(damaged, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			if err := flipAt(-1)(filepath.Join(damaged, name)); err != nil {
				t.Fatal(err)
			}
			says(t, doesNot(t, "restore", "--from", damaged, "--data-dir", filepath.Join(t.TempDir(), "data")), name, "damaged")
		})
	}
	t.Run("a database that is damaged", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		does(t, "restore", "--from", good, "--data-dir", data)
		b, err := os.ReadFile(filepath.Join(data, databaseFile))
		if err != nil {
			t.Fatal(err)
		}
		for i := len(b) / 4; i < len(b)/2; i++ {
			b[i] = 0xff
		}
		to := filepath.Join(t.TempDir(), "backup")
		if err := os.WriteFile(filepath.Join(data, databaseFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, doesNot(t, "backup", "--data-dir", data, "--to", to), databaseFile, "damaged")
		if exists(to) || exists(to+datadir.Unfinished) {
			t.Error("something is left of the backup")
		}
	})
	t.Run("the schema is a newer one", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		does(t, "restore", "--from", good, "--data-dir", data)
		outdate(t, sqldb.Config{Path: filepath.Join(data, databaseFile)})
		says(t, mustRefuse(t, freeAddr(t), data), "newer")
	})
}

func TestABackupToAFullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	c := heavy(t, p)
	c.hush()
	good := filepath.Join(t.TempDir(), "good")
	does(t, "backup", "--data-dir", p.dir, "--to", good)
	for _, size := range []int{16 << 10, 1 << 20} {
		disk := testenv.SmallDisk(t, size)
		says(t, doesNot(t, "backup", "--data-dir", p.dir, "--to", filepath.Join(disk, "backup")), disk, "the disk is full")
		if entries, err := os.ReadDir(disk); err != nil || len(entries) > 0 {
			t.Errorf("left: %v, %v", entries, err)
		}
		data := filepath.Join(disk, "data")
		says(t, doesNot(t, "restore", "--from", good, "--data-dir", data), data, "the disk is full")
		if exists(filepath.Join(data, databaseFile)) {
			t.Error("a database is left")
		}
	}
	c.write(t) // the original goes on
	pause(t.Context(), 200*time.Millisecond)
	c.settle(t)
}

// renewEpoch is what docs/operations.md has operators run on a PostgreSQL
// that was restored.
const renewEpoch = `UPDATE chat_position SET epoch = md5(random()::text || clock_timestamp()::text)`

func TestTheStatementInTheDocsRenewsTheEpochOfARestoredPostgres(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(docs), renewEpoch) {
		t.Error("docs/operations.md has another statement")
	}
	args := onPostgres(t)
	p := startProgram(t, args...)
	ada := p.register(t, "ada")
	p.group(t, ada)
	old, err := p.position(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: args[len(args)-1]})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), renewEpoch)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.start(t)
	p.mustReset(t, ada, "before it", old)
}
