package authtest

import (
	"fmt"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
)

// BenchStore measures every method of a storage that is empty: one caller, who
// waits for each answer, among a thousand accounts with a session each.
func BenchStore(b *testing.B, s Store) {
	b.Helper()
	c := &crowd{Store: s}
	for range 1000 {
		n, ses := account(auth.NeverAdmin)
		n.Network = []byte{192, 0, 2}
		if _, err := s.CreateAccount(b.Context(), n, ses); err != nil {
			b.Fatal(err)
		}
		c.accounts, c.sessions = append(c.accounts, n), append(c.sessions, ses)
	}
	for _, op := range []struct {
		name string
		do   func(b *testing.B, i int) error
	}{
		{"CreateAccount", c.createAccount},
		{"Account", c.account},
		{"CredentialByEmail", c.credentialByEmail},
		{"CredentialByUsername", c.credentialByUsername},
		{"HasAdmin", c.hasAdmin},
		{"ReplacePassword", c.replacePassword},
		{"KnowsNetwork", c.knowsNetwork},
		{"CreateSession", c.createSession},
		{"Session", c.session},
		{"SessionAccess", c.sessionAccess},
		{"UserSessions", c.userSessions},
		{"ChangeSession", c.changeSession},
		{"CreateAndEndSession", c.endSession},
		{"SigningKeys", c.signingKeys},
		{"Totp", c.totp},
		{"CreateSessionBy", c.createSessionBy},
		{"CreateToken", c.createToken},
		{"Token", c.token},
		{"TokensUsed", c.tokensUsed},
		{"Changes100", c.changes},
		{"LastChange", c.lastChange},
	} {
		b.Run(op.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if err := op.do(b, i); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// crowd is a storage with accounts.
type crowd struct {
	Store

	accounts []auth.NewAccount
	sessions []auth.Session
	tokens   []ids.PersonalToken
}

func (c *crowd) one(i int) auth.NewAccount { return c.accounts[i%len(c.accounts)] }

func (c *crowd) createAccount(b *testing.B, _ int) error {
	n, ses := account(auth.NeverAdmin)
	_, err := c.CreateAccount(b.Context(), n, ses)
	return err
}

func (c *crowd) account(b *testing.B, i int) error {
	_, err := c.Account(b.Context(), c.one(i).ID)
	return err
}

func (c *crowd) credentialByEmail(b *testing.B, i int) error {
	_, err := c.CredentialByEmail(b.Context(), c.one(i).EmailKey)
	return err
}

func (c *crowd) credentialByUsername(b *testing.B, i int) error {
	_, err := c.CredentialByUsername(b.Context(), c.one(i).Username)
	return err
}

func (c *crowd) hasAdmin(b *testing.B, _ int) error {
	_, err := c.HasAdmin(b.Context())
	return err
}

func (c *crowd) replacePassword(b *testing.B, i int) error {
	n := &c.accounts[i%len(c.accounts)]
	old := n.PasswordHash
	n.PasswordHash = fmt.Sprintf("hash %d", i)
	return c.ReplacePassword(b.Context(), n.ID, old, n.PasswordHash)
}

func (c *crowd) knowsNetwork(b *testing.B, i int) error {
	known, err := c.KnowsNetwork(b.Context(), c.one(i).ID, []byte{192, 0, 2}, began.Add(-time.Hour))
	if err == nil && !known {
		err = fmt.Errorf("the network of %s is not known", c.one(i).ID)
	}
	return err
}

func (c *crowd) createSession(b *testing.B, i int) error {
	_, err := c.CreateSession(b.Context(), session(c.one(i).ID, began.Add(time.Duration(i))), nil, 10)
	return err
}

func (c *crowd) session(b *testing.B, i int) error {
	_, err := c.Session(b.Context(), c.sessions[i%len(c.sessions)].ID, began)
	return err
}

func (c *crowd) sessionAccess(b *testing.B, i int) error {
	_, err := c.SessionAccess(b.Context(), c.sessions[i%len(c.sessions)].ID, began)
	return err
}

func (c *crowd) userSessions(b *testing.B, i int) error {
	_, err := c.UserSessions(b.Context(), c.one(i).ID, began)
	return err
}

func (c *crowd) changeSession(b *testing.B, i int) error {
	return c.ChangeSession(b.Context(), c.sessions[i%len(c.sessions)].ID, began, func(s *auth.Session, _ auth.Account) error {
		s.LastUsedAt = s.LastUsedAt.Add(time.Second)
		s.Refresh = auth.Refresh{Current: fmt.Appendf(nil, "refresh %d", i), Parent: s.Refresh.Current}
		return nil
	})
}

func (c *crowd) endSession(b *testing.B, i int) error {
	s := session(c.one(i).ID, began)
	if _, err := c.CreateSession(b.Context(), s, nil, 1000); err != nil {
		return err
	}
	ended, err := c.EndSessions(b.Context(), s.User, auth.Which{Session: s.ID, Reason: auth.LoggedOut, At: began})
	if err == nil && len(ended) != 1 {
		err = fmt.Errorf("%d sessions ended", len(ended))
	}
	return err
}

func (c *crowd) signingKeys(b *testing.B, i int) error {
	if i == 0 {
		k := auth.SigningKey{ID: ids.New[ids.Key](), Public: make([]byte, 32), Sealed: make([]byte, 60), UsedFrom: began}
		if err := c.AddSigningKey(b.Context(), k, began.Add(-time.Hour)); err != nil {
			return err
		}
	}
	_, err := c.SigningKeys(b.Context())
	return err
}

func (c *crowd) changes(b *testing.B, i int) error {
	some, err := c.Changes(b.Context(), int64(i%900), 100)
	if err == nil && len(some) != 100 {
		err = fmt.Errorf("%d entries of the log", len(some))
	}
	return err
}

func (c *crowd) lastChange(b *testing.B, _ int) error {
	_, err := c.LastChange(b.Context())
	return err
}

func (c *crowd) totp(b *testing.B, i int) error {
	if i == 0 {
		t := auth.Totp{User: c.one(0).ID, Sealed: make([]byte, 48), BegunAt: began}
		if err := c.BeginTotp(b.Context(), t); err != nil {
			return err
		}
	}
	_, err := c.Totp(b.Context(), c.one(0).ID)
	return err
}

func (c *crowd) createSessionBy(b *testing.B, i int) error {
	_, err := c.CreateSessionBy(b.Context(), session(c.one(i).ID, began.Add(time.Duration(i))), nil, 10, auth.Proof{})
	return err
}

func (c *crowd) createToken(b *testing.B, i int) error {
	t := personal(c.one(i).ID, c.one(i).ID, began)
	c.tokens = append(c.tokens, t.ID)
	return c.CreateToken(b.Context(), t, 1_000_000)
}

func (c *crowd) token(b *testing.B, i int) error {
	_, _, err := c.Token(b.Context(), c.tokens[i%len(c.tokens)], began)
	return err
}

func (c *crowd) tokensUsed(b *testing.B, i int) error {
	at := began.Add(time.Duration(i) * time.Minute)
	return c.TokensUsed(b.Context(), map[ids.PersonalToken]time.Time{c.tokens[i%len(c.tokens)]: at})
}
