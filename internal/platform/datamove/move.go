package datamove

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chatd/internal/platform/datadir"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqlmove"
)

// Config says what to move, and where to.
type Config struct {
	Dir     *datadir.Dir // stopped
	To      *sqldb.DB    // whose lock the caller has
	Name    string       // of the target, for people's eyes; without secrets
	All     []string     // the sets of tables in the directory
	Sets    []string     // those of them that come to To
	Relaxed bool         // how the directory's database is opened

	// Migrate brings sets of a database to this version's schema, and Files
	// are those of one set.
	Migrate func(ctx context.Context, db *sqldb.DB, sets []string) error
	Files   func(set string) fs.FS
	// Prepare is called with the directory's database, before anything is
	// copied: it may refuse it.
	Prepare func(ctx context.Context, from *sqldb.DB) error
	// Documents take what of All is not in Sets; nil where all is.
	Documents Documents

	Out      io.Writer // hears how far it has come
	Terminal bool      // Out is one
}

// Documents is where the rest goes.
type Documents interface {
	// Check says whether the target is empty or has the beginning of the copy;
	// the latter only when resume.
	Check(ctx context.Context, copied string, resume bool) error
	// Claim is Check, and makes an empty target the copy's.
	Claim(ctx context.Context, copied string, resume bool) error
	// Fill brings over what is not there yet. told hears of each part how many
	// are done, how many there were before and how many there will be.
	Fill(ctx context.Context, from *sqldb.DB, told func(p Part)) error
	// Compare reads both sides and returns their sums, by part;
	// sqlmove.ErrDiffers when they are not the same.
	Compare(ctx context.Context, from *sqldb.DB, told func(p Part)) (string, error)
	// Finish lets the target be used.
	Finish(ctx context.Context) error
}

// Part is a part of the documents, and how far it has come.
type Part struct {
	Name          string
	More          int   // since the last time
	Before, InAll int64 // there before all this, and in the end
}

// ErrUnfinished says that a database has not all of a copy.
var ErrUnfinished = errors.New("has an unfinished copy of a data directory")

// ErrElsewhere says that a copy has its parts in other places.
var ErrElsewhere = errors.New("the copy was made with other parts")

// Check says whether a database may be served: ErrUnfinished while a copy is
// made into it, ErrElsewhere when what was copied are other sets than these.
func Check(ctx context.Context, db *sqldb.DB, sets []string) error {
	c, err := sqlmove.Claimed(ctx, db)
	switch {
	case err != nil || c == nil:
		return err
	case c.State != sqlmove.Done:
		return ErrUnfinished
	}
	return sameParts(c, sets)
}

// sameParts wants all sets that were copied here among those that are wanted
// here, and none that were copied to documents. Sets of later versions are
// neither.
func sameParts(c *sqlmove.Claim, sets []string) error {
	here, documents, _ := strings.Cut(c.Parts, "|")
	for set := range strings.SplitSeq(here, ",") {
		if !slices.Contains(sets, set) {
			return ErrElsewhere
		}
	}
	for set := range strings.SplitSeq(documents, ",") {
		if slices.Contains(sets, set) {
			return ErrElsewhere
		}
	}
	return nil
}

// parts are the sets that come to the database, and behind them those that
// come to the documents.
func (m *mover) parts() string {
	rest := slices.DeleteFunc(slices.Clone(m.All), func(set string) bool { return slices.Contains(m.Sets, set) })
	return strings.Join(m.Sets, ",") + "|" + strings.Join(rest, ",")
}

// mover is one Run.
type mover struct {
	Config

	from   *sqldb.DB
	say    *progress
	tables []sqlmove.Table // those of To
	claim  sqlmove.Claim
	copied int64 // rows and documents, by this run
}

// Run copies all that is not in the target yet, compares both sides and hands
// over. An error says what to do; after any of them Run may be called again.
func Run(ctx context.Context, cfg Config) (err error) {
	m := &mover{Config: cfg, say: newProgress(cfg.Out, cfg.Terminal)}
	if mark := m.Dir.Move(); mark != nil && !mark.Done.IsZero() {
		return m.again(ctx, *mark)
	}
	begin := time.Now()
	if m.from, err = sqldb.Open(ctx, sqldb.Config{Path: m.Dir.Database(), Relaxed: m.Relaxed}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.from.Close()) }()
	if err := m.Prepare(ctx, m.from); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{m.begin, m.copyTables, m.fill, m.compare, m.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	return m.say.line("Moved %s to %s: %d rows in %v (%.0f/s, comparing included).",
		m.Dir.Path, m.Name, m.copied, took.Round(10*time.Millisecond), float64(m.copied)/took.Seconds())
}

// again is called when all had been copied: what may be left is to let the
// target be used.
func (m *mover) again(ctx context.Context, mark datadir.Move) error {
	c, err := sqlmove.Claimed(ctx, m.To)
	if err != nil {
		return err
	}
	if c == nil || c.Target != mark.Target {
		return m.Dir.CheckEmbedded()
	}
	if err := sameParts(c, m.Sets); err != nil {
		return err
	}
	if m.tables, err = sqlmove.Tables(ctx, m.To, m.Sets); err != nil {
		return err
	}
	m.claim = *c
	if err := m.release(ctx); err != nil {
		return err
	}
	return m.say.line("%s was moved to %s on %s; nothing is left to do.", m.Dir.Path, mark.To, mark.Done.Format(time.RFC3339))
}

// begin makes sure that the target is empty, or has the beginning of this copy,
// and marks both sides. Until it is sure it writes nothing.
func (m *mover) begin(ctx context.Context) error {
	claim, err := sqlmove.Claimed(ctx, m.To)
	if err != nil {
		return err
	}
	mark := m.Dir.Move()
	own := claim != nil && mark != nil && claim.Copy == mark.Copy
	switch {
	case claim == nil, claim.State == sqlmove.Begun:
		return m.beginAnew(ctx, mark)
	case claim.State == sqlmove.Done || !own:
		return fmt.Errorf("%w: it has another copy; name an empty database", sqlmove.ErrNotEmpty)
	}
	if err := sameParts(claim, m.Sets); err != nil {
		return err
	}
	m.claim = *claim
	if m.Documents != nil {
		if err := m.Documents.Claim(ctx, claim.Copy, true); err != nil {
			return err
		}
	}
	if err := m.findTables(ctx); err != nil {
		return err
	}
	return m.say.line("Going on with the copy of %s to %s, begun on %s.", m.Dir.Path, m.Name, mark.Begun.Format(time.RFC3339))
}

func (m *mover) beginAnew(ctx context.Context, mark *datadir.Move) error {
	if mark == nil {
		mark = &datadir.Move{Copy: rand.Text()}
	}
	next := *mark
	next.To, next.Begun = m.Name, time.Now().UTC().Truncate(time.Second)
	m.claim = sqlmove.Claim{Copy: mark.Copy, Target: rand.Text(), Parts: m.parts()}
	fresh, drop, err := m.freshTables(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if err := sqlmove.Empty(ctx, m.To, fresh, m.All); err != nil {
		return err
	}
	if m.Documents != nil {
		if err := m.Documents.Check(ctx, mark.Copy, false); err != nil {
			return err
		}
	}
	if err := sqlmove.Put(ctx, m.To, m.Files(sqlmove.Set), m.claim); err != nil {
		return err
	}
	if err := m.Dir.SetMove(&next); err != nil {
		return err
	}
	if err := m.Migrate(ctx, m.To, m.Sets); err != nil {
		return err
	}
	if err := m.findTables(ctx); err != nil {
		return err
	}
	if m.Documents != nil {
		if err := m.Documents.Claim(ctx, mark.Copy, false); err != nil {
			return err
		}
	}
	if err := sqlmove.Clear(ctx, m.To, fresh, m.tables); err != nil {
		return err
	}
	return m.say.line("Copying %s to %s.", m.Dir.Path, m.Name)
}

func (m *mover) findTables(ctx context.Context) error {
	here, err := sqlmove.Tables(ctx, m.from, m.Sets)
	if err != nil {
		return err
	}
	if m.tables, err = sqlmove.Tables(ctx, m.To, m.Sets); err != nil {
		return err
	}
	return sqlmove.Alike(here, m.tables)
}

// freshTables is a database as migrations make it.
func (m *mover) freshTables(ctx context.Context) (*sqldb.DB, func(), error) {
	dir, err := os.MkdirTemp("", "chatd-")
	if err != nil {
		return nil, nil, err
	}
	drop := func() { _ = os.RemoveAll(dir) }
	db, err := sqldb.Open(ctx, sqldb.Config{Path: filepath.Join(dir, "fresh"), Relaxed: true})
	if err != nil {
		drop()
		return nil, nil, err
	}
	drop = func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
	if err := m.Migrate(ctx, db, m.All); err != nil {
		drop()
		return nil, nil, err
	}
	return db, drop, nil
}
