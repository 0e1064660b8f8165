package sqldb

import (
	"context"
	"errors"
)

// errSplit says that a batch alone in its transaction has failed and should be
// tried again item by item.
var errSplit = errors.New("sqldb: a batch is tried again item by item")

// part is what succeeds or fails together: one job, or the items of a batch.
type part struct {
	jobs []*job
	fn   func(*Tx) error
}

func (p part) fail(err error) {
	for _, j := range p.jobs {
		j.err = err
	}
}

// parts puts the items of each batch together where the first of them stands,
// and leaves all else as it came.
func parts(jobs []*job) []part {
	all := make([]part, 0, len(jobs))
	open := make(map[batch]int, 2)
	for i, j := range jobs {
		if j.batch == nil {
			all = append(all, part{jobs[i : i+1], j.fn})
			continue
		}
		at, ok := open[j.batch]
		if !ok || len(all[at].jobs) == j.batch.limit() {
			at = len(all)
			open[j.batch] = at
			all = append(all, part{})
		}
		all[at].jobs = append(all[at].jobs, j)
	}
	for i := range all {
		if p := &all[i]; p.fn == nil {
			p.fn = func(tx *Tx) error { return p.jobs[0].batch.run(tx, p.jobs) }
		}
	}
	return all
}

// split makes each item a part of its own.
func split(jobs []*job) []part {
	all := make([]part, len(jobs))
	for i := range jobs {
		all[i] = parts(jobs[i : i+1])[0]
	}
	return all
}

// group is one transaction with the parts in it.
type group struct {
	session *session
	ctx     context.Context //nolint:containedctx // The transaction's.
	shared  bool
	txs     []*Tx // of what is to be committed, or undone with the rest
	lonely  *part // the only part, when the error is its own
}

// run runs the parts. Its error means that the transaction must be rolled
// back.
func (g *group) run(all []part) error {
	for i := range all {
		p := &all[i]
		tx := &Tx{session: g.session, ctx: g.ctx, shared: g.shared, jobs: len(p.jobs)}
		err := tx.run(p.fn)
		switch {
		case err == nil:
			g.txs = append(g.txs, tx)
		case fatal(tx.failed):
			g.txs = append(g.txs, tx)
			return tx.failed
		case g.shared && len(p.jobs) > 1:
			tx.undone()
			if err := g.run(split(p.jobs)); err != nil {
				return err
			}
		case g.shared:
			tx.undone()
			p.fail(err)
		case len(p.jobs) > 1:
			g.txs = append(g.txs, tx)
			return errSplit
		default:
			g.txs, g.lonely = append(g.txs, tx), p
			return err
		}
	}
	return nil
}
