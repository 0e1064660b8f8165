package sqldb

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// CopyIn adds rows to a table, each with a value for every one of the columns:
// many at once by COPY on PostgreSQL, one after the other on SQLite. Values are
// nil, int64, string or []byte. The names go into the statement as they are.
func (tx *Tx) CopyIn(_ context.Context, table string, columns []string, rows [][]any) error {
	if tx.db.engine == SQLite {
		return tx.insertEach(table, columns, rows)
	}
	if err := tx.before("COPY", true); err != nil {
		return err
	}
	err := tx.conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the driver %T has no COPY", driver)
		}
		_, err := c.Conn().CopyFrom(tx.ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
		return err
	})
	return tx.note(tx.db.translate(err))
}

func (tx *Tx) insertEach(table string, columns []string, rows [][]any) error {
	var text strings.Builder
	text.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (")
	for i := range columns {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString("$" + strconv.Itoa(i+1))
	}
	text.WriteString(")")
	for _, row := range rows {
		if _, err := tx.Exec(tx.ctx, text.String(), row...); err != nil {
			return err
		}
	}
	return nil
}
