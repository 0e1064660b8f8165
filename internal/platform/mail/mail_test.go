package mail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/mail"
	"chatd/internal/platform/mail/mailtest"
)

func message(id string) mail.Message {
	return mail.Message{
		ID: id, To: "ada@example.org", Subject: "Grüße", Text: "Hello\n", HTML: "<p>Hello</p>", Date: time.Now(),
	}
}

func send(t *testing.T, s *mailtest.Server, cfg mail.SMTPConfig, m mail.Message) error {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = s.URL()
	}
	cfg.From = "Chat <chat@example.net>"
	if s.Roots != nil && cfg.TLS == nil {
		cfg.TLS = &tls.Config{RootCAs: s.Roots}
	}
	sender, err := mail.NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sender.Send(t.Context(), m)
}

func TestAMessageIsDeliveredByEveryWay(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]mailtest.Config{
		"in the clear on this machine": {},
		"STARTTLS":                     {StartTLS: true},
		"STARTTLS and sign-in":         {StartTLS: true, User: "chat", Password: "open:sesame/"},
		"TLS and sign-in":              {Implicit: true, User: "chat", Password: "sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, cfg)
			if err := send(t, s, mail.SMTPConfig{}, message("mail_1")); err != nil {
				t.Fatal(err)
			}
			took := s.Took()
			if len(took) != 1 {
				t.Fatalf("%d mails", len(took))
			}
			m := took[0]
			if m.From != "chat@example.net" || len(m.To) != 1 || m.To[0] != "ada@example.org" ||
				m.Text != "Hello\n" || m.HTML != "<p>Hello</p>" || m.Header.Get("Message-ID") != "<mail_1@example.net>" {
				t.Errorf("%+v", m)
			}
			if want := cfg.StartTLS || cfg.Implicit; cfg.StartTLS && m.TLS != want {
				t.Errorf("encrypted: %v", m.TLS)
			}
		})
	}
}

// Whoever can put himself between must get neither password nor message.
func TestNothingIsSentToAServerThatIsNotTheOneNamed(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]mailtest.Config{
		"a certificate of nobody": {StartTLS: true, User: "chat", Password: "sesame"},
		"the same from the start": {Implicit: true, User: "chat", Password: "sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, cfg)
			err := send(t, s, mail.SMTPConfig{TLS: &tls.Config{}}, message("mail_1"))
			if err == nil || errors.Is(err, mail.ErrRefused) || len(s.Took()) != 0 || s.Asked() != 0 {
				t.Fatalf("%v, %d mails", err, len(s.Took()))
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// 0.0.0.0 leads to this machine, and is no loopback address to look at.
func TestAServerElsewhereMustSpeakTLS(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Config{})
	_, port, _ := net.SplitHostPort(s.Addr)
	err := send(t, s, mail.SMTPConfig{URL: "smtp://0.0.0.0:" + port}, message("mail_1"))
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || s.Asked() != 0 {
		t.Fatalf("sent without TLS: %v", err)
	}
}

func TestRefusalsForNowAndForGoodAreToldApart(t *testing.T) {
	t.Parallel()
	for code, final := range map[int]bool{421: false, 450: false, 452: false, 550: true, 553: true} {
		s := mailtest.Start(t, mailtest.Config{Refuse: func(int, string) int { return code }})
		err := send(t, s, mail.SMTPConfig{}, message("mail_1"))
		if err == nil || errors.Is(err, mail.ErrRefused) != final {
			t.Errorf("%d: %v", code, err)
		}
		if err != nil && strings.Contains(err.Error(), "ada@") {
			t.Errorf("the address is in %v", err)
		}
	}
	s := mailtest.Start(t, mailtest.Config{User: "chat", Password: "sesame"})
	wrong := strings.Replace(s.URL(), "sesame", "simsim", 1)
	if err := send(t, s, mail.SMTPConfig{URL: wrong}, message("mail_1")); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("a wrong password may be set right: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := send(t, s, mail.SMTPConfig{URL: "smtp://" + l.Addr().String()}, message("mail_1")); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestAServerThatHangsHoldsNobody(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	late := mailtest.Start(t, mailtest.Config{Hang: true})
	for name, url := range map[string]string{"from the start": "smtp://" + silent.Addr().String(), "at the end": late.URL()} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			err := send(t, late, mail.SMTPConfig{URL: url, Timeout: 200 * time.Millisecond}, message("mail_1"))
			if err == nil || errors.Is(err, mail.ErrRefused) {
				t.Error(err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			sender, err := mail.NewSMTP(mail.SMTPConfig{URL: url, From: "chat@example.net"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := sender.Send(ctx, message("mail_2")); err == nil || ctx.Err() == nil {
				t.Errorf("the end of the context was not heard: %v", err)
			}
		})
	}
}

func TestAnURLIsCheckedAndNotShown(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "mail.example.org", "http://mail.example.org", "smtp://", "smtp://u:sesame@", "smtp://u:sesame@host:0",
		"smtp://u:sesame@host:99999", "smtp://u:sesame@host/path", "smtp://u:sesame@host?tls=off", "smtp://u:ses%zzame@host", "smtp:sesame",
	} {
		if err := mail.CheckURL(raw); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", raw, err)
		}
	}
	for _, raw := range []string{"smtp://host", "smtps://u:p@host", "smtp://u:p@[::1]:2525", "smtp://u@host:25/"} {
		if err := mail.CheckURL(raw); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestWithoutAServerMailsAreFilesForTheOperatorAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	var log strings.Builder
	files := mail.NewFiles(dir, "chat@example.net", zerolog.New(&log))
	for range 2 { // a second time is the same file
		if err := files.Send(t.Context(), message("mail_7")); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "mail_7.eml" {
		t.Fatal(entries, err)
	}
	path := filepath.Join(dir, "mail_7.eml")
	for name, mode := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := mailtest.Parse(raw); err != nil || strings.TrimSpace(m.Text) != "Hello" || m.Header.Get("To") != "<ada@example.org>" {
		t.Errorf("%+v %v", m, err)
	}
	if text := log.String(); !strings.Contains(text, path) || strings.Contains(text, "ada@") || strings.Contains(text, "Hello") {
		t.Errorf("the log says %s", text)
	}
}

// Names and subjects that would be headers or markup are text.
func TestWhatSomebodyChoseIsTextInAMail(t *testing.T) {
	t.Parallel()
	odd := "<img src=x onerror=alert(1)>\r\nBcc: eve@example.com\r\n\r\n\u202egnp"
	text, html, err := mail.Render(mail.Content{
		Subject: odd, Greeting: "Hello " + odd, Lines: []string{odd}, After: []string{odd},
		Link: "javascript:alert(1)//" + odd, Button: odd, Site: "https://chat.example.org",
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html, "<img") || strings.Contains(html, `href="javascript`) || !strings.Contains(html, "&lt;img") {
		t.Errorf("markup in\n%s", html)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Bcc") {
			t.Errorf("a line of its own in\n%s", text)
		}
	}
	s := mailtest.Start(t, mailtest.Config{})
	m := message("mail_1")
	m.Subject, m.Text, m.HTML = odd, text, html
	if err := send(t, s, mail.SMTPConfig{}, m); err != nil {
		t.Fatal(err)
	}
	got := s.Took()[0]
	if len(got.To) != 1 || got.Header.Get("Bcc") != "" || len(got.Header["Subject"]) != 1 || len(got.Header["From"]) != 1 {
		t.Errorf("%+v", got.Header)
	}
	for _, to := range []string{"a@b\r\nBcc: c@d", "a@b, c@d", "a@b>\r\nRCPT TO:<c@d", ""} {
		m.To = to
		if err := send(t, s, mail.SMTPConfig{}, m); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	if n := len(s.Took()); n != 1 {
		t.Errorf("%d mails went out", n)
	}
}
