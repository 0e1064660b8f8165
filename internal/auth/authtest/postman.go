package authtest

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"chatd/internal/platform/mail"
)

// Postman is a mail.Sender that keeps what it takes.
type Postman struct {
	mu   sync.Mutex
	took []mail.Message
	// Refuse is asked about each message, when it is not nil: its error is
	// Send's. Set it before anything is sent.
	Refuse func(mail.Message) error
}

// Send takes a message.
func (p *Postman) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Refuse != nil {
		if err := p.Refuse(m); err != nil {
			return err
		}
	}
	p.took = append(p.took, m)
	return nil
}

// Take returns what was taken since the last time.
func (p *Postman) Take() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := p.took
	p.took = nil
	return took
}

var linkToken = regexp.MustCompile(`/(reset-password|verify-email)\?token=([A-Za-z0-9_-]{43})`)

// Token is the token of the link in a mail; empty without.
func Token(m mail.Message) string {
	if found := linkToken.FindStringSubmatch(m.Text); found != nil && strings.Contains(m.HTML, found[0]) {
		return found[2]
	}
	return ""
}
