package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/datadir"
	"chatd/internal/platform/sqldb"
)

// backupCmd is the command line of `chatd backup`.
type backupCmd struct {
	To       string   `required:"" placeholder:"DIR" help:"Directory to make; its parent must be there, it must not."`
	Settings settings `embed:""`
}

// restoreCmd is the command line of `chatd restore`.
type restoreCmd struct {
	From     string   `required:"" placeholder:"DIR" help:"A backup, or a data directory that no chatd uses."`
	Settings settings `embed:""`
}

func (b *backupCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	begin := time.Now()
	if cfg.Data.PostgresURL != "" {
		return errors.New("backup: the data is in PostgreSQL: back it up with pg_dump, and keep the master key (docs/operations.md)")
	}
	if cfg.Data.MongoURL != "" {
		return errors.New("backup: conversations are in MongoDB: stop chatd, then back up MongoDB and the data directory together (docs/operations.md)")
	}
	r, err := datadir.Backup(ctx, datadir.BackupConfig{From: cfg.Data.Dir, To: b.To, Relaxed: cfg.Data.Durability == "relaxed"})
	if err != nil {
		return fmt.Errorf("backup: %w", oneLine{err})
	}
	text := fmt.Sprintf("Backed up %s to %s: %s, checked.", r.From, r.To, measure(r.Bytes, begin))
	if !r.Key {
		text += "\nThe master key is not in it: keep CHATD_SECRET too."
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

func (r *restoreCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	begin := time.Now()
	if cfg.Data.PostgresURL != "" {
		return errors.New("restore: the data is in PostgreSQL: restore it with pg_restore, and begin a new epoch (docs/operations.md)")
	}
	if cfg.Data.MongoURL != "" {
		return errors.New("restore: conversations are in MongoDB: put MongoDB and the data directory back together (docs/operations.md)")
	}
	done, err := datadir.Restore(ctx, datadir.RestoreConfig{From: r.From, To: cfg.Data.Dir, Renew: renew})
	if err != nil {
		return fmt.Errorf("restore: %w", oneLine{err})
	}
	of := ""
	if !done.Begun.IsZero() {
		of = " of " + done.Begun.Format(time.RFC3339)
	}
	text := fmt.Sprintf("Restored %s from %s%s: %s, checked. Clients' cursors are reset.", done.To, done.From, of, measure(done.Bytes, begin))
	if !done.Key {
		text += "\nThe master key is not in it: start with the CHATD_SECRET that it had."
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// renew begins a new epoch of every numbering that clients hold cursors of. A
// cursor covers all sources of a viewer's stream, so one that is renewed
// resets them all.
func renew(ctx context.Context, db *sqldb.DB) error {
	return chatsql.New(db, chatsql.Config{}).RenewEpoch(ctx)
}

func measure(bytes int64, since time.Time) string {
	return fmt.Sprintf("%.1f MiB in %v", float64(bytes)/(1<<20), time.Since(since).Round(time.Millisecond))
}
