package zlog

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// Format is how lines look.
type Format string

// The formats.
const (
	Auto    Format = "auto"    // Console on a terminal, else JSON
	JSON    Format = "json"    // an object to a line
	Console Format = "console" // for a person; slow
)

const timeFormat = "2006-01-02T15:04:05.000Z"

// Config says what is logged and where. Zero values are the defaults.
type Config struct {
	Level  string    // trace, debug, info, warn or error; info, also for anything else
	Format Format    // Auto
	Out    io.Writer // standard error
}

// New returns a logger that writes each event with one Write. Its Out must
// take writes from several goroutines, as files do.
func New(cfg Config) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil || level == zerolog.NoLevel {
		level = zerolog.InfoLevel
	}
	out := cfg.Out
	if out == nil {
		out = os.Stderr
	}
	if cfg.Format == Console || cfg.Format != JSON && isTerminal(out) {
		out = console(out)
	} else {
		out = escaping{out}
	}
	return zerolog.New(out).Level(level).Hook(stamp{})
}

// stamp puts the time in, without zerolog's settings for the whole process.
type stamp struct{}

// Run implements zerolog.Hook.
func (stamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format(timeFormat))
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

func console(out io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out: out, NoColor: !isTerminal(out), FormatPrepare: escapeFields,
		FormatTimestamp: func(v any) string {
			s, _ := v.(string)
			return s
		},
	}
}

// With returns a context whose work logs by l.
func With(ctx context.Context, l zerolog.Logger) context.Context { return l.WithContext(ctx) }

// From returns the logger of ctx; one that writes nothing when it has none.
func From(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }
