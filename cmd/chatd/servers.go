package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat/chatmongo"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/s3"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user/usersql"
)

// configCheckCmd is the command line of `chatd config check`.
type configCheckCmd struct {
	Offline  bool     `help:"Look at the settings alone, not at the servers that they name."`
	Settings settings `embed:""`
}

// serversTime is how long the asking of servers takes at most.
const serversTime = 9 * time.Second

// A server is another program that the settings name.
type server struct {
	flag  string
	named bool
	// ask tries what a start would, changes nothing, and says what it found.
	ask func(ctx context.Context, cfg Config) (string, error)
}

func servers(cfg Config) []server {
	all := []server{
		{"postgres-url", cfg.Data.PostgresURL != "", askPostgres},
		{"mongo-url", cfg.Data.MongoURL != "", askMongo},
		{"redis-url", cfg.Data.RedisURL != "", askRedis},
		{"kafka-brokers", cfg.several(), askKafka},
		{"smtp-url", cfg.Mail.SMTPURL != "", askSMTP},
		{"oidc-providers", len(cfg.Accounts.Providers) > 0, askProviders},
		{"s3-url", cfg.Files.S3URL != "", askS3},
		{"files-dir", cfg.Files.S3URL == "" && (cfg.several() || cfg.Files.Dir != ""), askFiles},
	}
	return slices.DeleteFunc(all, func(s server) bool { return !s.named })
}

// askServers asks all servers at once and tells of each what it is, or what is
// wrong with it.
func askServers(ctx context.Context, cfg Config, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, serversTime)
	defer cancel()
	named := servers(cfg)
	said, wrong := make([]string, len(named)), make([]error, len(named))
	var wg sync.WaitGroup
	for i, s := range named {
		wg.Go(func() { said[i], wrong[i] = s.ask(ctx, cfg) })
	}
	wg.Wait()
	var lines []string
	for i, s := range named {
		if wrong[i] != nil {
			lines = append(lines, atServer(s.flag, wrong[i]).Error())
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", s.flag, said[i])
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return errors.New(lines[0])
	}
	return errors.New("the servers are not usable:\n  " + strings.Join(lines, "\n  "))
}

// atServer names the setting of the server that an error is about, in one
// line with what to do.
func atServer(flag string, err error) error {
	return fmt.Errorf("--%s (%s): %w", flag, envName(flag), oneLine{advised(err)})
}

// advised adds what to do to errors that do not say it.
func advised(err error) error {
	switch {
	case errors.Is(err, sqldb.ErrNewerSchema), errors.Is(err, chatmongo.ErrNewerForm):
		return fmt.Errorf("%w; run that version, or restore an earlier backup", err)
	case errors.Is(err, sqldb.ErrHalfMigrated), errors.Is(err, chatmongo.ErrHalfThere):
		return fmt.Errorf("%w; nothing was changed: restore a backup, or name an empty database or schema", err)
	case errors.Is(err, chatmongo.ErrUnfinished):
		return fmt.Errorf("%w; run `chatd migrate-data` again to the end, or name another database", err)
	case errors.Is(err, sqldb.ErrNotDurable):
		return fmt.Errorf("%w; set it on, or say --durability relaxed", err)
	}
	return err
}

func askPostgres(ctx context.Context, cfg Config) (string, error) {
	db, err := sqldb.Open(ctx, sqldb.Config{URL: cfg.Data.PostgresURL.Reveal(), MaxConns: 1, Log: zerolog.Nop()})
	if err != nil {
		return "", err
	}
	defer db.Close() //nolint:errcheck // Nothing was written.
	note := ""
	if err := db.CheckDurable(ctx); err != nil {
		if cfg.Data.Durability == "full" || !errors.Is(err, sqldb.ErrNotDurable) {
			return "", err
		}
		note = "; a crash of the server may take the last commits (" + err.Error() + ")"
	}
	if err := checkCopied(ctx, db, cfg); err != nil {
		return "", err
	}
	is, err := stateOf(ctx, db, cfg)
	if err != nil {
		return "", err
	}
	if err := db.CheckExtension(ctx, usersql.Extension); err != nil {
		return "", err
	}
	what := map[sqldb.State]string{
		sqldb.Absent: "tables will be made at the start", sqldb.Older: "will be migrated at the start", sqldb.Current: "is this version's",
	}[is]
	return fmt.Sprintf("PostgreSQL %s, schema %s: %s%s", db.Server().Version, db.Server().Schema, what, note), nil
}

func askMongo(ctx context.Context, cfg Config) (string, error) {
	db, err := mongodb.Open(ctx, mongodb.Config{URL: cfg.Data.MongoURL.Reveal(), MaxConns: 1})
	if err != nil {
		return "", err
	}
	defer db.Close() //nolint:errcheck,contextcheck // Nothing was written; closing has a time limit of its own.
	prepared, err := chatmongo.New(db, chatmongo.Config{}).Check(ctx)
	if err != nil {
		return "", err
	}
	if prepared {
		return "MongoDB answers; its collections are this version's", nil
	}
	return "MongoDB answers; collections will be made at the start", nil
}

func askRedis(ctx context.Context, cfg Config) (string, error) {
	version, err := redisdb.Check(ctx, redisdb.Config{URL: cfg.Data.RedisURL.Reveal()})
	return "Redis " + version, err
}

func askKafka(ctx context.Context, cfg Config) (string, error) {
	return "Kafka answers", probeKafka(ctx, cfg)
}

func askS3(ctx context.Context, cfg Config) (string, error) {
	bucket, err := s3.Open(s3.Config{URL: cfg.Files.S3URL.Reveal()})
	if err != nil {
		return "", err
	}
	return "S3 answers; objects can be listed, written, read and removed", bucket.Check(ctx)
}

// askProviders reads discovery documents. A start does not: a provider that is
// away keeps nobody else out.
func askProviders(ctx context.Context, cfg Config) (string, error) {
	return cfg.Accounts.Providers.Check(ctx)
}

// askFiles looks at the directory of files, and changes nothing.
func askFiles(_ context.Context, cfg Config) (string, error) {
	if cfg.Files.Dir == "" {
		return noSharedFiles, nil
	}
	info, err := os.Stat(cfg.Files.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there yet; the first start makes it", nil
	case err != nil:
		return "", fmt.Errorf("%w; name another directory", err)
	case !info.IsDir():
		return "", fmt.Errorf("%s is no directory; name one", cfg.Files.Dir)
	case cfg.several():
		return "is there; it must be the same one for all nodes", nil
	}
	return "is there", nil
}

// healthcheckTime is how long a server may take to say that it is ready.
const healthcheckTime = 5 * time.Second

// healthcheck asks the server that these settings start on this machine
// whether it is ready: for containers without a shell.
func healthcheck(ctx context.Context, cfg Config, out io.Writer) error {
	addr := cmp.Or(cfg.Network.OpsListen, cfg.Network.Listen)
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return fmt.Errorf("healthcheck: %q names no port to ask", addr)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) // past any proxy
	if err != nil {
		return fmt.Errorf("healthcheck: %w; is chatd running with these settings?", oneLine{err})
	}
	defer resp.Body.Close() //nolint:errcheck // Only read.
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	said := strings.Join(strings.Fields(string(body)), " ")
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("healthcheck: %s: %s", resp.Status, said)
	}
	_, err = fmt.Fprintln(out, said)
	return err
}

// askSMTP signs in to the mail server and sends nothing.
func askSMTP(ctx context.Context, cfg Config) (string, error) {
	sender, err := mail.NewSMTP(mail.SMTPConfig{URL: cfg.Mail.SMTPURL.Reveal(), From: cfg.Mail.From})
	if err != nil {
		return "", err
	}
	return "reached", sender.Check(ctx)
}
