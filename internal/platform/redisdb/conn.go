package redisdb

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	// idleConns are closed after so long, before what lies between may forget
	// them. The probe keeps one in use.
	idleConns = 10 * time.Second
	// pingEvery is how often a subscription asks whether it is still one.
	pingEvery = time.Second
)

// address is what the URL says.
type address struct {
	network, host  string // as net.Dial takes them
	tls            *tls.Config
	user, password string
	db             int
}

// address reads the URL, whose errors may quote a password and are not told.
func (c Config) address() (a address, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return a, errURL
	}
	q := u.Query()
	if q.Has("master_set") {
		return a, errors.New("redis: sentinels are not supported; name the server itself")
	}
	a.network, a.host = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379"))
	db := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		a.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
		if q.Has("skip_verify") {
			a.tls.InsecureSkipVerify, err = strconv.ParseBool(cmp.Or(q.Get("skip_verify"), "true"))
		}
	case "unix":
		a.network, a.host, db = "unix", u.Path, ""
	default:
		return a, errURL
	}
	n, bad := strconv.ParseUint(cmp.Or(q.Get("db"), db, "0"), 10, 31)
	if err != nil || bad != nil || q.Has("addr") || a.network == "tcp" && u.Hostname() == "" || a.host == "" {
		return a, errURL
	}
	a.db = int(n)
	if u.User != nil {
		a.user = u.User.Username()
		a.password, _ = u.User.Password()
	}
	return a, nil
}

// dial makes a connection that is signed in, within ConnectTimeout. It does
// not end with whoever asked first: the next one has it then.
func (d *DB) dial(ctx context.Context) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.ConnectTimeout)
	defer cancel()
	defer d.open.add(cancel)()
	to := &net.Dialer{KeepAlive: time.Second}
	dial := to.DialContext
	if d.at.tls != nil {
		dial = (&tls.Dialer{NetDialer: to, Config: d.at.tls}).DialContext
	}
	raw, err := dial(ctx, d.at.network, d.at.host)
	if err != nil {
		return nil, err
	}
	known := tracked{raw, d.open.add(func() { _ = raw.Close() })}
	// A write that the network takes nothing of is over with the call.
	c := redis.NewConn(known, d.cfg.ConnectTimeout, d.cfg.Timeout)
	hello := []any{"2"}
	if d.at.user != "" || d.at.password != "" {
		hello = append(hello, "AUTH", cmp.Or(d.at.user, "default"), d.at.password)
	}
	_, err = do(ctx, c, "HELLO", append(hello, "SETNAME", "chatd")...)
	if err == nil && d.at.db != 0 {
		_, err = do(ctx, c, "SELECT", d.at.db)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// with runs fn with a connection, until ctx's deadline.
func (d *DB) with(ctx context.Context, fn func(redis.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := d.pool.GetContext(ctx)
	if err != nil {
		return inTime(err)
	}
	defer func() { _ = c.Close() }()
	until, _ := ctx.Deadline()
	err = inTime(fn(timed{c, until}))
	if c.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		d.distrust() // it has ended, as the others will have
	}
	return err
}

// distrust has no connection used again that is idle now.
func (d *DB) distrust() { d.trusted.Store(int64(time.Since(d.since))) }

// timed is a connection whose commands end at a time.
type timed struct {
	redis.Conn

	until time.Time
}

func (t timed) Do(command string, args ...any) (any, error) {
	left := time.Until(t.until)
	if left <= 0 {
		return nil, context.DeadlineExceeded // the connection is as good as before
	}
	return redis.DoWithTimeout(t.Conn, left, command, args...)
}

// do is one command until ctx's deadline.
func do(ctx context.Context, c redis.Conn, command string, args ...any) (any, error) {
	until, _ := ctx.Deadline()
	answer, err := timed{c, until}.Do(command, args...)
	return answer, inTime(err)
}

// inTime has one error for a time that is over.
func inTime(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// ends are what has to end for Close, whoever waits for it.
type ends struct {
	mu     sync.Mutex
	all    map[*func()]struct{}
	closed bool
}

// add has end called by close, at once if that has been. forget forgets it.
func (e *ends) add(end func()) (forget func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		end()
	}
	if e.all == nil {
		e.all = map[*func()]struct{}{}
	}
	e.all[&end] = struct{}{}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.all, &end)
	}
}

func (e *ends) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for end := range e.all {
		(*end)()
	}
}

// tracked is a connection that Close closes.
type tracked struct {
	net.Conn

	forget func()
}

func (t tracked) Close() error {
	t.forget()
	return t.Conn.Close()
}
