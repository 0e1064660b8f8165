package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
)

// Action is what the audit log says was done.
type Action string

// The actions.
const (
	ActRegistered     Action = "REGISTERED" // also by the command line, and then without an actor
	ActSignedIn       Action = "SIGNED_IN"
	ActSignInFailed   Action = "SIGN_IN_FAILED" // of a known account; the detail says why
	ActSignedOut      Action = "SIGNED_OUT"
	ActSessionRevoked Action = "SESSION_REVOKED"
	ActRefreshReused  Action = "REFRESH_TOKEN_REUSED"
	ActRoleChanged    Action = "ROLE_CHANGED" // the detail is the old role and the new one
	ActSuspended      Action = "SUSPENDED"    // the detail is the reason
	ActReinstated     Action = "REINSTATED"
	ActPasswordChange Action = "PASSWORD_CHANGED"
	ActPasswordReset  Action = "PASSWORD_RESET"
	ActPasswordLink   Action = "PASSWORD_RESET_BY_MAIL"
	ActEmailVerified  Action = "EMAIL_VERIFIED"
	ActEmailChanged   Action = "EMAIL_CHANGED"
	ActUsernameMoved  Action = "USERNAME_CHANGED"
	ActFactorOn       Action = "SECOND_FACTOR_ENABLED"
	ActFactorOff      Action = "SECOND_FACTOR_DISABLED"
	ActTokenCreated   Action = "TOKEN_CREATED" // the detail is its scopes
	ActTokenRevoked   Action = "TOKEN_REVOKED"
	ActBotCreated     Action = "BOT_CREATED"
	ActInviteCreated  Action = "INVITE_CREATED"
	ActInviteRevoked  Action = "INVITE_REVOKED"
	ActInviteUsed     Action = "INVITE_USED"
	// The detail of these, and of REGISTERED and SIGNED_IN by one, is the
	// provider's name.
	ActIdentityLinked   Action = "IDENTITY_LINKED"
	ActIdentityUnlinked Action = "IDENTITY_UNLINKED"
)

// Act is an entry of the audit log: who did what, to whom, from where, when.
// Of people it has identifiers only: their names are looked up when it is read,
// and gone when they are.
type Act struct {
	ID        ids.Audit // by the time of their making
	Action    Action
	Actor     ids.User // zero: nobody who had signed in, or the command line
	Target    ids.User // whose account it was about; zero when none
	Session   ids.Session
	Invite    ids.Invite
	Token     ids.PersonalToken
	Detail    string // no secrets, no addresses
	Address   string // of the actor; empty when unknown
	Device    string // the User-Agent, or the command
	RequestID string // empty outside a request
	At        time.Time
}

// AuditFilter chooses entries; zero fields choose all.
type AuditFilter struct {
	Actions []Action
	Actor   ids.User
	Target  ids.User
	Since   time.Time // at or after
	Until   time.Time // before
}

// Audit keeps what was done. Entries are added, read and, when they are old,
// forgotten; nothing changes them. Whatever changes something else takes its
// acts along, so that they are one commit.
type Audit interface {
	// Record stores failed tries, but for those of a target of whom there are
	// limit of the same action since already.
	Record(ctx context.Context, acts []Act, since time.Time, limit int) error
	// AuditPage returns entries, newest first: those before one (zero: all)
	// that the filter chooses, at most limit.
	AuditPage(ctx context.Context, f AuditFilter, before ids.Audit, limit int) ([]Act, error)
	// Act returns an entry; ErrNoAct.
	Act(ctx context.Context, id ids.Audit) (Act, error)
	// PurgeAudit forgets up to limit entries from before a time, and returns
	// how many.
	PurgeAudit(ctx context.Context, before time.Time, limit int) (int, error)
}

// act begins an entry with what ctx knows of the caller. It is how every entry
// is made; the store's method that does what it tells stores it in the same
// commit.
func (s *Service) act(ctx context.Context, what Action, actor, target ids.User) Act {
	client := principal.ClientFrom(ctx)
	return Act{
		ID: ids.New[ids.Audit](), Action: what, Actor: actor, Target: target,
		Address: address(client), Device: device(client), RequestID: principal.RequestID(ctx), At: s.now(),
	}
}

// of returns the act with the session that it is about.
func (a Act) of(session ids.Session) Act {
	a.Session = session
	return a
}

// with returns the act with the personal token that it is about.
func (a Act) with(token ids.PersonalToken) Act {
	a.Token = token
	return a
}

// saying returns the act with a detail.
func (a Act) saying(detail string) Act {
	a.Detail = detail
	return a
}

const (
	// failQueue is how many failed sign-ins may wait to be stored; further
	// ones are not.
	failQueue = 256
	// failLimit is how many of one account are stored in failSpan: a flood
	// leaves a mark, not a row for each guess.
	failLimit = 20
	failSpan  = time.Hour
)

// failed notes a sign-in that failed, of an account that there is. Nobody waits
// for it, so that it takes no longer than one of an account that there is not.
func (s *Service) failed(ctx context.Context, c Credential, why string) {
	if c.ID.IsZero() {
		return
	}
	select {
	case s.failures <- s.act(ctx, ActSignInFailed, ids.User{}, c.ID).saying(why):
	default:
	}
}

// keepFailures stores failed sign-ins until ctx ends, and those that wait then.
func (s *Service) keepFailures(ctx context.Context) {
	for {
		select {
		case first := <-s.failures:
			s.storeFailures(ctx, first)
		case <-ctx.Done():
			select {
			case first := <-s.failures:
				s.storeFailures(ctx, first)
			default:
			}
			return
		}
	}
}

// storeFailures stores one and all that wait behind it, also when ctx has ended.
func (s *Service) storeFailures(ctx context.Context, first Act) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	acts := []Act{first}
	for more := true; more && len(acts) <= failQueue; {
		select {
		case next := <-s.failures:
			acts = append(acts, next)
		default:
			more = false
		}
	}
	if err := s.deps.Audit.Record(ctx, acts, first.At.Add(-failSpan), failLimit); err != nil {
		s.deps.Log.Warn().Err(err).Int("entries", len(acts)).Msg("failed sign-ins are not in the audit log")
	}
}

// AuditLog returns a page of the audit log to an administrator, newest first.
func (s *Service) AuditLog(
	ctx context.Context, p principal.Principal, f AuditFilter, before ids.Audit, limit int,
) ([]Act, error) {
	if !p.May(principal.Administer) {
		return nil, ErrNotAdmin
	}
	if len(f.Actions) > maxActions {
		return nil, errs.ErrBadInput.With(errs.Field("filter.actions"))
	}
	f.Actions = slices.Compact(slices.Sorted(slices.Values(f.Actions)))
	acts, err := s.deps.Audit.AuditPage(ctx, f, before, min(limit, page.Max+1))
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return acts, nil
}

const maxActions = 100

// Act returns one entry to an administrator; ErrNoAct to others, as for one
// that is not there.
func (s *Service) Act(ctx context.Context, p principal.Principal, id ids.Audit) (Act, error) {
	if !p.May(principal.Administer) {
		return Act{}, ErrNoAct
	}
	a, err := s.deps.Audit.Act(ctx, id)
	if err != nil {
		return Act{}, fmt.Errorf("audit log: %w", err)
	}
	return a, nil
}
