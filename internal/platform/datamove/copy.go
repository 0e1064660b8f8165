package datamove

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/sqlmove"
)

func (m *mover) copyTables(ctx context.Context) error {
	for _, t := range m.tables {
		all, err := sqlmove.Rows(ctx, m.from, t)
		if err != nil {
			return err
		}
		there, err := sqlmove.Rows(ctx, m.To, t)
		if err != nil {
			return err
		}
		m.say.begin("copying "+t.Name, there, all)
		err = sqlmove.Copy(ctx, m.from, m.To, t, func(n int) {
			m.copied += int64(n)
			m.say.add(n)
		})
		if err != nil {
			return err
		}
		if err := m.say.end(""); err != nil {
			return err
		}
	}
	return nil
}

func (m *mover) fill(ctx context.Context) error {
	if m.Documents == nil {
		return nil
	}
	err := m.Documents.Fill(ctx, m.from, func(p Part) {
		m.say.turnTo("copying "+p.Name, p.Before, p.InAll)
		m.copied += int64(p.More)
		m.say.add(p.More)
	})
	if err != nil {
		return err
	}
	return m.say.end("")
}

func (m *mover) compare(ctx context.Context) error {
	for _, t := range m.tables {
		all, err := sqlmove.Rows(ctx, m.from, t)
		if err != nil {
			return err
		}
		m.say.begin("comparing "+t.Name, 0, all)
		sum, err := sqlmove.Compare(ctx, m.from, m.To, t, m.say.add)
		if err != nil {
			return m.different(err)
		}
		if err := m.say.end(", sha256 " + sum.SHA256[:16]); err != nil {
			return err
		}
	}
	if m.Documents == nil {
		return nil
	}
	sums, err := m.Documents.Compare(ctx, m.from, func(p Part) {
		m.say.turnTo("comparing "+p.Name, 0, p.InAll)
		m.say.add(p.More)
	})
	if err != nil {
		return m.different(err)
	}
	return m.say.end(", " + sums)
}

// different says what to do when the two sides are not the same.
func (m *mover) different(err error) error {
	if errors.Is(err, sqlmove.ErrDiffers) {
		return fmt.Errorf("%w; this copy cannot be served: say `chatd migrate-data --undo --from %s`, and copy to an empty database", err, m.Dir.Path)
	}
	return err
}

// finish hands over: from the mark on, the directory is not served any more,
// and only then is the target.
func (m *mover) finish(ctx context.Context) error {
	mark := *m.Dir.Move()
	mark.Target, mark.Done = m.claim.Target, time.Now().UTC().Truncate(time.Second)
	if err := m.Dir.SetMove(&mark); err != nil {
		return err
	}
	return m.release(ctx)
}

func (m *mover) release(ctx context.Context) error {
	if m.claim.State == sqlmove.Done {
		return nil
	}
	if m.Documents != nil {
		if err := m.Documents.Finish(ctx); err != nil {
			return err
		}
	}
	return sqlmove.Finish(ctx, m.To, m.tables)
}
