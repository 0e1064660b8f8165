package authoidc

import (
	"errors"
	"io"
	"net/http"
	"time"

	"chatd/internal/platform/dial"
)

const (
	dialTime   = 5 * time.Second
	answerTime = 10 * time.Second // of a whole answer
	maxAnswer  = 1 << 20
)

var errTooLong = errors.New("the provider's answer is longer than 1 MiB")

// newClient makes the client that asks providers. It follows no redirect: what
// it asks is named by the configuration or by a discovery document.
func newClient() *http.Client {
	return &http.Client{
		Timeout: answerTime,
		Transport: bounded{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dial.Dialer(dialTime).DialContext,
			TLSHandshakeTimeout:    dialTime,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        32,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded ends answers that are too long with an error.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = &short{resp.Body, maxAnswer}
	}
	return resp, err
}

type short struct {
	io.ReadCloser
	left int64
}

func (s *short) Read(p []byte) (int, error) {
	if s.left < 0 {
		return 0, errTooLong
	}
	n, err := s.ReadCloser.Read(p)
	if s.left -= int64(n); s.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
