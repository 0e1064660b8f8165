package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// SMTPConfig says which server takes mail.
type SMTPConfig struct {
	// URL is smtp://user:password@host:587, where STARTTLS must succeed unless
	// the host is this machine, or smtps://host:465, which is TLS from the
	// first byte. Without a user nobody signs in.
	URL string
	// From is who the mail is from: an address, alone or with a name.
	From string
	// TLS is used for its roots; nil means the system's.
	TLS *tls.Config
	// Timeout bounds one delivery: 20 s.
	Timeout time.Duration
}

// SMTP is a Sender that hands messages to a server (RFC 5321, 3207, 4954), a
// connection each.
type SMTP struct {
	cfg    SMTPConfig
	server server
}

// server is what a URL says.
type server struct {
	host           string
	port           int
	implicit       bool // TLS from the first byte
	user, password string
}

// NewSMTP makes a Sender. It connects to nothing yet.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	s, err := parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("SMTP server: %w", err)
	}
	if err := CheckAddress(cfg.From); err != nil {
		return nil, fmt.Errorf("sender of mail: %w", err)
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 20*time.Second)
	return &SMTP{cfg: cfg, server: s}, nil
}

// CheckURL says what is wrong with a server's URL, without showing it.
func CheckURL(raw string) error {
	_, err := parse(raw)
	return err
}

var errURL = errors.New("must be a URL, as smtp://user:password@mail.example.org:587 or smtps:// for TLS from the first byte (its text is not shown here: it may hold a password)")

func parse(raw string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return server{}, errURL
	}
	s := server{host: u.Hostname(), implicit: u.Scheme == "smtps", port: 587}
	if s.implicit {
		s.port = 465
	}
	if text := u.Port(); text != "" {
		if s.port, err = strconv.Atoi(text); err != nil || s.port < 1 || s.port > 65535 {
			return server{}, errURL
		}
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	return s, nil
}

func (s server) loopback() bool {
	addr, err := netip.ParseAddr(s.host)
	return s.host == "localhost" || err == nil && addr.IsLoopback()
}

// Send implements Sender. What the server answers is told by its codes alone:
// its texts often repeat the address.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := build(s.cfg.From, m)
	if err != nil {
		return err
	}
	client, conn, end, err := s.reach(ctx)
	if err != nil {
		return err
	}
	defer end()
	err = client.SendWithSMTPClient(conn, msg)
	_ = client.CloseWithSMTPClient(conn) // it has been taken, or not
	if err == nil || msg.IsDelivered() {
		return nil
	}
	return told(err)
}

// Check reaches the server and signs in, and sends nothing.
func (s *SMTP) Check(ctx context.Context) error {
	client, conn, end, err := s.reach(ctx)
	if err != nil {
		return err
	}
	defer end()
	_ = client.CloseWithSMTPClient(conn)
	return nil
}

// reach connects and signs in, for what is over with the Timeout or when end is
// called.
func (s *SMTP) reach(ctx context.Context) (client *gomail.Client, conn *smtp.Client, end func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	stop := func() bool { return true }
	client, err = s.client(func(conn net.Conn) {
		// The library's own limits are set anew by each command; this one is
		// for all of them together, and hears of an end of ctx.
		stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	})
	end = func() {
		stop()
		cancel()
	}
	if err != nil {
		end()
		return nil, nil, nil, fmt.Errorf("prepare a delivery: %w", err)
	}
	if conn, err = client.DialToSMTPClientWithContext(ctx); err != nil {
		end()
		return nil, nil, nil, fmt.Errorf("reach the mail server: %w", hidden{err})
	}
	return client, conn, end, nil
}

func (s *SMTP) client(dialled func(net.Conn)) (*gomail.Client, error) {
	policy := gomail.TLSMandatory
	if s.server.loopback() {
		policy = gomail.TLSOpportunistic
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.cfg.TLS != nil {
		conf = s.cfg.TLS.Clone()
	}
	conf.ServerName = s.server.host
	options := []gomail.Option{
		gomail.WithPort(s.server.port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithTLSConfig(conf),
		gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	dial := (&net.Dialer{}).DialContext
	if s.server.implicit {
		options = append(options, gomail.WithSSL())
		dial = (&tls.Dialer{Config: conf}).DialContext
	} else {
		options = append(options, gomail.WithTLSPolicy(policy))
	}
	options = append(options, gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			dialled(conn)
		}
		return conn, err
	}))
	if s.server.user != "" {
		// The library's own choice takes a connection that we dialled for one in
		// the clear; PLAIN and LOGIN look for themselves whether it is.
		options = append(options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5),
			gomail.WithUsername(s.server.user), gomail.WithPassword(s.server.password))
	}
	return gomail.NewClient(s.server.host, options...)
}

// told makes an error of what the server said that names nobody.
func told(err error) error {
	e, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return fmt.Errorf("hand over a message: %w", hidden{err})
	}
	err = fmt.Errorf("the mail server answered %d %s (%s)", e.ErrorCode(), e.EnhancedStatusCode(), e.Reason)
	if code := e.ErrorCode(); code >= 500 && code < 600 && !e.IsTemp() {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// hidden tells of an error on one line, without what looks like an address.
type hidden struct{ error }

func (h hidden) Error() string {
	words := strings.Fields(h.error.Error())
	for i, w := range words {
		if strings.Contains(w, "@") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// Unwrap returns the error itself.
func (h hidden) Unwrap() error { return h.error }
