package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/principal"
)

// Mail that was promised goes out from here, at least once: whoever promises
// one writes its job in the commit of what it is about, and any node delivers.

const (
	mailBatch  = 8                // deliveries at once on a node
	mailTime   = time.Minute      // of one delivery
	mailHold   = 2 * mailTime     // a job that is at work is nobody else's for so long
	mailPause  = 10 * time.Second // after the first try; doubles with each
	mailLonger = time.Hour        // most of it
	mailLife   = 24 * time.Hour   // then it is given up
	mailStray  = 300 * time.Millisecond

	resetLife  = 30 * time.Minute
	verifyLife = 24 * time.Hour

	// addressBytes is what an address is padded to before it is sealed, so that
	// a job tells nothing by its length.
	addressBytes = 256
	mailPurpose  = "auth/mail"
)

// MailEnd is what became of a try to send a mail.
type MailEnd string

// The ends of tries.
const (
	MailSent     MailEnd = "sent"
	MailUnwanted MailEnd = "unwanted" // nobody is to have it any more
	MailLater    MailEnd = "later"    // it was not taken, and is tried again
	MailRefused  MailEnd = "refused"  // for good
	MailGivenUp  MailEnd = "given_up" // after a day
)

// OnMailed has f told how each try to send a mail ended. f may be called at once
// by several goroutines. Before Start only.
func (s *Service) OnMailed(f func(MailEnd)) { s.mailed = f }

// newMail is a job that is due at once. Its address is read where it is sent.
func (s *Service) newMail(kind MailKind, subject ids.User, address string) MailJob {
	now := s.now()
	return MailJob{ID: ids.New[ids.Mail](), Kind: kind, Subject: subject, Sealed: s.sealAddress(address), CreatedAt: now, DueAt: now}
}

func (s *Service) sealAddress(address string) []byte {
	return s.deps.Ring.Seal(mailPurpose, append([]byte(address), make([]byte, max(0, addressBytes-len(address)))...))
}

func (s *Service) openAddress(sealed []byte) (string, error) {
	plain, err := s.deps.Ring.Unseal(mailPurpose, sealed)
	if err != nil {
		return "", fmt.Errorf("open an address: %w", err)
	}
	return strings.TrimRight(string(plain), "\x00"), nil
}

func pendingPurpose(id ids.User) string { return "auth/pending/" + id.String() }

// sealPending puts a registration aside until its address is proven.
func (s *Service) sealPending(a NewAccount) (Pending, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return Pending{}, fmt.Errorf("put a registration aside: %w", err)
	}
	return Pending{ID: a.ID, Sealed: s.deps.Ring.Seal(pendingPurpose(a.ID), plain), ExpiresAt: a.CreatedAt.Add(verifyLife)}, nil
}

// pendingAccount takes it up again; ErrBadLink when it has expired or was used.
func (s *Service) pendingAccount(ctx context.Context, id ids.User) (NewAccount, error) {
	p, err := s.deps.Outbox.Pending(ctx, id, s.now())
	if err != nil {
		return NewAccount{}, fmt.Errorf("take up a registration: %w", err)
	}
	plain, err := s.deps.Ring.Unseal(pendingPurpose(id), p.Sealed)
	if err != nil {
		return NewAccount{}, fmt.Errorf("take up a registration: %w", err)
	}
	var a NewAccount
	if err := json.Unmarshal(plain, &a); err != nil {
		return NewAccount{}, fmt.Errorf("take up a registration: %w", err)
	}
	return a, nil
}

// mayMail takes one mail to an address from the budgets of the address and of
// the caller's network. Whoever is beyond them is not told.
func (s *Service) mayMail(ctx context.Context, emailKey string) bool {
	network := hex.EncodeToString(s.network(principal.ClientFrom(ctx)))
	if _, ok := s.deps.Limiter.Allow(ctx, "auth/mail/network/"+network, s.cfg.Rates.MailNetwork); !ok {
		return false
	}
	_, ok := s.deps.Limiter.Allow(ctx, "auth/mail/address/"+hex.EncodeToString(s.mask(emailKey)), s.cfg.Rates.MailAddress)
	return ok
}

// promised has mail that was promised here sent from here, soon.
func (s *Service) promised() {
	select {
	case s.mailNews <- struct{}{}:
	default: // it is known already
	}
}

// keepDelivering delivers what is due until ctx ends.
func (s *Service) keepDelivering(ctx context.Context) {
	tick := time.NewTicker(s.cfg.MailEvery)
	defer tick.Stop()
	for {
		if err := s.deliverDue(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Warn().Err(err).Msg("mail that was promised cannot be read; it waits")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.mailNews:
			// Not at once, so that the load of a mail that is sent is not seen
			// behind the answer to who asked for it.
			select {
			case <-ctx.Done():
				return
			case <-time.After(rand.N(mailStray)): //nolint:gosec // No secret.
			}
		}
	}
}

// deliverDue delivers all that is due, some at a time.
func (s *Service) deliverDue(ctx context.Context) error {
	for {
		now := s.now()
		jobs, err := s.deps.Outbox.ClaimMail(ctx, now, now.Add(mailHold), mailBatch)
		if err != nil {
			return fmt.Errorf("claim mail: %w", err)
		}
		var batch sync.WaitGroup
		for _, j := range jobs {
			batch.Go(func() { s.deliver(ctx, j) })
		}
		batch.Wait()
		if len(jobs) < mailBatch {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// deliver tries a job and says what becomes of it. The log names neither the
// address nor what the mail says.
func (s *Service) deliver(ctx context.Context, j MailJob) {
	sending, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	err := s.send(sending, j)
	log := s.deps.Log.With().Stringer("mail_id", j.ID).Str("kind", string(j.Kind)).Int("tries", j.Tries).Logger()
	then := func(ctx context.Context) error { return s.deps.Outbox.DropMail(ctx, j.ID) }
	end := MailSent
	switch {
	case err == nil:
	case errors.Is(err, ErrNoMail):
		end = MailUnwanted
	case errors.Is(err, mail.ErrRefused):
		end = MailRefused
		log.Warn().Err(err).Msg("a mail was refused for good")
	case s.now().Sub(j.CreatedAt) >= mailLife:
		end = MailGivenUp
		log.Error().Err(err).Msg("a mail was given up")
	default:
		end = MailLater
		pause := min(mailLonger, mailPause<<min(max(j.Tries, 1)-1, 16))
		then = func(ctx context.Context) error { return s.deps.Outbox.DelayMail(ctx, j.ID, s.now().Add(pause)) }
		log.Warn().Err(err).Dur("again_in", pause).Msg("a mail was not taken")
	}
	s.mailed(end)
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := then(done); err != nil {
		log.Warn().Err(err).Msg("what became of a mail was not stored; it is tried again")
	}
}

// send composes a mail and hands it over. ErrNoMail: nobody wants it any more.
func (s *Service) send(ctx context.Context, j MailJob) error {
	l, err := s.letter(ctx, j)
	if err != nil {
		return err
	}
	if life := lifeOf(l.kind); life > 0 {
		token := base64.RawURLEncoding.EncodeToString(keys.Random(32))
		err := s.deps.Outbox.MintLink(ctx, j.ID, Link{
			Kind: l.kind, Subject: j.Subject, Hash: linkHash(token), Sealed: s.sealAddress(l.to), ExpiresAt: s.now().Add(life),
		})
		if err != nil {
			return fmt.Errorf("send a mail: %w", err)
		}
		l.token = token
	}
	c := s.content(l)
	text, html, err := mail.Render(c)
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	err = s.deps.Mail.Send(ctx, mail.Message{
		ID: j.ID.String(), To: l.to, Subject: c.Subject, Text: text, HTML: html, Date: j.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	return nil
}

// lifeOf is how long the link of a mail is good; zero without one.
func lifeOf(kind MailKind) time.Duration {
	return map[MailKind]time.Duration{
		MailReset: resetLife, MailVerify: verifyLife, MailChange: verifyLife, MailRegister: verifyLife,
	}[kind]
}

func linkHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// letter is a mail about to be written.
type letter struct {
	kind  MailKind
	to    string
	name  string // username
	token string // of its link; empty without
}

// mailKnown is in the place of a MailRegister or MailChange to an address that
// has an account already.
const mailKnown MailKind = "KNOWN"

// letter says to whom a job goes, as things are now: always to an address that
// is stored. ErrNoMail for nobody, for a bot, and for an account that is gone
// or may not be used.
func (s *Service) letter(ctx context.Context, j MailJob) (letter, error) {
	if j.Kind == MailNobody {
		return letter{}, ErrNoMail
	}
	if j.Kind == MailRegister {
		a, err := s.pendingAccount(ctx, j.Subject)
		if errors.Is(err, ErrBadLink) {
			return letter{}, ErrNoMail
		}
		if err != nil {
			return letter{}, err
		}
		return s.unlessKnown(ctx, letter{kind: j.Kind, to: a.Email, name: a.Username}, j.Subject)
	}
	a, err := s.deps.Accounts.Account(ctx, j.Subject)
	if errors.Is(err, ErrNoAccount) {
		return letter{}, ErrNoMail
	}
	if err != nil {
		return letter{}, fmt.Errorf("address a mail: %w", err)
	}
	l := letter{kind: j.Kind, to: a.Email, name: a.Username}
	if j.Kind != MailReset && j.Kind != MailVerify {
		if l.to, err = s.openAddress(j.Sealed); err != nil {
			return letter{}, err
		}
	}
	if !mayGetMail(a) || l.to == "" {
		return letter{}, ErrNoMail
	}
	if j.Kind == MailChange {
		return s.unlessKnown(ctx, l, j.Subject)
	}
	return l, nil
}

func mayGetMail(a Account) bool { return a.State == Active && a.Role != principal.Bot }

// unlessKnown returns l, or what to tell an account that has its address.
func (s *Service) unlessKnown(ctx context.Context, l letter, subject ids.User) (letter, error) {
	known, err := s.deps.Accounts.CredentialByEmail(ctx, emailKey(l.to))
	switch {
	case errors.Is(err, ErrNoAccount), err == nil && known.ID == subject:
		return l, nil
	case err != nil:
		return letter{}, fmt.Errorf("address a mail: %w", err)
	case !mayGetMail(known.Account):
		return letter{}, ErrNoMail
	}
	return letter{kind: mailKnown, to: known.Email, name: known.Username}, nil
}
