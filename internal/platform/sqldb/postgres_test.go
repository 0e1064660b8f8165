package sqldb_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/testenv"
)

// link is a TCP connection to PostgreSQL that can be cut or made to hang.
type link struct {
	url     string
	hanging atomic.Bool
	age     atomic.Int32 // raised by forget

	mu    sync.Mutex
	conns []net.Conn
}

func newLink(t *testing.T) *link {
	t.Helper()
	u, err := url.Parse(sqldbtest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	if dir := u.Query().Get("host"); strings.HasPrefix(dir, "/") {
		network, address = "unix", dir+"/.s.PGSQL.5432"
	}
	l := &link{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Del("host")
	u.Host, u.RawQuery = listener.Addr().String(), q.Encode()
	l.url = u.String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, address)
			if err != nil {
				in.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, in, out)
			l.mu.Unlock()
			age := l.age.Load()
			wg.Go(func() { l.pass(out, in, age) })
			wg.Go(func() { l.pass(in, out, age) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		wg.Wait()
	})
	return l
}

func (l *link) pass(to, from net.Conn, age int32) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if l.hanging.Load() || age != l.age.Load() {
			continue // what was said is never heard
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// forget lets nothing through on the connections that there are, as a firewall
// does that has forgotten them. New ones work.
func (l *link) forget() { l.age.Add(1) }

// everything is one of each kind of access.
func everything(db *sqldb.DB) map[string]func(context.Context) error {
	none := func(*sqldb.Tx) error { return nil }
	read := func(ctx context.Context, q sqldb.Querier) error {
		var n int
		return q.QueryRow(ctx, "SELECT 1").Scan(&n)
	}
	return map[string]func(context.Context) error{
		"write": func(ctx context.Context) error { return db.Write(ctx, none) },
		"lane":  func(ctx context.Context) error { return db.Lane("test").Write(ctx, none) },
		"read":  func(ctx context.Context) error { return read(ctx, db) },
		"snapshot": func(ctx context.Context) error {
			return db.Snapshot(ctx, func(q sqldb.Querier) error { return read(ctx, q) })
		},
		"ping": db.Ping,
	}
}

func TestLostConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: l.url})
	lane := setup(t, db)
	for name, access := range everything(db) {
		if err := access(t.Context()); err != nil {
			t.Fatal(name, err)
		}
	}
	l.cut()
	for name, access := range everything(db) {
		// What was lost may show once, as something to try again.
		if err := access(t.Context()); err != nil && !errors.Is(err, errs.ErrUnavailable) {
			t.Errorf("%s after the cut: %v", name, err)
		}
		if err := access(t.Context()); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
	}
	// In the middle of a job the outcome is failure, and nothing is kept.
	for name, write := range map[string]func(context.Context, func(*sqldb.Tx) error) error{"write": db.Write, "lane": lane.Write} {
		undone := false
		err := write(t.Context(), func(tx *sqldb.Tx) error {
			tx.OnRollback(func() { undone = true })
			err := add(tx, 1)
			l.cut()
			return err
		})
		if !errors.Is(err, errs.ErrUnavailable) || !undone {
			t.Errorf("%s cut in the middle: %v, undone %v", name, err, undone)
		}
		if err := write(t.Context(), func(*sqldb.Tx) error { return nil }); err != nil {
			t.Errorf("%s afterwards: %v", name, err)
		}
	}
	if got := thingsOf(t, db); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: l.url, Timeout: time.Second, ConnectTimeout: 2 * time.Second})
	l.hanging.Store(true)
	const most = 2500 * time.Millisecond
	for name, access := range everything(db) {
		if took := testenv.Quickest(most, func() time.Duration {
			return testenv.Took(func() {
				if err := access(t.Context()); !errors.Is(err, errs.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}); took > most {
			t.Errorf("%s took %v", name, took)
		}
	}
	l.hanging.Store(false)
	l.cut()
	for name, access := range everything(db) {
		if err := answered(func() error { return access(t.Context()) }); err != nil {
			t.Errorf("%s when it answers again: %v", name, err)
		}
	}
}

// answered does something once more, a few times, when a busy machine has taken
// the short time that it had.
func answered(do func() error) (err error) {
	for range 5 {
		if err = do(); !errors.Is(err, errs.ErrUnavailable) {
			return err
		}
	}
	return err
}

func TestWhoWaitsBehindAHangingCommitIsAnsweredInTimeToo(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	l := newLink(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: l.url, Timeout: limit, Queue: 4, Group: 2})
	lane := setup(t, db)
	after := int64(100)
	if took := testenv.Quickest(limit*3/2, func() (slowest time.Duration) {
		l.hanging.Store(true)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for n := range 20 { // most of them wait outside of the queue
			wg.Go(func() {
				pause(t, time.Duration(n)*100*time.Millisecond)
				took := testenv.Took(func() {
					err := lane.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, int64(n)) })
					if !errors.Is(err, errs.ErrUnavailable) {
						t.Errorf("%d: %v", n, err)
					}
				})
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, took)
			})
		}
		wg.Wait()
		l.hanging.Store(false)
		l.cut()
		if err := answered(func() error {
			return lane.Write(t.Context(), func(tx *sqldb.Tx) error { after++; return add(tx, after) })
		}); err != nil {
			t.Errorf("when it answers again: %v", err)
		}
		return slowest
	}); took > limit*3/2 {
		t.Errorf("one was answered after %v", took)
	}
}

func TestConnectionsThatDiedTogetherCostNobodyHisTime(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: l.url, MaxConns: 6})
	lane := setup(t, db)
	all := func(text string) {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				var v any
				if err := db.QueryRow(t.Context(), text).Scan(&v); err != nil {
					t.Errorf("a read: %v", err)
				}
			})
		}
		wg.Wait()
	}
	all("SELECT pg_sleep(0.1)::text")
	if open := db.Stats().Conns; open < 5 {
		t.Fatalf("%d connections", open)
	}
	pause(t, 1100*time.Millisecond) // who was idle for less is believed
	l.forget()
	start := time.Now()
	all("SELECT 1")
	t.Logf("reads after %v", time.Since(start))
	// The lane's own connection is lost in a commit; the next has another.
	_ = lane.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) })
	if err := lane.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 2) }); err != nil {
		t.Errorf("a write: %v", err)
	}
}

// pause waits for something that happens elsewhere.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func TestAServerThatIsAwayIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	if took := testenv.Quickest(time.Second, func() time.Duration {
		return testenv.Took(func() {
			_, err := sqldb.Open(t.Context(), sqldb.Config{URL: "postgres://nobody@127.0.0.1:1/none"})
			if !errors.Is(err, errs.ErrUnavailable) {
				t.Errorf("opened with %v", err)
			}
		})
	}); took > time.Second {
		t.Errorf("told after %v", took)
	}
}

func TestASlowStatementIsEnded(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldb.Config{URL: sqldbtest.PostgresURL(t), Timeout: 3 * time.Second}) // all else is quicker, on a busy machine too
	l := setup(t, db)
	err := l.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT pg_sleep(60)")
		return err
	})
	if !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("it gave %v", err)
	}
	if err := l.Write(t.Context(), func(tx *sqldb.Tx) error { return add(tx, 1) }); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestASnapshotThatTakesTooLongIsEnded(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldb.Config{URL: sqldbtest.PostgresURL(t), Timeout: 500 * time.Millisecond})
	for range 3 { // on a busy machine its beginning may take that long
		begun := false
		err := db.Snapshot(t.Context(), func(q sqldb.Querier) error {
			begun = true
			pause(t, time.Second)
			var one int
			return q.QueryRow(t.Context(), "SELECT 1").Scan(&one)
		})
		if !errors.Is(err, errs.ErrUnavailable) {
			t.Fatalf("it gave %v", err)
		}
		if begun {
			return
		}
	}
	t.Error("it never began")
}

func TestAGroupInTheWayOfAnotherIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Postgres(t)
	l := setup(t, db)
	mustExec(t, db, "INSERT INTO things (id, name) VALUES (1, ''), (2, '')")
	// Two lanes take two rows in opposite order: a deadlock, which the server
	// ends for one of them.
	other := db.Lane("other")
	var both sync.WaitGroup
	both.Add(2)
	var tries atomic.Int32
	cross := func(l *sqldb.Lane, first, second int64) error {
		met := false
		return l.Write(t.Context(), func(tx *sqldb.Tx) error {
			tries.Add(1)
			for i, id := range []int64{first, second} {
				if _, err := tx.Exec(t.Context(), "UPDATE things SET name = name || 'x' WHERE id = $1", id); err != nil {
					return err
				}
				if i == 0 && !met {
					met = true
					both.Done()
					both.Wait()
				}
			}
			return nil
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := cross(l, 1, 2); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := cross(other, 2, 1); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	rows, err := db.Query(t.Context(), "SELECT name FROM things ORDER BY id")
	names, err := sqldb.Collect(rows, err, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) })
	if err != nil || !slices.Equal(names, []string{"xx", "xx"}) || tries.Load() < 3 {
		t.Errorf("%v after %d tries, %v", names, tries.Load(), err)
	}
}

func TestASettingThatLosesCommitsIsTold(t *testing.T) {
	t.Parallel()
	address := sqldbtest.PostgresURL(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: address + "&synchronous_commit=off"})
	err := db.CheckDurable(t.Context())
	if !errors.Is(err, sqldb.ErrNotDurable) || !strings.Contains(err.Error(), "synchronous_commit=off") {
		t.Errorf("checked with %v", err)
	}
}

func TestALostConnectionLosesItsLock(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	db := sqldbtest.Open(t, sqldb.Config{URL: l.url})
	held, ok, err := db.TryLock(t.Context(), "node")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer held.Release()
	l.cut()
	if err := held.Check(t.Context()); !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("checked with %v", err)
	}
}
