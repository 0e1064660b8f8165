package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"chatd/internal/platform/turn"
)

// rollbackTime is how long PostgreSQL may take to undo a group, which it does
// without looking at the rows.
const rollbackTime = time.Second

// attempts is how often work is tried that another transaction got in the way
// of.
const attempts = 20

// Lane takes jobs one after the other. Jobs that have come together share one
// commit: each can fail alone, none is answered before the commit, and when the
// commit fails all of them do.
type Lane struct {
	db      *DB
	ctx     context.Context //nolint:containedctx // What many wait for does not end with one of them.
	queue   *queue
	stopped chan struct{}

	// Whoever commits holds the lock over what follows: the committer
	// or, when nobody else writes, the caller himself.
	commits sync.Mutex
	session *session
	tend    func(ctx context.Context, s *session) time.Duration // between groups
	buf     []*job
	last    time.Time     // when the last group was answered
	took    time.Duration // its commit
	rows    int           // how many jobs it had
	tending bool          // the committer will tend by itself
}

func newLane(d *DB) *Lane {
	l := &Lane{db: d, ctx: context.Background(), queue: newQueue(d.cfg.Queue), stopped: make(chan struct{})}
	if d.engine == SQLite {
		l.tend = (&wal{path: d.cfg.Path + "-wal"}).tend
	}
	return l
}

// Write is as DB.Write, in this lane's order.
func (l *Lane) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return l.do(ctx, &job{fn: fn, done: make(chan struct{})})
}

func (l *Lane) do(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.alone(ctx, j) {
		return j.err
	}
	patience, cancel := l.db.limit(ctx)
	defer cancel()
	j.since = l.since(ctx)
	if err := l.queue.put(patience, j); err != nil {
		return gaveUp(ctx, err)
	}
	turn.Pass(ctx) // its place in the order is fixed
	select {
	case <-j.done:
		return j.err
	case <-patience.Done():
	}
	if j.state.CompareAndSwap(waiting, abandoned) {
		return gaveUp(ctx, patience.Err())
	}
	<-j.done // it has begun, and its end is near
	return j.err
}

// gaveUp is the error of a job that never began: its caller's when that has
// left, else that it has waited for too long.
func gaveUp(caller context.Context, err error) error {
	if caller.Err() != nil {
		return caller.Err()
	}
	if errors.Is(err, ErrClosed) {
		return err
	}
	return unavailable(fmt.Errorf("waiting for a commit: %w", err))
}

// alone commits the job on the caller's goroutine when nobody else is writing
// or has just written, and says whether it did. Two hand-overs between threads
// are spared, which cost about as much as the statements of a small job.
func (l *Lane) alone(ctx context.Context, j *job) bool {
	if l.db.engine != SQLite || !l.commits.TryLock() {
		return false
	}
	defer l.commits.Unlock()
	if l.rows > 1 && time.Since(l.last) < gatherTime || !l.queue.quiet() {
		return false
	}
	turn.Pass(ctx)
	l.group([]*job{j})
	if !l.tending {
		l.tending = true
		l.queue.nudge()
	}
	return true
}

func (l *Lane) close() {
	l.queue.close()
	<-l.stopped
}

// run is the committer. It ends when the queue is closed and empty.
func (l *Lane) run() {
	defer close(l.stopped)
	var again time.Duration // when tending is due although nothing is written
	for {
		have, closed := l.queue.await(1, again)
		if have == 0 && closed {
			break
		}
		again = l.takeTurn(have)
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	l.drop(false)
}

// takeTurn commits what waits and tends, and says when tending is due again.
func (l *Lane) takeTurn(have int) (again time.Duration) {
	l.commits.Lock()
	defer l.commits.Unlock()
	if have > 0 {
		l.gather()
		l.buf = l.queue.take(l.buf, l.db.cfg.Group)
		l.group(l.buf)
		clear(l.buf)
	}
	if l.tend != nil && l.session != nil {
		again = l.tend(l.ctx, l.session)
	}
	l.tending = again > 0
	return again
}

// gather waits a little for more jobs to share the coming commit. It does so
// only while commits follow each other within its patience, and only for as
// many as are likely to come: those that the last commit answered and those
// that came meanwhile. So who writes alone waits for nobody.
func (l *Lane) gather() {
	if time.Since(l.last) >= l.patience() {
		return
	}
	l.queue.await(min(l.rows, gatherRows, l.db.cfg.Group), l.patience())
}

// patience is how long gather waits. Nodes that share a PostgreSQL are in each
// other's way, which shows in how long a commit takes, and the less so the
// fewer their commits are.
func (l *Lane) patience() time.Duration {
	if l.db.engine == SQLite {
		return gatherTime
	}
	return min(max(l.took, gatherTime), mostGatherTime)
}

// group commits jobs together and answers them.
func (l *Lane) group(jobs []*job) {
	n := 0
	for _, j := range jobs {
		switch {
		case !j.state.CompareAndSwap(waiting, begun):
		case l.late(j):
			j.err = errLate
			close(j.done)
		default:
			jobs[n] = j
			n++
		}
	}
	start := time.Now()
	if jobs = jobs[:n]; n > 0 {
		l.attempt(l.ctx, jobs)
	}
	l.last, l.rows = time.Now(), n+l.queue.len()
	l.took = l.last.Sub(start)
	for _, j := range jobs {
		close(j.done)
	}
}

// since is when the time of a job began whose caller has ctx: now, or earlier
// when he has done other things in the same time and has most of it left. Who
// has less from the start stops waiting by himself, and shortens nobody's time.
func (l *Lane) since(ctx context.Context) time.Time {
	now := time.Now()
	if end, ok := ctx.Deadline(); ok && l.db.engine == PostgreSQL {
		if began := end.Add(-l.db.cfg.Timeout); began.Before(now) && now.Sub(began) <= l.db.cfg.Timeout/2 {
			return began
		}
	}
	return now
}

var errLate = unavailable(errors.New("sqldb: waited for too long before a commit that took its time"))

// late says whether a job has waited for so long that the time left to its
// caller would cut its whole group short.
func (l *Lane) late(j *job) bool {
	return l.db.engine == PostgreSQL && time.Since(j.since) > l.db.cfg.Timeout/2
}

func earliest(jobs []*job) time.Time {
	return slices.MinFunc(jobs, func(a, b *job) int { return a.since.Compare(b.since) }).since
}

// attempt commits jobs, again and again while others are in the way. The time
// of the one who has the least is that of all.
func (l *Lane) attempt(ctx context.Context, jobs []*job) {
	if l.db.engine == PostgreSQL {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, earliest(jobs).Add(l.db.cfg.Timeout))
		defer cancel()
	}
	err := l.db.retry(ctx, func() error {
		err := l.commit(ctx, parts(jobs))
		if errors.Is(err, errSplit) {
			err = l.commit(ctx, split(jobs))
		}
		return err
	})
	if err != nil {
		l.db.counts.failed.Add(1)
		for _, j := range jobs {
			j.err = err
		}
	}
	if err != nil || l.db.sick.Load() != nil {
		l.db.feel(err)
	}
}

// retry calls try again while another transaction was in the way.
func (d *DB) retry(ctx context.Context, try func() error) error {
	err := try()
	for n := 1; n < attempts && conflict(err); n++ {
		d.counts.retries.Add(1)
		pause := rand.Int64N(int64(2 * time.Millisecond << min(n, 5))) //nolint:gosec // Not a secret.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(pause)):
		}
		err = try()
	}
	return err
}

// commit runs parts in one transaction. An error is that of them all, and
// everything is undone; otherwise each job has its own.
func (l *Lane) commit(ctx context.Context, all []part) error {
	var err error
	if l.session, err = l.db.beginOn(ctx, l.session); err != nil {
		return err
	}
	g := group{session: l.session, ctx: ctx, shared: len(all) > 1}
	if err = g.run(all); err == nil {
		if err = l.session.commit(ctx); err == nil {
			l.db.committed(g.txs)
			return nil
		}
		if isLate(err) && !fatal(err) { // there is one part: others do not leave any
			if len(all[0].jobs) > 1 {
				err = errSplit
			} else {
				g.lonely = &all[0]
			}
		}
		err = fmt.Errorf("committing: %w", err)
	}
	l.rollback(ctx)
	for _, tx := range slices.Backward(g.txs) {
		tx.undone()
	}
	if g.lonely != nil {
		g.lonely.fail(err)
		return nil
	}
	return err
}

// rollback ends the transaction after an error. SQLite may have rolled back by
// itself, which the next begin finds out; a connection to PostgreSQL that
// cannot say ROLLBACK is of no more use.
func (l *Lane) rollback(ctx context.Context) {
	l.session.pending = l.session.pending[:0]
	if l.db.engine == PostgreSQL {
		if !l.session.begun {
			return
		}
		var cancel context.CancelFunc // a server may hang at this moment, too
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
	}
	_, failed := l.session.exec(ctx, "ROLLBACK")
	l.session.begun = false
	if l.db.engine == PostgreSQL && failed != nil {
		l.drop(true)
	}
}

func (l *Lane) drop(broken bool) {
	if l.session != nil {
		l.session.release(broken)
		l.session = nil
	}
}

// committed counts a commit and calls what waits for it.
func (d *DB) committed(txs []*Tx) {
	d.counts.commits.Add(1)
	for _, tx := range txs {
		d.counts.jobs.Add(uint64(tx.jobs)) //nolint:gosec // Never negative.
		for _, fn := range tx.after {
			d.call(fn)
		}
	}
}

// call calls a job's callback. A panic there must not end the committer, with
// everybody's writes; the commit stands either way.
func (d *DB) call(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			d.cfg.Log.Error().Any("panic", v).Bytes("stack", debug.Stack()).Msg("panic after a commit")
		}
	}()
	fn()
}

// feel remembers whether the last commit went well and says so when that
// changes.
func (d *DB) feel(err error) {
	if err == nil {
		d.sick.Store(nil)
		d.cfg.Log.Warn().Str("engine", string(d.engine)).Msg("database takes writes again")
		return
	}
	if d.sick.Swap(&err) == nil {
		d.cfg.Log.Warn().Str("engine", string(d.engine)).Err(err).Msg("database refuses writes")
	}
}
