package auth

import (
	"context"
	"encoding/hex"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/limit"
)

// Rates are the budgets of what strangers may try. A budget with nothing in
// it has the default.
type Rates struct {
	// Account is for sign-ins to one login, from wherever: 10, one more each
	// 30 s.
	Account limit.Rate
	// Network is for sign-ins from one network, to whatever: 100, one more
	// each 2 s.
	Network limit.Rate
	// Known is for sign-ins to one login from one network that the account
	// signed in from within 30 days; it stands for the other two, so that no
	// stranger can use it up: 30, one more each 10 s.
	Known limit.Rate
	// Provider is for steps of sign-ins by other providers from one network, of
	// which each has three: 200, one more each second.
	Provider limit.Rate
	// Register is for accounts made from one network: 500, one more each 2 s.
	Register limit.Rate
	// EmailTaken is how often one network may learn that an address has an
	// account; then it cannot register at all for a while: 3 an hour.
	EmailTaken limit.Rate
	// Totp is for codes of a second factor that are tried for one account, by
	// who knows its password, right ones too: 5, one more each 30 s, which is
	// how often there is a new code.
	Totp limit.Rate
	// TotpDay is the same for longer: 50, one more each 30 minutes. Whoever
	// has the password alone hits once in some twenty years.
	TotpDay limit.Rate
	// Password is for passwords that a signed-in user is asked for again: 5,
	// one more each 30 s.
	Password limit.Rate
	// MailAddress is for mails that strangers can have sent to one address,
	// also one that nobody has: 3 an hour.
	MailAddress limit.Rate
	// MailNetwork is for those that are asked for from one network: 10 an hour.
	MailNetwork limit.Rate
}

// DefaultRates are the budgets when nothing is said.
func DefaultRates() Rates { return Rates{}.withDefaults() }

func (r Rates) withDefaults() Rates {
	def(&r.Account, limit.Rate{Burst: 10, Per: 30 * time.Second})
	def(&r.Network, limit.Rate{Burst: 100, Per: 2 * time.Second})
	def(&r.Known, limit.Rate{Burst: 30, Per: 10 * time.Second})
	def(&r.Provider, limit.Rate{Burst: 200, Per: time.Second})
	def(&r.Register, limit.Rate{Burst: 500, Per: 2 * time.Second})
	def(&r.EmailTaken, limit.Rate{Burst: 3, Per: 20 * time.Minute})
	def(&r.Totp, limit.Rate{Burst: 5, Per: 30 * time.Second})
	def(&r.TotpDay, limit.Rate{Burst: 50, Per: 30 * time.Minute})
	def(&r.Password, limit.Rate{Burst: 5, Per: 30 * time.Second})
	def(&r.MailAddress, limit.Rate{Burst: 3, Per: 20 * time.Minute})
	def(&r.MailNetwork, limit.Rate{Burst: 10, Per: 6 * time.Minute})
	return r
}

// throttleLogin takes one try from the budgets that count. Unknown logins have
// budgets too, so that the answer tells nothing.
func (s *Service) throttleLogin(ctx context.Context, login string, network []byte, known bool) error {
	account := hex.EncodeToString(s.mask(login))
	if known {
		return s.take(ctx, "auth/login/known/"+account+"/"+hex.EncodeToString(network), s.cfg.Rates.Known)
	}
	if err := s.take(ctx, "auth/login/network/"+hex.EncodeToString(network), s.cfg.Rates.Network); err != nil {
		return err
	}
	return s.take(ctx, "auth/login/account/"+account, s.cfg.Rates.Account)
}

func (s *Service) take(ctx context.Context, key string, r limit.Rate) error {
	return refusal(s.deps.Limiter.Allow(ctx, key, r))
}

func refusal(after time.Duration, ok bool) error {
	if ok {
		return nil
	}
	return ErrTooMany.With(errs.RetryAfter(after))
}
