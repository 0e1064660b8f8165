package authtest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

func deletion(of ids.User) auth.Deletion {
	return auth.Deletion{User: of, At: began.Add(time.Minute), NameKey: nameKey}
}

func nameKey(name string) []byte { return []byte("key of " + name) }

// lived makes an account that has left something in every table.
func lived(t *testing.T, s Store, root ids.User) (n auth.NewAccount, first auth.Session, token ids.PersonalToken, forHim auth.Invitation) {
	t.Helper()
	n, first = account(auth.NeverAdmin)
	n.Network, n.DisplayName = []byte("network"), "Canary"
	if _, err := s.CreateAccount(t.Context(), n, first); err != nil {
		t.Fatal(err)
	}
	p := personal(n.ID, n.ID, began)
	addTokens(t, s, p)
	code := auth.SignInCode{
		Hash: []byte("code"), State: []byte("state"), Sealed: []byte("x"), MadeAt: began, ExpiresAt: began.Add(time.Hour), PurgeAt: began.Add(time.Hour),
	}
	known := auth.Identity{ID: ids.New[ids.Identity](), User: n.ID, Issuer: issuer, Subject: "canary", Provider: "example", LinkedAt: began}
	err := s.AddSignInCode(t.Context(), code)
	if err == nil {
		_, err = s.LinkIdentity(t.Context(), auth.Linking{Code: code.Hash, Identity: known, Limit: 5})
	}
	for _, name := range []string{n.Username + "y", n.Username} {
		if err != nil {
			t.Fatal(err)
		}
		mail := auth.MailJob{ID: ids.New[ids.Mail](), Kind: auth.MailUsernameMoved, Subject: n.ID, Sealed: []byte("x"), CreatedAt: began, DueAt: began}
		_, err = s.Rename(t.Context(), name, mail, act(auth.ActUsernameMoved, n.ID, n.ID))
	}
	if err != nil {
		t.Fatal(err)
	}
	forHim, _ = inviting{s, root}.made(t, 1, n.EmailKey)
	return n, first, p.ID, forHim
}

const issuer = "https://example.org"

func deletionsBlank(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	n, first, token, forHim := lived(t, s, root.ID)
	before := last(t, s)
	gone, err := s.DeleteAccount(t.Context(), deletion(n.ID), act(auth.ActDeleted, n.ID, n.ID))
	if err != nil || len(gone) != 2 || !slices.Contains(gone, first.ID) || !slices.Contains(gone, auth.Handle(token)) {
		t.Fatalf("%v %v", gone, err)
	}
	want := []string{authv1.SessionEndedName, authv1.TokenEndedName, authv1.AccountDeletedName}
	if got := newest(t, s, before); !slices.Equal(got, want) {
		t.Error(got)
	}
	left, err := s.Account(t.Context(), n.ID)
	if err != nil || left.State != auth.Deleted || left.Email != "" || left.Username != auth.GoneName(n.ID) || left.EmailVerified {
		t.Errorf("%+v %v", left, err)
	}
	if _, err := s.Identity(t.Context(), issuer, "canary"); !errors.Is(err, auth.ErrNoIdentity) {
		t.Error("an identity:", err)
	}
	if knows, err := s.KnowsNetwork(t.Context(), n.ID, n.Network, began); err != nil || knows {
		t.Error(knows, err)
	}
	if i, err := s.Invite(t.Context(), forHim.ID); err != nil || i.Email != "" || i.RevokedAt.IsZero() {
		t.Errorf("%+v %v", i, err)
	}
	if good, err := s.InviteGood(t.Context(), []byte(forHim.ID.String()), "", began); err != nil || good {
		t.Error(good, err)
	}
	if jobs, err := s.ClaimMail(t.Context(), began.Add(time.Hour), began, 10); err != nil || len(jobs) != 0 {
		t.Errorf("mail goes out: %+v %v", jobs, err)
	}
	if list, err := s.AccountPage(t.Context(), "", 10); err != nil || len(list) != 1 || list[0].ID != root.ID {
		t.Errorf("%+v %v", list, err)
	}
	nothingRevives(t, s, n, root.ID)
	logSaysNothing(t, s, n)
	namesStay(t, s, n)
}

// nothingRevives tries what could make an account of one that is deleted.
func nothingRevives(t *testing.T, s Store, n auth.NewAccount, root ids.User) {
	t.Helper()
	_, err1 := s.CredentialByEmail(t.Context(), n.EmailKey)
	_, err2 := s.CredentialByUsername(t.Context(), n.Username)
	_, err3 := s.CreateSession(t.Context(), session(n.ID, began), nil, 10)
	_, err4 := s.DeleteAccount(t.Context(), deletion(n.ID), act(auth.ActDeleted, n.ID, n.ID))
	_, err5 := s.Reinstate(t.Context(), act(auth.ActReinstated, root, n.ID))
	_, _, err6 := s.Suspend(t.Context(), act(auth.ActSuspended, root, n.ID))
	_, _, err7 := s.ChangeRole(t.Context(), principal.Admin, act(auth.ActRoleChanged, root, n.ID))
	_, err8 := s.SetPassword(t.Context(), "next", act(auth.ActPasswordReset, ids.User{}, n.ID))
	err9 := s.BeginTotp(t.Context(), auth.Totp{User: n.ID, Sealed: []byte("x"), BegunAt: began})
	_, err10 := s.Rename(t.Context(), "somebody", auth.MailJob{}, act(auth.ActUsernameMoved, n.ID, n.ID))
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10} {
		if !errors.Is(err, auth.ErrNoAccount) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
}

// logSaysNothing looks into all entries for names.
func logSaysNothing(t *testing.T, s Store, of auth.NewAccount) {
	t.Helper()
	all, err := s.Changes(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		for _, name := range []string{of.Username, of.DisplayName, of.Email, of.EmailKey} {
			if bytes.Contains(c.Payload, []byte(name)) {
				t.Errorf("%s at %d says %q", c.Name, c.Pos, name)
			}
		}
	}
	if len(all) < 5 || !strings.Contains(string(all[1].Payload), of.ID.String()) {
		t.Errorf("what was logged is not there: %+v", all)
	}
}

// namesStay tries to be somebody who is gone: by his name nobody can, by his
// address he himself.
func namesStay(t *testing.T, s Store, of auth.NewAccount) {
	t.Helper()
	n, ses := account(auth.NeverAdmin)
	n.Username, n.NameKey = of.Username, nameKey(of.Username)
	if _, err := s.CreateAccount(t.Context(), n, ses); !errors.Is(err, auth.ErrUsernameTaken) {
		t.Error(err)
	}
	bot := auth.NewBot{ID: ids.New[ids.User](), Owner: of.ID, Username: of.Username, NameKey: n.NameKey, CreatedAt: began}
	if _, err := s.CreateBot(t.Context(), bot); !errors.Is(err, auth.ErrUsernameTaken) {
		t.Error(err)
	}
	gone, err1 := s.NameGone(t.Context(), nameKey(of.Username))
	free, err2 := s.NameGone(t.Context(), nameKey(of.Username+"x"))
	if !gone || free || err1 != nil || err2 != nil {
		t.Error(gone, free, err1, err2)
	}
	n.Username += "x"
	n.NameKey, n.Email, n.EmailKey = nameKey(n.Username), of.Email, of.EmailKey
	if _, err := s.CreateAccount(t.Context(), n, ses); err != nil {
		t.Error(err)
	}
}

func deletionsAsk(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	for range 2 {
		if _, err := s.DeleteAccount(t.Context(), deletion(root.ID), act(auth.ActDeleted, root.ID, root.ID)); !errors.Is(err, auth.ErrLastAdmin) {
			t.Fatal(err)
		}
	}
	a, first := secured(t, s)
	before := last(t, s)
	by := deletion(a.ID)
	for _, c := range []struct {
		password string
		by       auth.Proof
		want     error
	}{
		{"other", auth.Proof{Step: 101}, auth.ErrWrongPassword},
		{"hash", auth.Proof{}, auth.ErrTotpRequired},
		{"hash", auth.Proof{Step: 100}, auth.ErrBadTotp},
		{"hash", auth.Proof{Recovery: []byte("none")}, auth.ErrBadTotp},
	} {
		by.Asked, by.Password, by.By = true, c.password, c.by
		if _, err := s.DeleteAccount(t.Context(), by, act(auth.ActDeleted, a.ID, a.ID)); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := s.Session(t.Context(), first.ID, began); err != nil || last(t, s) != before || len(audited(t, s, auth.AuditFilter{})) != 0 {
		t.Error("what was refused left something", err)
	}
	by.Password, by.By = "hash", auth.Proof{Recovery: recoveryHashes[0]}
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 8 { // at once
		wg.Go(func() {
			_, err := s.DeleteAccount(t.Context(), by, act(auth.ActDeleted, a.ID, a.ID))
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, auth.ErrNoAccount) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, err := s.RecoveryCodes(t.Context(), a.ID); err != nil || left != 0 || done.Load() != 1 {
		t.Error(left, done.Load(), err)
	}
	if _, err := s.Totp(t.Context(), a.ID); !errors.Is(err, auth.ErrTotpOff) {
		t.Error(err)
	}
	if got := audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActDeleted}}); len(got) != 1 || got[0].Target != a.ID {
		t.Errorf("%+v", got)
	}
}

func botsAreGiven(t *testing.T, s Store) {
	root, _ := create(t, s, auth.AdminIfEmpty)
	other, _ := create(t, s, auth.NeverAdmin)
	bot, err := s.CreateBot(t.Context(), auth.NewBot{ID: ids.New[ids.User](), Owner: root.ID, Username: Input().Username, CreatedAt: began})
	if err != nil {
		t.Fatal(err)
	}
	tokens := personal(bot.ID, root.ID, began)
	addTokens(t, s, tokens)
	if _, _, err := s.ChangeRole(t.Context(), principal.Admin, act(auth.ActRoleChanged, root.ID, other.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteAccount(t.Context(), deletion(root.ID), act(auth.ActDeleted, root.ID, root.ID)); err != nil {
		t.Fatal(err)
	}
	if owner, err := s.BotOwner(t.Context(), bot.ID); err != nil || owner != other.ID {
		t.Error(owner, err)
	}
	if _, _, err := s.Token(t.Context(), tokens.ID, began); !errors.Is(err, auth.ErrNoToken) {
		t.Error("a token that he made for it:", err)
	}
	if got := audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActBotGiven}}); len(got) != 1 || got[0].Target != bot.ID || got[0].Actor != root.ID {
		t.Errorf("%+v", got)
	}
	if a, err := s.Account(t.Context(), root.ID); err != nil || a.Role != principal.Member {
		t.Errorf("%+v %v", a, err)
	}
	if _, err := s.DeleteAccount(t.Context(), deletion(bot.ID), act(auth.ActDeleted, other.ID, bot.ID)); err != nil {
		t.Error("a bot:", err)
	}
}

func erasuresAreTold(t *testing.T, s Store) {
	create(t, s, auth.AdminIfEmpty)
	var all []ids.User
	for i := range 3 {
		a, _ := create(t, s, auth.NeverAdmin)
		d := deletion(a.ID)
		d.At = began.Add(-time.Duration(i) * time.Hour)
		if _, err := s.DeleteAccount(t.Context(), d, act(auth.ActDeleted, ids.User{}, a.ID)); err != nil {
			t.Fatal(err)
		}
		all = append(all, a.ID)
	}
	if got, err := s.Erasing(t.Context(), 2); err != nil || len(got) != 2 || got[0] != (auth.Erasure{User: all[2], DeletedAt: began.Add(-2 * time.Hour)}) {
		t.Errorf("%+v %v", got, err)
	}
	for _, id := range all[1:] {
		if err := s.Erased(t.Context(), id, began); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Erasing(t.Context(), 2); err != nil || len(got) != 1 || got[0].User != all[0] {
		t.Errorf("%+v %v", got, err)
	}
}
