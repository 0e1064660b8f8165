package authtest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
)

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
	moved := byMail(auth.ActUsernameMoved, began)
	moved.Target = a.ID
	_, err4 := s.Rename(t.Context(), "another", auth.MailJob{}, moved)
	err5 := s.BeginEmailChange(t.Context(), a.ID, auth.Proof{}, job(auth.MailChange, a.ID, began))
	if !errors.Is(err4, auth.ErrNoAccount) || !errors.Is(err5, auth.ErrNoAccount) {
		t.Error(err4, err5)
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
	var got []int
	for _, at := range []time.Time{began.Add(time.Hour - time.Microsecond), began.Add(time.Hour), began.Add(time.Hour), began.Add(time.Hour)} {
		n, err := s.PurgeLinks(t.Context(), at, 4)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, []int{0, 8, 2, 0}) {
		t.Errorf("purged %v", got)
	}
}
