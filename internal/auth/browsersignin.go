package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/names"
	"chatd/internal/platform/principal"
)

// Vouched is what a provider has said of somebody whom it signed in. Nothing
// that it says is ever fetched.
type Vouched struct {
	Provider    string // the name of the Provider
	Issuer      string
	Subject     string
	Email       string // empty unless the provider says that it is verified
	Username    string // a wish; may be empty
	DisplayName string // a wish; may be empty
}

func (v Vouched) identity(user ids.User, now time.Time) Identity {
	return Identity{
		ID: ids.New[ids.Identity](), User: user, Issuer: v.Issuer, Subject: v.Subject, Provider: v.Provider,
		Email: v.Email, LinkedAt: now,
	}
}

// Intent is what a browser sign-in was begun for.
type Intent string

// The intents.
const (
	ToSignIn Intent = "sign-in"
	ToLink   Intent = "link"
)

// HandOver is a browser sign-in that has been finished, for the client that
// began it.
type HandOver struct {
	Vouched
	Intent    Intent
	Challenge string // see ChallengeOf
}

// ChallengeOf is what a client shows of a verifier that it keeps: base64url of
// its SHA-256, as in RFC 7636 section 4.2.
func ChallengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const (
	codeLife   = time.Minute      // of a sign-in code
	codeHeld   = 5 * time.Minute  // of one that waits for a second factor
	codeMemory = 30 * time.Minute // of its state: longer than a state is good for
	codePrefix = "sic_"

	sealedCode = "auth/sign-in-code"
)

func signInHash(code string) []byte {
	sum := sha256.Sum256([]byte("chatd sign-in code " + code))
	return sum[:]
}

// MayTryProvider takes one try of the caller's network at a browser sign-in;
// ErrTooMany.
func (s *Service) MayTryProvider(ctx context.Context) error {
	network := hex.EncodeToString(s.network(principal.ClientFrom(ctx)))
	return s.take(ctx, "auth/provider/network/"+network, s.cfg.Rates.Provider)
}

// HandOver makes the code by which a client gets what its browser's sign-in has
// proved, good once and for a minute. A state gives one code: ErrBadSignInCode
// for another.
func (s *Service) HandOver(ctx context.Context, state string, h HandOver) (string, error) {
	said, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("hand over a sign-in: %w", err)
	}
	code, now, of := codePrefix+rand.Text(), s.now(), sha256.Sum256([]byte("chatd sign-in state "+state))
	if err := s.deps.Identities.AddSignInCode(ctx, SignInCode{
		Hash: signInHash(code), State: of[:], Sealed: s.deps.Ring.Seal(sealedCode, said),
		MadeAt: now, ExpiresAt: now.Add(codeLife), PurgeAt: now.Add(codeMemory),
	}); err != nil {
		return "", fmt.Errorf("hand over a sign-in: %w", err)
	}
	return code, nil
}

// handedOver opens a code for who has the verifier and wants what the sign-in
// was begun for; whoever has not spends it. ErrBadSignInCode.
func (s *Service) handedOver(ctx context.Context, hash []byte, verifier string, want Intent) (HandOver, SignInCode, error) {
	if err := s.MayTryProvider(ctx); err != nil {
		return HandOver{}, SignInCode{}, err
	}
	c, err := s.deps.Identities.SignInCode(ctx, hash, s.now())
	if err != nil {
		return HandOver{}, c, fmt.Errorf("read a sign-in code: %w", err)
	}
	said, err := s.deps.Ring.Unseal(sealedCode, c.Sealed)
	if err != nil {
		return HandOver{}, c, fmt.Errorf("open a sign-in code: %w", err)
	}
	var h HandOver
	if err := json.Unmarshal(said, &h); err != nil {
		return HandOver{}, c, fmt.Errorf("open a sign-in code: %w", err)
	}
	if h.Intent != want || subtle.ConstantTimeCompare([]byte(ChallengeOf(verifier)), []byte(h.Challenge)) != 1 {
		if err := s.deps.Identities.SpendSignInCode(ctx, hash); err != nil && !errors.Is(err, ErrBadSignInCode) {
			return HandOver{}, c, fmt.Errorf("spend a sign-in code: %w", err)
		}
		return HandOver{}, c, ErrBadSignInCode
	}
	return h, c, nil
}

// ExchangeInput is what a client gives for a session.
type ExchangeInput struct {
	Code       string
	Verifier   string // what the challenge was made of
	Totp       string // of an account with a second factor; may be empty
	InviteCode string // for a new account; may be empty
}

// ExchangeSignInCode begins a session of who has signed in at a provider. An
// identity that an account has signs in to that account and to no other. One
// that nobody has makes an account, where registration allows it and the
// provider has verified an address that is nobody's; the address of an account
// is never enough to get into it: ErrLinkRequired. ErrBadSignInCode,
// ErrNoVerifiedEmail, ErrSuspended, ErrTotpRequired (then the code is good
// for four more minutes), ErrBadTotp, ErrTooMany, and what Register says of
// registration and invitations.
func (s *Service) ExchangeSignInCode(ctx context.Context, in ExchangeInput) (SignIn, error) {
	hash := signInHash(in.Code)
	h, code, err := s.handedOver(ctx, hash, in.Verifier, ToSignIn)
	if err != nil {
		return SignIn{}, err
	}
	for tries := 1; ; tries++ {
		i, err := s.deps.Identities.Identity(ctx, h.Issuer, h.Subject)
		switch {
		case err == nil:
			return s.signInBy(ctx, code, i, in.Totp)
		case !errors.Is(err, ErrNoIdentity):
			return SignIn{}, fmt.Errorf("sign in by %s: %w", h.Provider, err)
		}
		made, err := s.registerBy(ctx, hash, h, in.InviteCode)
		if tries < 5 && (errors.Is(err, ErrIdentityTaken) || errors.Is(err, ErrUsernameTaken)) {
			continue // another was quicker
		}
		return made, err
	}
}

// signInBy begins a session of the account that has an identity.
func (s *Service) signInBy(ctx context.Context, code SignInCode, i Identity, totp string) (SignIn, error) {
	account, err := s.deps.Accounts.Account(ctx, i.User)
	if err != nil {
		return SignIn{}, fmt.Errorf("sign in by %s: %w", i.Provider, err)
	}
	if account.State != Active {
		s.failed(ctx, Credential{Account: account}, "SUSPENDED")
		return SignIn{}, ErrSuspended
	}
	by, err := s.prove(ctx, i.User, totp)
	if errors.Is(err, ErrBadTotp) {
		s.failed(ctx, Credential{Account: account}, "SECOND_FACTOR")
	}
	if err != nil {
		return SignIn{}, err
	}
	now, client := s.now(), principal.ClientFrom(ctx)
	session, token := s.newSession(i.User, client, now)
	crowded, err := s.deps.Identities.CreateSessionOf(ctx, code.Hash, i.ID, session, s.network(client), s.cfg.SessionLimit, by,
		s.act(ctx, ActSignedIn, i.User, i.User).of(session.ID).saying(i.Provider))
	switch {
	case errors.Is(err, ErrTotpRequired):
		if err := s.deps.Identities.HoldSignInCode(ctx, code.Hash, code.MadeAt.Add(codeHeld)); err != nil {
			return SignIn{}, fmt.Errorf("wait for a second factor: %w", err)
		}
		return SignIn{}, ErrTotpRequired
	case errors.Is(err, ErrNoAccount): // suspended since
		return SignIn{}, ErrSuspended
	case errors.Is(err, ErrNoIdentity): // unlinked since
		return SignIn{}, ErrBadSignInCode
	case err != nil:
		return SignIn{}, fmt.Errorf("sign in by %s: %w", i.Provider, err)
	}
	s.ended(crowded)
	return s.signIn(account, session, token, now)
}

// registerBy makes the account of an identity that nobody has.
func (s *Service) registerBy(ctx context.Context, code []byte, h HandOver, invite string) (SignIn, error) {
	email, err := cleanEmail(h.Email)
	if err == nil {
		switch _, err := s.deps.Accounts.CredentialByEmail(ctx, emailKey(email)); {
		case err == nil:
			return SignIn{}, ErrLinkRequired
		case !errors.Is(err, ErrNoAccount):
			return SignIn{}, fmt.Errorf("register by %s: %w", h.Provider, err)
		}
	}
	admin, denied := s.mayRegister(RegisterInput{InviteCode: invite})
	switch {
	case denied != nil:
		return SignIn{}, denied
	case err != nil: // also for what is no address to us
		return SignIn{}, ErrNoVerifiedEmail
	}
	client, now := principal.ClientFrom(ctx), s.now()
	a := NewAccount{
		ID: ids.New[ids.User](), Email: email, EmailKey: emailKey(email), FirstAdmin: admin,
		Network: s.network(client), CreatedAt: now, Code: code,
		Verified: true, // as the provider says, whom the operator trusts in that
	}
	i := h.identity(a.ID, now)
	i.LastUsedAt, a.Identity = now, &i
	if err := s.take(ctx, "auth/register/"+hex.EncodeToString(a.Network), s.cfg.Rates.Register); err != nil {
		return SignIn{}, err
	}
	if err := s.invited(ctx, invite, &a); err != nil {
		return SignIn{}, err
	}
	if a.Username, err = s.freeUsername(ctx, h.Username, email, h.DisplayName); err != nil {
		return SignIn{}, fmt.Errorf("register by %s: %w", h.Provider, err)
	}
	a.NameKey = s.nameKey(a.Username)
	a.DisplayName = displayNameOf(h.DisplayName, a.Username)
	session, token := s.newSession(a.ID, client, now)
	acts := []Act{s.act(ctx, ActRegistered, a.ID, a.ID).of(session.ID).saying(h.Provider)}
	if a.Invite != nil {
		acts = append(acts, s.act(ctx, ActInviteUsed, a.ID, a.ID))
	}
	account, err := s.deps.Accounts.CreateAccount(ctx, a, session, acts...)
	if errors.Is(err, ErrEmailTaken) { // since
		// By the same identity at the same moment, perhaps: then it signs in.
		if _, err := s.deps.Identities.Identity(ctx, h.Issuer, h.Subject); err == nil {
			return SignIn{}, ErrIdentityTaken
		}
		return SignIn{}, ErrLinkRequired
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("register by %s: %w", h.Provider, err)
	}
	if err := s.profile(ctx, a); err != nil {
		return SignIn{}, err
	}
	return s.signIn(account, session, token, now)
}

// freeUsername makes a username of the first wish that gives one, with a
// number behind it when it is somebody's.
func (s *Service) freeUsername(ctx context.Context, wish, email, display string) (string, error) {
	base := ""
	local, _, _ := strings.Cut(email, "@")
	wish, _, _ = strings.Cut(wish, "@") // many are called by an address
	for _, from := range []string{wish, local, display, "user"} {
		if base = usernameOf(from); base != "" {
			break
		}
	}
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = base + "-" + strconv.Itoa(n)
		}
		if n > 9 {
			name = base + "-" + strings.ToLower(rand.Text()[:6])
		}
		switch free, err := s.nameFree(ctx, name); {
		case err != nil:
			return "", err
		case free:
			return name, nil
		}
	}
}

// usernameOf folds a wish to what a username may have; empty when too little
// is left. There is room for a number behind it.
func usernameOf(wish string) string {
	if len(wish) > 256 {
		return ""
	}
	var b strings.Builder
	for _, r := range names.Fold(wish) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '.' || r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('.')
		}
	}
	name := strings.Trim(b.String(), "_.-")
	name = strings.TrimRight(name[:min(len(name), 24)], "_.-")
	if name, err := cleanUsername(name); err == nil {
		return name
	}
	return ""
}

// displayNameOf makes what a provider calls somebody fit, else takes instead.
func displayNameOf(wish, instead string) string {
	wish = strings.Join(strings.Fields(strings.ToValidUTF8(wish, "")), " ")
	if utf8.RuneCountInString(wish) > 64 {
		wish = strings.TrimSpace(string([]rune(wish)[:64]))
	}
	if name, err := cleanDisplayName(wish); err == nil {
		return name
	}
	return instead
}
