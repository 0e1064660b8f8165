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

	"github.com/alecthomas/kong"
)

func main() {
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
		Check settings `cmd:"" help:"Check the configuration and print it with its sources, secrets masked."`
	} `cmd:"" help:"About the configuration."`
	Backup      backupCmd      `cmd:"" help:"Copy the embedded store, its keys too, while the server runs."`
	Restore     restoreCmd     `cmd:"" help:"Make a data directory of a backup."`
	MigrateData migrateDataCmd `cmd:"" help:"Copy the embedded store to PostgreSQL, and conversations to MongoDB; run it again when it was cut off."`
	Version     struct{}       `cmd:"" help:"Print the version."`
	Bench       benchCmd       `cmd:"" help:"Put load on a chatd by its public API and report how it did."`
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
		return g.Config.Check.then(ctx, p, k, out, func(_ context.Context, _ Config, out io.Writer) error {
			return p.print(k, out)
		})
	case "backup":
		return g.Backup.Settings.then(ctx, p, k, out, g.Backup.run)
	case "restore":
		return g.Restore.Settings.then(ctx, p, k, out, g.Restore.run)
	case "migrate-data":
		return g.MigrateData.Settings.then(ctx, p, k, out, g.MigrateData.run)
	case "version":
		_, err := fmt.Fprintln(out, "chatd "+buildVersion())
		return err
	default:
		return g.Bench.run(ctx, k.Command(), out)
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
