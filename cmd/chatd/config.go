package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"chatd/internal/auth"
	"chatd/internal/auth/authoidc"
	"chatd/internal/platform/limit"
	"chatd/internal/platform/wsgql"
)

// Config is the whole configuration of a server, one struct per part. Its
// tags are the command line's grammar; values come from a flag, else the
// environment (CHATD_ and the flag's name in capitals), else the file, else
// the default. A Config that run hands on has passed every check.
type Config struct {
	Env      string         `type:"choice" choices:"dev,production" default:"dev" help:"dev or production; production refuses what is only safe on a developer's machine."`
	Network  NetworkConfig  `embed:"" group:"Network"`
	Data     DataConfig     `embed:"" group:"Data"`
	Bus      BusConfig      `embed:"" group:"Bus"`
	Accounts AccountsConfig `embed:"" group:"Accounts"`
	Mail     MailConfig     `embed:"" group:"Mail"`
	Files    FilesConfig    `embed:"" group:"Files"`
	GraphQL  GraphQLConfig  `embed:"" group:"GraphQL"`
	Limits   LimitsConfig   `embed:"" group:"Limits"`
	Log      LogConfig      `embed:"" group:"Log"`
	Unbuilt  UnbuiltConfig  `embed:"" group:"Servers that this build does not speak yet"`

	// Secret is the master key's source, by CHATD_SECRET alone; empty means
	// the data directory's secret.key.
	Secret Secret `kong:"-"`
}

// Production says whether the server faces strangers.
func (c *Config) Production() bool { return c.Env == "production" }

// NetworkConfig is where the server listens and whom it believes.
type NetworkConfig struct {
	Listen         string         `type:"address" default:"127.0.0.1:4000" help:"Address of everything: GraphQL, WebSocket, pages. :4000 opens it to the network."`
	WSListen       string         `name:"ws-listen" type:"address" placeholder:"ADDRESS" help:"Another address for WebSocket alone, as :4001."`
	OpsListen      string         `type:"address" placeholder:"ADDRESS" help:"Address of health, readiness and metrics; they leave the main listener then."`
	PublicURL      string         `name:"public-url" type:"origin" placeholder:"URL" help:"How clients reach the server, as https://chat.example.org."`
	TrustedProxies []netip.Prefix `type:"networks" placeholder:"LIST" help:"Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas."`
	AllowedOrigins []string       `type:"origins" placeholder:"LIST" help:"Other sites whose pages may call the API, as https://app.example.org, separated by commas; * for all."`
}

// DataConfig is where the data is and how surely it is written.
type DataConfig struct {
	Dir         string `name:"data-dir" type:"directory" default:"./chatd-data" help:"Directory of the embedded store, keys and files; made when missing."`
	PostgresURL Secret `name:"postgres-url" type:"postgres" placeholder:"URL" help:"PostgreSQL instead of the embedded store, as postgres://chatd:password@db/chatd."`
	MongoURL    Secret `name:"mongo-url" type:"mongo" placeholder:"URL" help:"MongoDB for conversations and messages, as mongodb://chatd:password@db/chatd; accounts and people stay where they are."`
	RedisURL    Secret `name:"redis-url" type:"redis" placeholder:"URL" help:"Redis, so that nodes count limits together, hear at once of sessions that have ended, and have presence and a cache of profiles in common, as redis://:password@cache:6379/0; rediss:// for TLS."`
	Durability  string `type:"choice" choices:"full,relaxed" default:"full" help:"full: an acknowledged message survives a power cut. relaxed: it survives a crash of chatd, and a power cut may take the last moments."`
}

// BusConfig is how events go between contexts and nodes: within the process,
// or by Kafka where there are several nodes.
type BusConfig struct {
	KafkaBrokers []string      `type:"brokers" placeholder:"LIST" help:"Kafka as the bus of several nodes on one PostgreSQL: some of its brokers, as kafka-1:9092,kafka-2:9092."`
	KafkaTLS     Switch        `name:"kafka-tls" type:"choice" choices:"on,off" default:"off" help:"Whether connections to the brokers are encrypted."`
	KafkaCA      string        `name:"kafka-ca" placeholder:"FILE" help:"Authorities of the brokers' certificates, in PEM; the system's when nothing is said."`
	KafkaSASL    string        `name:"kafka-sasl" type:"choice" choices:"off,PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" default:"off" help:"How chatd signs in to the brokers."`
	KafkaUser    string        `name:"kafka-user" placeholder:"NAME" help:"The user that it signs in as."`
	KafkaSecret  Secret        `name:"kafka-password" type:"secret" placeholder:"PASSWORD" help:"His password; better given by the environment."`
	KafkaTopics  string        `name:"kafka-topics" type:"choice" choices:"create,expect" default:"create" help:"Whether topics that are missing are made, or the start refused."`
	PresenceTTL  time.Duration `name:"presence-ttl" type:"duration" min:"3s" max:"40s" default:"30s" help:"How long nodes believe what another has last said of who is connected to it; they say it three times as often."`
	KafkaPrefix  string        `name:"kafka-prefix" type:"prefix" default:"chatd." help:"What the names of topics and consumer groups begin with."`
}

// AccountsConfig is who may get an account.
type AccountsConfig struct {
	Registration string             `type:"choice" choices:"open,invite,closed" default:"open" help:"Who may register: anybody, who was invited, nobody."`
	Providers    authoidc.Providers `name:"oidc-providers" type:"providers" placeholder:"JSON" help:"Other services that people sign in by, as [{\"name\": \"example\", \"issuer\": \"https://id.example.org\", \"clientId\": \"chatd\", \"clientSecret\": \"…\"}]; better given by the environment or the file."`
	ReturnURLs   []string           `name:"sign-in-return-urls" type:"returns" placeholder:"LIST" help:"Where browsers may be sent after that, beside pages of --public-url: whole addresses, separated by commas."`
	AuditDays    int                `name:"audit-days" type:"count" min:"0" max:"36500" default:"365" help:"How many days entries of the audit log are kept; 0 keeps them for ever."`
}

// MailConfig is how mail to the owners of accounts goes out.
type MailConfig struct {
	SMTPURL     Secret `name:"smtp-url" type:"smtp" placeholder:"URL" help:"Server that takes mail, as smtp://user:password@mail.example.org:587 (STARTTLS) or smtps:// for TLS from the first byte; without one each mail is a file in the data directory."`
	From        string `name:"mail-from" type:"sender" placeholder:"ADDRESS" help:"Whom mail is from, as chat@example.org or 'Chat <chat@example.org>'."`
	VerifyEmail string `name:"verify-email" type:"choice" choices:"off,required" default:"off" help:"required: who registers has an account once a link in a mail was opened."`
}

// site is what links in mails begin with: never what a request says of it.
func (c *Config) site() string {
	if c.Network.PublicURL != "" {
		return strings.TrimSuffix(c.Network.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(c.Network.Listen)
	if addr, aerr := netip.ParseAddr(host); err == nil && (host == "" || aerr == nil && addr.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// FilesConfig is where files of messages lie and how much of them there may be.
type FilesConfig struct {
	Dir          string        `name:"files-dir" type:"folder" placeholder:"DIR" help:"Directory of uploaded files; files in the data directory when nothing is said. Several nodes need one that they share."`
	S3URL        Secret        `name:"s3-url" type:"s3" placeholder:"URL" help:"Bucket of an S3 server for uploaded files instead of a directory, as https://KEY:SECRET@s3.example.org/bucket; a prefix of names may follow the bucket, and ?region= its region. Several nodes may share it."`
	MaxFile      int           `name:"max-file" type:"bytes" min:"1KiB" max:"2GiB" default:"25MiB" help:"Largest file."`
	PerMessage   int           `name:"max-attachments" type:"count" min:"1" max:"100" default:"10" help:"Most files of one message."`
	Quota        int           `name:"file-quota" type:"bytes" min:"1MiB" max:"1024GiB" default:"1GiB" help:"Most that the files of one user may take."`
	MaxUnsent    int           `name:"max-unsent-files" type:"count" min:"1" max:"100000" default:"100" help:"Most uploads of one user that are in no message."`
	KeepUnsent   time.Duration `name:"keep-unsent-files" type:"duration" min:"1s" max:"720h" default:"24h" help:"How long an upload waits for its message before it is removed."`
	MaxPixels    int           `name:"max-image-pixels" type:"count" min:"10000" max:"200000000" default:"32000000" help:"Most pixels of an image that gets a thumbnail, and of all that are decoded at once; each takes up to 8 bytes of memory."`
	RefusedTypes []string      `name:"refused-file-types" type:"types" default:"application/vnd.microsoft.portable-executable,application/x-elf,application/x-executable,application/x-sharedlib,application/x-mach-binary,application/x-ms-installer,application/x-ms-shortcut" help:"Types of file that are not taken, as told from the content, separated by commas; none takes all."`
}

// GraphQLConfig is how much of the schema strangers see.
type GraphQLConfig struct {
	Introspection Switch `type:"choice" choices:"on,off" default:"on" help:"Whether the schema can be asked for, GraphiQL and suggestions included."`
}

// LimitsConfig bounds what one client may ask of the server.
type LimitsConfig struct {
	RateLimits        Switch        `type:"choice" choices:"on,off" default:"on" help:"off lifts rate limits and the caps on connections, for benchmarks."`
	Rates             []string      `name:"limit" type:"limits" placeholder:"NAME=BURST/PER" help:"One of the rate limits instead of its default, as sends=200/50ms for 200 at once and one more each 50 ms, or sends=off; several with commas, or the flag again. docs/operations.md has the names."`
	MaxBody           int           `type:"bytes" min:"1KiB" max:"64MiB" default:"1MiB" help:"Largest HTTP request."`
	MaxDocument       int           `type:"bytes" min:"1KiB" max:"4MiB" default:"64KiB" help:"Longest GraphQL document."`
	MaxDepth          int           `type:"count" min:"2" max:"100" default:"12" help:"Deepest nesting of a document."`
	MaxComplexity     int           `type:"count" min:"10" max:"1000000" default:"1000" help:"Most objects that a document may ask for."`
	MaxAliases        int           `type:"count" min:"1" max:"1000" default:"15" help:"Most times that a document may ask for one field of an object."`
	OperationTimeout  time.Duration `type:"duration" min:"100ms" max:"10m" default:"30s" help:"Longest run of one operation."`
	MaxSubscriptions  int           `type:"count" min:"1" max:"10000" default:"100" help:"Most subscriptions of one socket."`
	MaxUnsent         int           `type:"bytes" min:"64KiB" max:"64MiB" default:"1MiB" help:"Most that may wait for one socket to read before it is closed."`
	MaxFrame          int           `type:"bytes" min:"1KiB" max:"16MiB" default:"256KiB" help:"Largest WebSocket message after the acknowledgement."`
	MaxInitFrame      int           `type:"bytes" min:"1KiB" max:"1MiB" default:"8KiB" help:"Largest WebSocket message before the acknowledgement."`
	MaxSocketsPerUser int           `type:"count" min:"1" max:"100000" default:"20" help:"Most sockets of one user."`
}

// budgets are the rate limits when nothing is said: the one table of them.
func budgets() limit.Table {
	row := func(name string, burst int, per time.Duration, whose, what string) limit.Row {
		return limit.Row{Budget: limit.Budget{Name: name, Rate: limit.Rate{Burst: burst, Per: per}}, Whose: whose, What: what}
	}
	sign := auth.DefaultRates()
	of := func(name string, r limit.Rate, whose, what string) limit.Row {
		return row(name, r.Burst, r.Per, whose, what)
	}
	return limit.Table{
		row("requests-user", 400, 10*time.Millisecond, "user", "GraphQL operations over HTTP and all of his sockets, and requests about files, together"),
		row("requests-token", 200, 20*time.Millisecond, "personal token", "the same, of one token; they count for its user too"),
		row("requests-network", 400, 10*time.Millisecond, "network", "the same, of all who have not signed in"),
		row("sends", 200, 50*time.Millisecond, "user", "messages sent, retries too"),
		row("uploads", 100, time.Second, "user", "uploads begun"),
		row(wsgql.ConnectBudget, 600, 50*time.Millisecond, "network", "WebSocket connections"),
		row("messages-socket", 400, 10*time.Millisecond, "socket", "messages of the protocol, pings too"),
		of("login-account", sign.Account, "login", "sign-ins to it, from wherever"),
		of("login-network", sign.Network, "network", "sign-ins, to whatever"),
		of("login-known", sign.Known, "login and network", "sign-ins from where the account signed in within 30 days; instead of the two above"),
		of("provider-network", sign.Provider, "network", "steps of sign-ins by other providers, of which each has three"),
		of("register-network", sign.Register, "network", "accounts made"),
		of("email-taken", sign.EmailTaken, "network", "times that it learns that an address has an account; then it cannot register"),
		of("totp", sign.Totp, "user", "codes of a second factor tried, right ones too"),
		of("totp-day", sign.TotpDay, "user", "the same for longer"),
		of("password", sign.Password, "user", "passwords that a signed-in user is asked for again"),
		of("mail-address", sign.MailAddress, "address", "mails that others can have sent to it; beyond that the answers are the same and none comes"),
		of("mail-network", sign.MailNetwork, "network", "mails that are asked for from it; likewise"),
		row("invite-codes", 20, 10*time.Second, "user", "codes of groups' invitations tried"),
	}
}

// table is the rate limits that are in force; the settings were checked when
// they were read.
func (l *LimitsConfig) table() limit.Table {
	t, err := budgets().With(l.Rates)
	if err != nil {
		panic(err)
	}
	return t
}

// LogConfig is what the server writes about itself.
type LogConfig struct {
	Level  string `name:"log-level" type:"choice" choices:"trace,debug,info,warn,error" default:"info" help:"Least level that is written."`
	Format string `name:"log-format" type:"choice" choices:"auto,json,console" default:"auto" help:"auto: for eyes on a terminal, else JSON."`
}

// UnbuiltConfig holds the names of what is to come. Giving one is a fault:
// data that the operator means to go elsewhere must not silently stay here.
type UnbuiltConfig struct {
	LokiURL Secret `name:"loki-url" type:"unbuilt" placeholder:"URL" server:"Loki" help:"Loki as the store of log lines."`
	OTLPURL Secret `name:"otlp-url" type:"unbuilt" placeholder:"URL" server:"OpenTelemetry" help:"Collector of traces."`
}

// Switch is a setting that is on or off.
type Switch string

// The two values of a Switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// Secret is a value that must not be seen: every way of printing it masks
// what is secret in it. Reveal gives it to whom it is meant for.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a URL without its password and parameters, and three stars
// for anything else.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Host == "" {
		return "***"
	}
	masked := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		masked.User = url.User(u.User.Username())
		if _, has := u.User.Password(); has {
			masked.User = url.UserPassword(u.User.Username(), "***")
		}
	}
	text := strings.Replace(masked.String(), ":%2A%2A%2A@", ":***@", 1)
	if u.RawQuery != "" {
		text += "?***"
	}
	return text
}

// Format masks as String does, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText masks as String does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
