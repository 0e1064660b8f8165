package sqlmove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chatd/internal/platform/sqldb"
)

// Kind is what the values of a column are.
type Kind string

// The kinds. Times and flags are numbers, identifiers are bytes.
const (
	Number Kind = "number"
	Text   Kind = "text"
	Bytes  Kind = "bytes"
)

// kinds of the types that migrations declare, as the engines name them.
var kinds = map[string]Kind{
	"bigint": Number, "integer": Number, "smallint": Number,
	"text":  Text,
	"bytea": Bytes, "blob": Bytes,
}

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table as both engines see it.
type Table struct {
	Name    string
	Columns []Column // by name
	Key     []int    // the primary key, in its order, as indexes of Columns
	parents []string // whose rows it refers to
}

// ErrSchema says that tables are not as this package can copy them: the two
// databases differ, or have what it does not know.
var ErrSchema = errors.New("sqlmove: the tables cannot be copied")

// Tables returns the tables of some sets, those that others refer to first.
// Tables of goose's, SET_migrations, are not among them.
func Tables(ctx context.Context, db *sqldb.DB, sets []string) ([]Table, error) {
	columns, err := readColumns(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	byName := make(map[string]*Table)
	for _, c := range columns {
		if !ofSet(c.table, sets) {
			continue
		}
		t := byName[c.table]
		if t == nil {
			t = &Table{Name: c.table}
			byName[c.table] = t
		}
		kind, ok := kinds[strings.ToLower(c.declared)]
		if !ok {
			return nil, fmt.Errorf("%w: %s.%s is of the type %s", ErrSchema, c.table, c.name, c.declared)
		}
		t.Columns = append(t.Columns, Column{c.name, kind})
	}
	for _, t := range byName {
		slices.SortFunc(t.Columns, func(a, b Column) int { return cmp.Compare(a.Name, b.Name) })
		if err := t.findKey(columns); err != nil {
			return nil, err
		}
	}
	if err := readParents(ctx, db, byName); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return parentsFirst(byName)
}

func ofSet(table string, sets []string) bool {
	return !strings.HasSuffix(table, "_migrations") &&
		slices.ContainsFunc(sets, func(set string) bool { return strings.HasPrefix(table, set+"_") })
}

// column is a row of the schema.
type column struct {
	table, name, declared string
	key                   int // its place in the primary key, from 1; 0: not in it
}

const (
	sqliteColumns = `SELECT t.name, c.name, c.type, c.pk FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' ORDER BY t.name, c.cid`
	postgresColumns = `SELECT t.relname, c.attname, format_type(c.atttypid, c.atttypmod),
			coalesce(array_position(k.conkey, c.attnum), 0)
		FROM pg_class t
		JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
		JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
		LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'
		WHERE t.relkind IN ('r', 'p') ORDER BY t.relname, c.attnum`
	sqliteParents   = `SELECT t.name, f."table" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'`
	postgresParents = `SELECT t.relname, p.relname FROM pg_constraint f
		JOIN pg_class t ON t.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
		JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
		WHERE f.contype = 'f'`
)

func readColumns(ctx context.Context, db *sqldb.DB) ([]column, error) {
	text := sqliteColumns
	if db.Engine() == sqldb.PostgreSQL {
		text = postgresColumns
	}
	rows, err := db.Query(ctx, text)
	return sqldb.Collect(rows, err, func(r sqldb.Row) (c column, err error) {
		err = r.Scan(&c.table, &c.name, &c.declared, &c.key)
		return c, err
	})
}

func readParents(ctx context.Context, db *sqldb.DB, of map[string]*Table) error {
	text := sqliteParents
	if db.Engine() == sqldb.PostgreSQL {
		text = postgresParents
	}
	rows, err := db.Query(ctx, text)
	_, err = sqldb.Collect(rows, err, func(r sqldb.Row) (struct{}, error) {
		var child, parent string
		err := r.Scan(&child, &parent)
		if t := of[child]; t != nil && child != parent {
			t.parents = append(t.parents, parent)
		}
		return struct{}{}, err
	})
	return err
}

func (t *Table) findKey(columns []column) error {
	places := make(map[int]int)
	for _, c := range columns {
		if c.table == t.Name && c.key > 0 {
			places[c.key] = slices.IndexFunc(t.Columns, func(of Column) bool { return of.Name == c.name })
		}
	}
	for n := range len(places) {
		t.Key = append(t.Key, places[n+1])
	}
	if len(t.Key) == 0 {
		return fmt.Errorf("%w: %s has no primary key", ErrSchema, t.Name)
	}
	return nil
}

// parentsFirst orders tables so that a row finds what it refers to.
func parentsFirst(of map[string]*Table) ([]Table, error) {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []Table
	placed := make(map[string]bool)
	for len(all) < len(names) {
		before := len(all)
		for _, name := range names {
			ready := !placed[name] && !slices.ContainsFunc(of[name].parents, func(p string) bool { return of[p] != nil && !placed[p] })
			if ready {
				placed[name] = true
				all = append(all, *of[name])
			}
		}
		if len(all) == before {
			return nil, fmt.Errorf("%w: tables refer to each other in a circle", ErrSchema)
		}
	}
	return all, nil
}

// Alike says whether two databases have the same tables; the error is an
// ErrSchema that names the first difference.
func Alike(a, b []Table) error {
	for _, pair := range [][2][]Table{{a, b}, {b, a}} {
		for _, t := range pair[0] {
			i := slices.IndexFunc(pair[1], func(of Table) bool { return of.Name == t.Name })
			if i < 0 {
				return fmt.Errorf("%w: only one side has %s", ErrSchema, t.Name)
			}
			if !slices.Equal(t.Columns, pair[1][i].Columns) || !slices.Equal(t.Key, pair[1][i].Key) {
				return fmt.Errorf("%w: %s is not the same on both sides", ErrSchema, t.Name)
			}
		}
	}
	return nil
}

// names are those of all columns.
func (t *Table) names() []string {
	all := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		all[i] = c.Name
	}
	return all
}
