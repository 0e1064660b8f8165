package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authsql"
	"chatd/internal/platform/datadir"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
)

// tokenCreateCmd is the command line of `chatd token create`.
type tokenCreateCmd struct {
	User     string        `required:"" placeholder:"NAME" help:"Username of whom it speaks for."`
	Scope    []string      `required:"" enum:"read,write,admin" placeholder:"SCOPE" help:"What it may be used for: read, write, admin; several with commas."`
	Name     string        `default:"command line" help:"What it is called in lists."`
	Lasts    time.Duration `placeholder:"DURATION" help:"How long it lasts, as 720h; for ever when nothing is said."`
	Settings settings      `embed:""`
}

var errNoStoreYet = errors.New("the store is not of this version: run `chatd migrate`, or start the server once")

// run makes a token and prints nothing but its text, so that it can be piped
// to where it is to lie. The server may be running: it reads the token from
// the store when it is first used.
func (c *tokenCreateCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	scopes := map[string]principal.Scope{"read": principal.ScopeRead, "write": principal.ScopeWrite, "admin": principal.ScopeAdmin}
	n := auth.NewToken{Name: c.Name}
	for _, name := range c.Scope {
		n.Scopes |= scopes[name]
	}
	if c.Lasts != 0 {
		n.ExpiresAt = time.Now().Add(c.Lasts)
	}
	err := withAccounts(ctx, cfg, func(accounts *auth.Service) error {
		_, text, err := accounts.CreateTokenFor(ctx, c.User, n)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("token create: %w", oneLine{err})
	}
	return nil
}

// withAccounts works on the accounts of the configured store, beside a server
// that may be running on it: SQLite and PostgreSQL have locks of their own,
// and what auth writes it reads within the same transaction.
func withAccounts(ctx context.Context, cfg Config, f func(*auth.Service) error) error {
	conf := sqldb.Config{URL: cfg.Data.PostgresURL.Reveal(), Relaxed: cfg.Data.Durability == "relaxed", Log: zerolog.Nop()}
	dir := cfg.Data.Dir
	if conf.URL == "" {
		beside, err := datadir.OpenBeside(dir)
		if err != nil {
			return err
		}
		conf.Path, conf.Beside, dir = beside.Database(), true, beside.Path
	}
	ring, err := keys.Open(dir, cfg.Secret.Reveal())
	if err != nil {
		return err
	}
	db, err := sqldb.Open(ctx, conf)
	if err != nil {
		return atStore(cfg, err)
	}
	defer func() { _ = db.Close() }()
	state, err := stateOf(ctx, db, cfg)
	if err != nil {
		return atStore(cfg, err)
	}
	if state != sqldb.Current {
		return errNoStoreYet
	}
	store := authsql.New(db)
	return f(auth.New(auth.Deps{ // without profiles: it makes no accounts
		Accounts: store, Sessions: store, Keys: store, Changes: store, Factors: store, Tokens: store,
		Ring: ring, Limiter: limit.Off{}, Log: zerolog.Nop(),
	}, auth.Config{Env: auth.Env(cfg.Env), Issuer: cfg.Network.PublicURL}))
}
