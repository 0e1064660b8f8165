package redisdb_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/platform/testenv"
)

func TestWhatIsWrongIsSaidAtOnceInOneLineAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	guarded := redisdbtest.Start(t, "--requirepass", "right")
	host := strings.TrimPrefix(guarded.URL(), "redis://")
	silent := listen(t)
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	for name, c := range map[string]struct{ url, want string }{
		"nothing":              {"", "cannot be read"},
		"another scheme":       {"http://s3cret@" + host, "cannot be read"},
		"no host":              {"redis://", "cannot be read"},
		"bad port":             {"redis://:s3cret@host:port", "cannot be read"},
		"unescaped password":   {"redis://:s3cret/s3cret@" + host, "cannot be read"},
		"not a number":         {"redis://:s3cret@" + host + "/s3cret", "cannot be read"},
		"several":              {"redis://" + host + "?addr=127.0.0.1:1", "cannot be read"},
		"sentinels":            {"redis://" + host + "?master_set=m", "sentinels"},
		"wrong password":       {"redis://:s3cret@" + host, "password of the URL is refused"},
		"wrong user":           {"redis://somebody:right@" + host, "password of the URL is refused"},
		"no password":          {"redis://" + host, "password of the URL is refused"},
		"no such database":     {"redis://:right@" + host + "/99", "out of range"},
		"nobody there":         {"redis://:s3cret@127.0.0.1:1", "connection refused"},
		"no such host":         {"redis://:s3cret@redis.invalid", "redis.invalid"},
		"TLS to a plain port":  {"rediss://:s3cret@" + host, "redis at"},
		"somebody who is mute": {"redis://:s3cret@" + silent, "no answer within"},
		"TLS to somebody mute": {"rediss://:s3cret@" + silent, "no answer within"},
		"a web server":         {"redis://:s3cret@" + strings.TrimPrefix(web.URL, "http://"), "redis at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			_, err := redisdb.Open(t.Context(), redisdb.Config{URL: c.url})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, wanted %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("%q", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// listen takes connections and says nothing.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestTheURLHasCredentialsAndTheDatabase(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t, "--requirepass", "p/w@d")
	host := strings.TrimPrefix(s.URL(), "redis://")
	db := redisdbtest.Open(t, redisdb.Config{URL: "redis://:p%2Fw%40d@" + host + "/3", Prefix: "x"})
	if n := eval(t, db, "return redis.call('INCR', KEYS[1])", db.Name("n")); n != 1 {
		t.Fatal(n)
	}
}

func TestTLSIsByURL(t *testing.T) {
	t.Parallel()
	crt, key := certificate(t)
	port := strconv.Itoa(freePort(t))
	redisdbtest.Start(t, "--tls-port", port, "--tls-cert-file", crt, "--tls-key-file", key, "--tls-auth-clients", "no")
	url := "rediss://127.0.0.1:" + port
	db := redisdbtest.Open(t, redisdb.Config{URL: url + "?skip_verify=true"})
	if n := eval(t, db, "return 7"); n != 7 {
		t.Fatal(n)
	}
	_, err := redisdb.Open(t.Context(), redisdb.Config{URL: url})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("a certificate of nobody known: %v", err)
	}
}

func TestAnErrorOfTheServerIsNoOutage(t *testing.T) {
	t.Parallel()
	db := redisdbtest.Open(t, redisdb.Config{})
	for range 10 {
		_, err := db.Eval(t.Context(), redisdb.NewScript("return redis.error_reply('ERR no')"), nil, nil)
		if err == nil || errors.Is(err, redisdb.ErrAway) {
			t.Fatal(err)
		}
	}
	if err := db.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestACallerWhoGoesIsNoOutage(t *testing.T) {
	t.Parallel()
	db := redisdbtest.Open(t, redisdb.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := db.Eval(ctx, redisdb.NewScript("return 1"), nil, nil); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if err := db.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAPausedRedisCostsADeadlineThriceAndThenNothing(t *testing.T) {
	t.Parallel()
	const deadline = 100 * time.Millisecond
	s := redisdbtest.Start(t)
	var log lines
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Timeout: deadline, ProbeEvery: 50 * time.Millisecond, Log: zerolog.New(&log)})
	script := redisdb.NewScript("return 1")
	t.Cleanup(func() { s.Resume(t) })
	pauses := 0
	if took := testenv.Quickest(deadline+400*time.Millisecond, func() (slowest time.Duration) {
		pauses++
		s.Pause(t)
		// Far more callers than calls may be under way: all are answered in time.
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 1000 {
			wg.Go(func() {
				begun := time.Now()
				if _, err := db.Eval(t.Context(), script, nil, nil); !errors.Is(err, redisdb.ErrAway) || errs.KindOf(err) != errs.Unavailable {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, time.Since(begun))
			})
		}
		wg.Wait()
		if err := db.Health(t.Context()); !errors.Is(err, redisdb.ErrAway) {
			t.Fatal(err)
		}
		if took := testenv.Quickest(deadline, func() time.Duration {
			return testenv.Took(func() {
				for range 1000 {
					_, _ = db.Eval(t.Context(), script, nil, nil)
				}
			})
		}); took > deadline {
			t.Errorf("a thousand calls while away took %s", took)
		}
		s.Resume(t)
		redisdbtest.Eventually(t, "it is back", func() bool { return db.Health(t.Context()) == nil })
		return slowest
	}); took > deadline+400*time.Millisecond {
		t.Errorf("a call took %s", took)
	}
	redisdbtest.Eventually(t, "it answers", func() bool { // within 100 ms
		_, err := db.Eval(t.Context(), script, nil, nil)
		return err == nil
	})
	if n := log.count("redis is away"); n < pauses || n > pauses+1 { // one more when the machine held it up
		t.Errorf("its going %d times was logged %d times", pauses, n)
	}
	if n := log.count("redis is back"); n < pauses || n > pauses+1 {
		t.Errorf("its coming back %d times was logged %d times", pauses, n)
	}
}

func TestAStoppedRedisIsNoticedAndComesBackByItself(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	reg := prometheus.NewRegistry()
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), ProbeEvery: 50 * time.Millisecond, Metrics: reg})
	eval(t, db, "return 1")
	if v := metric(t, reg, "chatd_redis_up"); v != 1 {
		t.Errorf("up: %v", v)
	}
	s.Stop(t)
	redisdbtest.Eventually(t, "nobody calls, and it is away", func() bool { return db.Health(t.Context()) != nil })
	_, err := db.Eval(t.Context(), redisdb.NewScript("return 1"), nil, nil)
	if !errors.Is(err, redisdb.ErrAway) || metric(t, reg, "chatd_redis_up") != 0 || metric(t, reg, "chatd_redis_skipped_calls_total") != 1 {
		t.Errorf("%v %v %v", err, metric(t, reg, "chatd_redis_up"), metric(t, reg, "chatd_redis_skipped_calls_total"))
	}
	s.Again(t)
	redisdbtest.Eventually(t, "it is back", func() bool { return db.Health(t.Context()) == nil })
	eval(t, db, "return 1") // the new server has never seen the script
}

func TestARedisThatCannotWriteIsAway(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), ProbeEvery: 20 * time.Millisecond})
	s.Do(t, "REPLICAOF", "127.0.0.1", "1")
	redisdbtest.Eventually(t, "a replica is of no use, whatever else it answers", func() bool {
		_ = db.Publish(t.Context(), db.Name("c"), "m")
		return db.Health(t.Context()) != nil
	})
	s.Do(t, "REPLICAOF", "NO", "ONE")
	redisdbtest.Eventually(t, "it is back", func() bool { return db.Health(t.Context()) == nil })
}

func TestASubscriptionOutlivesTheServer(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), ProbeEvery: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.Subscribe(ctx, db.Name("c"), func(m string) { heard <- m }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for i := range 2 {
		redisdbtest.Eventually(t, "a message is heard", func() bool {
			return subscribers(t, s, db.Name("c")) == 1 && db.Publish(t.Context(), db.Name("c"), strconv.Itoa(i)) == nil
		})
		if m := <-heard; m != strconv.Itoa(i) {
			t.Fatal(m)
		}
		if i == 0 {
			s.Stop(t)
			s.Again(t)
		}
	}
	cancel()
	wg.Wait()
}

func subscribers(t *testing.T, s *redisdbtest.Server, channel string) int {
	t.Helper()
	lines := strings.Fields(s.Do(t, "PUBSUB", "NUMSUB", channel))
	n, err := strconv.Atoi(strings.TrimPrefix(lines[len(lines)-1], ":"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCloseWaitsForNobodyWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db, err := redisdb.Open(t.Context(), redisdb.Config{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	s.Pause(t)
	_, _ = db.Eval(t.Context(), redisdb.NewScript("return 1"), nil, nil)
	begun := time.Now()
	db.Close()
	db.Close()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := db.Eval(t.Context(), redisdb.NewScript("return 1"), nil, nil); !errors.Is(err, redisdb.ErrAway) {
		t.Error(err)
	}
}

func eval(t *testing.T, db *redisdb.DB, script string, keys ...string) int64 {
	t.Helper()
	n, err := db.Eval(t.Context(), redisdb.NewScript(script), keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lines is a log that is read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), part)
}

func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate makes a self-signed one for loopback.
func certificate(t *testing.T) (crt, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "crt"), filepath.Join(dir, "key")
}

func BenchmarkEval(b *testing.B) {
	db := redisdbtest.Open(b, redisdb.Config{})
	script := redisdb.NewScript("return 1")
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := db.Eval(b.Context(), script, nil, nil); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func TestValuesAndTextsComeBackWhole(t *testing.T) {
	t.Parallel()
	db := redisdbtest.Open(t, redisdb.Config{})
	put := redisdb.NewScript(`redis.call('SET', KEYS[1], ARGV[1]) redis.call('LPUSH', KEYS[2], 'x') return 1`)
	text, list := db.Name("text"), db.Name("list")
	const odd = "\x00 \xff\r\n{"
	if _, err := db.Eval(t.Context(), put, []string{text, list}, []string{odd}); err != nil {
		t.Fatal(err)
	}
	got, err := db.Values(t.Context(), []string{db.Name("none"), text, list, text})
	if err != nil || len(got) != 4 || got[0] != nil || string(got[1]) != odd || got[2] != nil || string(got[3]) != odd {
		t.Errorf("%q, %v", got, err)
	}
	if none, err := db.Values(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("of no keys: %q, %v", none, err)
	}
	both := redisdb.NewScript(`return {redis.call('GET', KEYS[1]), ARGV[1], ''}`)
	if texts, err := db.Texts(t.Context(), both, []string{text}, []string{"two"}); err != nil || len(texts) != 3 || texts[0] != odd || texts[1] != "two" || texts[2] != "" {
		t.Errorf("%q, %v", texts, err)
	}
	if texts, err := db.Texts(t.Context(), redisdb.NewScript(`return {}`), nil, nil); err != nil || len(texts) != 0 {
		t.Errorf("none: %q, %v", texts, err)
	}
}
