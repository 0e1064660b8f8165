package httpx

import (
	"context"
	"errors"
	"fmt"
	"log" //nolint:depguard // http.Server.ErrorLog is of no other type.
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// ServerConfig bounds what one connection may cost. Zero values are the
// defaults.
type ServerConfig struct {
	// Name is told in logs and errors.
	Name string
	// Addr is where to listen, as host:port; port 0 picks one.
	Addr string
	// ReadHeaderTimeout is how long the header may take: 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is how long header, body and handler may take together
	// before reading fails: 60 s. Handlers that read or run longer set their
	// own by http.ResponseController.
	ReadTimeout time.Duration
	// WriteTimeout is how long answering may take, from the header on: 90 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept between requests: 2 min.
	IdleTimeout time.Duration
	// MaxHeaderBytes is the size of a request's header: 32 KiB.
	MaxHeaderBytes int
}

func (c ServerConfig) withDefaults() ServerConfig {
	set := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&c.ReadHeaderTimeout, 5*time.Second)
	set(&c.ReadTimeout, time.Minute)
	set(&c.WriteTimeout, 90*time.Second)
	set(&c.IdleTimeout, 2*time.Minute)
	if c.MaxHeaderBytes <= 0 {
		c.MaxHeaderBytes = 32 << 10
	}
	return c
}

// Server is one listener. Its methods fit lifecycle.Part: Start listens, Run
// serves, Stop finishes.
type Server struct {
	cfg      ServerConfig
	http     *http.Server
	listener net.Listener
}

// NewServer returns a server of h that does not listen yet.
func NewServer(h http.Handler, logger zerolog.Logger, cfg ServerConfig) *Server {
	cfg = cfg.withDefaults()
	logger = logger.With().Str("server", cfg.Name).Logger()
	return &Server{cfg: cfg, http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      cfg.WriteTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		ErrorLog:          log.New(debugWriter{logger}, "", 0),
	}}
}

// debugWriter takes net/http's own complaints, which strangers cause.
type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug().Bytes("detail", p).Msg("http connection")
	return len(p), nil
}

// Start listens.
func (s *Server) Start(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Addr, err)
	}
	s.listener = l
	return nil
}

// Addr is where the server listens; nil before Start.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run serves until Stop is called, or until ctx ends: then connections are
// closed at once. It returns nil after either.
func (s *Server) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = s.http.Close() })()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", s.cfg.Addr, err)
	}
	return nil
}

// Stop accepts no more, waits until the requests at work are answered, and
// closes what is left when ctx ends. Upgraded sockets are not waited for.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("finish the requests on %s: %w", s.cfg.Addr, err), s.http.Close())
	}
	return nil
}
