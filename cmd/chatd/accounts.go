package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"chatd/internal/auth"
	"chatd/internal/auth/authsql"
	"chatd/internal/platform/datadir"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/user"
	"chatd/internal/user/usersql"
)

// accountArgs are common to the commands about one account.
type accountArgs struct {
	Login    string   `arg:"" help:"Username, e-mail address or id."`
	JSON     bool     `name:"json" help:"Print one line of JSON."`
	Settings settings `embed:""`
}

type userCreateCmd struct {
	Username    string   `required:"" placeholder:"NAME" help:"3 to 32 of a-z, 0-9, _ . and -."`
	Email       string   `required:"" placeholder:"ADDRESS" help:"The e-mail address."`
	DisplayName string   `name:"display-name" placeholder:"NAME" help:"The name to show; the username when nothing is said."`
	Role        string   `enum:"admin,member,guest" default:"member" placeholder:"ROLE" help:"admin, member or guest."`
	Generate    bool     `help:"Make a random password and print it, instead of reading one."`
	JSON        bool     `name:"json" help:"Print one line of JSON."`
	Settings    settings `embed:""`
}

type userListCmd struct {
	Role     string   `enum:"any,admin,member,guest,bot" default:"any" placeholder:"ROLE" help:"Those of one role: admin, member, guest or bot."`
	State    string   `enum:"any,active,suspended" default:"any" placeholder:"STATE" help:"Those that are active or suspended."`
	JSON     bool     `name:"json" help:"Print a line of JSON for each."`
	Settings settings `embed:""`
}

type userSuspendCmd struct {
	accountArgs
	Reason string `placeholder:"TEXT" help:"Why, for the audit log."`
}

type userDeleteCmd struct {
	accountArgs
	Yes bool `help:"Required: there is no way back."`
}

type userReinstateCmd struct{ accountArgs }

type userPromoteCmd struct {
	accountArgs
	Role string `enum:"admin,member,guest" default:"admin" placeholder:"ROLE" help:"admin, member or guest."`
}

type userResetPasswordCmd struct {
	accountArgs
	Stdin bool `help:"Read the password from the terminal or standard input, instead of making one."`
}

type userResetTotpCmd struct{ accountArgs }

type inviteCreateCmd struct {
	Email    string        `placeholder:"ADDRESS" help:"The one address that it is for; any when nothing is said."`
	Lasts    time.Duration `placeholder:"DURATION" default:"168h" help:"How long it is good, as 72h; a year at most."`
	MaxUses  int           `placeholder:"N" default:"1" help:"How many accounts may be made with it."`
	Role     string        `enum:"member,guest" default:"member" placeholder:"ROLE" help:"What they are: member or guest."`
	JSON     bool          `name:"json" help:"Print one line of JSON."`
	Settings settings      `embed:""`
}

// told is an account as the commands print it.
type told struct {
	ID        ids.User       `json:"id"`
	Username  string         `json:"username"`
	Email     string         `json:"email"`
	Role      principal.Role `json:"role"`
	State     auth.State     `json:"state"`
	CreatedAt time.Time      `json:"createdAt"`
	Password  string         `json:"password,omitempty"`
}

func tell(a auth.Account) told {
	return told{ID: a.ID, Username: a.Username, Email: a.Email, Role: a.Role, State: a.State, CreatedAt: a.CreatedAt}
}

// write writes one account as text or JSON.
func (t told) write(out io.Writer, asJSON bool, text string) error {
	if asJSON {
		return json.NewEncoder(out).Encode(t) //nolint:gosec // Who asked for a password is told it, once.
	}
	if _, err := fmt.Fprintln(out, text); err != nil || t.Password == "" {
		return err
	}
	_, err := fmt.Fprintln(out, "Password, told once: "+t.Password)
	return err
}

func roleOf(text string) principal.Role { return principal.Role(strings.ToUpper(text)) }

// operate runs a command on the accounts; the audit log says by which command.
func operate(ctx context.Context, cfg Config, command string, f func(context.Context, *auth.Service) error) error {
	ctx = principal.WithClient(ctx, principal.Client{Device: "chatd " + command + ", uid " + strconv.Itoa(os.Getuid())})
	err := withAccounts(ctx, cfg, func(s *auth.Service) error { return f(ctx, s) })
	switch e := errs.Of(err); {
	case err == nil:
		return nil
	case e != nil && e.Kind() != errs.Internal && e.Kind() != errs.Unavailable:
		return fmt.Errorf("%s: %s", command, e.Public())
	}
	return fmt.Errorf("%s: %w", command, oneLine{err})
}

// about runs a command on one account.
func (a *accountArgs) about(
	ctx context.Context, cfg Config, out io.Writer, command string,
	f func(context.Context, *auth.Service, auth.Account) (t told, text string, err error),
) error {
	return operate(ctx, cfg, command, func(ctx context.Context, s *auth.Service) error {
		account, err := s.Find(ctx, a.Login)
		if err != nil {
			return err
		}
		t, text, err := f(ctx, s, account)
		if err != nil {
			return err
		}
		return t.write(out, a.JSON, text)
	})
}

func (c *userCreateCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	if err := makeStore(ctx, cfg); err != nil {
		return fmt.Errorf("user create: %w", oneLine{err})
	}
	return operate(ctx, cfg, "user create", func(ctx context.Context, s *auth.Service) error {
		in := auth.RegisterInput{Email: c.Email, Username: c.Username, DisplayName: c.DisplayName}
		made := ""
		if c.Generate {
			made = auth.RandomPassword()
			in.Password = made
		} else if err := readPassword(&in.Password); err != nil {
			return err
		}
		a, err := s.AddAccount(ctx, in, roleOf(c.Role))
		if err != nil {
			return err
		}
		t := tell(a)
		t.Password = made
		return t.write(out, c.JSON, "Made the account "+a.Username+", "+string(a.Role)+": "+a.ID.String())
	})
}

func (c *userListCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return operate(ctx, cfg, "user list", func(ctx context.Context, s *auth.Service) error {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(w, "USERNAME\tROLE\tSTATE\tE-MAIL\tMADE\tID")
		}
		const step = 500
		for after := ""; ; {
			list, err := s.Accounts(ctx, after, step)
			if err != nil {
				return err
			}
			for _, a := range list {
				after = a.Username
				if c.Role != "any" && a.Role != roleOf(c.Role) || c.State != "any" && string(a.State) != strings.ToUpper(c.State) {
					continue
				}
				if !c.JSON {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Username, a.Role, a.State, a.Email, a.CreatedAt.Format(time.DateOnly), a.ID)
				} else if err := tell(a).write(out, true, ""); err != nil {
					return err
				}
			}
			if len(list) < step {
				return w.Flush()
			}
		}
	})
}

func (c *userSuspendCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user suspend", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		a, err := s.SuspendFor(ctx, a.ID, c.Reason)
		return tell(a), "Suspended " + a.Username + ": its sessions have ended.", err
	})
}

func (c *userDeleteCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user delete", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		if !c.Yes {
			return told{}, "", errs.ErrBadInput.Saying("There is no way back from it: say --yes.")
		}
		t := told{ID: a.ID, State: auth.Deleted, Role: a.Role, CreatedAt: a.CreatedAt}
		return t, "Deleted " + a.ID.String() + ". What its owner wrote goes while the server runs.", s.DeleteFor(ctx, a.ID)
	})
}

func (c *userReinstateCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user reinstate", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		a, err := s.ReinstateFor(ctx, a.ID)
		return tell(a), "Reinstated " + a.Username + ".", err
	})
}

func (c *userPromoteCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user promote", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		a, err := s.GiveRole(ctx, a.ID, roleOf(c.Role))
		return tell(a), a.Username + " is " + string(a.Role) + ".", err
	})
}

func (c *userResetPasswordCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user reset-password", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		t, password := tell(a), auth.RandomPassword()
		if c.Stdin {
			if err := readPassword(&password); err != nil {
				return t, "", err
			}
		} else {
			t.Password = password
		}
		return t, "Reset the password of " + a.Username + ": its sessions have ended.", s.ResetPassword(ctx, a, password)
	})
}

func (c *userResetTotpCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return c.about(ctx, cfg, out, "user reset-totp", func(ctx context.Context, s *auth.Service, a auth.Account) (told, string, error) {
		return tell(a), "Took away the second factor of " + a.Username + ": its sessions have ended.", s.ResetTotp(ctx, a.ID)
	})
}

func (c *inviteCreateCmd) run(ctx context.Context, cfg Config, out io.Writer) error {
	return operate(ctx, cfg, "invite create", func(ctx context.Context, s *auth.Service) error {
		n := auth.NewInvite{Email: c.Email, ExpiresAt: s.Now().Add(c.Lasts), MaxUses: &c.MaxUses, Role: roleOf(c.Role)}
		i, code, err := s.CreateInviteFor(ctx, n)
		if err != nil {
			return err
		}
		if !c.JSON {
			_, err = fmt.Fprintln(out, code)
			return err
		}
		return json.NewEncoder(out).Encode(map[string]any{
			"id": i.ID, "code": code, "email": i.Email, "role": i.Role, "expiresAt": i.ExpiresAt, "maxUses": i.MaxUses,
		})
	})
}

// readPassword asks for a password at the terminal, twice and unseen, or reads
// the first line of standard input: it is never an argument, which others see.
func readPassword(into *string) error {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		const most = 1 << 10
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, most)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the password from standard input: %w", err)
		}
		if *into = strings.TrimRight(line, "\r\n"); *into == "" {
			return errors.New("give the password on standard input, or run it at a terminal")
		}
		return nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(os.Stderr, prompt)
		b, err := term.ReadPassword(in)
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return errors.New("the two passwords differ")
	}
	*into = typed[0]
	return nil
}

// makeStore makes the embedded store where there is none yet, so that the first
// administrator can be there before the first start.
func makeStore(ctx context.Context, cfg Config) error {
	if cfg.Data.PostgresURL != "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cfg.Data.Dir, datadir.MarkerFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it is told by who opens it
	}
	s, err := openStores(ctx, cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	s.close() //nolint:contextcheck // Closing does not end with what asked for it.
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
	people := user.New(user.Deps{Store: usersql.New(db), Cursors: page.NewSealer(ring.Derive("list cursors")), Log: zerolog.Nop()}, user.Config{})
	return f(auth.New(auth.Deps{
		Accounts: store, Standings: store, Sessions: store, Invites: store, Audit: store, Keys: store, Changes: store, Factors: store, Tokens: store,
		Outbox: store, Links: store, Deletions: store,
		Profiles: profiles{people}, Ring: ring, Limiter: limit.Off{}, Log: zerolog.Nop(),
	}, auth.Config{Env: auth.Env(cfg.Env), Issuer: cfg.Network.PublicURL}))
}

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
