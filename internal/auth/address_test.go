package auth_test

import (
	"context"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/mail/mailtest"
)

// What is taken for an address is one to the readers of mail too, the very same,
// and goes to one recipient in one header.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"ada@example.org", " A.B+c@EXAMPLE.org ", "a@b", "a@b,c@d", "a@b\r\nBcc: c@d", "\"a b\"@c", "a@[127.0.0.1]", "<a@b>", "a@b.c.", "ａ@b.org",
		"a@\u0435xample.org", "x<a@b>", "a(c)@b", "a@b;c@d", "=?utf-8?q?a?=@b.org", "a@xn--80ak6aa92e.com", strings.Repeat("a", 64) + "@b.org",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := auth.CleanEmail(raw)
		if err != nil {
			return
		}
		if again, err := auth.CleanEmail(got); err != nil || again != got {
			t.Fatalf("%q is %q, and that %q: %v", raw, got, again, err)
		}
		parsed, err := netmail.ParseAddress(got)
		if err != nil || parsed.Address != got || parsed.Name != "" {
			t.Fatalf("%q is %+v to others: %v", got, parsed, err)
		}
		sent, err := write(t.Context(), dir, got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if to, err := sent.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != got || len(sent.Header["To"]) != 1 || sent.Header.Get("Bcc") != "" {
			t.Fatalf("%q: header %q, %v", got, sent.Header["To"], err)
		}
	})
}

// write writes a mail to an address as an .eml file and reads that.
func write(ctx context.Context, dir, to string) (mailtest.Message, error) {
	files := mail.NewFiles(dir, "chat@example.net", zerolog.Nop())
	if err := files.Send(ctx, mail.Message{ID: "eml_1", To: to, Subject: "x", Text: "x", HTML: "x", Date: time.Unix(1, 0)}); err != nil {
		return mailtest.Message{}, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "eml_1.eml"))
	if err != nil {
		return mailtest.Message{}, err
	}
	return mailtest.Parse(raw)
}
