package auth

import (
	"context"

	"chatd/internal/platform/ids"
)

// HashRuns is how many password hashes were computed: the duration of a
// sign-in, counted instead of measured.
func (s *Service) HashRuns() int64 { return s.hasher.Runs() }

// ParseRefresh says whether a text is a refresh token that s made, and the
// text that s writes for it.
func (s *Service) ParseRefresh(text string) (string, bool) {
	t, ok := s.refresh.parse(text)
	if !ok {
		return "", false
	}
	return s.refresh.text(t), true
}

// RefreshFor makes a real refresh token of a session with a secret of its own.
func (s *Service) RefreshFor(id ids.Session, generation uint32) string {
	t := s.refresh.first(id)
	t.generation = generation
	return s.refresh.text(t)
}

// FlushUses does what Run does now and then.
func (s *Service) FlushUses(ctx context.Context) error { return s.flushUses(ctx) }

// TotpCode is the code of a step.
func TotpCode(secret []byte, step int64) string {
	code, err := totpCode(secret, step)
	if err != nil {
		panic(err)
	}
	return code
}

// Tidy does what Run does now and then.
func (s *Service) Tidy(ctx context.Context) error { return s.tidy(ctx) }

// SigningKey returns the key that signs now.
func (s *Service) SigningKey() (ids.Key, []byte) {
	id, private, err := s.signers.Current(s.now())
	if err != nil {
		panic(err)
	}
	return id, private
}

// DeliverMail does what Run does now and then.
func (s *Service) DeliverMail(ctx context.Context) error { return s.deliverDue(ctx) }

// CleanEmail is the one form of addresses.
func CleanEmail(s string) (string, error) { return cleanEmail(s) }
