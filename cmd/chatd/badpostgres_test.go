package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// guarded is a PostgreSQL that lets in over TLS and with the password alone.
// Its user chatd owns the database chatd.
func guarded(t testing.TB) (c *cluster, host, authority string) {
	t.Helper()
	c = newCluster(t)
	_, crt, key := certificate(t, "127.0.0.1")
	c.do("postgres", "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()") // it is soon gone
	c.do(
		"postgres", "ALTER SYSTEM SET ssl = on",
		"ALTER SYSTEM SET ssl_cert_file = '"+c.write("server.crt", crt)+"'",
		"ALTER SYSTEM SET ssl_key_file = '"+c.write("server.key", key)+"'",
		"CREATE ROLE chatd LOGIN PASSWORD '"+hidden+"'", "CREATE DATABASE chatd OWNER chatd",
	)
	c.write("data/pg_hba.conf", "local all all trust\nlocal replication all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
	c.run("pg_ctl", "-D", c.dir+"/data", "reload")
	return c, c.addr, inFile(t, crt)
}

func TestAPostgresThatCannotBeUsedIsToldInOneLine(t *testing.T) {
	t.Parallel()
	shared, err := url.Parse(sqldbtest.PostgresURL(t)) // without TLS, and lets everybody in
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", shared.Host
	if dir := shared.Query().Get("host"); strings.HasPrefix(dir, "/") {
		network, address = "unix", dir+"/.s.PGSQL.5432"
	}
	plain := between(t, network, address, "", "", nil)
	major, _, _ := strings.Cut(sqldbtest.Open(t, sqldb.Config{URL: shared.String(), MaxConns: 1}).Server().Version, ".")
	c, host, authority := guarded(t)
	c.do(
		"postgres", "CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
		"CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 OWNER chatd",
		"CREATE DATABASE others", "CREATE DATABASE bare OWNER chatd",
		"CREATE DATABASE reading OWNER chatd", "ALTER DATABASE reading SET default_transaction_read_only = on",
		"CREATE DATABASE hasty OWNER chatd", "ALTER DATABASE hasty SET synchronous_commit = off",
	)
	c.do("bare", "DROP SCHEMA public")
	c.do("postgres", "CREATE DATABASE lent OWNER chatd")
	lent := c.local("lent") // the tables there are postgres's own
	if end := runToItsEnd(t.Context(), "migrate", "--durability", "relaxed", "--data-dir", filepath.Join(t.TempDir(), "data"), "--postgres-url", lent); end.status != 0 {
		t.Fatalf("%+v", end)
	}
	standby := c.standby()
	// to names a database of the guarded server; its rights are right.
	to := func(database, more string) string {
		return fmt.Sprintf("postgres://chatd:%s@%s/%s?sslmode=verify-full&sslrootcert=%s%s", hidden, host, database, authority, more)
	}
	at := func(host, more string) string {
		return "postgres://postgres:" + hidden + "@" + host + "/postgres" + more
	}
	full, relaxed := []string{"--durability", "full"}, []string{"--durability", "relaxed"}
	mustBeRefused(t, "postgres-url", map[string]badServer{
		"an unknown scheme":         {url: "mysql://chatd:" + hidden + "@db/chatd", says: []string{"postgres://chatd:password@"}},
		"an unknown sslmode":        {url: to("chatd", "") + "&sslmode=perhaps", says: []string{"sslmode is invalid"}},
		"no such file of authority": {url: at(host, "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"), says: []string{"/nowhere/ca.pem"}},
		"no such host":              {url: at("db.invalid", ""), says: []string{"db.invalid", "not known", "check its name"}},
		"nobody listens":            {url: at(freeAddr(t), ""), says: []string{"127.0.0.1:", "nobody listens", "start PostgreSQL"}},
		"no such socket":            {url: "postgres://postgres:" + hidden + "@/postgres?host=/nowhere", says: []string{"/nowhere", "no such socket"}},
		"nobody answers":            {url: at(mute(t), ""), says: []string{"no answer in time"}},
		"nobody answers TLS":        {url: at(mute(t), "?sslmode=verify-full"), says: []string{"no answer in time"}},
		"a wrong password":          {url: strings.Replace(to("chatd", ""), hidden, "wrong", 1), says: []string{host, "password is refused", "check user and password"}},
		"no such database":          {url: to("chat", ""), says: []string{"no such database", `CREATE DATABASE "chat"`}},
		"no right to connect":       {url: to("closed", ""), says: []string{"GRANT CONNECT ON DATABASE"}},
		"TLS is wanted and refused": {url: at(host, "?sslmode=disable"), says: []string{"without TLS", "sslmode=require"}},
		"TLS is not spoken":         {url: at(plain, "?sslmode=require"), says: []string{"does not speak TLS", "sslmode=disable"}},
		"an unknown authority":      {url: at(host, "?sslmode=verify-full"), says: []string{"authority", "sslrootcert=FILE"}},
		"another's certificate":     {url: strings.Replace(to("chatd", ""), host, "localhost:"+c.port(), 1), says: []string{"another host"}},
		"too old":                   {url: at(between(t, network, address, major, "13", nil), "?sslmode=disable"), says: []string{"version 13", "14 or later", "upgrade"}},
		"not UTF-8":                 {url: to("ascii", ""), says: []string{"SQL_ASCII", "ENCODING 'UTF8'"}},
		"a standby":                 {url: standby.local("postgres"), says: []string{"standby", "name the primary"}},
		"one that takes no writes":  {url: to("reading", ""), says: []string{"default_transaction_read_only"}},
		"no right to make tables":   {url: to("others", ""), args: relaxed, says: []string{"user chatd may not make tables", `GRANT USAGE, CREATE ON SCHEMA "public" TO "chatd"`}},
		"no right to the tables":    {url: to("lent", ""), args: relaxed, says: []string{"user chatd may not read and write the table auth_migrations", "GRANT SELECT, INSERT, UPDATE, DELETE ON"}},
		"no schema":                 {url: to("bare", ""), says: []string{"no schema", "CREATE SCHEMA"}},
		"commits that may be lost":  {url: to("hasty", ""), args: full, says: []string{"synchronous_commit=off", "--durability relaxed"}},
		"one that is no PostgreSQL": {url: at(greeter(t), "?sslmode=disable"), says: []string{"check host and port"}},
	})
	if out := mustPassCheck(t, "--postgres-url", to("hasty", ""), "--durability", "relaxed"); !strings.Contains(out, "synchronous_commit=off") {
		t.Errorf("the check says\n%s", out)
	}
}

// What is there and is not whole is left as it is.
func TestAPostgresInABadStateIsToldAndLeftAlone(t *testing.T) {
	t.Parallel()
	args := func(url string) []string { return []string{"--durability", "relaxed", "--postgres-url", url} }
	whole := sqldbtest.PostgresURL(t)
	if out := mustPassCheck(t, args(whole)...); !strings.Contains(out, "tables will be made at the start") {
		t.Errorf("of an empty schema the check says\n%s", out)
	}
	if n := tablesAt(t, whole); n != "" {
		t.Fatalf("the check has made %s", n)
	}
	rows := map[string]badServer{}
	before := map[string]string{}
	for name, bad := range map[string]struct {
		spoil string
		says  []string
	}{
		"a newer schema":             {"INSERT INTO chat_migrations (version_id, is_applied) VALUES (9999, true)", []string{"newer version", "run that version"}},
		"a step was begun":           {"UPDATE chat_migrations SET is_applied = false WHERE version_id = 1", []string{"half migrated", "step 1 of chat", "restore a backup"}},
		"a table is gone":            {"DROP TABLE chat_member", []string{"half migrated", "chat_member is not there"}},
		"the mark of a set is gone":  {"DROP TABLE user_migrations", []string{"half migrated", "user_profiles"}},
		"the mark of a set is empty": {"DELETE FROM auth_migrations", []string{"half migrated", "auth_accounts"}},
	} {
		url := sqldbtest.PostgresURL(t)
		p := startProgram(t, args(url)...)
		if err := p.stop(t); err != nil {
			t.Fatalf("stop: %v", err)
		}
		if out := mustPassCheck(t, args(url)...); !strings.Contains(out, "is this version's") {
			t.Errorf("of a whole schema the check says\n%s", out)
		}
		spoil(t, url, bad.spoil)
		before[url] = tablesAt(t, url)
		rows[name] = badServer{url: url, args: []string{"--durability", "relaxed"}, says: bad.says}
	}
	t.Cleanup(func() { // after the rows
		for url, were := range before {
			if are := tablesAt(t, url); are != were {
				t.Errorf("there was %s, and is %s", were, are)
			}
		}
	})
	mustBeRefused(t, "postgres-url", rows)
}

func spoil(t testing.TB, url, statement string) {
	t.Helper()
	db := sqldbtest.Open(t, sqldb.Config{URL: url, MaxConns: 1})
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tablesAt are the tables of a schema, and what their marks say.
func tablesAt(t testing.TB, url string) string {
	t.Helper()
	ctx := t.Context()
	if ctx.Err() != nil { // in a clean-up
		ctx = context.WithoutCancel(ctx)
	}
	db, err := sqldb.Open(ctx, sqldb.Config{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	err = db.QueryRow(ctx, `SELECT coalesce(string_agg(table_name || ':' ||
		(xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM ' || quote_ident(table_name), false, true, '')))[1]::text, ' ' ORDER BY table_name), '')
		FROM information_schema.tables WHERE table_schema = current_schema()`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A start that is killed in the middle of a step leaves nothing of that step:
// what is there is older, not half migrated, and the next start goes on.
func TestAMigrationThatIsKilledGoesOnAtTheNextStart(t *testing.T) {
	t.Parallel()
	url := sqldbtest.PostgresURL(t)
	args := []string{"--durability", "relaxed", "--postgres-url", url}
	db := sqldbtest.Open(t, sqldb.Config{URL: url, MaxConns: 2, Timeout: time.Minute})
	// Somebody else is making a table of the step: the step waits for him.
	held, enough := make(chan struct{}), make(chan struct{})
	gaveUp := errors.New("undone")
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(t.Context(), "CREATE TABLE chat_message (n BIGINT)"); err != nil {
				return err
			}
			close(held)
			<-enough
			return gaveUp
		})
		if !errors.Is(err, gaveUp) {
			t.Error(err)
		}
	})
	<-held
	p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), args: args}
	p.launch(t)
	await(t, 20*time.Second, "it waits in the middle of the step", func() bool {
		var n int
		err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query LIKE '%CREATE TABLE chat_message%' AND pid <> pg_backend_pid()`).Scan(&n)
		return err == nil && n > 0
	})
	p.kill()
	close(enough)
	wg.Wait()
	if there := tablesAt(t, url); !strings.Contains(there, "auth_accounts") || strings.Contains(there, "chat_position") {
		t.Fatalf("it was not killed between: %s", there)
	}
	if out := mustPassCheck(t, args...); !strings.Contains(out, "will be migrated at the start") {
		t.Errorf("the check says\n%s", out)
	}
	p.start(t)
	defer p.kill()
	p.register(t, "ada")
	if out := mustPassCheck(t, args...); !strings.Contains(out, "is this version's") {
		t.Errorf("the check says\n%s", out)
	}
}
