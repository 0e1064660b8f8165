package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/passwords"
	"chatd/internal/platform/principal"
)

// RequestPasswordReset sends a link to the account's own address. It does the
// same, in the same time, whether there is an account or not, and when the
// budgets of mail are used up. ErrBadEmail.
func (s *Service) RequestPasswordReset(ctx context.Context, email string) error {
	email, err := cleanEmail(email)
	if err != nil {
		return err
	}
	key := emailKey(email)
	cred, err := s.deps.Accounts.CredentialByEmail(ctx, key)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return fmt.Errorf("request a password reset: %w", err)
	}
	if !s.mayMail(ctx, key) {
		return nil
	}
	job := s.newMail(MailNobody, ids.User{}, "")
	if err == nil && mayGetMail(cred.Account) {
		job = s.newMail(MailReset, cred.ID, cred.Email)
	}
	return s.promise(ctx, job)
}

func (s *Service) promise(ctx context.Context, jobs ...MailJob) error {
	if err := s.deps.Outbox.PromiseMail(ctx, jobs...); err != nil {
		return fmt.Errorf("promise a mail: %w", err)
	}
	s.promised()
	return nil
}

// ResetByLink sets another password by the token of a link. The link is good
// once, for 30 minutes, if it is the newest and neither password nor address
// were changed since. All sessions of the account end; nobody is signed in by
// it, and a second factor is asked for as before. Personal tokens stay, as with
// ChangePassword. ErrBadLink, passwords.ErrBadLength and passwords.ErrCommon
// (of newPassword), passwords.ErrBusy.
func (s *Service) ResetByLink(ctx context.Context, token, password string) error {
	link, err := s.deps.Links.Link(ctx, linkHash(token), s.now())
	if err == nil && link.Kind != MailReset {
		err = ErrBadLink
	}
	var account Account
	if err == nil {
		account, err = s.linked(ctx, link)
	}
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	if err := passwords.Check(password, account.Username, account.Email); err != nil {
		return errs.Of(err).With(errs.Field("newPassword"))
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	gone, err := s.deps.Links.SpendReset(ctx, link.Hash, hash, s.newMail(MailResetDone, account.ID, account.Email),
		s.act(ctx, ActPasswordLink, account.ID, account.ID))
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	s.ended(gone)
	s.promised()
	return nil
}

// linked returns the account that a link is about; ErrBadLink.
func (s *Service) linked(ctx context.Context, link Link) (Account, error) {
	account, err := s.deps.Accounts.Account(ctx, link.Subject)
	if errors.Is(err, ErrNoAccount) || err == nil && !mayGetMail(account) {
		err = ErrBadLink
	}
	return account, err
}

// RequestEmailVerification sends a link that proves the caller's address; once
// that is proven it does nothing.
func (s *Service) RequestEmailVerification(ctx context.Context, p principal.Principal) error {
	a, err := s.deps.Accounts.Account(ctx, p.User)
	if err != nil {
		return fmt.Errorf("request a verification: %w", err)
	}
	if a.EmailVerified || !mayGetMail(a) || !s.mayMail(ctx, emailKey(a.Email)) {
		return nil
	}
	return s.promise(ctx, s.newMail(MailVerify, a.ID, a.Email))
}

// VerifyEmail does what a link promises that proves an address: the account's
// own, the one that is to be, or that of a registration, which becomes an
// account by it. Each is good once, for 24 hours; nobody is signed in. ErrBadLink;
// ErrEmailTaken and ErrUsernameTaken when somebody else was quicker.
func (s *Service) VerifyEmail(ctx context.Context, token string) error {
	link, err := s.deps.Links.Link(ctx, linkHash(token), s.now())
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	email, err := s.openAddress(link.Sealed)
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	switch link.Kind {
	case MailVerify:
		err = s.deps.Links.SpendVerify(ctx, link.Hash, emailKey(email), s.act(ctx, ActEmailVerified, link.Subject, link.Subject))
	case MailChange:
		err = s.changeEmail(ctx, link, email)
	case MailRegister:
		err = s.admit(ctx, link)
	default:
		err = ErrBadLink
	}
	if err != nil {
		return fmt.Errorf("verify an address: %w", err)
	}
	s.promised()
	return nil
}

func (s *Service) changeEmail(ctx context.Context, link Link, email string) error {
	account, err := s.linked(ctx, link)
	if err != nil {
		return err
	}
	return s.deps.Links.SpendChange(ctx, link.Hash, EmailChange{
		Email: email, Key: emailKey(email), Mail: s.newMail(MailEmailChanged, account.ID, account.Email),
	}, s.act(ctx, ActEmailChanged, account.ID, account.ID))
}

// ChangeEmailInput is another address, and the proof of who asks.
type ChangeEmailInput struct {
	Email    string // see cleanEmail
	Password string
	Totp     string // a code or a recovery code, where the account has a second factor
}

// ChangeEmail sends a link to another address, by which it becomes the
// caller's, and tells the old one. Nothing changes before. Whether somebody
// else has the address is not said. ErrBadEmail, ErrWrongPassword,
// ErrTotpRequired, ErrBadTotp, ErrTooMany.
func (s *Service) ChangeEmail(ctx context.Context, p principal.Principal, in ChangeEmailInput) error {
	email, err := cleanEmail(in.Email)
	if err != nil {
		return err
	}
	cred, err := s.ownPassword(ctx, p, in.Password)
	if err != nil {
		return err
	}
	by, err := s.prove(ctx, p.User, in.Totp)
	if err != nil {
		return err
	}
	var jobs []MailJob
	if s.mayMail(ctx, emailKey(email)) {
		jobs = []MailJob{s.newMail(MailChange, cred.ID, email), s.newMail(MailEmailAsked, cred.ID, cred.Email)}
	}
	if err := s.deps.Links.BeginEmailChange(ctx, p.User, by, jobs...); err != nil {
		return fmt.Errorf("change an address: %w", err)
	}
	s.promised()
	return nil
}

// ChangeUsername gives the caller another username, which nobody else has.
// ErrBadUsername, ErrWrongPassword, ErrUsernameTaken, ErrTooMany.
func (s *Service) ChangeUsername(ctx context.Context, p principal.Principal, username, password string) (Account, error) {
	username, err := cleanUsername(username)
	if err != nil {
		return Account{}, err
	}
	cred, err := s.ownPassword(ctx, p, password)
	if err != nil {
		return Account{}, err
	}
	switch gone, err := s.deps.Deletions.NameGone(ctx, s.nameKey(username)); {
	case err != nil:
		return Account{}, fmt.Errorf("change a username: %w", err)
	case gone:
		return Account{}, ErrUsernameTaken
	}
	a, err := s.deps.Links.Rename(ctx, username, s.newMail(MailUsernameMoved, cred.ID, cred.Email),
		s.act(ctx, ActUsernameMoved, p.User, p.User).of(p.Session))
	if err != nil {
		return Account{}, fmt.Errorf("change a username: %w", err)
	}
	s.promised()
	return a, s.renamed(ctx, a, cred.Username)
}

// renamed has the profile follow an account that is renamed: it no longer
// depends on who waits for it. Where something comes between, the event does.
func (s *Service) renamed(ctx context.Context, a Account, was string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), profileTime)
	defer cancel()
	if err := s.deps.Profiles.Rename(ctx, a.ID, was, a.Username); err != nil {
		return fmt.Errorf("rename the profile of %s: %w", a.ID, err)
	}
	return nil
}

// Paths of the pages that links in mails lead to.
const (
	ResetPath  = "/reset-password"
	VerifyPath = "/verify-email"
)

// content is what a mail says. Links lead to the configured site alone.
func (s *Service) content(l letter) mail.Content {
	site := s.cfg.Site
	if u, err := url.Parse(s.cfg.Site); err == nil && u.Host != "" {
		site = u.Host
	}
	c := mail.Content{Greeting: "Hello " + l.name + ",", Site: s.cfg.Site}
	link := func(path, button string) {
		c.Link, c.Button = s.cfg.Site+path+"?"+url.Values{"token": {l.token}}.Encode(), button
	}
	const (
		notYou = "If it was not you, reset your password now: somebody else knows it. Then tell whoever runs the server."
		ignore = "If it was not you, do nothing: without the link nothing happens."
	)
	switch l.kind {
	case MailNobody: // it is not sent
	case MailReset:
		c.Subject = "Reset your password on " + site
		c.Lines = []string{"Somebody, perhaps you, has asked to reset the password of your account " + l.name + " on " + site + "."}
		link(ResetPath, "Choose another password")
		c.After = []string{"The link is good once, for 30 minutes.", ignore}
	case MailVerify:
		c.Subject = "Confirm your address for " + site
		c.Lines = []string{"Confirm that this is the address of your account " + l.name + " on " + site + "."}
		link(VerifyPath, "Confirm the address")
		c.After = []string{"The link is good once, for 24 hours.", ignore}
	case MailChange:
		c.Subject = "Confirm your new address for " + site
		c.Lines = []string{"The account " + l.name + " on " + site + " is to have this address from now on. Confirm that it is yours."}
		link(VerifyPath, "Confirm the new address")
		c.After = []string{"The link is good once, for 24 hours.", ignore}
	case MailRegister:
		c.Subject = "Finish your registration on " + site
		c.Lines = []string{"Somebody, perhaps you, has registered as " + l.name + " on " + site + " with this address."}
		link(VerifyPath, "Confirm and make the account")
		c.After = []string{
			"The link is good once, for 24 hours.",
			"If it was not you, do not open it: the account would have a password that somebody else has chosen.",
		}
	case mailKnown:
		c.Subject = "You have an account on " + site
		c.Lines = []string{
			"Somebody, perhaps you, has given this address for an account on " + site + ". There is one with it already: " + l.name + ".",
			"Sign in with it. If you do not know the password any more, reset it.",
		}
		c.After = []string{"If it was not you, do nothing: nothing has changed."}
	case MailResetDone:
		c.Subject = "Your password on " + site + " was reset"
		c.Lines = []string{"The password of your account " + l.name + " on " + site + " was reset by a link that was sent to this address. All devices were signed out.", notYou}
	case MailPasswordDone:
		c.Subject = "Your password on " + site + " was changed"
		c.Lines = []string{"The password of your account " + l.name + " on " + site + " was changed. All other devices were signed out.", notYou}
	case MailEmailAsked:
		c.Subject = "Your account on " + site + " is to have another address"
		c.Lines = []string{"Somebody who knows the password of your account " + l.name + " on " + site + " has asked for another address in the place of this one. It counts once it is confirmed there.", notYou}
	case MailEmailChanged:
		c.Subject = "Your account on " + site + " has another address"
		c.Lines = []string{"Your account " + l.name + " on " + site + " has another address from now on; mail to this one ends. If it was not you, tell whoever runs the server."}
	case MailUsernameMoved:
		c.Subject = "Your username on " + site + " was changed"
		c.Lines = []string{"Your account on " + site + " has the username " + l.name + " from now on.", notYou}
	}
	return c
}
