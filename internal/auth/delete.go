package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Deleted is the state of an account of which nothing is left but its
// identifier, for ever.
const Deleted State = "DELETED"

// AccountDeleted is why the sessions of a deleted account ended.
const AccountDeleted Reason = "ACCOUNT_DELETED"

// The actions of a deletion.
const (
	ActDeleted  Action = "ACCOUNT_DELETED"
	ActBotGiven Action = "BOT_HANDED_OVER" // the detail is none; the target is the bot
)

// Deletion is an account to be deleted.
type Deletion struct {
	User ids.User
	// Asked says that the owner was asked for his password, which was that of
	// the hash; empty when he has none.
	Asked    bool
	Password string
	By       Proof // when he was asked: the second factor, of an account that has one
	// NameKey makes the hash by which the name that the account had stays taken.
	NameKey func(username string) []byte
	At      time.Time
}

// Deletions deletes accounts.
type Deletions interface {
	// DeleteAccount makes an account Deleted in one commit. Gone with it are its
	// address, username, password, second factor, recovery codes, identities, networks, mail
	// that waits, sessions and tokens, with the events of their ends, and what the log said
	// of its names; the invitations that it made or that were for its address
	// are revoked and have no address. Its bots are the longest-standing other
	// administrator's, where there is one, with an act of ActBotGiven each. The
	// event AccountDeleted comes last. It returns the sessions that ended, and
	// tokens by their Handles.
	//
	// ErrNoAccount also for one that is deleted; ErrWrongPassword when the hash
	// is no longer d.Password though he was asked; then ErrTotpRequired without a proof and
	// ErrBadTotp for one that is spent, as for CreateSessionBy; ErrLastAdmin.
	// Then nothing is changed.
	DeleteAccount(ctx context.Context, d Deletion, act Act) ([]ids.Session, error)
	// NameGone says whether a name was that of an account that is deleted.
	NameGone(ctx context.Context, nameKey []byte) (bool, error)
	// Erasing returns accounts that were deleted, those longest ago first, but
	// for those of whom Erased was told; at most limit.
	Erasing(ctx context.Context, limit int) ([]Erasure, error)
	// Erased says that nothing is left of an account anywhere.
	Erased(ctx context.Context, user ids.User, at time.Time) error
}

// Erasure is an account that was deleted and may have left something elsewhere.
type Erasure struct {
	User      ids.User
	DeletedAt time.Time
}

// Eraser is what auth needs of the other contexts when an account is deleted.
type Eraser interface {
	// Erase takes away all that there is of a user. It may be called again,
	// also for one of whom some or all is gone.
	Erase(ctx context.Context, user ids.User) error
}

// GoneName is what a deleted account has for a username. Nobody can choose it,
// for the colon.
func GoneName(of ids.User) string { return "deleted:" + of.String() }

// signInIsFresh is for how long a sign-in stands for the password that somebody
// has not.
const signInIsFresh = 10 * time.Minute

// DeleteAccount deletes the caller's account, for the password and, where there
// is a second factor, a code or a recovery code. Who comes in by other providers
// alone has signed in just before. When it returns, his sessions have ended and
// his profile has no name; what he wrote follows by Erase. ErrWrongPassword,
// ErrSignInAgain, ErrTotpRequired, ErrBadCode, ErrTooMany, ErrLastAdmin.
func (s *Service) DeleteAccount(ctx context.Context, p principal.Principal, password, code string) error {
	hash, err := s.ownProof(ctx, p, password)
	if err != nil {
		return err
	}
	by, err := s.prove(ctx, p.User, code)
	if err == nil {
		err = s.delete(ctx, Deletion{User: p.User, Asked: true, Password: hash, By: by}, p.User)
	}
	if errors.Is(err, ErrBadTotp) {
		return ErrBadCode.With(errs.Field("totp"))
	}
	return err
}

// ownProof is ownPassword, also for somebody who has none, and returns its hash.
func (s *Service) ownProof(ctx context.Context, p principal.Principal, password string) (string, error) {
	has, err := s.hasPassword(ctx, p.User)
	if err == nil && has {
		cred, err := s.ownPassword(ctx, p, password)
		return cred.PasswordHash, err
	}
	if err != nil {
		return "", fmt.Errorf("check the owner again: %w", err)
	}
	now := s.now()
	session, err := s.deps.Sessions.Session(ctx, p.Session, now)
	if err == nil && now.Sub(session.CreatedAt) > signInIsFresh {
		err = ErrSignInAgain
	}
	if err != nil {
		return "", fmt.Errorf("check the owner again: %w", err)
	}
	return "", nil
}

// DeleteFor is DeleteAccount without an actor, and without asking the owner.
func (s *Service) DeleteFor(ctx context.Context, user ids.User) error {
	return s.delete(ctx, Deletion{User: user}, ids.User{})
}

func (s *Service) delete(ctx context.Context, d Deletion, actor ids.User) error {
	d.At, d.NameKey = s.now(), s.nameKey
	gone, err := s.deps.Deletions.DeleteAccount(ctx, d, s.act(ctx, ActDeleted, actor, d.User))
	if err != nil {
		return fmt.Errorf("delete %s: %w", d.User, err)
	}
	s.ended(gone)
	select {
	case s.erase <- struct{}{}:
	default:
	}
	// What is stored holds, whether or not somebody waits for the answer. When
	// this fails, EraseAll does it later.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), profileTime)
	defer cancel()
	if err := s.deps.Profiles.Erase(ctx, d.User); err != nil {
		s.deps.Log.Warn().Err(err).Stringer("user", d.User).Msg("a deleted account's profile is erased later")
	}
	return nil
}

// nameKey is by what a name that was somebody's stays taken.
func (s *Service) nameKey(username string) []byte { return s.mask("username " + username) }

// nameFree says whether a name is nobody's and was nobody's.
func (s *Service) nameFree(ctx context.Context, username string) (bool, error) {
	_, err := s.deps.Accounts.CredentialByUsername(ctx, username)
	if !errors.Is(err, ErrNoAccount) {
		return false, err
	}
	gone, err := s.deps.Deletions.NameGone(ctx, s.nameKey(username))
	return !gone && err == nil, err
}

// eraseSettles is for how long what began before an account was deleted may go
// on: somebody may be adding its owner to a group at that moment, on a node
// that has not heard of it. Only what is erased after it is known to be gone.
const eraseSettles = 10 * time.Second

// EraseAll has all that deleted accounts left elsewhere erased, and again once
// what was under way then is over. It goes on with the others when one fails,
// and returns what failed; with the next call it is tried again. One node at a
// time should be at it, to spare work.
func (s *Service) EraseAll(ctx context.Context) error {
	const page = 100
	open, err := s.deps.Deletions.Erasing(ctx, page)
	if err != nil {
		return fmt.Errorf("which accounts were deleted: %w", err)
	}
	var failed []error
	for _, e := range open {
		settled := s.now().Sub(e.DeletedAt) > eraseSettles
		if s.erasedOnce[e.User] && !settled {
			continue
		}
		if err := s.eraseOne(ctx, e.User); err != nil {
			failed = append(failed, err)
			continue
		}
		if !settled {
			s.erasedOnce[e.User] = true
			continue
		}
		if err := s.deps.Deletions.Erased(ctx, e.User, s.now()); err != nil {
			failed = append(failed, fmt.Errorf("note that %s is erased: %w", e.User, err))
			continue
		}
		delete(s.erasedOnce, e.User)
	}
	return errors.Join(failed...)
}

func (s *Service) eraseOne(ctx context.Context, user ids.User) error {
	if err := s.removeExports(ctx); err != nil {
		return fmt.Errorf("remove the exports of %s: %w", user, err)
	}
	for _, e := range s.deps.Erasers {
		if err := e.Erase(ctx, user); err != nil {
			return fmt.Errorf("erase %s: %w", user, err)
		}
	}
	return nil
}

// Deletes wakes when an account was deleted on this node.
func (s *Service) Deletes() <-chan struct{} { return s.erase }
