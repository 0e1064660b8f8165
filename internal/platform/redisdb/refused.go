package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

// oldest is the first Redis with the commands and users that are used here.
const oldest = 6

// fit makes sure that the server is one to work on, and tells its version.
func (d *DB) fit(ctx context.Context) (version string, err error) {
	var said map[string]string
	err = d.bounded(ctx, func(c redis.Conn) (err error) {
		said, err = texts(c.Do("HELLO"))
		return err
	})
	if reply, ok := errors.AsType[redis.Error](err); ok && strings.Contains(strings.ToLower(reply.Error()), "unknown command") {
		return "", fmt.Errorf("it is older than %d.0, which chatd needs; upgrade it", oldest)
	}
	if err != nil {
		return "", err
	}
	version = said["version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return version, fmt.Errorf("it is version %s, and chatd needs %d.0 or later; upgrade it", version, oldest)
	}
	if role := said["role"]; role == "replica" || role == "slave" {
		return version, errReplica
	}
	return version, nil
}

// texts are the names of a list of names and values whose values are texts.
func texts(answer any, err error) (map[string]string, error) {
	list, err := redis.Values(answer, err)
	of := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		name, bad := redis.String(list[i], nil)
		value, worse := redis.String(list[i+1], nil)
		if bad == nil && worse == nil {
			of[name] = value
		}
	}
	return of, err
}

var errReplica = errors.New("it is a replica, which takes no writes; name the primary in the URL")

// advice is what to do about an error that the server has answered with, by
// the word that it begins with.
var advice = map[string]string{
	"WRONGPASS": "the user or the password of the URL is refused; check both",
	"NOAUTH":    "it wants a password, and the password of the URL is refused or missing; write redis://:password@host",
	"ERR AUTH":  "the user or the password of the URL is refused; check both",
	"NOPERM":    "the user lacks a right; allow it the commands, keys and channels of chatd (ACL SETUSER)",
	"READONLY":  "it takes no writes; name the primary in the URL",
	"LOADING":   "it is reading its data; wait and start again",
	"MISCONF":   "it takes no writes because it cannot save; see its log",
	"OOM":       "it has no memory left; raise maxmemory, or set a maxmemory-policy",
	"DENIED":    "it is in protected mode; give it a password",
}

// plain says in one line what to do about an error of the first connection.
func plain(err error, withTLS bool, within time.Duration) error {
	if reply, ok := errors.AsType[redis.Error](err); ok {
		for code, what := range advice {
			if strings.HasPrefix(reply.Error(), code) {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		return err
	}
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	verify, invalid := errors.AsType[*tls.CertificateVerificationError](err)
	dns, noHost := errors.AsType[*net.DNSError](err)
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	line := strings.Join(strings.Fields(err.Error()), " ")
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case late && withTLS:
		return fmt.Errorf("no answer within %s; check host and port in the URL, and that the port speaks TLS (else write redis:// instead of rediss://)", within)
	case late:
		return fmt.Errorf("no answer within %s; check host and port in the URL, and what lies between", within)
	case noHost && !dns.IsTimeout:
		return fmt.Errorf("the host %s is not known; check its name in the URL", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody listens there (connection refused); start Redis, or check host and port in the URL")
	case noTLS:
		return errors.New("it does not speak TLS; write redis:// instead of rediss://")
	case unknown:
		return errors.New("its certificate is of an authority that this machine does not know; add that to the system's, or name its file in SSL_CERT_FILE")
	case invalid:
		return fmt.Errorf("its certificate does not hold: %w", verify.Err)
	case closed && !withTLS:
		return errors.New("it closed the connection; if that is its port for TLS, write rediss:// instead of redis://")
	case closed:
		return fmt.Errorf("it closed the connection; check that this is Redis's port for TLS (%s)", line)
	case strings.HasPrefix(line, "redigo: "):
		return fmt.Errorf("what answers is no Redis; check host and port in the URL (%s)", line)
	}
	return errors.New(line)
}
