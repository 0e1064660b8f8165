package sqlmove

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"chatd/internal/platform/sqldb"
)

// A page is read and written at once: at most so many rows, and not many more
// bytes than pageBytes. Three pages of a table are in memory at a time.
const (
	pageRows  = 4000
	pageBytes = 4 << 20
)

// reader reads a table in the order of its key.
type reader struct {
	db    *sqldb.DB
	table *Table
	after []any // the key of the last row that was read; nil before the first
}

// order is the key for ORDER BY and comparisons: texts by their bytes, as
// SQLite compares them, whatever the collation of PostgreSQL's database.
func (r *reader) order(suffix string) string {
	var keys []string
	for _, i := range r.table.Key {
		c := r.table.Columns[i]
		name := c.Name
		if c.Kind == Text && r.db.Engine() == sqldb.PostgreSQL {
			name += ` COLLATE "C"`
		}
		keys = append(keys, name+suffix)
	}
	return strings.Join(keys, ", ")
}

// page returns the next rows; none at the end.
func (r *reader) page(ctx context.Context) ([][]any, error) {
	text := "SELECT " + strings.Join(r.table.names(), ", ") + " FROM " + r.table.Name
	if r.after != nil {
		var places []string
		for i := range r.after {
			places = append(places, "$"+strconv.Itoa(i+1))
		}
		text += " WHERE (" + r.order("") + ") > (" + strings.Join(places, ", ") + ")"
	}
	text += " ORDER BY " + r.order("") + " LIMIT " + strconv.Itoa(pageRows)
	rows, err := r.db.Query(ctx, text, r.after...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells all.
	var all [][]any
	for bytes := 0; bytes < pageBytes && rows.Next(); {
		row, size, err := r.table.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
		}
		all = append(all, row)
		bytes += size
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	if len(all) > 0 {
		r.after = r.table.keyOf(all[len(all)-1])
	}
	return all, nil
}

// pages reads a table to its end, one page ahead of whoever takes them, and
// closes the channel. Where reading fails, that comes first.
func (r *reader) pages(ctx context.Context, to chan<- page) error {
	defer close(to)
	for {
		rows, err := r.page(ctx)
		if err == nil && len(rows) == 0 {
			return nil
		}
		select {
		case to <- page{rows, err}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// page is some rows, or why there are none.
type page struct {
	rows [][]any
	err  error
}

func (t *Table) keyOf(row []any) []any {
	key := make([]any, len(t.Key))
	for i, at := range t.Key {
		key[i] = row[at]
	}
	return key
}

// scan reads a row as the kinds of its columns want it, and tells roughly how
// many bytes it is.
func (t *Table) scan(rows sqldb.Row) (row []any, size int, err error) {
	row = make([]any, len(t.Columns))
	into := make([]any, len(row))
	for i := range row {
		into[i] = &row[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, 0, err
	}
	for i, c := range t.Columns {
		n := 0
		if row[i], n, err = c.value(row[i]); err != nil {
			return nil, 0, err
		}
		size += n + 16
	}
	return row, size, nil
}

// value is v as the column's kind: nil, int64, string or []byte. SQLite keeps
// text in a column of bytes, or the other way round, when it was given so.
func (c Column) value(v any) (any, int, error) {
	switch v := v.(type) {
	case nil:
		return nil, 0, nil
	case int64:
		if c.Kind == Number {
			return v, 8, nil
		}
	case string:
		switch c.Kind {
		case Text:
			return v, len(v), nil
		case Bytes:
			return []byte(v), len(v), nil
		case Number:
		}
	case []byte:
		switch c.Kind {
		case Text:
			return string(v), len(v), nil
		case Bytes:
			if v == nil { // no bytes, which are not NULL
				v = []byte{}
			}
			return v, len(v), nil
		case Number:
		}
	}
	return nil, 0, fmt.Errorf("%w: in %s is a %T where a %s belongs", ErrSchema, c.Name, v, c.Kind)
}
