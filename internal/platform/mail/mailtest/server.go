package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Config says how a Server behaves. The zero value takes everything, without
// encryption.
type Config struct {
	Addr     string // where to listen; a free port of 127.0.0.1 when empty
	StartTLS bool
	Implicit bool // TLS from the first byte
	// User and Password must be given by whoever sends; nobody need when empty.
	User, Password string
	// Refuse is asked about every recipient, from 1 on: 0 takes it, else it is
	// the code of the answer.
	Refuse func(n int, to string) int
	// Hang has the server say nothing after the end of a message's text, until
	// the test ends.
	Hang bool
	// Cut is asked about every message's text, from 1 on, whether the server is
	// killed in the middle of it, as far as that message's sender can tell.
	Cut func(n int) Cut
}

// Cut is how a connection ends while a message's text goes over it.
type Cut int

// The ways.
const (
	Whole Cut = iota // it goes on
	Lost             // the message is nowhere
	Taken            // the server has it, and its answer is lost
)

// Server is a running mail server.
type Server struct {
	Addr  string
	Roots *x509.CertPool // of its certificate; nil without TLS
	PEM   []byte         // the certificate

	cfg   Config
	ended chan struct{}

	mu    sync.Mutex
	asked int
	texts int
	took  []Message
}

// Message is what the server took.
type Message struct {
	From   string
	To     []string
	TLS    bool
	Raw    []byte
	Header netmail.Header
	Text   string // decoded
	HTML   string // decoded
}

// Start starts a Server, which ends with the test.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	s := &Server{cfg: cfg, ended: make(chan struct{})}
	srv := smtp.NewServer(s)
	srv.Domain, srv.AllowInsecureAuth = "mail.test", true
	srv.ReadTimeout, srv.WriteTimeout = 10*time.Second, 10*time.Second
	srv.ErrorLog = quiet{}
	if cfg.StartTLS || cfg.Implicit {
		srv.TLSConfig = s.certify(t)
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = l.Addr().String()
	if cfg.Implicit {
		l = tls.NewListener(l, srv.TLSConfig)
		srv.TLSConfig = nil
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() {
		close(s.ended)
		_ = srv.Close()
		<-done
	})
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// URL is how the server is reached, with the user that it knows.
func (s *Server) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.Addr}
	if s.cfg.Implicit {
		u.Scheme = "smtps"
	}
	if s.cfg.User != "" {
		u.User = url.UserPassword(s.cfg.User, s.cfg.Password)
	}
	return u.String()
}

// Took are the messages that the server took, in order.
func (s *Server) Took() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.took)
}

// Asked is how many recipients the server was asked about.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Await waits until the server has taken n messages and returns them.
func (s *Server) Await(t testing.TB, n int) []Message {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if took := s.Took(); len(took) >= n {
			return took
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d mails came in a minute, not %d", len(s.Took()), n)
		}
	}
}

func (s *Server) certify(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{"localhost", "mail.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.Roots = x509.NewCertPool()
	s.Roots.AppendCertsFromPEM(s.PEM)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c, known: s.cfg.User == ""}, nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	known  bool
	from   string
	to     []string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.server.cfg.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.cfg.User || password != s.server.cfg.Password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	s.server.asked++
	n := s.server.asked
	s.server.mu.Unlock()
	if f := s.server.cfg.Refuse; f != nil {
		if code := f(n, to); code != 0 {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "not now, " + to}
		}
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.cfg.Hang {
		<-s.server.ended
		return errors.New("the test has ended")
	}
	cut := s.server.cut()
	if cut == Lost {
		_ = s.conn.Conn().Close()
		return errKilled
	}
	_, encrypted := s.conn.TLSConnectionState()
	m, err := Parse(raw)
	if err != nil {
		return err
	}
	m.From, m.To, m.TLS = s.from, s.to, encrypted
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.took = append(s.server.took, m)
	if cut == Taken {
		_ = s.conn.Conn().Close()
		return errKilled
	}
	return nil
}

var errKilled = errors.New("the server was killed")

func (s *Server) cut() Cut {
	if s.cfg.Cut == nil {
		return Whole
	}
	s.mu.Lock()
	s.texts++
	n := s.texts
	s.mu.Unlock()
	return s.cfg.Cut(n)
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (*session) Logout() error { return nil }

// Parse reads a mail of two alternatives, as from an .eml file.
func Parse(raw []byte) (Message, error) {
	m := Message{Raw: raw}
	mail, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, err
	}
	m.Header = mail.Header
	_, params, err := mime.ParseMediaType(mail.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	parts := multipart.NewReader(mail.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return m, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.HTML = string(text)
		} else {
			m.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}
