package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chatblob"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/datadir"
	"chatd/internal/platform/datamove"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqlmove"
	"chatd/migrations"
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

// migrateDataCmd is the command line of `chatd migrate-data`.
type migrateDataCmd struct {
	From     string   `placeholder:"DIR" help:"Data directory with the embedded store, which no chatd uses; --data-dir when it is not given."`
	To       Secret   `placeholder:"URL" help:"Empty PostgreSQL to copy to; --postgres-url when it is not given. Conversations go to --mongo-url where that is given."`
	Undo     bool     `help:"Instead: take the mark off a directory that was copied, so that it can be served again. Where all had been copied, clients' cursors are reset."`
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
	files := filesOf
	if cfg.Files.S3URL != "" {
		files = nil
	}
	r, err := datadir.Backup(ctx, datadir.BackupConfig{From: cfg.Data.Dir, To: b.To, Relaxed: cfg.Data.Durability == "relaxed", Files: files, FilesDir: cfg.Files.Dir})
	if err != nil {
		return fmt.Errorf("backup: %w", oneLine{err})
	}
	text := fmt.Sprintf("Backed up %s to %s: %s, checked.", r.From, r.To, measure(r, begin))
	if n := r.Files.Gone; n > 0 {
		text += fmt.Sprintf("\nNot in it: %d files that were deleted meanwhile.", n)
	}
	text += lost(r.Files)
	if cfg.Files.S3URL != "" {
		text += "\nUploaded files are not in it: they are in the bucket of --s3-url, which is copied after this (docs/operations.md)."
	}
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
	done, err := datadir.Restore(ctx, datadir.RestoreConfig{From: r.From, To: cfg.Data.Dir, Renew: renew, Files: filesOf, FilesDir: cfg.Files.Dir})
	if err != nil {
		return fmt.Errorf("restore: %w", oneLine{err})
	}
	of := ""
	if !done.Begun.IsZero() {
		of = " of " + done.Begun.Format(time.RFC3339)
	}
	text := fmt.Sprintf("Restored %s from %s%s: %s, checked. Clients' cursors are reset.", done.To, done.From, of, measure(done, begin))
	text += lost(done.Files)
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

func measure(r datadir.Report, since time.Time) string {
	text := fmt.Sprintf("%.1f MiB in %v", float64(r.Bytes)/(1<<20), time.Since(since).Round(time.Millisecond))
	if n := r.Files.Brought; n > 0 {
		text += fmt.Sprintf(", %d files", n)
	}
	return text
}

// lost tells of files that a database tells of and that are not there.
func lost(r datadir.FilesReport) string {
	if r.Lost == 0 {
		return ""
	}
	return fmt.Sprintf("\nNot in it: %d files that messages have and that are not there, as %s.", r.Lost, r.Missing)
}

// filesOf lists the files of a database's messages and uploads.
func filesOf(ctx context.Context, db *sqldb.DB) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		tables, err := sqlmove.Tables(ctx, db, []string{"chat"})
		if err != nil {
			yield("", err)
			return
		}
		if !slices.ContainsFunc(tables, func(t sqlmove.Table) bool { return t.Name == "chat_file" }) {
			return // of a chatd that had none yet
		}
		for f, err := range chatsql.NewArchive(db).Files(ctx, ids.Attachment{}) {
			if err != nil {
				yield("", err)
				return
			}
			if !f.Complete || !f.CondemnedAt.IsZero() {
				continue
			}
			for _, name := range chatblob.Names(f.Attachment) {
				if !yield(name, nil) {
					return
				}
			}
		}
	}
}

func (m *migrateDataCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	if m.From != "" {
		cfg.Data.Dir = m.From
	}
	if m.To != "" {
		if err := checkPostgres(m.To.Reveal()); err != nil {
			return fmt.Errorf("migrate-data: --to %w", err)
		}
		if cfg.Data.PostgresURL != "" && cfg.Data.PostgresURL != m.To {
			return errors.New("migrate-data: --to and --postgres-url name two databases; leave one out")
		}
		cfg.Data.PostgresURL = m.To
	}
	if cfg.Data.PostgresURL == "" && !m.Undo {
		return errors.New("migrate-data: say where to: --to postgres://chatd:password@db/chatd")
	}
	dir, err := datadir.OpenStopped(cfg.Data.Dir)
	if err != nil {
		return fmt.Errorf("migrate-data: %w", err)
	}
	defer dir.Close() //nolint:errcheck // It lets go.
	if m.Undo {
		err = takeBack(ctx, dir, out)
	} else {
		err = moveData(ctx, cfg, dir, out)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.New("migrate-data: interrupted; run it again to go on")
	case errors.Is(err, errs.ErrUnavailable):
		err = fmt.Errorf("%w; when it can, run it again to go on", err)
	}
	return fmt.Errorf("migrate-data: %w", oneLine{err})
}

// takeBack lets a directory be served again. When it was copied to the end, the
// copy may have given out positions by now: this one begins a new epoch.
func takeBack(ctx context.Context, dir *datadir.Dir, out io.Writer) error {
	mark := dir.Move()
	if mark == nil {
		return fmt.Errorf("%s has not been copied; there is nothing to take back", dir.Path)
	}
	if err := dir.CheckDatabase(); err != nil {
		return err
	}
	text := ""
	if !mark.Done.IsZero() {
		db, err := sqldb.Open(ctx, sqldb.Config{Path: dir.Database()})
		if err != nil {
			return err
		}
		if err := errors.Join(renew(ctx, db), db.Close()); err != nil {
			return err
		}
		text = " Clients' cursors are reset. Stop what serves " + mark.To + ": what has happened there is not here."
	}
	if err := dir.SetMove(nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Took back %s: it can be served again, or copied again to an empty database.%s\n", dir.Path, text)
	return err
}

// statementTime bounds a batch that is copied, or an index that is made.
const statementTime = 10 * time.Minute

func moveData(ctx context.Context, cfg Config, dir *datadir.Dir, out io.Writer) (err error) {
	to, err := sqldb.Open(ctx, sqldb.Config{URL: cfg.Data.PostgresURL.Reveal(), Timeout: statementTime})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if cfg.Data.Durability == "full" {
		if err := to.CheckDurable(ctx); err != nil {
			return fmt.Errorf("%w; set it on, or say --durability relaxed", err)
		}
	}
	lock, err := lockTarget(ctx, to)
	if err != nil {
		return err
	}
	defer lock.Release()
	move := datamove.Config{
		Dir: dir, To: to, Name: cfg.Data.PostgresURL.in("PostgreSQL"), All: (&Config{}).sets(), Sets: cfg.sets(),
		Relaxed: cfg.Data.Durability == "relaxed", Migrate: migrateSets, Files: migrations.FS, Prepare: prepareSource,
		Out: out, Terminal: terminal(out),
	}
	if cfg.Data.MongoURL != "" {
		docs, err := mongodb.Open(ctx, mongodb.Config{URL: cfg.Data.MongoURL.Reveal(), Timeout: statementTime})
		if err != nil {
			return fmt.Errorf("open MongoDB: %w", err)
		}
		defer docs.Close() //nolint:errcheck,contextcheck // What is written is written.
		move.Name += " and " + cfg.Data.MongoURL.in("MongoDB")
		move.Documents = conversations{chatmongo.NewFiller(docs, chatmongo.FillConfig{}), docs}
	}
	if err := datamove.Run(ctx, move); err != nil {
		return withParts(err, cfg)
	}
	text := "Keep CHATD_SECRET as it is."
	if dir.HasKey() {
		text = "Take the master key along: serve with --data-dir " + dir.Path + ", or see \"Moving up\" in docs/operations.md."
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// lockTarget keeps others from a database. One that was killed a moment ago may
// still seem to have it.
func lockTarget(ctx context.Context, to *sqldb.DB) (*sqldb.Lock, error) {
	for tries := 0; ; tries++ {
		lock, ok, err := to.TryLock(ctx, nodeLock)
		if err != nil || ok {
			return lock, err
		}
		if tries == 20 {
			return nil, errors.New("a chatd works on this PostgreSQL database; stop it, or name another one")
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// in is a URL as people may see it, or the server's name where that is nothing.
func (s Secret) in(server string) string {
	if text := s.String(); text != "***" {
		return text
	}
	return server
}

// prepareSource refuses a database whose conversations are not in it, and gives
// one that has none yet its epoch.
func prepareSource(ctx context.Context, from *sqldb.DB) error {
	chats, err := sqlmove.Tables(ctx, from, []string{"chat"})
	if err != nil {
		return err
	}
	if len(chats) == 0 {
		return errors.New("its conversations are in a MongoDB: only an embedded store that has all can be copied")
	}
	if err := migrateSets(ctx, from, (&Config{}).sets()); err != nil {
		return err
	}
	_, _, err = chatsql.New(from, chatsql.Config{}).Position(ctx)
	return err
}

// withParts says of a copy that was made with other settings which ones.
func withParts(err error, cfg Config) error {
	switch {
	case !errors.Is(err, datamove.ErrElsewhere):
		return err
	case cfg.Data.MongoURL == "":
		return fmt.Errorf("%w: its conversations are in MongoDB; give --mongo-url", err)
	default:
		return fmt.Errorf("%w: its conversations are in PostgreSQL; leave --mongo-url out", err)
	}
}

// conversations brings those to MongoDB.
type conversations struct {
	*chatmongo.Filler

	docs *mongodb.DB
}

// Fill implements datamove.Documents.
func (c conversations) Fill(ctx context.Context, from *sqldb.DB, told func(datamove.Part)) error {
	archive := chatsql.NewArchive(from)
	all, err := archive.Sizes(ctx)
	if err != nil {
		return err
	}
	before, err := c.Sizes(ctx)
	if err != nil {
		return err
	}
	return c.Filler.Fill(ctx, archive, func(part string, n int) {
		told(datamove.Part{Name: part, More: n, Before: before[part], InAll: all[part]})
	})
}

// Compare implements datamove.Documents.
func (c conversations) Compare(ctx context.Context, from *sqldb.DB, told func(datamove.Part)) (string, error) {
	archive := chatsql.NewArchive(from)
	all, err := archive.Sizes(ctx)
	if err != nil {
		return "", err
	}
	sums, err := chat.CompareArchives(ctx, archive, chatmongo.NewArchive(c.docs), func(part string, n int) {
		told(datamove.Part{Name: part, More: n, InAll: all[part]})
	})
	if errors.Is(err, chat.ErrDiffers) || errors.Is(err, chat.ErrArchive) {
		err = fmt.Errorf("%w: %w", sqlmove.ErrDiffers, err)
	}
	var text []string
	for _, sum := range sums {
		text = append(text, fmt.Sprintf("sha256 of the %s %s", sum.Part, sum.SHA256[:16]))
	}
	return strings.Join(text, ", "), err
}
