package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"chatd/internal/platform/loadgen"
	"chatd/internal/platform/zlog"
)

func main() {
	zlog.Silence()
	syscall.Umask(0o077) // what chatd writes is its user's alone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chatd: "+err.Error())
	}
	os.Exit(exitCode(err))
}

// grammar is the command line. Settings stand with each command that reads
// them, so that `chatd bench --help` does not list the server's.
type grammar struct {
	Serve   settings `cmd:"" default:"withargs" help:"Run the server. The default."`
	Migrate settings `cmd:"" help:"Bring the store to this version's schema, then end."`
	Config  struct {
		Check configCheckCmd `cmd:"" help:"Check the configuration and the servers that it names, and print it with its sources, secrets masked. Changes nothing."`
	} `cmd:"" help:"About the configuration."`
	Healthcheck settings       `cmd:"" help:"Ask the server of these settings, on this machine, whether it is ready."`
	Backup      backupCmd      `cmd:"" help:"Copy the embedded store, its keys too, while the server runs."`
	Restore     restoreCmd     `cmd:"" help:"Make a data directory of a backup."`
	MigrateData migrateDataCmd `cmd:"" help:"Copy the embedded store to PostgreSQL, and conversations to MongoDB; run it again when it was cut off."`
	Token       struct {
		Create tokenCreateCmd `cmd:"" help:"Make a personal token of a user and print it: it is nowhere kept. The server may be running."`
	} `cmd:"" help:"About personal tokens."`
	User struct {
		Create        userCreateCmd        `cmd:"" help:"Make an account. Its password is read from the terminal or standard input. The server may be running."`
		List          userListCmd          `cmd:"" help:"List the accounts."`
		Suspend       userSuspendCmd       `cmd:"" help:"Take an account out of use: its sessions end and nobody signs in to it."`
		Delete        userDeleteCmd        `cmd:"" help:"Delete an account for ever, with all that its owner wrote."`
		Reinstate     userReinstateCmd     `cmd:"" help:"Put a suspended account into use again."`
		Promote       userPromoteCmd       `cmd:"" help:"Give an account another role; admin when none is said."`
		ResetPassword userResetPasswordCmd `cmd:"" help:"Give an account another password and end its sessions. A random one is printed when none is given."`
		ResetTotp     userResetTotpCmd     `cmd:"" help:"Take away the second factor of somebody who has lost it, and end his sessions. See first that it is him."`
	} `cmd:"" help:"About accounts, beside a server that may be running."`
	Invite struct {
		Create inviteCreateCmd `cmd:"" help:"Make an invitation to the server and print its code: it is nowhere kept."`
	} `cmd:"" help:"About invitations to the server."`
	Version struct{} `cmd:"" help:"Print the version."`
	Bench   benchCmd `cmd:"" help:"Put load on a chatd by its public API and report how it did."`
}

// settings are the flags of a command that works on a server's data.
type settings struct {
	ConfigFile string `name:"config" placeholder:"FILE" help:"JSON file with settings by flag name, as {\"listen\": \":4000\"}."`
	Config     `embed:""`
}

// run is the whole program: args without the program's name, env as
// os.Environ gives it. It returns when ctx ends or the command is done.
func run(ctx context.Context, args, env []string, out io.Writer) error {
	var g grammar
	p := newParser(env)
	app, err := p.kong(&g, out)
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	k, err := app.Parse(args)
	switch {
	case p.helped:
		return nil
	case err != nil:
		return commandLineError(err)
	}
	switch k.Command() {
	case "serve":
		return g.Serve.then(ctx, p, k, out, serve)
	case "migrate":
		return g.Migrate.then(ctx, p, k, out, migrate)
	case "config check":
		return g.Config.Check.Settings.then(ctx, p, k, out, func(ctx context.Context, cfg Config, out io.Writer) error {
			if err := p.print(k, out); err != nil || g.Config.Check.Offline {
				return err
			}
			return askServers(ctx, cfg, out)
		})
	case "healthcheck":
		return g.Healthcheck.then(ctx, p, k, out, healthcheck)
	case "backup":
		return g.Backup.Settings.then(ctx, p, k, out, g.Backup.run)
	case "restore":
		return g.Restore.Settings.then(ctx, p, k, out, g.Restore.run)
	case "migrate-data":
		return g.MigrateData.Settings.then(ctx, p, k, out, g.MigrateData.run)
	case "token create":
		return g.Token.Create.Settings.then(ctx, p, k, out, g.Token.Create.run)
	case "user create":
		return g.User.Create.Settings.then(ctx, p, k, out, g.User.Create.run)
	case "user list":
		return g.User.List.Settings.then(ctx, p, k, out, g.User.List.run)
	case "invite create":
		return g.Invite.Create.Settings.then(ctx, p, k, out, g.Invite.Create.run)
	case "version":
		_, err := fmt.Fprintln(out, "chatd "+buildVersion())
		return err
	}
	if strings.HasPrefix(k.Command(), "user ") {
		return g.runOnAccount(ctx, p, k, out)
	}
	return g.Bench.run(ctx, k.Command(), out)
}

// runOnAccount runs a command on one account.
func (g *grammar) runOnAccount(ctx context.Context, p *parser, k *kong.Context, out io.Writer) error {
	switch k.Command() {
	case "user delete <login>":
		return g.User.Delete.Settings.then(ctx, p, k, out, g.User.Delete.run)
	case "user suspend <login>":
		return g.User.Suspend.Settings.then(ctx, p, k, out, g.User.Suspend.run)
	case "user reinstate <login>":
		return g.User.Reinstate.Settings.then(ctx, p, k, out, g.User.Reinstate.run)
	case "user promote <login>":
		return g.User.Promote.Settings.then(ctx, p, k, out, g.User.Promote.run)
	case "user reset-password <login>":
		return g.User.ResetPassword.Settings.then(ctx, p, k, out, g.User.ResetPassword.run)
	case "user reset-totp <login>":
		return g.User.ResetTotp.Settings.then(ctx, p, k, out, g.User.ResetTotp.run)
	default:
		return errUsage
	}
}

// then checks the settings as a whole and hands them to f.
func (s *settings) then(ctx context.Context, p *parser, k *kong.Context, out io.Writer,
	f func(context.Context, Config, io.Writer) error,
) error {
	if err := p.finish(k, &s.Config); err != nil {
		return err
	}
	return f(ctx, s.Config, out)
}

// errUsage is a command line that could not be understood.
var errUsage = errors.New("`chatd --help` tells what there is")

func commandLineError(err error) error {
	if _, ok := errors.AsType[*kong.ParseError](err); ok {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	return err
}

// exitCode is 0 when the command did what it was asked to; 1 when the
// configuration, the data directory, the server or the judgement of a bench
// is at fault; 2 when the command line could not be understood.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		return 1
	}
}

// buildVersion tells the module's version, the commit it was built from where
// the build knows it, and the Go release.
func buildVersion() string {
	version, commit := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return strings.TrimPrefix(version, "v") + commit + " " + runtime.Version()
}

// benchCmd is the command line of `chatd bench`; internal/platform/loadgen
// does the work and has the bounds.
type benchCmd struct {
	URLs       []string      `name:"url" default:"http://127.0.0.1:4000" help:"The chatd to put load on; start it with --rate-limits off. Several nodes of one: with commas."`
	PID        int           `name:"pid" help:"Its process, to measure CPU and memory; found by the port when it runs here."`
	JSON       bool          `name:"json" help:"Print one line of JSON instead of a table."`
	Timeout    time.Duration `default:"10m" help:"End the run after that, with what there is."`
	Warmup     int           `default:"20" help:"Messages before the measured ones."`
	TextSize   int           `default:"100" help:"Characters of a message."`
	PerAccount int           `default:"20" help:"Sockets of each account."`

	Fanout struct {
		Subscribers int  `default:"1000" help:"Sockets that receive."`
		Messages    int  `default:"300" help:"Messages to each of them."`
		Window      int  `default:"1" help:"Messages that may be on their way at once."`
		Events      bool `help:"Subscribe to events instead of messageAdded."`
	} `cmd:"" help:"One conversation with many subscribers: deliveries."`
	Send struct {
		Senders  int `default:"64" help:"Senders at once, each waiting for its acknowledgement."`
		Rooms    int `default:"16" help:"Conversations that they are spread over."`
		Messages int `default:"20000" help:"Messages in all."`
	} `cmd:"" help:"Many senders: durable acknowledgements."`
	Rooms struct {
		Rooms    int     `default:"400" help:"Conversations."`
		Size     int     `default:"5" help:"Subscribers of each."`
		Messages int     `default:"20000" help:"Messages in all."`
		Rate     float64 `default:"4000" help:"Messages a second in all; 0 sends as fast as it is acknowledged."`
	} `cmd:"" help:"Many small conversations at a steady rate."`
	Idle struct {
		Sockets int           `default:"10000" help:"Subscribed sockets."`
		Hold    time.Duration `default:"10s" help:"How long they hold before one message must reach them all."`
	} `cmd:"" help:"Many sockets at rest: memory and CPU."`
}

// scenario is what the command asks for.
func (b *benchCmd) scenario(command string) loadgen.Scenario {
	switch command {
	case "bench fanout":
		return loadgen.Fanout(b.Fanout.Subscribers, b.Fanout.Messages, b.Fanout.Window, b.Fanout.Events)
	case "bench send":
		return loadgen.Send(b.Send.Senders, b.Send.Rooms, b.Send.Messages)
	case "bench rooms":
		return loadgen.Rooms(b.Rooms.Rooms, b.Rooms.Size, b.Rooms.Messages, b.Rooms.Rate)
	default:
		return loadgen.Idle(b.Idle.Sockets, b.Idle.Hold)
	}
}

// run plays the scenario. What was lost, doubled, reordered or refused is an
// error after the report is out.
func (b *benchCmd) run(ctx context.Context, command string, out io.Writer) error {
	ctx, stop := context.WithTimeout(ctx, b.Timeout)
	defer stop()
	cfg := loadgen.Config{URLs: b.URLs, PID: b.PID, PerAccount: b.PerAccount, TextSize: b.TextSize, Warmup: b.Warmup}
	if command == "bench idle" {
		cfg.Warmup = 0 // the first message comes after the hold
	}
	if !b.JSON {
		cfg.Progress = func(what string) { fmt.Fprintln(out, "… "+what) }
	}
	report, err := loadgen.Run(ctx, cfg, b.scenario(command))
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	write := report.WriteTable
	if b.JSON {
		write = report.WriteJSON
	}
	if err := write(out); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.Good() {
		return fmt.Errorf("bench: the server was not faithful: %d lost, %d doubled, %d reordered, %d failed",
			report.Lost, report.Doubled, report.Reordered, report.Failed)
	}
	return nil
}
