package zlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"chatd/internal/platform/zlog"
)

func TestAnEventIsOneLineOfJSONWithAUTCTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := zlog.New(zlog.Config{Out: &out})
	log.Debug().Msg("not at this level")
	log.Info().Str("user_id", "usr_1").Msg("signed in")
	var line struct {
		Level, Message, Time string
		User                 string `json:"user_id"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if line.Level != "info" || line.Message != "signed in" || line.User != "usr_1" {
		t.Errorf("logged %+v", line)
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z", line.Time)
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %q, %v", line.Time, err)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]zerolog.Level{
		"": zerolog.InfoLevel, "nonsense": zerolog.InfoLevel, "debug": zerolog.DebugLevel,
		"error": zerolog.ErrorLevel, "trace": zerolog.TraceLevel,
	} {
		if got := zlog.New(zlog.Config{Level: given}).GetLevel(); got != want {
			t.Errorf("%q is %s, want %s", given, got, want)
		}
	}
}

func TestNamesCannotForgeLinesOrMoveTheTerminal(t *testing.T) {
	t.Parallel()
	attacks := []string{
		"a\nb", "a\r\nb", "\x1b[2J", "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "\u202etxt.exe",
		"\u2066a\u2069", "\u2028", "\u0085", "\u009b2J", "\x7f", "\ufeff", "\U000e0041", "\x00", "a\xffb",
	}
	for _, format := range []zlog.Format{zlog.JSON, zlog.Console} {
		for _, attack := range attacks {
			var out bytes.Buffer
			log := zlog.New(zlog.Config{Out: &out, Format: format})
			log.Info().Str("name", attack).Str(attack, "x").Strs("list", []string{attack}).
				Interface("map", map[string]any{attack: attack}).Err(fmt.Errorf("with %s", attack)).Msg("hello " + attack)
			line := out.String()
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s: %q gave %q", format, attack, line)
			}
			for _, r := range strings.TrimSuffix(line, "\n") {
				if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Errorf("%s: %q let %U through", format, attack, r)
				}
			}
			if format == zlog.JSON && !strings.Contains(attack, "\xff") {
				var back map[string]any
				if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["name"] != attack {
					t.Errorf("%q came back as %q, %v", attack, back["name"], err)
				}
			}
		}
	}
}

func TestOrdinaryTextIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := zlog.New(zlog.Config{Out: &out})
	log.Info().Msg("Zoë 漢字 👍 שלום")
	if !strings.Contains(out.String(), "Zoë 漢字 👍 שלום") {
		t.Errorf("logged %s", out.String())
	}
}

func TestASecretRedactsItself(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	var secret zlog.Secret
	if err := secret.UnmarshalText([]byte(canary)); err != nil || secret.Reveal() != canary {
		t.Fatalf("read %q, %v", secret.Reveal(), err)
	}
	type config struct {
		Password zlog.Secret
		Pointer  *zlog.Secret
		Inner    map[string]zlog.Secret
	}
	cfg := config{Password: secret, Pointer: &secret, Inner: map[string]zlog.Secret{"a": secret}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, secret, &secret, cfg)
	}
	fmt.Fprintln(&out, fmt.Errorf("wrong password: %v", secret), secret)
	if b, err := json.Marshal(cfg); err != nil {
		t.Error(err)
	} else {
		out.Write(b)
	}
	log := zlog.New(zlog.Config{Out: &out, Level: "trace"})
	log.Info().Interface("config", cfg).Stringer("secret", secret).Any("any", secret).Msgf("with %s", secret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("by slog", "secret", secret, "config", cfg)
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("shown in %s", out.String())
	}
}

func TestALoggerTravelsInItsContext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := zlog.New(zlog.Config{Out: &out}).With().Str("request_id", "r1").Logger()
	zlog.From(zlog.With(t.Context(), log)).Info().Msg("here")
	if !strings.Contains(out.String(), `"request_id":"r1"`) {
		t.Errorf("logged %s", out.String())
	}
	zlog.From(t.Context()).Error().Msg("nowhere, and no panic")
}
