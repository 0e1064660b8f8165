package auth

import (
	"net/url"

	"chatd/internal/platform/mail"
)

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
