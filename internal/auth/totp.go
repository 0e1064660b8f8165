package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

const (
	totpPeriod  = 30               // seconds of a step (RFC 6238 section 5.2)
	totpSecret  = 20               // bytes, as long as the hash (RFC 4226 section 4)
	totpPending = 30 * time.Minute // a secret that is not confirmed by then is none

	recoveryCount = 10
	recoveryBytes = 15 // 120 bits, 24 characters
)

// TotpSetup is a secret that waits to be confirmed.
type TotpSetup struct {
	Secret string // base32, for who types it in
	URL    string // otpauth://, for who scans it
}

// BeginTotp makes a secret for the caller's authenticator, in place of one
// that was not confirmed. It is not asked for before ConfirmTotp.
// ErrWrongPassword, ErrTotpOn, ErrTooMany.
func (s *Service) BeginTotp(ctx context.Context, p principal.Principal, password string) (TotpSetup, error) {
	account, err := s.ownPassword(ctx, p, password)
	if err != nil {
		return TotpSetup{}, err
	}
	secret := keys.Random(totpSecret)
	key, err := totp.Generate(totp.GenerateOpts{Issuer: s.issuerName(), AccountName: account.Username, Secret: secret, Period: totpPeriod})
	if err != nil {
		return TotpSetup{}, fmt.Errorf("make a second factor: %w", err)
	}
	t := Totp{User: p.User, Sealed: s.deps.Ring.Seal(totpPurpose(p.User), secret), BegunAt: s.now()}
	if err := s.deps.Factors.BeginTotp(ctx, t); err != nil {
		return TotpSetup{}, fmt.Errorf("begin a second factor: %w", err)
	}
	return TotpSetup{Secret: key.Secret(), URL: key.URL()}, nil
}

// issuerName is what authenticators show beside the account's name.
func (s *Service) issuerName() string {
	if u, err := url.Parse(s.cfg.Issuer); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return strings.ReplaceAll(s.cfg.Issuer, ":", " ")
}

// totpPurpose binds a sealed secret to its user.
func totpPurpose(of ids.User) string { return "auth/totp/" + of.String() }

// ConfirmTotp takes the first code of the secret that waits, has it asked for
// from now on, and returns recovery codes, of which only hashes are kept. All
// other sessions of the caller end: they began without a second factor.
// ErrTotpOff, ErrBadCode, ErrTooMany.
func (s *Service) ConfirmTotp(ctx context.Context, p principal.Principal, code string) ([]string, error) {
	t, err := s.deps.Factors.Totp(ctx, p.User)
	if err != nil {
		return nil, fmt.Errorf("confirm a second factor: %w", err)
	}
	now := s.now()
	if !t.ConfirmedAt.IsZero() || now.Sub(t.BegunAt) > totpPending {
		return nil, ErrTotpOff
	}
	step, err := s.stepOf(ctx, t, code, now)
	if errors.Is(err, ErrBadTotp) {
		return nil, ErrBadCode
	}
	if err != nil {
		return nil, err
	}
	codes, hashes := make([]string, recoveryCount), make([][]byte, recoveryCount)
	for i := range codes {
		codes[i] = recoveryText(keys.Random(recoveryBytes))
		hashes[i], _ = s.recoveryHash(p.User, codes[i])
	}
	gone, err := s.deps.Factors.ConfirmTotp(ctx, TotpTurn{User: p.User, Keep: p.Session, At: now}, t.Sealed, step, hashes,
		s.act(ctx, ActFactorOn, p.User, p.User).of(p.Session))
	if err != nil {
		return nil, fmt.Errorf("confirm a second factor: %w", err)
	}
	s.ended(gone)
	return codes, nil
}

// DisableTotp forgets the caller's second factor, for the password and a code
// or a recovery code, and ends all his other sessions. ErrWrongPassword,
// ErrBadCode, ErrTotpOff, ErrTooMany.
func (s *Service) DisableTotp(ctx context.Context, p principal.Principal, password, code string) error {
	if _, err := s.ownPassword(ctx, p, password); err != nil {
		return err
	}
	by, err := s.prove(ctx, p.User, code)
	if err == nil && by.Step == 0 && by.Recovery == nil {
		err = ErrTotpOff
		if on, _ := s.totpOn(ctx, p.User); on {
			err = ErrBadTotp // no code was given
		}
	}
	if err == nil {
		var gone []ids.Session
		gone, err = s.deps.Factors.DisableTotp(ctx, TotpTurn{User: p.User, Keep: p.Session, At: s.now()}, by,
			s.act(ctx, ActFactorOff, p.User, p.User).of(p.Session))
		s.ended(gone)
	}
	if errors.Is(err, ErrBadTotp) {
		return ErrBadCode
	}
	if err != nil {
		return fmt.Errorf("disable a second factor: %w", err)
	}
	return nil
}

// totpOn says whether a second factor is asked for.
func (s *Service) totpOn(ctx context.Context, user ids.User) (bool, error) {
	t, err := s.deps.Factors.Totp(ctx, user)
	if errors.Is(err, ErrTotpOff) {
		return false, nil
	}
	return err == nil && !t.ConfirmedAt.IsZero(), err
}

// SecondFactor says whether an account is asked for a second factor, and how
// many recovery codes are left. For its owner and administrators;
// errs.ErrForbidden for others.
func (s *Service) SecondFactor(ctx context.Context, p principal.Principal, of ids.User) (on bool, left int, err error) {
	if p.User != of && !p.IsAdmin() {
		return false, 0, errs.ErrForbidden
	}
	if on, err = s.totpOn(ctx, of); on {
		left, err = s.deps.Factors.RecoveryCodes(ctx, of)
	}
	if err != nil {
		return false, 0, fmt.Errorf("second factor: %w", err)
	}
	return on, left, nil
}

// ownPassword checks the caller's password again, before what a stolen session
// must not do. ErrWrongPassword, ErrTooMany.
func (s *Service) ownPassword(ctx context.Context, p principal.Principal, password string) (Credential, error) {
	if err := s.take(ctx, "auth/password/"+p.User.String(), s.cfg.Rates.Password); err != nil {
		return Credential{}, err
	}
	if !passwords.Fits(password) {
		return Credential{}, ErrWrongPassword
	}
	account, err := s.deps.Accounts.Account(ctx, p.User)
	if err != nil {
		return Credential{}, fmt.Errorf("check the password again: %w", err)
	}
	cred, err := s.deps.Accounts.CredentialByUsername(ctx, account.Username)
	if err != nil {
		return Credential{}, fmt.Errorf("check the password again: %w", err)
	}
	right, err := s.hasher.Verify(ctx, cred.PasswordHash, password)
	if err != nil {
		return Credential{}, fmt.Errorf("check the password again: %w", err)
	}
	if !right || cred.ID != p.User || cred.State != Active {
		return Credential{}, ErrWrongPassword
	}
	return cred, nil
}

// prove makes of a given code what is to be spent; nothing, when none is given
// or the account has no second factor. ErrBadTotp, ErrTooMany. Recovery codes
// are not counted: nobody guesses one, and whoever knows the password must not
// keep the owner out by guessing codes.
func (s *Service) prove(ctx context.Context, user ids.User, code string) (Proof, error) {
	if code == "" {
		return Proof{}, nil
	}
	t, err := s.deps.Factors.Totp(ctx, user)
	if errors.Is(err, ErrTotpOff) || err == nil && t.ConfirmedAt.IsZero() {
		return Proof{}, nil
	}
	if err != nil {
		return Proof{}, fmt.Errorf("second factor: %w", err)
	}
	if hash, ok := s.recoveryHash(user, code); ok {
		return Proof{Recovery: hash}, nil
	}
	step, err := s.stepOf(ctx, t, code, s.now())
	if err != nil {
		return Proof{}, err
	}
	return Proof{Step: step}, nil
}

// stepOf returns the step that a code is of: this one, the one before or the
// one after (RFC 6238 section 5.2), and later than the last that was taken.
// ErrBadTotp, ErrTooMany.
func (s *Service) stepOf(ctx context.Context, t Totp, code string, now time.Time) (int64, error) {
	key := "auth/totp/" + t.User.String()
	if err := s.take(ctx, key, s.cfg.Rates.Totp); err != nil {
		return 0, err
	}
	if err := s.take(ctx, key+"/day", s.cfg.Rates.TotpDay); err != nil {
		return 0, err
	}
	secret, err := s.deps.Ring.Unseal(totpPurpose(t.User), t.Sealed)
	if err != nil {
		return 0, fmt.Errorf("open a second factor: %w", err)
	}
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1 // as authenticators show it
		}
		return r
	}, code)
	middle, found := now.Unix()/totpPeriod, int64(0)
	for step := middle - 1; step <= middle+1; step++ {
		want, err := totpCode(secret, step)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > t.Step {
			found = step
		}
	}
	if found == 0 {
		return 0, ErrBadTotp
	}
	return found, nil
}

// totpCode is the code of a step: HMAC-SHA-1, six digits, as every
// authenticator has it.
func totpCode(secret []byte, step int64) (string, error) {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	code, err := hotp.GenerateCodeCustom(text, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // Steps are after 1970.
	if err != nil {
		return "", fmt.Errorf("compute a code: %w", err)
	}
	return code, nil
}

// recoveryText writes a code in groups that can be typed: no 0, 1, 8 and 9.
func recoveryText(b []byte) string {
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	return text[:6] + "-" + text[6:12] + "-" + text[12:18] + "-" + text[18:]
}

// recoveryHash is what the store keeps of a recovery code; false when the text
// has not the form of one.
func (s *Service) recoveryHash(of ids.User, code string) ([]byte, bool) {
	if len(code) > 64 {
		return nil, false
	}
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	b, err := base32.StdEncoding.DecodeString(code)
	if err != nil || len(b) != recoveryBytes {
		return nil, false
	}
	h := hmac.New(sha256.New, s.recovery)
	h.Write(of.Bytes())
	h.Write(b)
	return h.Sum(nil), true
}
