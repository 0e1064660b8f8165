package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// RegisterInput is what somebody says of himself.
type RegisterInput struct {
	Email       string // see cleanEmail
	Username    string // 3 to 32 of [a-z0-9_.-], folded to lower case
	Password    string // 10 to 128 code points, not a common one
	DisplayName string // 1 to 64 code points; the username when empty
	SetupToken  string // makes the first administrator; else empty
	InviteCode  string // of an invitation; may be empty where registration is open
}

// SignIn is a session with a fresh pair of tokens.
type SignIn struct {
	Account            Account
	Session            Session
	AccessToken        string
	AccessTokenExpires time.Time
	RefreshToken       string
}

// profileTime is how long the profile may take once the account is there.
const profileTime = 5 * time.Second

// Register makes an account, its profile and its first session. The account,
// the session and the event are one commit; the profile follows at once and
// can be read when Register returns. When that fails, or the server ends
// between, the event makes the profile later.
//
// The first account of an empty server is an administrator in Dev; in
// Production one that brings the setup token. The errors are those of
// BadInput and Conflict with their field, ErrRegistrationClosed,
// ErrInviteRequired, ErrBadInvite, ErrTooMany and passwords.ErrBusy.
//
// Where an address must be proven first, the registration is put aside and the
// answer is ErrVerifyFirst, whether the address has an account or not: the mail
// tells. What the setup token makes is made at once.
func (s *Service) Register(ctx context.Context, in RegisterInput) (SignIn, error) {
	admin, err := s.mayRegister(in)
	if err != nil {
		return SignIn{}, err
	}
	a, err := s.newAccount(in)
	if err != nil {
		return SignIn{}, err
	}
	client := principal.ClientFrom(ctx)
	a.FirstAdmin, a.Network = admin, s.network(client)
	if err := s.take(ctx, "auth/register/"+hex.EncodeToString(a.Network), s.cfg.Rates.Register); err != nil {
		return SignIn{}, err
	}
	if err := s.invited(ctx, in.InviteCode, &a); err != nil {
		return SignIn{}, err
	}
	aside := s.cfg.VerifyEmail && admin != AdminIfNone
	if err := s.claim(ctx, a, aside); err != nil {
		return SignIn{}, fmt.Errorf("register: %w", err)
	}
	if a.PasswordHash, err = s.hasher.Hash(ctx, in.Password); err != nil {
		return SignIn{}, fmt.Errorf("register: %w", err)
	}
	if aside {
		return SignIn{}, s.putAside(ctx, a)
	}
	session, token := s.newSession(a.ID, client, a.CreatedAt)
	acts := []Act{s.act(ctx, ActRegistered, a.ID, a.ID).of(session.ID)}
	if a.Invite != nil {
		acts = append(acts, s.act(ctx, ActInviteUsed, a.ID, a.ID))
	}
	account, err := s.deps.Accounts.CreateAccount(ctx, a, session, acts...)
	if err != nil {
		return SignIn{}, fmt.Errorf("register: %w", err)
	}
	if admin == AdminIfNone {
		s.spendSetupToken()
	}
	if err := s.profile(ctx, a); err != nil {
		return SignIn{}, err
	}
	return s.signIn(account, session, token, a.CreatedAt)
}

// putAside keeps a registration until its address is proven; it does the same
// whether there is an account with it or not.
func (s *Service) putAside(ctx context.Context, a NewAccount) error {
	if !s.mayMail(ctx, a.EmailKey) {
		return ErrVerifyFirst
	}
	p, err := s.sealPending(a)
	if err != nil {
		return err
	}
	if err := s.deps.Outbox.AddPending(ctx, p, s.newMail(MailRegister, a.ID, a.Email)); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	s.promised()
	return ErrVerifyFirst
}

// admit makes the account of a registration that was put aside, by the link
// that proves its address.
func (s *Service) admit(ctx context.Context, link Link) error {
	a, err := s.pendingAccount(ctx, link.Subject)
	if err != nil {
		return err
	}
	a.Verified, a.Link, a.CreatedAt = true, link.Hash, s.now()
	acts := []Act{s.act(ctx, ActRegistered, a.ID, a.ID), s.act(ctx, ActEmailVerified, a.ID, a.ID)}
	if a.Invite != nil {
		acts = append(acts, s.act(ctx, ActInviteUsed, a.ID, a.ID))
	}
	if _, err := s.deps.Accounts.CreateAccount(ctx, a, Session{}, acts...); err != nil {
		return err
	}
	return s.profile(ctx, a)
}

// profile makes the profile of an account that is there: it no longer depends
// on who waits for it.
func (s *Service) profile(ctx context.Context, a NewAccount) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), profileTime)
	defer cancel()
	err := s.deps.Profiles.Create(ctx, NewProfile{
		User: a.ID, Username: a.Username, DisplayName: a.DisplayName, CreatedAt: a.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("make the profile of %s: %w", a.ID, err)
	}
	return nil
}

// mayRegister decides whether a stranger may make an account, and which.
func (s *Service) mayRegister(in RegisterInput) (FirstAdmin, error) {
	switch {
	case in.SetupToken != "":
		if !s.isSetupToken(in.SetupToken) {
			return NeverAdmin, ErrBadSetupToken
		}
		return AdminIfNone, nil
	case s.cfg.Registration == Closed:
		return NeverAdmin, ErrRegistrationClosed
	case in.InviteCode != "":
		return NeverAdmin, nil // if it is good
	case s.cfg.Registration == Invite:
		return NeverAdmin, ErrInviteRequired
	case s.cfg.Env == Dev:
		return AdminIfEmpty, nil
	}
	return NeverAdmin, nil
}

func (s *Service) newAccount(in RegisterInput) (NewAccount, error) {
	email, err := cleanEmail(in.Email)
	if err != nil {
		return NewAccount{}, err
	}
	username, err := cleanUsername(in.Username)
	if err != nil {
		return NewAccount{}, err
	}
	display := username
	if in.DisplayName != "" {
		if display, err = cleanDisplayName(in.DisplayName); err != nil {
			return NewAccount{}, err
		}
	}
	if err := passwords.Check(in.Password, username, email, display); err != nil {
		return NewAccount{}, err
	}
	return NewAccount{
		ID: ids.New[ids.User](), Email: email, EmailKey: emailKey(email), Username: username,
		DisplayName: display, CreatedAt: s.now(), NameKey: s.nameKey(username),
	}, nil
}

// claim answers at once when a name is taken; CreateAccount decides for good.
// To learn that an address has an account costs one of a network's few tries,
// and a network without any may not ask: one at a time, or many at once would
// all be let through by the last. Nothing is told of the address of a
// registration that is put aside.
func (s *Service) claim(ctx context.Context, a NewAccount, aside bool) error {
	if _, err := s.deps.Accounts.CredentialByUsername(ctx, a.Username); err == nil {
		return ErrUsernameTaken
	} else if !errors.Is(err, ErrNoAccount) {
		return err
	}
	if aside {
		return nil
	}
	s.claimMu.Lock()
	defer s.claimMu.Unlock()
	key := "auth/taken/" + hex.EncodeToString(a.Network)
	if err := refusal(s.deps.Limiter.Check(ctx, key, s.cfg.Rates.EmailTaken)); err != nil {
		return err
	}
	_, err := s.deps.Accounts.CredentialByEmail(ctx, a.EmailKey)
	switch {
	case errors.Is(err, ErrNoAccount):
		return nil
	case err != nil:
		return err
	}
	if err := s.take(ctx, key, s.cfg.Rates.EmailTaken); err != nil {
		return err
	}
	return ErrEmailTaken
}

// SetupToken makes the token that lets one account register as administrator,
// in place of any that this process made before. It is empty in Dev and when
// there is an administrator already. It is kept as a hash, in memory only:
// print it once.
func (s *Service) SetupToken(ctx context.Context) (string, error) {
	if s.cfg.Env != Production {
		return "", nil
	}
	has, err := s.deps.Accounts.HasAdmin(ctx)
	if err != nil {
		return "", fmt.Errorf("look for an administrator: %w", err)
	}
	if has {
		return "", nil
	}
	text := "chatd_setup_" + base64.RawURLEncoding.EncodeToString(keys.Random(24))
	sum := sha256.Sum256([]byte(text))
	s.setupMu.Lock()
	defer s.setupMu.Unlock()
	s.setup = sum[:]
	return text, nil
}

func (s *Service) isSetupToken(text string) bool {
	sum := sha256.Sum256([]byte(text))
	s.setupMu.Lock()
	defer s.setupMu.Unlock()
	return subtle.ConstantTimeCompare(sum[:], s.setup) == 1
}

func (s *Service) spendSetupToken() {
	s.setupMu.Lock()
	defer s.setupMu.Unlock()
	s.setup = nil
}
