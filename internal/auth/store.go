package auth

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/signing"
)

// What auth needs of storage, one interface a family. One value may be all of
// them. Every method may be called at once by any number of goroutines and,
// for stores that several nodes share, nodes; each is one atomic step. Times
// come back in UTC, exact to the microsecond.

// FirstAdmin says when CreateAccount makes an administrator.
type FirstAdmin uint8

// When a new account is an administrator.
const (
	NeverAdmin   FirstAdmin = iota
	AdminIfEmpty            // when there is no account yet; else a member
	AdminIfNone             // when there is no administrator yet; else ErrBadSetupToken
)

// NewAccount is an account to be made.
type NewAccount struct {
	ID           ids.User
	Email        string
	EmailKey     string // unique
	Username     string // unique
	NameKey      []byte // by what it is taken, when somebody had it who is gone
	DisplayName  string // for the event only
	PasswordHash string
	FirstAdmin   FirstAdmin
	Role         principal.Role // empty: what FirstAdmin, or else the invitation, says
	Invite       []byte         // hash of the invitation's code; nil without
	Verified     bool           // its address is known to be its owner's
	Link         []byte         // hash of the link by which the registration of the same ID is confirmed; nil without
	Network      []byte         // of the address it was made from; nil when unknown
	Identity     *Identity      // what it is made for; nil without
	Code         []byte         // hash of the sign-in code that Identity came by
	CreatedAt    time.Time
}

// PasswordChange is a password to be replaced by its owner.
type PasswordChange struct {
	User ids.User
	Old  string // hash
	Next string // hash
	Keep ids.Session
	At   time.Time
	Mail MailJob // tells the owner
}

// Accounts keeps accounts and their passwords.
type Accounts interface {
	// CreateAccount makes the account, its first session (none when that is
	// zero) and the event AccountRegistered in one commit, takes a use of the
	// invitation where there is one, records the acts, those of action
	// INVITE_USED with the invitation, stores the identity and spends its code
	// where there is one, spends the link where there is one (else ErrBadLink)
	// with the registration, and returns the account with the role
	// that it got. Of any number at once, on all nodes, one gets what FirstAdmin
	// promises, and no more than MaxUses come in by an invitation. An address
	// that an invitation was for is forgotten with its use. ErrEmailTaken,
	// ErrUsernameTaken (when both, this one), ErrBadSetupToken, ErrBadInvite,
	// ErrBadSignInCode, ErrIdentityTaken: then nothing is changed.
	CreateAccount(ctx context.Context, a NewAccount, s Session, acts ...Act) (Account, error)
	// Account returns an account; ErrNoAccount.
	Account(ctx context.Context, id ids.User) (Account, error)
	// CredentialByEmail finds by the key of an address; ErrNoAccount.
	CredentialByEmail(ctx context.Context, emailKey string) (Credential, error)
	// CredentialByUsername finds by the lower-case name; ErrNoAccount.
	CredentialByUsername(ctx context.Context, username string) (Credential, error)
	// HasAdmin says whether there is an administrator, suspended ones too.
	HasAdmin(ctx context.Context) (bool, error)
	// ReplacePassword puts next in the place of old; nothing happens when the
	// hash is no longer old.
	ReplacePassword(ctx context.Context, id ids.User, old, next string) error
	// ChangePassword puts c.Next in the place of c.Old, promises the mail and
	// ends the user's sessions but c.Keep, with an event SessionEnded each, in
	// one commit, and returns those that it ended. Links to reset the password
	// and to change the address are good for nothing then. ErrWrongPassword when the hash is no longer
	// c.Old: then nothing is changed.
	ChangePassword(ctx context.Context, c PasswordChange, acts ...Act) ([]ids.Session, error)
	// KnowsNetwork says whether the account signed in from network at or
	// after since.
	KnowsNetwork(ctx context.Context, id ids.User, network []byte, since time.Time) (bool, error)
}

// Which says which sessions of a user to end.
type Which struct {
	Session ids.Session // zero: all of them
	Reason  Reason
	At      time.Time
}

// Sessions keeps who is signed in.
type Sessions interface {
	// CreateSession stores s and that its user signed in from network (nil
	// when unknown). Of more than limit sessions of the user those unused
	// longest are ended in the same commit, and returned; the acts are recorded
	// in it. ErrNoAccount when the account is not there or not Active.
	CreateSession(ctx context.Context, s Session, network []byte, limit int, acts ...Act) ([]ids.Session, error)
	// Session returns a session that has not ended or expired by now;
	// ErrNoSession.
	Session(ctx context.Context, id ids.Session, now time.Time) (Session, error)
	// SessionAccess returns whose session it is and what he may; ErrNoSession
	// as for Session.
	SessionAccess(ctx context.Context, id ids.Session, now time.Time) (Access, error)
	// UserSessions returns a user's sessions that have not expired by now,
	// the last used first.
	UserSessions(ctx context.Context, user ids.User, now time.Time) ([]Session, error)
	// ChangeSession calls change with the session and its account and stores
	// what it made of Device, Address, LastUsedAt, ExpiresAt and Refresh;
	// nobody else changes the session meanwhile. When change fails nothing is
	// stored and its error returned. change may be called again after a
	// conflict, so it must have no other effect. ErrNoSession also for one
	// that has expired.
	ChangeSession(ctx context.Context, id ids.Session, now time.Time, change func(s *Session, a Account) error) error
	// EndSessions ends sessions of user, with an event SessionEnded each in
	// the same commit, and returns those that it ended: none is no error. When
	// all end with the reason StateLocked or AccountDeleted, so do the personal tokens that speak
	// for the user or that he made, which are returned by their Handles. The
	// acts are recorded in the same commit when anything ended.
	EndSessions(ctx context.Context, user ids.User, w Which, acts ...Act) ([]ids.Session, error)
	// PurgeSessions forgets up to limit sessions that expired before now, and
	// networks last seen before networksBefore, and returns how many.
	PurgeSessions(ctx context.Context, now, networksBefore time.Time, limit int) (int, error)
}

// SigningKey is a stored key of access tokens.
type SigningKey = signing.Key

// Keys keeps the signing keys, oldest first.
type Keys = signing.Store

// Change is one entry of the change log: an event as it was committed.
type Change struct {
	Pos     int64
	Name    string // of authv1
	Key     string // order is per key: the user's id
	Time    time.Time
	Payload []byte
}

// Changes is the log of what was committed, in an order in which an entry
// becomes visible only after all lower ones.
type Changes interface {
	// Changes returns up to limit entries after a position, in order.
	Changes(ctx context.Context, after int64, limit int) ([]Change, error)
	// LastChange returns the position of the newest entry, 0 when there is none.
	LastChange(ctx context.Context) (int64, error)
}
