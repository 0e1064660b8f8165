package auth

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
)

// MailKind is what a mail is for, and what the link in it does.
type MailKind string

// The kinds. Those of the first group have a link.
const (
	MailReset    MailKind = "RESET"    // sets another password
	MailVerify   MailKind = "VERIFY"   // proves the account's address
	MailChange   MailKind = "CHANGE"   // proves the address that is to be the account's
	MailRegister MailKind = "REGISTER" // proves the address of a registration, which becomes an account

	MailNobody        MailKind = "NOBODY"           // there is no such account: it is never sent
	MailResetDone     MailKind = "PASSWORD_RESET"   // somebody has used a MailReset
	MailPasswordDone  MailKind = "PASSWORD_CHANGED" // the owner, or who knew the password, changed it
	MailEmailAsked    MailKind = "EMAIL_ASKED"      // to the old address: another is to take its place
	MailEmailChanged  MailKind = "EMAIL_CHANGED"    // to the old address: another has
	MailUsernameMoved MailKind = "USERNAME_CHANGED"
)

// MailJob is a mail that was promised. No token is in it.
type MailJob struct {
	ID        ids.Mail // none: there is no mail to promise
	Kind      MailKind
	Subject   ids.User // the account, or the registration; zero for nobody
	Sealed    []byte   // the address
	CreatedAt time.Time
	DueAt     time.Time // when it is tried next
	Tries     int       // begun so far
}

// Link is what the token of a link in a mail is good for.
type Link struct {
	Kind      MailKind // of the first group
	Subject   ids.User // as of its MailJob
	Hash      []byte   // of the token
	Sealed    []byte   // the address that it was sent to
	ExpiresAt time.Time
}

// Pending is a registration whose address waits for its proof. ID is that of
// the account to be.
type Pending struct {
	ID        ids.User
	Sealed    []byte
	ExpiresAt time.Time
}

// Outbox keeps mail that was promised until it is delivered or given up.
type Outbox interface {
	// PromiseMail stores jobs.
	PromiseMail(ctx context.Context, jobs ...MailJob) error
	// ClaimMail returns up to limit jobs that are due by now, the longest due
	// first, and makes them due at until instead, with one try more: of any
	// number of nodes one gets a job.
	ClaimMail(ctx context.Context, now, until time.Time, limit int) ([]MailJob, error)
	// DelayMail makes a job due at another time; an unknown one is ignored.
	DelayMail(ctx context.Context, id ids.Mail, due time.Time) error
	// DropMail forgets a job; an unknown one is ignored.
	DropMail(ctx context.Context, id ids.Mail) error
	// MintLink stores the link of a job in the place of an earlier one of its
	// kind and subject. ErrNoMail when the job is gone: then nothing is stored.
	MintLink(ctx context.Context, id ids.Mail, l Link) error
	// AddPending stores a registration and its mail in one commit.
	AddPending(ctx context.Context, p Pending, j MailJob) error
	// Pending returns a registration that has not expired by now; ErrBadLink.
	Pending(ctx context.Context, id ids.User, now time.Time) (Pending, error)
	// PurgeLinks forgets up to limit links and as many registrations that
	// expired before now, and returns how many.
	PurgeLinks(ctx context.Context, now time.Time, limit int) (int, error)
}

// EmailChange is an address in the place of an account's own.
type EmailChange struct {
	Email string
	Key   string // unique
	Mail  MailJob
}

// Links spends what links are good for: each once, whatever number of callers
// and nodes present it at once. ErrBadLink, and nothing is changed, when a link
// is unknown, spent, of another kind or expired by the time of the act, or its
// account is not Active or a bot. The acts are recorded in the same commit.
type Links interface {
	// Link returns what a token's hash is good for at a time; ErrBadLink.
	Link(ctx context.Context, hash []byte, now time.Time) (Link, error)
	// SpendReset sets the password, proves the address, promises the mail and
	// ends all sessions with an event SessionEnded each; it returns them. Links
	// end as by ChangePassword. When the address was not proved before, the
	// account's identities are taken from it: they may be of whoever registered
	// in another's name.
	SpendReset(ctx context.Context, hash []byte, next string, m MailJob, a Act) ([]ids.Session, error)
	// SpendVerify proves the address of the account, if its key is still
	// emailKey; else ErrBadLink.
	SpendVerify(ctx context.Context, hash []byte, emailKey string, a Act) error
	// SpendChange gives the account another address, which is proven, and
	// promises the mail; all its links and its mail that waits but c.Mail end.
	// ErrEmailTaken when another has the address: then nothing is changed.
	SpendChange(ctx context.Context, hash []byte, c EmailChange, a Act) error
	// BeginEmailChange spends the proof as CreateSessionBy does and promises
	// mail, in one commit. ErrBadTotp, ErrTotpRequired, ErrNoAccount when it is
	// not Active: then nothing is changed.
	BeginEmailChange(ctx context.Context, user ids.User, by Proof, jobs ...MailJob) error
	// Rename gives the account another username, with the event
	// UsernameChanged, and promises the mail. ErrUsernameTaken; ErrNoAccount when
	// it is not there or not Active.
	Rename(ctx context.Context, username string, m MailJob, a Act) (Account, error)
}
