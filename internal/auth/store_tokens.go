package auth

import (
	"context"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Totp is what the store keeps of somebody's second factor.
type Totp struct {
	User        ids.User
	Sealed      []byte    // the secret, sealed
	BegunAt     time.Time // when the secret was made
	ConfirmedAt time.Time // zero: it waits for its first code and is not asked for
	Step        int64     // the time step (RFC 6238) of the last code that was taken
}

// Proof is a second factor that is spent. The zero Proof is none.
type Proof struct {
	Step     int64  // of a code of the authenticator
	Recovery []byte // hash of a recovery code
	// Lost says that whoever runs the server vouches for somebody who has
	// neither: there must be a second factor in force, and nothing is spent.
	// DisableTotp alone takes it.
	Lost bool
}

// TotpTurn turns a second factor on or off.
type TotpTurn struct {
	User ids.User
	Keep ids.Session // the one session of the user that does not end by it; zero for none
	At   time.Time
}

// Methods that take acts record them in the same commit.

// Factors keeps second factors. A proof is spent once, whatever number of
// callers and nodes present it at once.
type Factors interface {
	// BeginTotp stores a secret that waits to be confirmed, in the place of
	// another that did. ErrTotpOn when one is confirmed already, ErrNoAccount.
	BeginTotp(ctx context.Context, t Totp) error
	// Totp returns what there is; ErrTotpOff when there is none.
	Totp(ctx context.Context, user ids.User) (Totp, error)
	// ConfirmTotp puts the secret that waits in force, with t.Step spent and
	// the hashes of recovery codes in the place of older ones, and ends all
	// sessions of the user but one, with the events, in one commit; it returns
	// those that ended. ErrTotpOff when sealed is not what waits.
	ConfirmTotp(ctx context.Context, t TotpTurn, sealed []byte, step int64, recovery [][]byte, acts ...Act) ([]ids.Session, error)
	// DisableTotp forgets secret and recovery codes, spends the proof, and ends
	// sessions as ConfirmTotp does. ErrBadTotp when the proof is spent or of
	// nobody, ErrTotpOff when it was lost and there is nothing: then nothing is
	// changed.
	DisableTotp(ctx context.Context, t TotpTurn, by Proof, acts ...Act) ([]ids.Session, error)
	// RecoveryCodes says how many are left.
	RecoveryCodes(ctx context.Context, user ids.User) (int, error)
	// CreateSessionBy is CreateSession for one who has shown the password: a
	// proof is spent in the same commit (else ErrBadTotp), and without one it
	// is ErrTotpRequired when a second factor is in force. Then nothing is
	// changed.
	CreateSessionBy(ctx context.Context, s Session, network []byte, limit int, by Proof, acts ...Act) ([]ids.Session, error)
}

// PersonalToken is a token that somebody made for a program.
type PersonalToken struct {
	ID         ids.PersonalToken
	User       ids.User // for whom it speaks
	MadeBy     ids.User // the same, or the administrator who owns the bot
	Name       string
	Scopes     principal.Scope
	Hash       []byte // of the text
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // to the minute; zero: never
}

// WhichTokens says which personal tokens of a user to end.
type WhichTokens struct {
	Token  ids.PersonalToken // zero: all that speak for him or that he made
	Reason Reason
	At     time.Time
}

// NewBot is an account without a password.
type NewBot struct {
	ID          ids.User
	Owner       ids.User
	Username    string // unique
	NameKey     []byte // as of NewAccount
	DisplayName string // for the event only
	CreatedAt   time.Time
}

// Tokens keeps personal tokens, and the bots that have nothing else.
type Tokens interface {
	// CreateToken stores a token. ErrTooManyTokens when its user has limit
	// that have not expired by its CreatedAt; ErrNoAccount when its user or who
	// makes it is not there or not Active.
	CreateToken(ctx context.Context, t PersonalToken, limit int, acts ...Act) error
	// Token returns a token that has not expired by now, and what its user
	// may; ErrNoToken.
	Token(ctx context.Context, id ids.PersonalToken, now time.Time) (PersonalToken, Access, error)
	// UserTokens returns the tokens that speak for a user and have not expired
	// by now, the newest first.
	UserTokens(ctx context.Context, user ids.User, now time.Time) ([]PersonalToken, error)
	// EndTokens ends tokens, with an event TokenEnded each in the same commit,
	// and returns those that it ended: none is no error, and then the acts are
	// not recorded.
	EndTokens(ctx context.Context, user ids.User, w WhichTokens, acts ...Act) ([]ids.PersonalToken, error)
	// TokensUsed stores when tokens were last used, where it knows of no later
	// use; unknown tokens are ignored.
	TokensUsed(ctx context.Context, at map[ids.PersonalToken]time.Time) error
	// PurgeTokens forgets up to limit tokens that expired before now, and
	// returns how many.
	PurgeTokens(ctx context.Context, now time.Time, limit int) (int, error)
	// CreateBot makes an account of the role Bot, without a password or an
	// address, and the event AccountRegistered in one commit. ErrUsernameTaken:
	// then nothing is changed.
	CreateBot(ctx context.Context, b NewBot, acts ...Act) (Account, error)
	// BotOwner returns whose bot it is; ErrNoBot.
	BotOwner(ctx context.Context, bot ids.User) (ids.User, error)
}
