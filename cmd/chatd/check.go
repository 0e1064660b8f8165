package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"chatd/internal/auth/authoidc"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/s3"
)

// faults collects what is wrong with a configuration.
type faults struct{ lines []string }

func (f *faults) add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(f.lines, line) {
		f.lines = append(f.lines, line)
	}
}

// flag adds a fault of one setting under both of its names.
func (f *faults) flag(name, format string, args ...any) {
	f.add("--"+name+" ("+envName(name)+"): "+format, args...)
}

func (f *faults) err() error {
	switch len(f.lines) {
	case 0:
		return nil
	case 1:
		return errors.New("the configuration is not usable: " + f.lines[0])
	}
	return errors.New("the configuration is not usable:\n  " + strings.Join(f.lines, "\n  "))
}

// A decoder reads a setting's text into target. What it finds wrong is a
// sentence that says what would be right and shows no Secret.
type decoder func(v *kong.Value, raw string, target reflect.Value) error

// decoders are the kinds of setting, by the name in the tag `type`.
var decoders = map[string]decoder{
	"choice":    decodeChoice,
	"address":   textDecoder(checkAddress),
	"directory": textDecoder(checkDirectory),
	"origin":    textDecoder(checkOrigin),
	"postgres":  textDecoder(checkPostgres),
	"redis":     textDecoder(checkRedis),
	"mongo":     textDecoder(checkMongo),
	"s3":        textDecoder(s3.CheckURL),
	"smtp":      textDecoder(mail.CheckURL),
	"sender":    textDecoder(mail.CheckAddress),
	"brokers":   decodeBrokers,
	"secret":    textDecoder(func(string) error { return nil }),
	"prefix":    textDecoder(checkPrefix),
	"folder":    textDecoder(checkDirectory),
	"types":     decodeTypes,
	"limits":    decodeLimits,
	"origins":   decodeOrigins,
	"networks":  decodeNetworks,
	"providers": decodeProviders,
	"returns":   decodeReturns,
	"count":     decodeCount,
	"bytes":     decodeBytes,
	"duration":  decodeDuration,
	"unbuilt": func(v *kong.Value, _ string, _ reflect.Value) error {
		return fmt.Errorf("this build does not speak %s yet; leave it out and chatd does that part itself", v.Tag.Get("server"))
	},
}

func textDecoder(check func(string) error) decoder {
	return func(_ *kong.Value, raw string, target reflect.Value) error {
		target.SetString(raw)
		return check(raw)
	}
}

func decodeChoice(v *kong.Value, raw string, target reflect.Value) error {
	target.SetString(raw)
	choices := strings.Split(v.Tag.Get("choices"), ",")
	if !slices.Contains(choices, raw) {
		return fmt.Errorf("%q is none of %s", raw, strings.Join(choices, ", "))
	}
	return nil
}

func checkAddress(raw string) error {
	host, port, err := net.SplitHostPort(raw)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || n < 0 || n > 65535 || strings.ContainsAny(host, " /@") {
		return fmt.Errorf("%q is no address; write host:port, as 127.0.0.1:4000 or :4000", raw)
	}
	return nil
}

func checkDirectory(raw string) error {
	if raw == "" || strings.ContainsRune(raw, 0) {
		return errors.New("name a directory")
	}
	return nil
}

func checkOrigin(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Host, "*") {
		return errors.New("must be scheme, host and port alone, as https://chat.example.org")
	}
	return nil
}

func checkPostgres(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || strings.Trim(u.Path, "/") == "" {
		return errors.New("must be a URL with a database, as postgres://chatd:password@127.0.0.1:5432/chatd (its text is not shown here: it may hold a password)")
	}
	return nil
}

func checkRedis(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" || u.Scheme != "unix" && u.Host == "" {
		return errors.New("must be a URL, as redis://:password@127.0.0.1:6379/0 or rediss:// for TLS (its text is not shown here: it may hold a password)")
	}
	return nil
}

func checkMongo(raw string) error {
	if !strings.HasPrefix(raw, "mongodb://") && !strings.HasPrefix(raw, "mongodb+srv://") {
		return errors.New("must be a URL, as mongodb://chatd:password@127.0.0.1:27017/chatd (its text is not shown here: it may hold a password)")
	}
	return nil
}

func decodeBrokers(_ *kong.Value, raw string, target reflect.Value) error {
	var brokers []string
	for _, broker := range fields(raw) {
		if err := checkAddress(broker); err != nil || strings.HasPrefix(broker, ":") {
			return fmt.Errorf("%q is no broker; write host:port, several with commas, as kafka-1:9092,kafka-2:9092", broker)
		}
		brokers = append(brokers, broker)
	}
	target.Set(reflect.ValueOf(brokers))
	return nil
}

func checkPrefix(raw string) error {
	wrong := func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r)
	}
	if raw == "" || len(raw) > 100 || strings.ContainsFunc(raw, wrong) {
		return errors.New("must be up to 100 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

func decodeOrigins(_ *kong.Value, raw string, target reflect.Value) error {
	var origins []string
	for _, origin := range fields(raw) {
		if err := checkOrigin(origin); err != nil && origin != "*" {
			return fmt.Errorf("%q %w", origin, err)
		}
		origins = append(origins, strings.TrimSuffix(origin, "/"))
	}
	target.Set(reflect.ValueOf(origins))
	return nil
}

// decodeLimits adds to what is there: the flag may be given several times.
func decodeLimits(_ *kong.Value, raw string, target reflect.Value) error {
	settings := fields(raw)
	if _, err := budgets().With(settings); err != nil {
		return err
	}
	target.Set(reflect.AppendSlice(target, reflect.ValueOf(settings)))
	return nil
}

func decodeNetworks(_ *kong.Value, raw string, target reflect.Value) error {
	var networks []netip.Prefix
	for _, text := range fields(raw) {
		network, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is no address or network; write 10.0.0.5 or 10.0.0.0/8", text)
		}
		networks = append(networks, network.Masked())
	}
	target.Set(reflect.ValueOf(networks))
	return nil
}

func decodeProviders(_ *kong.Value, raw string, target reflect.Value) error {
	list, err := authoidc.Parse(raw)
	target.Set(reflect.ValueOf(list))
	return err
}

func decodeReturns(_ *kong.Value, raw string, target reflect.Value) error {
	list := fields(raw)
	for _, to := range list {
		if err := authoidc.CheckReturnURL(to); err != nil {
			return fmt.Errorf("%q %w", to, err)
		}
	}
	target.Set(reflect.ValueOf(list))
	return nil
}

func decodeTypes(_ *kong.Value, raw string, target reflect.Value) error {
	var types []string
	for _, name := range fields(raw) {
		if name == "none" && len(fields(raw)) == 1 {
			break
		}
		if kind, rest, ok := strings.Cut(name, "/"); !ok || kind == "" || rest == "" || strings.ContainsAny(name, "*;") {
			return fmt.Errorf("%q is no type of file; write application/zip, several with commas, or none", name)
		}
		types = append(types, name)
	}
	target.Set(reflect.ValueOf(types))
	return nil
}

// fields splits a list at its commas; spaces and empty entries fall away.
func fields(raw string) []string {
	return strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == ' ' })
}

func decodeCount(v *kong.Value, raw string, target reflect.Value) error {
	return decodeWithin(v, raw, strconv.Atoi, "a number", func(n int) { target.SetInt(int64(n)) })
}

func decodeBytes(v *kong.Value, raw string, target reflect.Value) error {
	return decodeWithin(v, raw, parseBytes, "a size", func(n int) { target.SetInt(int64(n)) })
}

func decodeDuration(v *kong.Value, raw string, target reflect.Value) error {
	return decodeWithin(v, raw, time.ParseDuration, "a duration", func(d time.Duration) { target.SetInt(int64(d)) })
}

// decodeWithin reads a value that the tags `min` and `max` bound.
func decodeWithin[T int | time.Duration](v *kong.Value, raw string, parse func(string) (T, error), what string, set func(T)) error {
	low, high := v.Tag.Get("min"), v.Tag.Get("max")
	least, lerr := parse(low)
	most, merr := parse(high)
	if err := errors.Join(lerr, merr); err != nil {
		return fmt.Errorf("bounds of the setting itself: %w", err)
	}
	n, err := parse(raw)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not %s from %s to %s", raw, what, low, high)
	}
	set(n)
	return nil
}

// parseBytes reads 65536, 64KiB, 1MiB or 1GiB.
func parseBytes(raw string) (int, error) {
	unit := 1
	if s, ok := strings.CutSuffix(raw, "KiB"); ok {
		raw, unit = s, 1<<10
	} else if s, ok := strings.CutSuffix(raw, "MiB"); ok {
		raw, unit = s, 1<<20
	} else if s, ok := strings.CutSuffix(raw, "GiB"); ok {
		raw, unit = s, 1<<30
	}
	n, err := strconv.ParseInt(raw, 10, 32)
	return int(n) * unit, err
}

// check looks at what no single setting can say: the rules between them, and
// those of production.
func (c *Config) check(f *faults) {
	c.checkSecret(f)
	for _, other := range []struct{ name, addr string }{{"ws-listen", c.Network.WSListen}, {"ops-listen", c.Network.OpsListen}} {
		if other.addr != "" && other.addr == c.Network.Listen && !strings.HasSuffix(other.addr, ":0") {
			f.flag(other.name, "%s is --listen's address; give it one of its own or leave it out", other.addr)
		}
	}
	if ws := c.Network.WSListen; ws != "" && ws == c.Network.OpsListen && !strings.HasSuffix(ws, ":0") {
		f.flag("ops-listen", "%s is --ws-listen's address; give it one of its own", ws)
	}
	if c.Limits.MaxInitFrame > c.Limits.MaxFrame {
		f.flag("max-init-frame", "is more than --max-frame; a client may not send more before it is known than after")
	}
	c.checkBus(f)
	if c.Mail.SMTPURL != "" && c.Mail.From == "" {
		f.flag("mail-from", "--smtp-url needs an address that its mail is from, as chat@example.org")
	}
	if len(c.Accounts.Providers) > 0 && c.Network.PublicURL == "" {
		f.flag("oidc-providers", "providers send browsers back to --public-url: give it too, as https://chat.example.org")
	}
	if c.Production() {
		c.checkProduction(f)
	}
}

// checkBus wants all that several nodes must have in common.
func (c *Config) checkBus(f *faults) {
	b := c.Bus
	if b.KafkaSASL != "off" && (b.KafkaUser == "" || b.KafkaSecret == "") {
		f.flag("kafka-sasl", "%s needs --kafka-user and CHATD_KAFKA_PASSWORD", b.KafkaSASL)
	}
	if len(b.KafkaBrokers) == 0 {
		return
	}
	if c.Data.PostgresURL == "" {
		f.flag("kafka-brokers", "is for several nodes, which need a store that they share: give --postgres-url too")
	}
	if c.Secret == "" {
		f.add("CHATD_SECRET: several nodes need the same one, so that each reads the others' cursors and keys; make one with `openssl rand -hex 32`")
	}
}

// checkSecret wants a secret that nobody guesses. Its text is never shown.
func (c *Config) checkSecret(f *faults) {
	secret := c.Secret.Reveal()
	switch {
	case secret == "" && c.Production():
		f.add("CHATD_SECRET: production needs it, so that the keys do not lie beside the data; make one with `openssl rand -hex 32`")
	case secret == "":
	case strings.HasPrefix(secret, keys.OfFile):
		if err := keys.Check(secret); err != nil {
			f.add("CHATD_SECRET: %s", err)
		}
	case len(secret) < keys.MinSecret:
		f.add("CHATD_SECRET: is shorter than %d characters; make one with `openssl rand -hex 32`", keys.MinSecret)
	case distinct(secret) < 8:
		f.add("CHATD_SECRET: is easily guessed; make one with `openssl rand -hex 32`")
	}
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

func (c *Config) checkProduction(f *faults) {
	if c.Limits.RateLimits == Off {
		f.flag("rate-limits", "off is for benchmarks; production keeps them on")
	}
	if slices.Contains(c.Network.AllowedOrigins, "*") {
		f.flag("allowed-origins", "* lets every site call the API; production names the sites")
	}
	for _, p := range c.Accounts.Providers {
		if raw := p.InTheClear(); raw != "" {
			f.flag("oidc-providers", "%q is reached at %s: http shows the secret and lets others answer; production uses https", p.Name, raw)
		}
	}
	for _, network := range c.Network.TrustedProxies {
		if network.Bits() == 0 {
			f.flag("trusted-proxies", "%s lets every client forge its address; name the proxies", network)
		}
	}
	if u, err := url.Parse(c.Network.PublicURL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		f.flag("public-url", "http sends tokens in the clear; production is reached by https")
	}
	if c.Network.PublicURL == "" && (c.Mail.SMTPURL != "" || c.Mail.VerifyEmail != "off") {
		f.flag("public-url", "links in mails begin with it; name how clients reach the server, as https://chat.example.org")
	}
	if c.Log.Level == "trace" || c.Log.Level == "debug" {
		f.flag("log-level", "%s is for development; production begins at info", c.Log.Level)
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
