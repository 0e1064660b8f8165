package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Provider is another service that signs people in, as clients are told.
type Provider struct {
	Name  string // in paths: a-z, 0-9 and -
	Label string // for people
}

// Identity is what an account is known by at another provider. Issuer and
// Subject together are its key; no two accounts have the same.
type Identity struct {
	ID         ids.Identity
	User       ids.User
	Issuer     string
	Subject    string
	Provider   string    // the name of the Provider that it came by
	Email      string    // what the provider said and says is verified; may be empty
	LinkedAt   time.Time // when the account got it
	LastUsedAt time.Time // when it last signed in; zero: never
}

// SignInCode is what the store keeps of a code that hands a browser's sign-in
// over: hashes, and what was said, sealed.
type SignInCode struct {
	Hash      []byte
	State     []byte // hash of the state that it came by
	Sealed    []byte
	MadeAt    time.Time
	ExpiresAt time.Time
	PurgeAt   time.Time // until then it is remembered, spent or not
}

// identityLimit is how many identities an account may have.
const identityLimit = 20

// Linking is an identity to be linked.
type Linking struct {
	Code     []byte // hash of the sign-in code that it came by
	Identity Identity
	// Proved is the key of the address that the provider has verified: when it
	// is the account's, that is known to be its owner's from now on.
	Proved string
	Limit  int // of identities of one account
}

// Identities keeps what accounts are known by elsewhere, and the codes that
// hand sign-ins over. A code is spent once, whatever number of callers and
// nodes present it at once. Methods that take acts record them in the same
// commit.
type Identities interface {
	// AddSignInCode stores a code. ErrBadSignInCode when there was one of the
	// same state that is not purged yet.
	AddSignInCode(ctx context.Context, c SignInCode) error
	// SignInCode returns one that is not spent and has not expired by now;
	// ErrBadSignInCode.
	SignInCode(ctx context.Context, hash []byte, now time.Time) (SignInCode, error)
	// HoldSignInCode moves the end of a code that is not spent.
	HoldSignInCode(ctx context.Context, hash []byte, until time.Time) error
	// SpendSignInCode makes a code good for nothing; ErrBadSignInCode when it
	// is so already.
	SpendSignInCode(ctx context.Context, hash []byte) error
	// PurgeSignInCodes forgets up to limit codes whose PurgeAt was before, and
	// returns how many.
	PurgeSignInCodes(ctx context.Context, before time.Time, limit int) (int, error)
	// CreateSessionOf is CreateSessionBy for one who comes by an identity: the
	// code is spent in the same commit, else ErrBadSignInCode, and that the
	// identity was used is noted, else ErrNoIdentity.
	CreateSessionOf(ctx context.Context, code []byte, identity ids.Identity, s Session, network []byte, limit int, by Proof, acts ...Act) ([]ids.Session, error)
	// Identity finds by issuer and subject, compared byte by byte;
	// ErrNoIdentity.
	Identity(ctx context.Context, issuer, subject string) (Identity, error)
	// UserIdentities returns an account's identities, the first linked first.
	UserIdentities(ctx context.Context, user ids.User) ([]Identity, error)
	// LinkIdentity spends the code and gives the identity to its user, and
	// returns what he has now: the older one when he has it already, and then
	// the acts are not recorded. ErrBadSignInCode, ErrIdentityTaken when it is
	// another's, ErrTooManyIdentities when he has Limit, ErrNoAccount when he
	// is not Active: then nothing is changed.
	LinkIdentity(ctx context.Context, l Linking, acts ...Act) (Identity, error)
	// UnlinkIdentity takes an identity from a user. ErrNoIdentity when it is
	// not his, ErrLastWayIn when he has no other and no password: then nothing
	// is changed.
	UnlinkIdentity(ctx context.Context, user ids.User, id ids.Identity, acts ...Act) error
}

// Providers returns whom one can sign in by, in the order of the configuration.
func (s *Service) Providers() []Provider { return slices.Clone(s.cfg.Providers) }

// Identities returns the caller's identities, the first linked first.
func (s *Service) Identities(ctx context.Context, p principal.Principal) ([]Identity, error) {
	list, err := s.deps.Identities.UserIdentities(ctx, p.User)
	if err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	return list, nil
}

// Identity returns one of the caller's identities; ErrNoIdentity for another's
// as for one that is not there.
func (s *Service) Identity(ctx context.Context, p principal.Principal, id ids.Identity) (Identity, error) {
	list, err := s.Identities(ctx, p)
	if err != nil {
		return Identity{}, err
	}
	for _, i := range list {
		if i.ID == id {
			return i, nil
		}
	}
	return Identity{}, ErrNoIdentity
}

// LinkInput is what links an identity.
type LinkInput struct {
	Code     string // of a browser sign-in that was begun to link
	Verifier string // of the client that began it
	Password string // the caller's; empty when he has none
}

// LinkIdentity gives the caller an identity that a browser sign-in has just
// proved. That is his confirmation: the sign-in alone links nothing, so that
// nobody's identity gets to another's account by being sent somewhere. It asks
// for the password where there is one, as a stolen session must not make
// itself a way in. The addresses may differ; where they are the same, the
// account's is proved by it. ErrBadSignInCode (as bad input),
// ErrWrongPassword, ErrIdentityTaken, ErrTooManyIdentities, ErrTooMany.
func (s *Service) LinkIdentity(ctx context.Context, p principal.Principal, in LinkInput) (Identity, error) {
	code := signInHash(in.Code)
	h, _, err := s.handedOver(ctx, code, in.Verifier, ToLink)
	if errors.Is(err, ErrBadSignInCode) {
		return Identity{}, ErrBadLinkCode
	}
	if err != nil {
		return Identity{}, err
	}
	has, err := s.hasPassword(ctx, p.User)
	if err != nil {
		return Identity{}, fmt.Errorf("link an identity: %w", err)
	}
	if has {
		if _, err := s.ownPassword(ctx, p, in.Password); err != nil {
			return Identity{}, err
		}
	}
	i, err := s.deps.Identities.LinkIdentity(ctx, Linking{
		Code: code, Identity: h.identity(p.User, s.now()), Proved: emailKey(h.Email), Limit: identityLimit,
	}, s.act(ctx, ActIdentityLinked, p.User, p.User).of(p.Session).saying(h.Provider))
	if errors.Is(err, ErrBadSignInCode) {
		return Identity{}, ErrBadLinkCode
	}
	if err != nil {
		return Identity{}, fmt.Errorf("link an identity: %w", err)
	}
	return i, nil
}

// UnlinkIdentity takes one of the caller's identities from him; sessions that
// began by it go on. ErrNoIdentity, ErrLastWayIn.
func (s *Service) UnlinkIdentity(ctx context.Context, p principal.Principal, id ids.Identity) error {
	i, err := s.Identity(ctx, p, id)
	if err != nil {
		return err
	}
	err = s.deps.Identities.UnlinkIdentity(ctx, p.User, id,
		s.act(ctx, ActIdentityUnlinked, p.User, p.User).of(p.Session).saying(i.Provider))
	if err != nil {
		return fmt.Errorf("unlink an identity: %w", err)
	}
	return nil
}

// hasPassword says whether an account can be signed in to by a password.
func (s *Service) hasPassword(ctx context.Context, user ids.User) (bool, error) {
	a, err := s.deps.Accounts.Account(ctx, user)
	if err != nil {
		return false, err
	}
	c, err := s.deps.Accounts.CredentialByUsername(ctx, a.Username)
	return c.PasswordHash != "", err
}
