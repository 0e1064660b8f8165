package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// ErrRefused is in the chain of an error of Send when trying again is no use.
var ErrRefused = errors.New("the message was refused for good")

// Message is one mail to one person.
type Message struct {
	ID      string // letters, digits and _ alone; the same when it is sent again
	To      string // a bare address
	Subject string
	Text    string
	HTML    string
	Date    time.Time
}

// Sender delivers messages. Its methods may be called at once by any number
// of goroutines.
type Sender interface {
	// Send returns once the message is in somebody else's hands. It takes as
	// long as ctx, and its own limit, let it.
	Send(ctx context.Context, m Message) error
}

// CheckAddress says what is wrong with an address that mail is to come from,
// alone or with a name.
func CheckAddress(raw string) error {
	if _, err := netmail.ParseAddress(raw); err != nil {
		return errors.New(`must be an address, as chat@example.org or "Chat <chat@example.org>"`)
	}
	return nil
}

// build makes the MIME form: one header of each kind, encoded by the library.
func build(from string, m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(from); err != nil {
		return nil, fmt.Errorf("sender of a mail: %w", err)
	}
	if err := msg.To(m.To); err != nil {
		return nil, fmt.Errorf("%w: its address is none", ErrRefused)
	}
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("sender of a mail: %w", err)
	}
	msg.Subject(plain(m.Subject))
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(m.ID + "@" + domain(sender.Address))
	// RFC 3834 section 5: keeps vacation notices from answering.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
