package zlog

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a text that no log line, error or dump shows: every way of
// printing or encoding it gives "[redacted]".
type Secret string

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb gets past String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON uses as well.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText reads the text itself, so that configuration can be a Secret.
func (s *Secret) UnmarshalText(p []byte) error {
	*s = Secret(p)
	return nil
}
