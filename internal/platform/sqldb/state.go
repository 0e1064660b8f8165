package sqldb

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// State is how far a set of tables is.
type State string

// The states that can be worked on.
const (
	Absent  State = "absent"  // nothing of the set is there
	Older   State = "older"   // steps are missing; Migrate applies them
	Current State = "current" // all steps have been applied
)

// found is what a database has of a set.
type found struct {
	marks   []mark          // its SET_migrations, oldest first
	tables  map[string]bool // by name, whether all rights to it are there
	creates bool            // tables may be made
}

type mark struct {
	version int64
	applied bool
}

// State compares a set of tables with its steps (see Migrate) and changes
// nothing. ErrNewerSchema where a newer program has been at work,
// ErrHalfMigrated where the database has part of a step, or of what its mark
// says it has, and ErrUnfit where a right is missing that will be needed.
func (d *DB) State(ctx context.Context, set string, fsys fs.FS) (State, error) {
	steps, err := d.steps(fsys)
	if err != nil {
		return "", fmt.Errorf("migrations of %s: %w", set, err)
	}
	return d.state(ctx, set, steps)
}

func (d *DB) state(ctx context.Context, set string, steps steps) (State, error) {
	versions := steps.versions()
	if len(versions) == 0 {
		return Current, nil
	}
	has, err := d.find(ctx, set)
	if err != nil {
		return "", fmt.Errorf("reading the version of %s: %w", set, err)
	}
	applied, err := has.applied(set, versions)
	if err != nil {
		return "", err
	}
	made, later, err := steps.tables(applied)
	if err != nil {
		return "", fmt.Errorf("migrations of %s: %w", set, err)
	}
	if err := d.agree(has, set, applied, made, later); err != nil {
		return "", err
	}
	switch {
	case applied < last(versions) && !has.creates:
		return "", d.lacks("make tables in the schema "+d.server.Schema, "USAGE, CREATE ON SCHEMA "+ident(d.server.Schema))
	case applied == 0:
		return Absent, nil
	case applied < last(versions):
		return Older, nil
	}
	return Current, nil
}

// find reads what is there, in one state of the database: others may be
// migrating.
func (d *DB) find(ctx context.Context, set string) (found, error) {
	has := found{tables: make(map[string]bool), creates: true}
	list := `SELECT name, true FROM sqlite_master WHERE type = 'table'`
	if d.engine == PostgreSQL {
		list = `SELECT c.relname, has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND
			has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
			FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace AND pg_table_is_visible(c.oid)`
	}
	err := d.Snapshot(ctx, func(q Querier) error {
		rows, err := q.Query(ctx, list)
		_, err = Collect(rows, err, func(r Row) (n struct{}, err error) {
			var name string
			var all bool
			if err = r.Scan(&name, &all); err == nil {
				has.tables[name] = all
			}
			return n, err
		})
		if err != nil {
			return err
		}
		if d.engine == PostgreSQL {
			if err := q.QueryRow(ctx, `SELECT has_schema_privilege(current_schema(), 'CREATE')`).Scan(&has.creates); err != nil {
				return err
			}
		}
		allowed, there := has.tables[marks(set)]
		if !there || !allowed {
			return nil
		}
		rows, err = q.Query(ctx, "SELECT version_id, is_applied FROM "+marks(set)+" ORDER BY id")
		has.marks, err = Collect(rows, err, func(r Row) (m mark, err error) { return m, r.Scan(&m.version, &m.applied) })
		return err
	})
	return has, err
}

// marks is the table that says which steps have been applied.
func marks(set string) string { return set + "_migrations" }

// applied is the newest step that the database has; 0 for none. Every step up
// to it must be there, and none after the program's own.
func (f found) applied(set string, known []int64) (int64, error) {
	state := make(map[int64]bool)
	for _, m := range f.marks {
		state[m.version] = m.applied
	}
	delete(state, 0) // goose's own
	there := slices.Sorted(maps.Keys(state))
	if newest := last(there); newest > last(known) {
		return 0, fmt.Errorf("%w: its %s tables are at version %d, this program knows %d", ErrNewerSchema, set, newest, last(known))
	}
	for i, version := range there {
		if version != known[i] || !state[version] {
			return 0, fmt.Errorf("%w: %s says that step %d of %s was begun or left out", ErrHalfMigrated, marks(set), min(version, known[i]), set)
		}
	}
	return last(there), nil
}

// agree compares the tables that are there with those that the applied steps
// have made, and those that later ones will make.
func (d *DB) agree(has found, set string, applied int64, made, later []string) error {
	if all, there := has.tables[marks(set)]; there && !all {
		return d.lacksTable(marks(set))
	}
	for _, name := range made {
		all, there := has.tables[name]
		if !there {
			return fmt.Errorf("%w: %s says that %s is at version %d, but its table %s is not there", ErrHalfMigrated, marks(set), set, applied, name)
		}
		if !all {
			return d.lacksTable(name)
		}
	}
	for _, name := range later {
		if _, there := has.tables[name]; there {
			return fmt.Errorf("%w: there is a table %s already, but %s says that %s is at version %d", ErrHalfMigrated, name, marks(set), set, applied)
		}
	}
	return nil
}

func (d *DB) lacksTable(name string) error {
	return d.lacks("read and write the table "+name, "SELECT, INSERT, UPDATE, DELETE ON "+ident(name))
}

func (d *DB) lacks(what, right string) error {
	return &refused{fmt.Sprintf("the user %s may not %s; allow it: GRANT %s TO %s", d.server.User, what, right, ident(d.server.User)), ErrUnfit}
}

var madeOrGone = regexp.MustCompile(`(?im)^\s*(?:CREATE\s+(?:VIRTUAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)|DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(\w+)|ALTER\s+TABLE\s+(\w+)\s+RENAME\s+TO\s+(\w+))`)

// tables are what is there after the steps up to a version, and what the later
// ones make, as their text says: it must name one table a statement, at the
// beginning of a line.
func (s steps) tables(upTo int64) (made, later []string, err error) {
	for _, name := range s.sorted() {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, nil, err
		}
		text, err := fs.ReadFile(s.FS, name)
		if err != nil {
			return nil, nil, err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for _, m := range madeOrGone.FindAllStringSubmatch(up, -1) {
			gone, new := m[2]+m[3], m[1]+m[4]
			switch {
			case version <= upTo:
				made = slices.DeleteFunc(made, func(name string) bool { return name == gone })
				if new != "" {
					made = append(made, new)
				}
			case new != "" && !slices.Contains(made, new):
				later = append(later, new)
			}
		}
	}
	return made, later, nil
}

// sorted are the files in the order of their versions.
func (s steps) sorted() []string {
	names := slices.Clone(s.names)
	slices.SortFunc(names, func(a, b string) int {
		x, _ := goose.NumericComponent(a)
		y, _ := goose.NumericComponent(b)
		return int(x - y)
	})
	return names
}

// versions are the numbers of the steps, in order.
func (s steps) versions() []int64 {
	var all []int64
	for _, name := range s.sorted() {
		if v, err := goose.NumericComponent(name); err == nil {
			all = append(all, v)
		}
	}
	return all
}

func last(versions []int64) int64 {
	if len(versions) == 0 {
		return 0
	}
	return versions[len(versions)-1]
}
