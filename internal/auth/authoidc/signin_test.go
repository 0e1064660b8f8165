package authoidc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/oidctest"
	"chatd/internal/platform/principal"
)

func TestAnIdentityMakesAnAccountAndSignsInToItAgain(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	in, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil {
		t.Fatal(err, r.logged())
	}
	if a := in.Account; a.Username != "ada" || a.Email != "ada@example.org" || !a.EmailVerified || a.Role != principal.Admin {
		t.Errorf("%+v", a) // the first account of an empty server in dev
	}
	if p := r.Profiles.Of(in.Account.ID); p.DisplayName != "Ada Lovelace" || p.Username != "ada" {
		t.Errorf("%+v", p)
	}
	if c := r.Caller(t, in); c.User != in.Account.ID || c.Session != in.Session.ID {
		t.Errorf("%+v", c)
	}
	// A new name and address at the provider change nothing: the key is the subject.
	op.Add(oidctest.User{Subject: ada.Subject, Username: "countess", First: "A", Last: "King", Email: "king@example.org", Verified: false})
	again, err := r.exchange(t.Context(), r.code(t, "countess", nil))
	if err != nil || again.Account != in.Account || again.Session.ID == in.Session.ID {
		t.Errorf("%+v %v", again.Account, err)
	}
	list, err := r.Identities(t.Context(), r.Caller(t, in))
	if err != nil || len(list) != 1 || list[0].Subject != ada.Subject || list[0].Issuer != op.Issuer || list[0].LastUsedAt.IsZero() {
		t.Errorf("%+v %v", list, err)
	}
	var did []string
	acts, err := r.Store.AuditPage(t.Context(), auth.AuditFilter{}, ids.Audit{}, 10)
	for _, a := range acts {
		did = append(did, string(a.Action)+" "+a.Detail)
	}
	if err != nil || strings.Join(did, ", ") != "SIGNED_IN corp, REGISTERED corp" {
		t.Error(did, err)
	}
	if strings.Contains(r.logged(), "ada") {
		t.Errorf("logged: %s", r.logged())
	}
	// There is no password: none signs in.
	for _, password := range []string{"", " ", oidctest.Password} {
		if _, err := r.Service.Login(t.Context(), auth.LoginInput{Login: "ada", Password: password}); !errors.Is(err, auth.ErrBadCredentials) {
			t.Error(err)
		}
	}
}

func TestUsernamesAreDerivedAndMadeUnique(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	r := setup(t, providers)
	for i, c := range []struct{ wish, first, last, want, display string }{
		{"José.Ñandú@example.org", "José", "Ñandú", "jose.nandu", "José Ñandú"},
		{"jose.nandu", "José", "\u202eTwo", "jose.nandu-2", "jose.nandu-2"},
		{"日本", "日", "本", "mail2", "日 本"},
		{"x" + strings.Repeat("y", 80), "Long", strings.Repeat("z", 100), "x" + strings.Repeat("y", 23), "Long " + strings.Repeat("z", 59)},
		{"--__..", "", "", "mail4", "mail4"},
	} {
		n := strconv.Itoa(i)
		op.Add(oidctest.User{Subject: n, Username: c.wish, First: c.first, Last: c.last, Email: "mail" + n + "@example.org", Verified: true})
		in, err := r.exchange(t.Context(), r.code(t, c.wish, nil))
		if err != nil || in.Account.Username != c.want {
			t.Errorf("%q: %+v %v", c.wish, in.Account, err)
		}
		if p := r.Profiles.Of(in.Account.ID); p.DisplayName != c.display {
			t.Errorf("%q is shown as %q, want %q", c.wish, p.DisplayName, c.display)
		}
	}
}

func TestAnAddressAloneGetsNobodyIntoAnAccount(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	r := setup(t, providers)
	victim, err := r.Service.Register(t.Context(), auth.RegisterInput{Email: "Victim@Example.org", Username: "victim", Password: authtest.Password})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		email    string
		verified bool
		want     error
	}{
		{"Victim@Example.org", true, auth.ErrLinkRequired},
		{"victim@example.org", true, auth.ErrLinkRequired},
		{"VICTIM@EXAMPLE.ORG", true, auth.ErrLinkRequired},
		{" victim@example.org ", true, auth.ErrLinkRequired},
		{"victim@example.org", false, auth.ErrNoVerifiedEmail},
		{"VICTIM@example.org", false, auth.ErrNoVerifiedEmail},
		{"", true, auth.ErrNoVerifiedEmail},
		{"victim", true, auth.ErrNoVerifiedEmail},
		{"<victim@example.org>", true, auth.ErrNoVerifiedEmail},
		{"victim@example.org,other@example.org", true, auth.ErrNoVerifiedEmail},
		{"victim@example.org\x00.evil.example", true, auth.ErrNoVerifiedEmail},
		{"vıctim@example.org", true, auth.ErrNoVerifiedEmail}, // a dotless i
		{"victim@example.org.evil.example", true, nil},        // others, who happen to contain it
		{"not-victim@example.org", true, nil},
		{"victim@example.or", true, nil},
	} {
		n := strconv.Itoa(i)
		op.Add(oidctest.User{Subject: "evil" + n, Username: "evil" + n, First: "E", Last: "E", Email: c.email, Verified: c.verified})
		in, err := r.exchange(t.Context(), r.code(t, "evil"+n, nil))
		if !errors.Is(err, c.want) || c.want == nil && err != nil || in.Account.ID == victim.Account.ID {
			t.Errorf("%q, verified %v: %v", c.email, c.verified, err)
		}
	}
	if list, err := r.Sessions(t.Context(), r.Caller(t, victim)); err != nil || len(list) != 1 {
		t.Errorf("%d sessions of the victim's, %v", len(list), err)
	}
	if list, err := r.Identities(t.Context(), r.Caller(t, victim)); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestRegistrationIsAskedForByProvidersToo(t *testing.T) {
	t.Parallel()
	for mode, want := range map[auth.Registration]error{auth.Closed: auth.ErrRegistrationClosed, auth.Invite: auth.ErrInviteRequired} {
		op, providers := real(t)
		op.Add(ada)
		r := setup(t, providers, func(_ *auth.Deps, c *auth.Config) { c.Registration = mode })
		code := r.code(t, "ada", nil)
		if _, err := r.exchange(t.Context(), code); !errors.Is(err, want) {
			t.Errorf("%s: %v", mode, err)
		}
		_, invite, err := r.CreateInviteFor(t.Context(), auth.NewInvite{Email: "ADA@example.org", Role: principal.Guest})
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.ExchangeSignInCode(t.Context(), auth.ExchangeInput{Code: code, Verifier: verifier, InviteCode: invite})
		if mode == auth.Invite && (err != nil || in.Account.Role != principal.Guest) || mode == auth.Closed && !errors.Is(err, want) {
			t.Errorf("%s, with an invitation: %+v %v", mode, in.Account, err)
		}
	}
}

func TestASuspendedAccountStaysOut(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	r.Register(t) // the administrator, who would not be suspended
	in, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil {
		t.Fatal(err)
	}
	early := r.code(t, "ada", nil)
	if _, err := r.SuspendFor(t.Context(), in.Account.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{early, r.code(t, "ada", nil)} {
		if _, err := r.exchange(t.Context(), code); !errors.Is(err, auth.ErrSuspended) {
			t.Error(err)
		}
	}
	a, err := r.Find(t.Context(), "ada")
	if err != nil || a.State != auth.Suspended {
		t.Errorf("%+v %v", a, err)
	}
}

func TestTheSecondFactorIsAskedForOnThisWayToo(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	in := r.Register(t)
	linked := r.link(t, in, "ada")
	setup, err := r.BeginTotp(t.Context(), r.Caller(t, in), authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	now := func() string {
		code, err := totp.GenerateCode(setup.Secret, r.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	if _, err := r.ConfirmTotp(t.Context(), r.Caller(t, in), now()); err != nil {
		t.Fatal(err)
	}
	code := r.code(t, "ada", nil)
	come := func(totp string) error {
		_, err := r.ExchangeSignInCode(t.Context(), auth.ExchangeInput{Code: code, Verifier: verifier, Totp: totp})
		return err
	}
	used := now()
	for totp, want := range map[string]error{"": auth.ErrTotpRequired, "000000": auth.ErrBadTotp, used: auth.ErrBadTotp} {
		if err := come(totp); !errors.Is(err, want) {
			t.Errorf("%q: %v", totp, err)
		}
	}
	r.Clock.Add(4 * time.Minute) // somebody looks for his telephone
	if err := come(now()); err != nil {
		t.Error(err)
	}
	r.Clock.Add(time.Minute)
	if err := come(now()); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("a used code: %v", err)
	}
	code = r.code(t, "ada", nil)
	if err := come(""); !errors.Is(err, auth.ErrTotpRequired) {
		t.Error(err)
	}
	r.Clock.Add(5*time.Minute + time.Second)
	if err := come(now()); !errors.Is(err, auth.ErrBadSignInCode) {
		t.Errorf("a code that waited too long: %v", err)
	}
	if linked.User != in.Account.ID {
		t.Error(linked)
	}
}

func TestACodeIsGoodOnceForAMinuteAndForItsClientAlone(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	refused := func(what, code, verifier string) {
		t.Helper()
		in, err := r.ExchangeSignInCode(t.Context(), auth.ExchangeInput{Code: code, Verifier: verifier})
		if !errors.Is(err, auth.ErrBadSignInCode) {
			t.Errorf("%s: %+v %v", what, in, err)
		}
	}
	for _, other := range []string{"", "another", auth.ChallengeOf(verifier), verifier + " "} {
		code := r.code(t, "ada", nil)
		refused("another verifier", code, other)
		refused("the right one after a wrong one", code, verifier)
	}
	refused("one that was begun to link", r.code(t, "ada", toLink), verifier)
	refused("none", "", verifier)
	late := r.code(t, "ada", nil)
	r.Clock.Add(time.Minute)
	refused("one of a minute ago", late, verifier)
	if _, err := r.Find(t.Context(), "ada"); !errors.Is(err, auth.ErrNoAccount) {
		t.Fatalf("an account was made: %v", err)
	}
	code := r.code(t, "ada", nil)
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := r.exchange(t.Context(), code); err == nil {
				in.Add(1)
			} else if !errors.Is(err, auth.ErrBadSignInCode) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d sign-ins by one code", in.Load())
	}
	// A code is no token of another kind.
	code = r.code(t, "ada", nil)
	if _, err := r.Authenticate(t.Context(), code); !errors.Is(err, auth.ErrBadToken) {
		t.Error(err)
	}
	if _, err := r.Refresh(t.Context(), code); !errors.Is(err, auth.ErrBadRefresh) {
		t.Error(err)
	}
	made, err := r.exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{made.AccessToken, made.RefreshToken} {
		refused("a token of another kind", token, verifier)
	}
}

// Two browsers of somebody new at once make one account.
func TestOneIdentityIsOneAccountHoweverManyComeAtOnce(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	codes := make([]string, 8)
	for i := range codes {
		codes[i] = r.code(t, "ada", nil)
	}
	var wg sync.WaitGroup
	made := make([]ids.User, len(codes))
	for i, code := range codes {
		wg.Go(func() {
			in, err := r.exchange(t.Context(), code)
			if err != nil {
				t.Error(err)
			}
			made[i] = in.Account.ID
		})
	}
	wg.Wait()
	for _, id := range made {
		if id != made[0] {
			t.Errorf("two accounts: %s and %s", id, made[0])
		}
	}
}

// link links an identity of the provider to an account.
func (r *rig) link(t *testing.T, in auth.SignIn, user string) auth.Identity {
	t.Helper()
	i, err := r.LinkIdentity(t.Context(), r.Caller(t, in), auth.LinkInput{Code: r.code(t, user, toLink), Verifier: verifier, Password: authtest.Password})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// mailed asks for a reset and returns the token of the mail.
func (r *rig) mailed(t *testing.T, a auth.Account) string {
	t.Helper()
	if err := r.RequestPasswordReset(t.Context(), a.Email); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for tick := time.Tick(5 * time.Millisecond); ; {
		if sent := r.Mail.Take(); len(sent) > 0 {
			return authtest.Token(sent[0])
		}
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatal("no mail comes")
		}
	}
}

// Somebody registers in another's name and links himself. Once the address's
// owner has reset the password, neither password nor identity of his is good.
func TestWhoRegisteredInAnothersNameIsOutWhenTheOwnerComes(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	r := setup(t, providers)
	in := r.Register(t)
	op.Add(oidctest.User{Subject: "m", Username: "mallory", Email: "mallory@example.org", Verified: true})
	r.link(t, in, "mallory")
	op.Add(oidctest.User{Subject: "o", Username: "owner", Email: in.Account.Email, Verified: true})
	if _, err := r.exchange(t.Context(), r.code(t, "owner", nil)); !errors.Is(err, auth.ErrLinkRequired) {
		t.Fatal(err)
	}
	if err := r.ResetByLink(t.Context(), r.mailed(t, in.Account), "the owner's own passphrase"); err != nil {
		t.Fatal(err)
	}
	if made, err := r.exchange(t.Context(), r.code(t, "mallory", nil)); err != nil || made.Account.ID == in.Account.ID {
		t.Errorf("mallory is in: %+v %v", made.Account, err)
	}
	if _, err := r.Service.Login(t.Context(), auth.LoginInput{Login: in.Account.Username, Password: authtest.Password}); !errors.Is(err, auth.ErrBadCredentials) {
		t.Errorf("by the old password: %v", err)
	}
	back, err := r.Service.Login(t.Context(), auth.LoginInput{Login: in.Account.Username, Password: "the owner's own passphrase"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.LinkIdentity(t.Context(), r.Caller(t, back), auth.LinkInput{Code: r.code(t, "owner", toLink), Verifier: verifier, Password: "the owner's own passphrase"}); err != nil {
		t.Error(err)
	}
}

// An account without a password gets its first by a reset, and then may lose
// its identity.
func TestAnAccountOfAProviderGetsItsFirstPasswordByAReset(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	in, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil {
		t.Fatal(err)
	}
	p := r.Caller(t, in)
	for _, current := range []string{"", authtest.Password} {
		if err := r.ChangePassword(t.Context(), p, auth.ChangePasswordInput{Current: current, Next: authtest.Password}); !errors.Is(err, auth.ErrWrongPassword) {
			t.Errorf("%q: %v", current, err)
		}
	}
	if err := r.ResetByLink(t.Context(), r.mailed(t, in.Account), authtest.Password); err != nil {
		t.Fatal(err)
	}
	again := r.Login(t, in.Account)
	mine, err := r.Identities(t.Context(), r.Caller(t, again))
	if err != nil || len(mine) != 1 {
		t.Fatalf("its identity has gone: %+v %v", mine, err)
	}
	if err := r.UnlinkIdentity(t.Context(), r.Caller(t, again), mine[0].ID); err != nil {
		t.Error(err)
	}
}

// Who has no password has just signed in instead, when he deletes his account;
// a refresh is no sign-in.
func TestWhoHasNoPasswordSignsInToDeleteHisAccount(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	r.Register(t) // administers the server
	in, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil {
		t.Fatal(err)
	}
	r.Clock.Add(11 * time.Minute)
	if in, err = r.Refresh(t.Context(), in.RefreshToken); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", authtest.Password} {
		if err := r.DeleteAccount(t.Context(), r.Caller(t, in), password, ""); !errors.Is(err, auth.ErrSignInAgain) {
			t.Errorf("%q: %v", password, err)
		}
	}
	again, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil || again.Account.ID != in.Account.ID {
		t.Fatal(again.Account, err)
	}
	if err := r.DeleteAccount(t.Context(), r.Caller(t, again), "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
		t.Error(err)
	}
}

func TestLinkingProvesTheAddressThatTheProviderHasVerified(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	r := setup(t, providers)
	in := r.Register(t)
	for i, c := range []struct {
		email    string
		verified bool
		want     bool
	}{{in.Account.Email, false, false}, {"other@example.org", true, false}, {strings.ToUpper(in.Account.Email), true, true}} {
		n := strconv.Itoa(i)
		op.Add(oidctest.User{Subject: n, Username: "u" + n, Email: c.email, Verified: c.verified})
		r.link(t, in, "u"+n)
		if a, err := r.Account(t.Context(), r.Caller(t, in), in.Account.ID); err != nil || a.EmailVerified != c.want {
			t.Errorf("%+v: %+v %v", c, a, err)
		}
	}
}

func TestAnIdentityIsLinkedByWhoIsSignedInAndConfirms(t *testing.T) {
	t.Parallel()
	op, providers := real(t)
	op.Add(ada)
	r := setup(t, providers)
	in, other := r.Register(t), r.Register(t)
	caller := r.Caller(t, in)
	for what, c := range map[string]struct {
		in   auth.LinkInput
		want error
	}{
		"one that was begun to sign in": {auth.LinkInput{Code: r.code(t, "ada", nil), Verifier: verifier, Password: authtest.Password}, auth.ErrBadLinkCode},
		"another's":                     {auth.LinkInput{Code: r.code(t, "ada", toLink), Verifier: "another", Password: authtest.Password}, auth.ErrBadLinkCode},
		"a wrong password":              {auth.LinkInput{Code: r.code(t, "ada", toLink), Verifier: verifier, Password: "not the password"}, auth.ErrWrongPassword},
		"no password":                   {auth.LinkInput{Code: r.code(t, "ada", toLink), Verifier: verifier}, auth.ErrWrongPassword},
	} {
		if _, err := r.LinkIdentity(t.Context(), caller, c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if list, err := r.Identities(t.Context(), caller); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	i := r.link(t, in, "ada") // the addresses differ
	if back, err := r.exchange(t.Context(), r.code(t, "ada", nil)); err != nil || back.Account != in.Account {
		t.Errorf("%+v %v", back.Account, err)
	}
	taken := auth.LinkInput{Code: r.code(t, "ada", toLink), Verifier: verifier, Password: authtest.Password}
	if _, err := r.LinkIdentity(t.Context(), r.Caller(t, other), taken); !errors.Is(err, auth.ErrIdentityTaken) {
		t.Errorf("another's identity: %v", err)
	}
	if again := r.link(t, in, "ada"); again.ID != i.ID {
		t.Errorf("linked twice: %+v", again)
	}
	if err := r.UnlinkIdentity(t.Context(), r.Caller(t, other), i.ID); !errors.Is(err, auth.ErrNoIdentity) {
		t.Errorf("another's identity: %v", err)
	}
	if err := r.UnlinkIdentity(t.Context(), caller, i.ID); err != nil {
		t.Error(err)
	}
	made, err := r.exchange(t.Context(), r.code(t, "ada", nil))
	if err != nil || made.Account.ID == in.Account.ID {
		t.Fatalf("an unlinked identity: %+v %v", made.Account, err)
	}
	mine, err := r.Identities(t.Context(), r.Caller(t, made))
	if err != nil || len(mine) != 1 {
		t.Fatalf("%+v %v", mine, err)
	}
	if err := r.UnlinkIdentity(t.Context(), r.Caller(t, made), mine[0].ID); !errors.Is(err, auth.ErrLastWayIn) {
		t.Errorf("the last way in: %v", err)
	}
}

// Nothing that a token or userinfo names is fetched, and no picture becomes
// anybody's.
func TestNothingThatAProviderSaysOfSomebodyIsFetched(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(canary.Close)
	e := newEvil(t)
	e.header = map[string]any{"jku": canary.URL, "x5u": canary.URL}
	e.claims = map[string]any{
		"picture": canary.URL + "/p.png", "profile": canary.URL, "website": canary.URL, "email": nil,
		"_claim_names": map[string]any{"email": "a", "groups": "a"}, "_claim_sources": map[string]any{"a": map[string]any{"endpoint": canary.URL, "access_token": "x"}},
	}
	e.userinfo = map[string]any{
		"sub": "s", "email": "s@example.org", "email_verified": true, "picture": canary.URL, "name": canary.URL,
		"_claim_sources": map[string]any{"a": map[string]any{"endpoint": canary.URL}},
	}
	r := setup(t, e.providers)
	code, instead := e.signIn(t, r, oidctest.NewBrowser())
	if code == "" {
		t.Fatal(instead, r.logged())
	}
	if _, err := r.exchange(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests to what was named", n)
	}
}
