package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// parser reads the settings out of flags, environment, file and defaults, and
// keeps every fault it meets, so that all are told at once.
type parser struct {
	env    map[string]string
	file   *settingsFile // nil until the first setting is looked up
	from   map[string]string
	faults faults
	helped bool // --help has printed what was asked for
}

func newParser(env []string) *parser {
	p := &parser{env: make(map[string]string, len(env)), from: make(map[string]string)}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		p.env[name] = value
	}
	return p
}

// kong builds the command line of g around p.
func (p *parser) kong(g *grammar, out io.Writer) (*kong.Kong, error) {
	options := []kong.Option{
		kong.Name("chatd"),
		kong.Description("A self-hosted chat server that speaks GraphQL over HTTP and WebSocket.\n\n" +
			"A setting is taken from its flag, else from its environment variable, else from the file of --config, else from the default. " +
			"The master key is taken from CHATD_SECRET alone. " +
			"Exit status: 0 done, 1 refused or failed, 2 the command line was not understood."),
		kong.Writers(out, out),
		kong.Exit(func(int) { p.helped = true }),
		kong.Resolvers(p),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(helpWithEnv),
	}
	for name, decode := range decoders {
		options = append(options, kong.NamedMapper(name, p.collecting(decode)))
	}
	return kong.New(g, options...)
}

// envName is the variable of a flag: CHATD_DATA_DIR of data-dir.
func envName(flag string) string {
	return "CHATD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// isSetting tells a field of Config from --help, --config and the flags of
// commands that have no settings: each says its type.
func isSetting(v *kong.Value) bool { return v.Tag.Type != "" }

func helpWithEnv(v *kong.Value) string {
	help := v.Help
	if choices := v.Tag.Get("choices"); choices != "" {
		help += " One of " + strings.ReplaceAll(choices, ",", ", ") + "."
	}
	if !isSetting(v) && v.Name != "config" {
		return help
	}
	return help + " [$" + envName(v.Name) + "]"
}

// collecting makes a mapper that keeps a bad value as a fault and goes on.
func (p *parser) collecting(decode decoder) kong.Mapper {
	return kong.MapperFunc(func(k *kong.DecodeContext, target reflect.Value) error {
		var raw string
		if err := k.Scan.PopValueInto("value", &raw); err != nil {
			return err
		}
		if err := decode(k.Value, raw, target); err != nil {
			p.faults.flag(k.Value.Name, "%s", err)
		}
		return nil
	})
}

// Validate is for kong: the file is checked once it is known, in finish.
func (p *parser) Validate(*kong.Application) error { return nil }

// Resolve looks up a flag that the command line does not have: environment,
// then file. A variable that is set but empty counts as not given.
func (p *parser) Resolve(k *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !isSetting(flag.Value) {
		return nil, nil
	}
	if p.file == nil {
		p.file = p.readFile(k)
	}
	if v := p.env[envName(flag.Name)]; v != "" {
		p.from[flag.Name] = envName(flag.Name)
		return v, nil
	}
	if v, ok := p.file.values[flag.Name]; ok {
		p.from[flag.Name] = p.file.name
		return v, nil
	}
	return nil, nil
}

// finish hears the rest of the faults and tells them all.
func (p *parser) finish(k *kong.Context, cfg *Config) error {
	for _, path := range k.Path {
		if path.Flag != nil && !path.Resolved {
			p.from[path.Flag.Name] = "--" + path.Flag.Name
		}
	}
	known := map[string]bool{}
	for _, flag := range k.Selected().Flags {
		known[flag.Name] = isSetting(flag.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(p.file.values)) {
		switch {
		case name == "secret":
			p.faults.add("secret in %s: the master key is taken from CHATD_SECRET alone; take it out of the file", p.file.name)
		case !known[name]:
			p.faults.add("%s in %s: there is no such setting; `chatd serve --help` lists them", name, p.file.name)
		}
	}
	cfg.Secret = Secret(p.env["CHATD_SECRET"])
	cfg.check(&p.faults)
	return p.faults.err()
}

// print writes the configuration in force: setting, value, where it is from.
func (p *parser) print(k *kong.Context, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value, from string) { _, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", name, value, from) }
	row("SETTING", "VALUE", "FROM")
	for _, flag := range k.Selected().Flags {
		if !isSetting(flag.Value) || flag.Tag.Type == "unbuilt" {
			continue
		}
		from := p.from[flag.Name]
		if from == "" {
			from = "default"
		}
		row(flag.Name, shown(flag), from)
	}
	if p.env["CHATD_SECRET"] != "" {
		row("secret", "***", "CHATD_SECRET")
	} else {
		row("secret", "secret.key in the data directory", "default")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, name := range p.unread(k) {
		if _, err := fmt.Fprintf(out, "%s is set, but there is no such setting\n", name); err != nil {
			return err
		}
	}
	return nil
}

// unread are variables that look like settings and are none. They are no
// fault: an orchestrator makes CHATD_SERVICE_HOST and its like by itself.
func (p *parser) unread(k *kong.Context) []string {
	known := map[string]bool{"CHATD_SECRET": true}
	for _, flag := range k.Selected().Flags {
		known[envName(flag.Name)] = true
	}
	var names []string
	for name := range p.env {
		if strings.HasPrefix(name, "CHATD_") && !strings.HasPrefix(name, "CHATD_TEST_") && !known[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func shown(flag *kong.Flag) string {
	s := strings.Trim(fmt.Sprint(flag.Target.Interface()), "[]")
	switch {
	case s == "":
		return "-"
	case flag.Tag.Type == "bytes":
		return s + " bytes"
	}
	return s
}

// settingsFile is what the file of --config says: one JSON object, its keys
// the names of flags, its values text, numbers, or lists of text or objects.
type settingsFile struct {
	name   string
	values map[string]string
}

func (p *parser) readFile(k *kong.Context) *settingsFile {
	f := &settingsFile{name: p.env["CHATD_CONFIG"]}
	for _, path := range k.Path {
		if path.Flag != nil && path.Flag.Name == "config" {
			f.name, _ = k.FlagValue(path.Flag).(string)
		}
	}
	if f.name == "" {
		return f
	}
	if err := f.read(); err != nil {
		p.faults.flag("config", "%s", err)
	}
	return f
}

func (f *settingsFile) read() error {
	text, err := os.ReadFile(f.name)
	if err != nil {
		return err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("%s is not a JSON object: %w", f.name, jsonError(text, err))
	}
	f.values = make(map[string]string, len(values))
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if f.values[name], err = plain(values[name]); err != nil {
			faults = append(faults, name+" "+err.Error())
		}
	}
	if len(faults) > 0 {
		return errors.New(f.name + ": " + strings.Join(faults, "; "))
	}
	return nil
}

// plain turns a JSON value into what would stand behind the flag.
func plain(raw json.RawMessage) (string, error) {
	var list []string
	if json.Unmarshal(raw, &list) == nil && list != nil {
		return strings.Join(list, ","), nil
	}
	var objects []map[string]any
	if json.Unmarshal(raw, &objects) == nil && len(objects) > 0 {
		return string(raw), nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String(), nil
	}
	return "", errors.New(`must be text, a number or a list of text (switches are "on" and "off")`)
}

// jsonError adds the line to a syntax error; Go's own says only the byte.
func jsonError(text []byte, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + strings.Count(string(text[:syntax.Offset]), "\n")
		return fmt.Errorf("line %d: %w", line, err)
	}
	return err
}
