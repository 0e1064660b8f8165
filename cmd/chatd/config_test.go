package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goodSecret is long and varied enough for production.
const goodSecret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

// check runs `chatd config check --offline` and returns what it prints.
func check(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), append([]string{"config", "check", "--offline"}, args...), env, &out)
	return out.String(), err
}

func settingsIn(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "chatd-settings.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestABadConfigurationIsRefusedByName(t *testing.T) {
	t.Parallel()
	production := []string{"CHATD_ENV=production", "CHATD_SECRET=" + goodSecret}
	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"an address without a port":        {args: []string{"--listen", "localhost"}, want: "--listen (CHATD_LISTEN)"},
		"a port out of range":              {args: []string{"--listen", ":70000"}, want: "--listen"},
		"an unknown environment":           {args: []string{"--env", "prod"}, want: "--env (CHATD_ENV)"},
		"an unknown level":                 {env: []string{"CHATD_LOG_LEVEL=loud"}, want: "--log-level (CHATD_LOG_LEVEL)"},
		"a switch that is neither":         {env: []string{"CHATD_RATE_LIMITS=true"}, want: "--rate-limits"},
		"an origin with a path":            {args: []string{"--allowed-origins", "https://a.example/app"}, want: "--allowed-origins"},
		"an origin with a wildcard inside": {args: []string{"--allowed-origins", "https://*.example"}, want: "--allowed-origins"},
		"a proxy by name":                  {args: []string{"--trusted-proxies", "proxy.local"}, want: "--trusted-proxies"},
		"a public URL without a scheme":    {args: []string{"--public-url", "chat.example.org"}, want: "--public-url"},
		"one address for two listeners":    {args: []string{"--ops-listen", "127.0.0.1:4000"}, want: "--ops-listen"},
		"two extra listeners on one":       {args: []string{"--ops-listen", ":4001", "--ws-listen", ":4001"}, want: "--ops-listen"},
		"a limit below its least":          {args: []string{"--max-depth", "1"}, want: `"1" is not a number from 2 to 100`},
		"a limit above its most":           {args: []string{"--max-body", "9999MiB"}, want: "--max-body"},
		"an endless operation":             {args: []string{"--operation-timeout", "24h"}, want: "--operation-timeout"},
		"more before than after the init":  {args: []string{"--max-frame", "8KiB", "--max-init-frame", "16KiB"}, want: "--max-init-frame"},
		"a type that is none":              {args: []string{"--refused-file-types", "image/*"}, want: "--refused-file-types (CHATD_REFUSED_FILE_TYPES)"},
		"files without a bound":            {args: []string{"--max-file", "1TiB"}, want: "--max-file (CHATD_MAX_FILE)"},
		"a quota of nothing":               {args: []string{"--file-quota", "0"}, want: "--file-quota"},
		"uploads that are kept for ever":   {args: []string{"--keep-unsent-files", "9000h"}, want: "--keep-unsent-files"},
		"a limit of another name":          {args: []string{"--limit", "sent=1/1s"}, want: `--limit (CHATD_LIMIT): "sent" is none of the limits: requests-user,`},
		"a limit that is no rate":          {env: []string{"CHATD_LIMIT=sends=fast"}, want: `write sends=200/50ms for 200 at once and one more each 50ms, or sends=off`},
		"a short secret":                   {env: []string{"CHATD_SECRET=hunter2"}, want: "CHATD_SECRET"},
		"a dull secret":                    {env: []string{"CHATD_SECRET=" + strings.Repeat("ab", 32)}, want: "CHATD_SECRET"},
		"a store that is not PostgreSQL":   {args: []string{"--postgres-url", "mysql://x/y"}, want: "--postgres-url"},
		"a server not built yet":           {env: []string{"CHATD_LOKI_URL=http://127.0.0.1:3100"}, want: "does not speak Loki yet"},
		"production without a secret":      {env: []string{"CHATD_ENV=production"}, want: "CHATD_SECRET: production needs it"},
		"a mail server by its name alone":  {args: []string{"--smtp-url", "mail.example.org", "--mail-from", "chat@example.org"}, want: "--smtp-url (CHATD_SMTP_URL)"},
		"a mail server and no sender":      {args: []string{"--smtp-url", "smtp://mail.example.org"}, want: "--mail-from (CHATD_MAIL_FROM)"},
		"a sender that is none":            {args: []string{"--mail-from", "chat"}, want: "--mail-from (CHATD_MAIL_FROM)"},
		"an unknown way to prove":          {args: []string{"--verify-email", "on"}, want: "--verify-email (CHATD_VERIFY_EMAIL)"},
		"production with links to nowhere": {env: production, args: []string{"--smtp-url", "smtp://mail.example.org", "--mail-from", "chat@example.org"}, want: "--public-url (CHATD_PUBLIC_URL): links in mails begin with it"},
		"production without limits":        {env: production, args: []string{"--rate-limits", "off"}, want: "--rate-limits"},
		"production open to every site":    {env: production, args: []string{"--allowed-origins", "*"}, want: "--allowed-origins"},
		"production that trusts everybody": {env: production, args: []string{"--trusted-proxies", "::/0"}, want: "--trusted-proxies"},
		"production in the clear":          {env: production, args: []string{"--public-url", "http://chat.example.org"}, want: "--public-url"},
		"production that debugs":           {env: production, args: []string{"--log-level", "debug"}, want: "--log-level"},
		"a file that is not there":         {args: []string{"--config", "/nowhere/chatd.json"}, want: "--config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := check(t, c.env, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("wanted a fault with %q, got %v", c.want, err)
			}
			if exitCode(err) != 1 {
				t.Errorf("exit status %d", exitCode(err))
			}
		})
	}
}

func TestWhatIsGoodInProductionPasses(t *testing.T) {
	t.Parallel()
	out, err := check(t, []string{"CHATD_ENV=production", "CHATD_SECRET=" + goodSecret},
		"--public-url", "https://chat.example.org", "--allowed-origins", "https://a.example, https://b.example",
		"--trusted-proxies", "10.0.0.5,192.168.0.0/16", "--postgres-url", "postgres://chatd:sesame@db/chatd",
		"--smtp-url", "smtps://chat:sesame@mail.example.org", "--mail-from", "Chat <chat@example.org>", "--verify-email", "required")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"smtps://chat:***@mail.example.org", "10.0.0.5/32 192.168.0.0/16", "https://a.example https://b.example"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	file := settingsIn(t, `{"data_dir": "x", "secret": "y", "max-depth": 0, "log-level": true}`)
	_, err := check(t, []string{"CHATD_ENV=staging", "CHATD_S3_URL=s3://a"}, "--config", file, "--listen", "nowhere")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"--listen", "--env", "--s3-url", "data_dir in", "secret in", "--max-depth", "log-level must be"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestASettingIsTakenFromFlagThenEnvironmentThenFile(t *testing.T) {
	t.Parallel()
	file := settingsIn(t, `{"listen": ":1", "ws-listen": ":2", "ops-listen": ":3", "trusted-proxies": ["10.0.0.1", "10.0.0.2"], "max-depth": 9}`)
	out, err := check(t, []string{"CHATD_CONFIG=" + file, "CHATD_LISTEN=:11", "CHATD_WS_LISTEN=:12", "CHATD_OPS_LISTEN="}, "--listen", ":21")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(line, " ")
		lines[name] = strings.Join(strings.Fields(rest), " ")
	}
	for name, want := range map[string]string{
		"listen": ":21 --listen", "ws-listen": ":12 CHATD_WS_LISTEN", "ops-listen": ":3 " + file, "data-dir": "./chatd-data default",
		"trusted-proxies": "10.0.0.1/32 10.0.0.2/32 " + file, "max-depth": "9 " + file,
	} {
		if lines[name] != want {
			t.Errorf("%s: %q, not %q", name, lines[name], want)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	env := []string{"CHATD_SECRET=" + goodSecret, "CHATD_POSTGRES_URL=postgres://chatd:sesame@db:5432/chatd?password=sesame"}
	out, err := check(t, env)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "postgres://chatd:***@db:5432/chatd?***") {
		t.Errorf("the masked URL is not in\n%s", out)
	}
	faulty := append(env, "CHATD_LOKI_URL=http://x:sesame@loki", "CHATD_SMTP_URL=sesame", "CHATD_ENV=?")
	_, err = check(t, faulty, "--postgres-url", "postgres//sesame@:x/%zz")
	for _, text := range []string{out, err.Error()} {
		if strings.Contains(text, "sesame") || strings.Contains(text, goodSecret) {
			t.Errorf("a secret is in\n%s", text)
		}
	}
}

func TestAMaskedSecretKeepsOnlyItsPlace(t *testing.T) {
	t.Parallel()
	for raw, want := range map[Secret]string{
		"":                              "",
		"sesame":                        "***",
		"postgres://a:b@c/d":            "postgres://a:***@c/d",
		"postgres://a@c/d?sslmode=x":    "postgres://a@c/d?***",
		"postgres://%zz:b@c/d":          "***",
		"host=db password=sesame user=": "***",
	} {
		if got := raw.String(); got != want {
			t.Errorf("%q is shown as %q, not %q", raw.Reveal(), got, want)
		}
		if got := fmt.Sprintf("%v %#v %d %x", raw, raw, raw, raw); got != strings.Join([]string{want, want, want, want}, " ") {
			t.Errorf("%q is shown as %q", raw.Reveal(), got)
		}
	}
}

func TestABrokenFileIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	file := settingsIn(t, "{\n  \"listen\": \":1\",\n  oops\n}")
	_, err := check(t, nil, "--config", file)
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "line 3") {
		t.Fatal(err)
	}
}

func TestALikelyMisspeltVariableIsPointedOut(t *testing.T) {
	t.Parallel()
	out, err := check(t, []string{"CHATD_LISTN=:1", "CHATD_TEST_REQUIRE=node", "PATH=/bin"})
	if err != nil || !strings.Contains(out, "CHATD_LISTN is set") || strings.Contains(out, "CHATD_TEST") {
		t.Fatal(out, err)
	}
}

func TestACommandLineThatIsNotUnderstoodEndsWithTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--lisen", ":1"}, {"dance"}, {"config"}, {"serve", "extra"}, {"bench"}} {
		var out bytes.Buffer
		err := run(t.Context(), args, nil, &out)
		if exitCode(err) != 2 || !strings.Contains(err.Error(), "--help") {
			t.Errorf("%q: exit status %d, %v", args, exitCode(err), err)
		}
	}
}

// The flag may be given again; the environment and the file hold lists.
func TestLimitsAreSetOneByOne(t *testing.T) {
	t.Parallel()
	file := settingsIn(t, `{"limit": ["sends=7/1s", "totp=off"]}`)
	for name, c := range map[string]struct {
		env, args []string
		want      string
	}{
		"flags":    {args: []string{"--limit", "sends=7/1s", "--limit", "totp=off"}, want: "--limit"},
		"a list":   {env: []string{"CHATD_LIMIT=sends=7/1s,totp=off"}, want: "CHATD_LIMIT"},
		"the file": {args: []string{"--config", file}, want: file},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := check(t, c.env, c.args...)
			if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), "limit sends=7/1s totp=off "+c.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestHelpNamesEveryFlagWithItsVariable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"serve", "--help"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{
		"listen", "ws-listen", "ops-listen", "data-dir", "public-url", "env", "registration", "postgres-url", "mongo-url", "redis-url",
		"kafka-brokers", "loki-url", "smtp-url", "mail-from", "verify-email", "s3-url", "otlp-url", "trusted-proxies", "rate-limits", "log-level", "log-format", "config",
	} {
		if !strings.Contains(out.String(), "--"+flag) || !strings.Contains(out.String(), envName(flag)+"]") {
			t.Errorf("%s is not in the help", flag)
		}
	}
}

func TestTheVersionIsTold(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"version"}, nil, &out); err != nil || !strings.HasPrefix(out.String(), "chatd ") {
		t.Fatal(out.String(), err)
	}
}
