package authtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/internal/auth"
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
	got := append(first, claimAtOnce(t, s)...)
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

// claimAtOnce claims what is due as several nodes do, until there is none.
func claimAtOnce(t *testing.T, s Store) (got []auth.MailJob) {
	t.Helper()
	var mu sync.Mutex
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
	return got
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
