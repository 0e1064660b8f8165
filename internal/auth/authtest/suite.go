package authtest

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// RunStore holds a storage to the promises of auth's interfaces. each calls
// its second argument with an empty storage, once for every engine.
func RunStore(t *testing.T, each func(t *testing.T, run func(t *testing.T, s Store))) {
	t.Helper()
	tests := map[string]func(*testing.T, Store){
		"accounts come back as they were made":        accountsComeBack,
		"a taken name is refused and changes nothing": takenNames,
		"of many at once one is the administrator":    oneAdministrator,
		"of many with one name one gets it":           oneWinner,
		"passwords are replaced only when expected":   replacePassword,
		"of many that change a password one does":     oneChanges,
		"networks are known since the last sign-in":   networks,
		"sessions come back and expire":               sessionsExpire,
		"the session unused longest is crowded out":   crowdedOut,
		"changes of a session follow each other":      changesFollow,
		"a failed change changes nothing":             failedChange,
		"only the owner's sessions end, and are told": endSessions,
		"the log is dense and in order":               logInOrder,
		"roles change, and who may not is refused":    rolesChange,
		"suspensions end sessions and let none begin": suspensions,
		"of many administrators one stays":            oneStays,
		"invitations let in as many as they say":      invitationsCount,
		"invitations are for whom they say":           invitationsBind,
		"invitations end":                             invitationsEnd,
		"entries of the audit log are of one commit":  auditIsKept,
		"failed tries are kept, a few of each":        failuresAreFew,
		"the audit log is paged and forgotten":        auditIsPaged,
		"signing keys are added once":                 signingKeys,

		"a second factor is in force from its confirmation on": totpTurnsOn,
		"a proof is spent once, with its session":              proofsAreSpentOnce,
		"a second factor goes with a proof":                    totpTurnsOff,
		"tokens come back, expire and are counted":             tokensComeBack,
		"tokens end one by one, and with their user":           tokensEnd,
		"the last use of a token is kept":                      tokensUsed,
		"a bot has an owner and no password":                   botsHaveOwners,

		"a deleted account leaves its id and nothing else":  deletionsBlank,
		"a deletion asks for what the owner alone has":      deletionsAsk,
		"bots of a deleted administrator get another owner": botsAreGiven,
		"what is to be erased is told until it is":          erasuresAreTold,
		"a user has one export made at a time":              exportsOneByOne,
		"exports end: by time, by number, with the account": exportsEnd,
		"a sign-in code is good once, and its state too":    codesAreSpentOnce,
		"identities come back and are one account's":        identitiesComeBack,
		"linking proves the account's own address":          linkingProvesAnAddress,
		"a reset unlinks who came before the proof":         resetsUnlinkTheUnproved,
		"of many with one identity one gets it":             oneHasAnIdentity,
		"an identity signs in by a code and a proof":        sessionsOfIdentities,
		"the last way in stays":                             lastWayInStays,
	}
	maps.Copy(tests, mailSuite())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, test)
		})
	}
}

var began = time.Date(2026, 11, 23, 8, 0, 0, 123_456_000, time.UTC)

func account(first auth.FirstAdmin) (auth.NewAccount, auth.Session) {
	in := Input()
	a := auth.NewAccount{
		ID: ids.New[ids.User](), Email: "X" + in.Email, EmailKey: "x" + in.Email, Username: in.Username,
		DisplayName: in.DisplayName, PasswordHash: "hash", FirstAdmin: first, CreatedAt: began,
	}
	return a, session(a.ID, began)
}

func session(user ids.User, at time.Time) auth.Session {
	return auth.Session{
		ID: ids.New[ids.Session](), User: user, Device: "device", Address: "192.0.2.1",
		CreatedAt: at, LastUsedAt: at, ExpiresAt: at.Add(time.Hour), EndsAt: at.Add(2 * time.Hour),
		Refresh: auth.Refresh{Current: []byte("current")},
	}
}

func create(t *testing.T, s Store, first auth.FirstAdmin) (auth.Account, auth.Session) {
	t.Helper()
	n, ses := account(first)
	a, err := s.CreateAccount(t.Context(), n, ses)
	if err != nil {
		t.Fatal(err)
	}
	return a, ses
}

func accountsComeBack(t *testing.T, s Store) {
	if other, _ := create(t, s, auth.NeverAdmin); other.EmailVerified {
		t.Error("an address is verified without a proof")
	}
	n, ses := account(auth.NeverAdmin)
	n.Verified = true
	made, err := s.CreateAccount(t.Context(), n, ses)
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Account{
		ID: n.ID, Email: n.Email, Username: n.Username, Role: principal.Member, State: auth.Active, CreatedAt: began,
		EmailVerified: true,
	}
	read, err := s.Account(t.Context(), n.ID)
	if err != nil || made != want || read != want {
		t.Fatalf("made %+v read %+v want %+v %v", made, read, want, err)
	}
	for _, find := range []func() (auth.Credential, error){
		func() (auth.Credential, error) { return s.CredentialByEmail(t.Context(), n.EmailKey) },
		func() (auth.Credential, error) { return s.CredentialByUsername(t.Context(), n.Username) },
	} {
		if c, err := find(); err != nil || c.Account != want || c.PasswordHash != "hash" {
			t.Fatalf("%+v %v", c, err)
		}
	}
	_, err1 := s.Account(t.Context(), ids.New[ids.User]())
	_, err2 := s.CredentialByEmail(t.Context(), "nobody@example.org")
	_, err3 := s.CredentialByUsername(t.Context(), "nobody")
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, auth.ErrNoAccount) {
			t.Fatal(err)
		}
	}
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 2 || changes[1].Name != authv1.AccountRegisteredName ||
		changes[1].Key != n.ID.String() || !changes[1].Time.Equal(began) {
		t.Fatalf("%+v %v", changes, err)
	}
}

func takenNames(t *testing.T, s Store) {
	first, ses := account(auth.NeverAdmin)
	if _, err := s.CreateAccount(t.Context(), first, ses); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		email, username string
		want            error
	}{
		"username": {"new@example.org", first.Username, auth.ErrUsernameTaken},
		"e-mail":   {first.EmailKey, "new", auth.ErrEmailTaken},
		"both":     {first.EmailKey, first.Username, auth.ErrUsernameTaken},
	} {
		n, ses := account(auth.NeverAdmin)
		n.EmailKey, n.Username = c.email, c.username
		if _, err := s.CreateAccount(t.Context(), n, ses); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Session(t.Context(), ses.ID, began); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("%s: a session was made: %v", name, err)
		}
	}
	if last, err := s.LastChange(t.Context()); err != nil || last != 1 {
		t.Fatal(last, err)
	}
}

func oneAdministrator(t *testing.T, s Store) {
	for _, c := range []struct {
		first  auth.FirstAdmin
		admins int
	}{{auth.NeverAdmin, 0}, {auth.AdminIfNone, 1}, {auth.AdminIfEmpty, 0}} {
		var mu sync.Mutex
		var admins, refused int
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				n, ses := account(c.first)
				a, err := s.CreateAccount(t.Context(), n, ses)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, auth.ErrBadSetupToken):
					refused++
				case err != nil:
					t.Error(err)
				case a.Role == principal.Admin:
					admins++
				}
			})
		}
		wg.Wait()
		if admins != c.admins || c.first == auth.AdminIfNone && refused != 29 {
			t.Fatalf("%d: %d administrators, %d refused", c.first, admins, refused)
		}
		if has, err := s.HasAdmin(t.Context()); err != nil || has != (c.first != auth.NeverAdmin) {
			t.Fatalf("has one: %v %v", has, err)
		}
	}
}

func oneWinner(t *testing.T, s Store) {
	same, _ := account(auth.AdminIfEmpty)
	var mu sync.Mutex
	var won []auth.Account
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			n, ses := account(auth.AdminIfEmpty)
			n.EmailKey, n.Username = same.EmailKey, same.Username
			a, err := s.CreateAccount(t.Context(), n, ses)
			if err != nil && !errors.Is(err, auth.ErrUsernameTaken) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, a)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || won[0].Role != principal.Admin {
		t.Fatalf("%+v", won)
	}
}

func replacePassword(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	for _, step := range []struct{ old, next, want string }{
		{"another", "x", "hash"}, {"hash", "newer", "newer"}, {"hash", "y", "newer"},
	} {
		if err := s.ReplacePassword(t.Context(), a.ID, step.old, step.next); err != nil {
			t.Fatal(err)
		}
		if c, err := s.CredentialByUsername(t.Context(), a.Username); err != nil || c.PasswordHash != step.want {
			t.Fatal(c.PasswordHash, err)
		}
	}
}

func networks(t *testing.T, s Store) {
	n, ses := account(auth.NeverAdmin)
	n.Network = []byte("here")
	if _, err := s.CreateAccount(t.Context(), n, ses); err != nil {
		t.Fatal(err)
	}
	later := began.Add(time.Minute)
	if _, err := s.CreateSession(t.Context(), session(n.ID, later), []byte("there"), 10); err != nil {
		t.Fatal(err)
	}
	other, _ := create(t, s, auth.NeverAdmin)
	for _, c := range []struct {
		user    ids.User
		network string
		since   time.Time
		want    bool
	}{
		{n.ID, "here", began, true},
		{n.ID, "here", later, false},
		{n.ID, "there", later, true},
		{n.ID, "elsewhere", began, false},
		{other.ID, "here", began, false},
	} {
		if got, err := s.KnowsNetwork(t.Context(), c.user, []byte(c.network), c.since); err != nil || got != c.want {
			t.Errorf("%+v: %v %v", c, got, err)
		}
	}
	if gone, err := s.PurgeSessions(t.Context(), began, later, 10); err != nil || gone != 1 {
		t.Fatal(gone, err)
	}
	if known, err := s.KnowsNetwork(t.Context(), n.ID, []byte("here"), began); err != nil || known {
		t.Fatal("an old network is still known", err)
	}
}

func logInOrder(t *testing.T, s Store) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a, ses := create(t, s, auth.NeverAdmin)
			if _, err := s.EndSessions(t.Context(), a.ID, auth.Which{Session: ses.ID, At: began}); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var pos int64
	for over := false; !over || pos < 40; {
		select {
		case <-done:
			over = true
		default:
		}
		changes, err := s.Changes(t.Context(), pos, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Pos != pos+1 {
				t.Fatalf("after %d comes %d", pos, c.Pos)
			}
			pos = c.Pos
		}
		if over && len(changes) == 0 && pos < 40 {
			t.Fatalf("the log ends at %d", pos)
		}
	}
	if last, err := s.LastChange(t.Context()); err != nil || last != 40 {
		t.Fatal(last, err)
	}
}

func signingKeys(t *testing.T, s Store) {
	add := func(from time.Time) {
		k := auth.SigningKey{ID: ids.New[ids.Key](), Public: []byte("public"), Sealed: []byte("sealed"), UsedFrom: from}
		if err := s.AddSigningKey(t.Context(), k, began); err != nil {
			t.Error(err)
		}
	}
	add(began)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { add(began.Add(time.Hour)) })
	}
	wg.Wait()
	list, err := s.SigningKeys(t.Context())
	if err != nil || len(list) != 2 || !list[0].UsedFrom.Equal(began) || string(list[1].Sealed) != "sealed" {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.DropSigningKeys(t.Context(), []ids.Key{list[0].ID, ids.New[ids.Key]()}); err != nil {
		t.Fatal(err)
	}
	if rest, err := s.SigningKeys(t.Context()); err != nil || len(rest) != 1 || rest[0].ID != list[1].ID {
		t.Fatalf("%+v %v", rest, err)
	}
}
