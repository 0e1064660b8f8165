package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/httpx"
)

// serve starts a server; the channel gives what Run returns.
func serve(ctx context.Context, t *testing.T, h http.HandlerFunc, cfg httpx.ServerConfig) (*httpx.Server, <-chan error) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s := httpx.NewServer(h, zerolog.Nop(), cfg)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, ended
}

func get(t *testing.T, s *httpx.Server) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestStopFinishesTheRequestsAtWork(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s, ended := serve(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "answered")
	}, httpx.ServerConfig{})
	answer := make(chan string, 1)
	go func() {
		b, err := get(t, s)
		answer <- fmt.Sprint(b, err)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	if err := <-ended; err != nil { // no more are accepted
		t.Errorf("Run: %v", err)
	}
	close(release)
	if got := <-answer; got != "answered<nil>" {
		t.Error(got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if _, err := get(t, s); err == nil {
		t.Error("it still answers")
	}
}

func TestStopCutsWhatIsLeftAtItsLimit(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s, ended := serve(t.Context(), t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}, httpx.ServerConfig{})
	go func() { _, _ = get(t, s) }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, ended := serve(ctx, t, func(http.ResponseWriter, *http.Request) {}, httpx.ServerConfig{})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAClientThatDripsIsCut(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	for name, tc := range map[string]struct {
		sent string
		cfg  httpx.ServerConfig
	}{
		"header": {"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", httpx.ServerConfig{ReadHeaderTimeout: 30 * time.Millisecond}},
		// The header, which is whole, has time to arrive.
		"body": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", httpx.ServerConfig{ReadTimeout: 3 * time.Second}},
	} {
		s, _ := serve(t.Context(), t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		}, tc.cfg)
		defer func() { _ = s.Stop(t.Context()) }()
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(c, tc.sent)
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still connected", name)
		}
		c.Close()
	}
	if err := <-read; err == nil {
		t.Error("the handler got a whole body")
	}
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := serve(t.Context(), t, func(http.ResponseWriter, *http.Request) { t.Error("reached the handler") }, httpx.ServerConfig{})
	defer func() { _ = s.Stop(t.Context()) }()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	b := make([]byte, 12)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "HTTP/1.1 431" {
		t.Errorf("%s %v", b, err)
	}
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	s, _ := serve(t.Context(), t, func(http.ResponseWriter, *http.Request) {}, httpx.ServerConfig{})
	defer func() { _ = s.Stop(t.Context()) }()
	other := httpx.NewServer(http.NotFoundHandler(), zerolog.Nop(), httpx.ServerConfig{Addr: s.Addr().String()})
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), s.Addr().String()) {
		t.Error(err)
	}
}
