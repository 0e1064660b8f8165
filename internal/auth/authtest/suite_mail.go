package authtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// mailSuite is the part of RunStore about mail and links.
func mailSuite() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"mail is claimed by one, in order":            mailIsClaimed,
		"a link is minted for mail that is there":     linksAreMinted,
		"registrations wait and are used once":        registrationsWait,
		"a link resets a password once":               resetsOnce,
		"changes end links and mail":                  changesEndLinks,
		"a link proves the address that it went to":   provesItsAddress,
		"a link changes an address, if it is free":    changesAddress,
		"mail about an address waits for its proof":   emailChangeProven,
		"a username is changed, told and free again":  renames,
		"links of who may not come in are no good":    linksOfSuspended,
		"links and registrations that expired are no": purgesLinks,
	}
}

func job(kind auth.MailKind, subject ids.User, at time.Time) auth.MailJob {
	return auth.MailJob{ID: ids.New[ids.Mail](), Kind: kind, Subject: subject, Sealed: []byte("sealed"), CreatedAt: at, DueAt: at}
}

// claim returns all that is due, and keeps it for an hour.
func claim(t *testing.T, s Store, now time.Time) []auth.MailJob {
	t.Helper()
	jobs, err := s.ClaimMail(t.Context(), now, now.Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// linkOf makes a link of a kind by way of its mail.
func linkOf(t *testing.T, s Store, kind auth.MailKind, subject ids.User) auth.Link {
	t.Helper()
	j := job(kind, subject, began)
	l := auth.Link{Kind: kind, Subject: subject, Hash: []byte(j.ID.String()), Sealed: []byte("address"), ExpiresAt: began.Add(time.Hour)}
	if err := s.PromiseMail(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if err := s.MintLink(t.Context(), j.ID, l); err != nil {
		t.Fatal(err)
	}
	if err := s.DropMail(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	return l
}

func isGood(t *testing.T, s Store, l auth.Link) bool {
	t.Helper()
	_, err := s.Link(t.Context(), l.Hash, began)
	if err != nil && !errors.Is(err, auth.ErrBadLink) {
		t.Fatal(err)
	}
	return err == nil
}

func byMail(what auth.Action, at time.Time) auth.Act {
	return auth.Act{ID: ids.New[ids.Audit](), Action: what, At: at}
}

func mailIsClaimed(t *testing.T, s Store) {
	user := ids.New[ids.User]()
	want := map[ids.Mail]auth.MailJob{}
	for i := range 20 {
		j := job(auth.MailReset, user, began.Add(time.Duration(i)*time.Second))
		if i%2 == 0 {
			j.Kind, j.Subject = auth.MailNobody, ids.User{}
		}
		want[j.ID] = j
		if err := s.PromiseMail(t.Context(), j, auth.MailJob{}); err != nil { // one without an ID is none
			t.Fatal(err)
		}
	}
	if early := claim(t, s, began.Add(-time.Second)); len(early) != 0 {
		t.Fatalf("claimed early: %+v", early)
	}
	first, err := s.ClaimMail(t.Context(), began.Add(time.Minute), began.Add(time.Hour), 1)
	if err != nil || len(first) != 1 || !first[0].CreatedAt.Equal(began) {
		t.Fatalf("the longest due: %+v %v", first, err)
	}
	var mu sync.Mutex
	got := slices.Clone(first)
	var nodes sync.WaitGroup
	for range 8 {
		nodes.Go(func() {
			for {
				jobs, err := s.ClaimMail(t.Context(), began.Add(time.Minute), began.Add(time.Hour), 3)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, jobs...)
				mu.Unlock()
				if len(jobs) == 0 {
					return
				}
			}
		})
	}
	nodes.Wait()
	for _, j := range got {
		w, ok := want[j.ID]
		delete(want, j.ID)
		if !ok || j.Kind != w.Kind || j.Subject != w.Subject || string(j.Sealed) != "sealed" || !j.CreatedAt.Equal(w.CreatedAt) || j.Tries != 1 {
			t.Errorf("claimed %+v, promised %+v", j, w)
		}
	}
	if len(want) != 0 || len(got) != 20 {
		t.Fatalf("%d claimed, %d left", len(got), len(want))
	}
	if err := s.DelayMail(t.Context(), got[0].ID, began.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.DropMail(t.Context(), got[1].ID); err != nil {
		t.Fatal(err)
	}
	if again := claim(t, s, began.Add(2*time.Minute)); len(again) != 1 || again[0].ID != got[0].ID || again[0].Tries != 2 {
		t.Errorf("delayed: %+v", again)
	}
	if rest := claim(t, s, began.Add(3*time.Hour)); len(rest) != 19 {
		t.Errorf("%d are left", len(rest))
	}
	unknown := ids.New[ids.Mail]()
	if err := errors.Join(s.DelayMail(t.Context(), unknown, began), s.DropMail(t.Context(), unknown)); err != nil {
		t.Error(err)
	}
}

func linksAreMinted(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	first := linkOf(t, s, auth.MailReset, a.ID)
	other := linkOf(t, s, auth.MailVerify, a.ID)
	second := linkOf(t, s, auth.MailReset, a.ID)
	if isGood(t, s, first) || !isGood(t, s, second) || !isGood(t, s, other) {
		t.Error("not the newest of each kind alone is good")
	}
	got, err := s.Link(t.Context(), second.Hash, began.Add(time.Hour-time.Microsecond))
	if err != nil || got.Kind != second.Kind || got.Subject != a.ID || string(got.Sealed) != "address" || !got.ExpiresAt.Equal(second.ExpiresAt) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Link(t.Context(), second.Hash, began.Add(time.Hour)); !errors.Is(err, auth.ErrBadLink) {
		t.Errorf("an expired one: %v", err)
	}
	l := second
	l.Hash = []byte("another")
	if err := s.MintLink(t.Context(), ids.New[ids.Mail](), l); !errors.Is(err, auth.ErrNoMail) || isGood(t, s, l) || !isGood(t, s, second) {
		t.Errorf("for mail that is gone: %v", err)
	}
}

func registrationsWait(t *testing.T, s Store) {
	n, _ := account(auth.AdminIfEmpty)
	p := auth.Pending{ID: n.ID, Sealed: []byte("all of it"), ExpiresAt: began.Add(time.Hour)}
	j := job(auth.MailRegister, n.ID, began)
	if err := s.AddPending(t.Context(), p, j); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Pending(t.Context(), n.ID, began); err != nil || string(got.Sealed) != "all of it" || !got.ExpiresAt.Equal(p.ExpiresAt) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Pending(t.Context(), n.ID, p.ExpiresAt); !errors.Is(err, auth.ErrBadLink) {
		t.Errorf("an expired one: %v", err)
	}
	if due := claim(t, s, began); len(due) != 1 || due[0].ID != j.ID {
		t.Errorf("its mail: %+v", due)
	}
	l := linkOf(t, s, auth.MailRegister, n.ID)
	n.Link, n.Verified = l.Hash, true
	taken, _ := account(auth.NeverAdmin)
	taken.Username = n.Username
	made, err := s.CreateAccount(t.Context(), taken, auth.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateAccount(t.Context(), n, auth.Session{}); !errors.Is(err, auth.ErrUsernameTaken) || !isGood(t, s, l) {
		t.Errorf("a taken name: %v; the link is good: %v", err, isGood(t, s, l))
	}
	n.Username += "x"
	wrong := n
	wrong.ID = made.ID
	if _, err := s.CreateAccount(t.Context(), wrong, auth.Session{}); !errors.Is(err, auth.ErrBadLink) || !isGood(t, s, l) {
		t.Errorf("the link of another: %v", err)
	}
	var won []auth.Account
	atOnce(t, 20, func() error {
		a, err := s.CreateAccount(t.Context(), n, auth.Session{})
		if err == nil {
			won = append(won, a) // one alone
		}
		return err
	}, auth.ErrBadLink)
	if len(won) != 1 || !won[0].EmailVerified || won[0].Role != principal.Member {
		t.Fatalf("%+v", won)
	}
	if _, err := s.Pending(t.Context(), n.ID, began); !errors.Is(err, auth.ErrBadLink) {
		t.Errorf("a used one: %v", err)
	}
}

// atOnce has one of n tries succeed and the others end with an error.
func atOnce(t *testing.T, n int, do func() error, want error) {
	t.Helper()
	var mu sync.Mutex
	won := 0
	var tries sync.WaitGroup
	for range n {
		tries.Go(func() {
			err := do()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, want):
				t.Error(err)
			}
		})
	}
	tries.Wait()
	if won != 1 {
		t.Errorf("%d of %d succeeded", won, n)
	}
}

func resetsOnce(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	if _, err := s.CreateSession(t.Context(), session(a.ID, began), nil, 10); err != nil {
		t.Fatal(err)
	}
	l, change := linkOf(t, s, auth.MailReset, a.ID), linkOf(t, s, auth.MailChange, a.ID)
	if _, err := s.SpendReset(t.Context(), change.Hash, "next", auth.MailJob{}, byMail(auth.ActPasswordLink, began)); !errors.Is(err, auth.ErrBadLink) || !isGood(t, s, change) {
		t.Errorf("by a link of another kind: %v", err)
	}
	if _, err := s.SpendReset(t.Context(), l.Hash, "next", auth.MailJob{}, byMail(auth.ActPasswordLink, l.ExpiresAt)); !errors.Is(err, auth.ErrBadLink) {
		t.Errorf("by an expired one: %v", err)
	}
	waits, notice := job(auth.MailChange, a.ID, began), job(auth.MailResetDone, a.ID, began)
	if err := s.PromiseMail(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	var gone []ids.Session
	atOnce(t, 20, func() error {
		ended, err := s.SpendReset(t.Context(), l.Hash, "next", notice, byMail(auth.ActPasswordLink, began))
		if err == nil {
			gone = ended
		}
		return err
	}, auth.ErrBadLink)
	if len(gone) != 2 {
		t.Errorf("%d sessions ended", len(gone))
	}
	if c, err := s.CredentialByUsername(t.Context(), a.Username); err != nil || c.PasswordHash != "next" || !c.EmailVerified {
		t.Errorf("%+v %v", c, err)
	}
	if isGood(t, s, change) {
		t.Error("a change of the address that was asked for before is good")
	}
	if due := claim(t, s, began); len(due) != 1 || due[0].ID != notice.ID {
		t.Errorf("mail that waits: %+v", due)
	}
	acts, err := s.AuditPage(t.Context(), auth.AuditFilter{Target: a.ID}, ids.Audit{}, 10)
	if err != nil || len(acts) != 1 || acts[0].Action != auth.ActPasswordLink || acts[0].Actor != a.ID {
		t.Errorf("%+v %v", acts, err)
	}
}

func changesEndLinks(t *testing.T, s Store) {
	for name, change := range map[string]func(auth.Account) error{
		"a change of the password": func(a auth.Account) error {
			_, err := s.ChangePassword(t.Context(), auth.PasswordChange{User: a.ID, Old: "hash", Next: "next", At: began, Mail: job(auth.MailPasswordDone, a.ID, began)})
			return err
		},
		"the command line": func(a auth.Account) error {
			done := byMail(auth.ActPasswordReset, began)
			done.Target = a.ID
			_, err := s.SetPassword(t.Context(), "next", done)
			return err
		},
	} {
		a, _ := create(t, s, auth.NeverAdmin)
		other, _ := create(t, s, auth.NeverAdmin)
		ends := []auth.Link{linkOf(t, s, auth.MailReset, a.ID), linkOf(t, s, auth.MailChange, a.ID)}
		stay := []auth.Link{linkOf(t, s, auth.MailVerify, a.ID), linkOf(t, s, auth.MailReset, other.ID)}
		waits := job(auth.MailReset, a.ID, began)
		if err := s.PromiseMail(t.Context(), waits); err != nil {
			t.Fatal(err)
		}
		if err := change(a); err != nil {
			t.Fatal(name, err)
		}
		for i, l := range append(ends, stay...) {
			if isGood(t, s, l) != (i >= len(ends)) {
				t.Errorf("%s: %s", name, l.Kind)
			}
		}
		for _, j := range claim(t, s, began) {
			if j.ID == waits.ID {
				t.Errorf("%s: mail with a link waits", name)
			}
		}
	}
}

func provesItsAddress(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	key := "x" + a.Email[1:]
	l := linkOf(t, s, auth.MailVerify, a.ID)
	if err := s.SpendVerify(t.Context(), l.Hash, "another@example.org", byMail(auth.ActEmailVerified, began)); !errors.Is(err, auth.ErrBadLink) {
		t.Errorf("another address: %v", err)
	}
	atOnce(t, 10, func() error { return s.SpendVerify(t.Context(), l.Hash, key, byMail(auth.ActEmailVerified, began)) }, auth.ErrBadLink)
	if got, err := s.Account(t.Context(), a.ID); err != nil || !got.EmailVerified {
		t.Errorf("%+v %v", got, err)
	}
}

func changesAddress(t *testing.T, s Store) {
	a, ses := create(t, s, auth.NeverAdmin)
	other, _ := create(t, s, auth.NeverAdmin)
	l := linkOf(t, s, auth.MailChange, a.ID)
	c := auth.EmailChange{Email: other.Email, Key: "x" + other.Email[1:], Mail: job(auth.MailEmailChanged, a.ID, began)}
	if err := s.SpendChange(t.Context(), l.Hash, c, byMail(auth.ActEmailChanged, began)); !errors.Is(err, auth.ErrEmailTaken) || !isGood(t, s, l) {
		t.Errorf("a taken one: %v", err)
	}
	old := linkOf(t, s, auth.MailReset, a.ID)
	waits := job(auth.MailVerify, a.ID, began)
	if err := s.PromiseMail(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	c.Email, c.Key = "New@example.org", "new@example.org"
	atOnce(t, 10, func() error { return s.SpendChange(t.Context(), l.Hash, c, byMail(auth.ActEmailChanged, began)) }, auth.ErrBadLink)
	if got, err := s.CredentialByEmail(t.Context(), c.Key); err != nil || got.ID != a.ID || got.Email != c.Email || !got.EmailVerified {
		t.Errorf("%+v %v", got, err)
	}
	if isGood(t, s, old) {
		t.Error("a link to the old address is good")
	}
	if due := claim(t, s, began); len(due) != 1 || due[0].ID != c.Mail.ID {
		t.Errorf("mail that waits: %+v", due)
	}
	if _, err := s.Session(t.Context(), ses.ID, began); err != nil {
		t.Errorf("a session ended: %v", err)
	}
}

func emailChangeProven(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	turn := auth.TotpTurn{User: a.ID, At: began}
	if err := s.BeginTotp(t.Context(), auth.Totp{User: a.ID, Sealed: []byte("secret"), BegunAt: began}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ConfirmTotp(t.Context(), turn, []byte("secret"), 5, [][]byte{[]byte("code")}); err != nil {
		t.Fatal(err)
	}
	begin := func(by auth.Proof) error {
		return s.BeginEmailChange(t.Context(), a.ID, by, job(auth.MailChange, a.ID, began), job(auth.MailEmailAsked, a.ID, began))
	}
	for i, c := range []struct {
		by   auth.Proof
		want error
		mail int
	}{
		{auth.Proof{}, auth.ErrTotpRequired, 0},
		{auth.Proof{Step: 5}, auth.ErrBadTotp, 0},
		{auth.Proof{Step: 6}, nil, 2},
		{auth.Proof{Step: 6}, auth.ErrBadTotp, 0},
		{auth.Proof{Recovery: []byte("code")}, nil, 2},
		{auth.Proof{Recovery: []byte("code")}, auth.ErrBadTotp, 0},
	} {
		if err := begin(c.by); !errors.Is(err, c.want) {
			t.Errorf("%d: %v", i, err)
		}
		if due := claim(t, s, began); len(due) != c.mail {
			t.Errorf("%d: %d mails", i, len(due))
		}
	}
}

func renames(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	b, _ := create(t, s, auth.NeverAdmin)
	about := func(u auth.Account) auth.Act {
		done := byMail(auth.ActUsernameMoved, began)
		done.Target, done.Actor = u.ID, u.ID
		return done
	}
	if _, err := s.Rename(t.Context(), b.Username, auth.MailJob{}, about(a)); !errors.Is(err, auth.ErrUsernameTaken) {
		t.Errorf("a taken one: %v", err)
	}
	last, err := s.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	notice := job(auth.MailUsernameMoved, a.ID, began)
	got, err := s.Rename(t.Context(), "countess", notice, about(a))
	if err != nil || got.Username != "countess" {
		t.Fatal(got, err)
	}
	if _, err := s.Rename(t.Context(), "countess", job(auth.MailUsernameMoved, a.ID, began), about(a)); err != nil {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), last, 10)
	if err != nil || len(changes) != 1 || changes[0].Name != authv1.UsernameChangedName || changes[0].Key != a.ID.String() {
		t.Errorf("%+v %v", changes, err)
	}
	if due := claim(t, s, began); len(due) != 1 || due[0].ID != notice.ID {
		t.Errorf("mail: %+v", due)
	}
	if _, err := s.CredentialByUsername(t.Context(), a.Username); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("by the old name: %v", err)
	}
	if _, err := s.Rename(t.Context(), a.Username, auth.MailJob{}, about(b)); err != nil {
		t.Errorf("a name that is free again: %v", err)
	}
	nobody := byMail(auth.ActUsernameMoved, began)
	nobody.Target = ids.New[ids.User]()
	if _, err := s.Rename(t.Context(), "nobody", auth.MailJob{}, nobody); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
	people := []auth.Account{}
	for range 5 {
		p, _ := create(t, s, auth.NeverAdmin)
		people = append(people, p)
	}
	next := 0
	var mu sync.Mutex
	atOnce(t, len(people), func() error {
		mu.Lock()
		who := people[next]
		next++
		mu.Unlock()
		_, err := s.Rename(t.Context(), "wanted", auth.MailJob{}, about(who))
		return err
	}, auth.ErrUsernameTaken)
}

func linksOfSuspended(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	reset, verify, change := linkOf(t, s, auth.MailReset, a.ID), linkOf(t, s, auth.MailVerify, a.ID), linkOf(t, s, auth.MailChange, a.ID)
	suspend := byMail(auth.ActSuspended, began)
	suspend.Target = a.ID
	if _, _, err := s.Suspend(t.Context(), suspend); err != nil {
		t.Fatal(err)
	}
	_, err1 := s.SpendReset(t.Context(), reset.Hash, "next", auth.MailJob{}, byMail(auth.ActPasswordLink, began))
	err2 := s.SpendVerify(t.Context(), verify.Hash, "x"+a.Email[1:], byMail(auth.ActEmailVerified, began))
	err3 := s.SpendChange(t.Context(), change.Hash, auth.EmailChange{Email: "n@example.org", Key: "n@example.org"}, byMail(auth.ActEmailChanged, began))
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, auth.ErrBadLink) {
			t.Error(err)
		}
	}
	if c, err := s.CredentialByUsername(t.Context(), a.Username); err != nil || c.PasswordHash != "hash" || c.EmailVerified || c.Email != a.Email {
		t.Errorf("%+v %v", c, err)
	}
}

func purgesLinks(t *testing.T, s Store) {
	for i := range 5 {
		a, _ := create(t, s, auth.NeverAdmin)
		linkOf(t, s, auth.MailReset, a.ID)
		p := auth.Pending{ID: ids.New[ids.User](), Sealed: []byte(strconv.Itoa(i)), ExpiresAt: began.Add(time.Hour)}
		if err := s.AddPending(t.Context(), p, job(auth.MailRegister, p.ID, began)); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for _, at := range []time.Time{began.Add(time.Hour - time.Microsecond), began.Add(time.Hour), began.Add(time.Hour), began.Add(time.Hour)} {
		n, err := s.PurgeLinks(t.Context(), at, 4)
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprint(n, " ")
	}
	if got != "0 8 2 0 " {
		t.Errorf("purged %s", got)
	}
}
