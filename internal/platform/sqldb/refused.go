package sqldb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refused is an error in the words of who has to put it right: what is wrong
// and what to do, in one line and without secrets.
type refused struct {
	text  string
	cause error
}

func (e *refused) Error() string { return e.text }

// Unwrap returns what was met.
func (e *refused) Unwrap() error { return e.cause }

// address says which PostgreSQL is meant, as who and for which database.
func address(cfg *pgx.ConnConfig) string {
	var at []string
	add := func(host string, port uint16) {
		name := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if strings.HasPrefix(host, "/") {
			name = host
		}
		if !slices.Contains(at, name) {
			at = append(at, name)
		}
	}
	add(cfg.Host, cfg.Port)
	for _, f := range cfg.Fallbacks {
		add(f.Host, f.Port)
	}
	return fmt.Sprintf("PostgreSQL at %s (user %s, database %s)", strings.Join(at, ","), cfg.User, cfg.Database)
}

// unreadable says what is wrong with a URL, whose text may hold a secret.
func unreadable(err error) error {
	text := "check it, its parameters and the files that they name"
	if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		// It is told as "cannot parse `the URL`: what is wrong (why)".
		if _, what, ok := strings.Cut(e.Error(), "`: "); ok && !strings.Contains(what, "parse ") {
			text = strings.Join(strings.Fields(what), " ") + "; " + text
		}
	}
	return &refused{"the PostgreSQL URL cannot be used: " + text, ErrUnfit}
}

// notConnected says why no connection is made.
func (d *DB) notConnected(cfg *pgx.ConnConfig, err error) error {
	return &refused{address(cfg) + ": " + d.whyNot(cfg, err), d.translate(err)}
}

func (d *DB) whyNot(cfg *pgx.ConnConfig, err error) string {
	// Where TLS was tried first and refused, the server's own word counts.
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverRefuses(cfg, e)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && !e.IsTimeout {
		return fmt.Sprintf("the host %s is not known; check its name in the URL", e.Name)
	}
	if pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time; check host and port in the URL, and what lies between"
	}
	if text := tlsRefuses(err); text != "" {
		return text
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there (connection refused); start PostgreSQL, or check host and port in the URL"
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket; start PostgreSQL, or check the directory in the URL"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to that host; check it in the URL, and the network"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed before anything was said; check that this is PostgreSQL's port, and its log"
	case strings.Contains(err.Error(), "received unexpected message"):
		return "what answers is no PostgreSQL; check host and port in the URL (" + short(err) + ")"
	}
	return short(err)
}

// tlsRefuses is whyNot of TLS; empty when it is about something else.
func tlsRefuses(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	host, other := errors.AsType[x509.HostnameError](err)
	verify, invalid := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case unknown:
		return "its certificate is of an authority that this machine does not know; name the authority's file by sslrootcert=FILE in the URL"
	case other:
		return fmt.Sprintf("its certificate is for another host (%s); name it in the URL as its certificate does", short(host))
	case invalid:
		return "its certificate does not hold: " + short(verify.Err)
	case noTLS, strings.Contains(err.Error(), "server refused TLS connection"):
		return "the server does not speak TLS; switch it on there (ssl = on), or say sslmode=disable in the URL"
	case strings.Contains(err.Error(), "tls error"):
		return short(err)
	}
	return ""
}

// serverRefuses says what to do about an answer of the server's to a
// connection.
func serverRefuses(cfg *pgx.ConnConfig, e *pgconn.PgError) string {
	switch e.Code {
	case "28P01":
		return "the password is refused; check user and password in the URL"
	case "28000":
		if strings.Contains(e.Message, "no encryption") {
			return fmt.Sprintf("the server lets nobody in without TLS (%s); say sslmode=require, or verify-full, in the URL, or see its pg_hba.conf", e.Message)
		}
		return fmt.Sprintf("the server does not let the user in (%s); check the user in the URL, and pg_hba.conf", e.Message)
	case "3D000":
		return fmt.Sprintf("there is no such database; make it: CREATE DATABASE %s OWNER %s", ident(cfg.Database), ident(cfg.User))
	case "42501":
		return fmt.Sprintf("the user may not connect; allow it: GRANT CONNECT ON DATABASE %s TO %s", ident(cfg.Database), ident(cfg.User))
	case "53300":
		return fmt.Sprintf("it has no connection free (%s); end some, or raise max_connections", e.Message)
	case "57P03":
		return fmt.Sprintf("it cannot be used yet (%s); wait and start again", e.Message)
	}
	return e.Message + " (SQLSTATE " + e.Code + ")"
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// short is an error in one line, without what pgx says ahead of it: the hosts
// are told already.
func short(err error) string {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// oldest is the least PostgreSQL that chatd works on, as server_version_num:
// nobody mends older ones any more.
const oldest = 14_00_00

// before says whether a server_version_num, as text, is lower than least.
func before(version string, least int) bool {
	n, err := strconv.Atoi(version)
	return err == nil && n < least
}

// fit makes sure that the server is one to work on.
func (d *DB) fit(ctx context.Context, cfg *pgx.ConnConfig) error {
	var (
		version, number     string
		encoding            string
		standby, readsAlone bool
		schema              *string
	)
	err := d.QueryRow(ctx, `SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('transaction_read_only')::bool, current_schema()`).
		Scan(&version, &number, &encoding, &standby, &readsAlone, &schema)
	no := func(format string, args ...any) error {
		return &refused{address(cfg) + ": " + fmt.Sprintf(format, args...), ErrUnfit}
	}
	switch {
	case err != nil:
		return fmt.Errorf("asking PostgreSQL what it is: %w", err)
	case before(version, oldest):
		return no("it is version %s, and chatd needs %d or later; upgrade it", number, oldest/1_00_00)
	case encoding != "UTF8":
		return no("the database's encoding is %s; make one with ENCODING 'UTF8'", encoding)
	case standby:
		return no("it is a standby, which takes no writes; name the primary in the URL, or all servers with target_session_attrs=read-write")
	case readsAlone:
		return no("it takes no writes (default_transaction_read_only is on); set that off for this user and database")
	case schema == nil:
		return no("there is no schema to make tables in, or no right to use it; make one: CREATE SCHEMA %s AUTHORIZATION %[1]s", ident(cfg.User))
	}
	d.server = Server{Version: number, Schema: *schema, User: cfg.User}
	return nil
}

// Server is what PostgreSQL says of itself; empty of SQLite.
type Server struct {
	Version string // as "15.18 (Debian 15.18-0+deb12u1)"
	Schema  string // where tables are made
	User    string // whom it knows chatd as
}

// Server returns what the server said of itself at Open.
func (d *DB) Server() Server { return d.server }
