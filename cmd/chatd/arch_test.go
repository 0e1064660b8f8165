package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house rules as a test: who may import whom, which package owns which
// driver, and the alarms for rooms that have grown too big. .golangci.yml
// repeats the coarse part of it for editors; this is the whole.

// contexts in the order in which they may know of each other.
var contexts = []string{"auth", "user", "chat", "notify", "logging"}

// graphOrder is the order in which graph packages may return each other's
// nodes: an account (authgraph) shows its profile (usergraph).
var graphOrder = []string{"user", "auth", "chat", "notify", "logging"}

// technologies are the endings of adapters.
var technologies = []string{"graph", "sql", "mongo", "redis", "loki", "push", "oidc", "blob", "http"}

// owners of what comes from outside the module, by the longest prefix. A
// package is named by its place under internal/ ("platform/sqldb", meaning
// also what is below it), "cmd", "tests", "any", or "*sql" for all adapters
// of a technology. A module without a row has no owner: give it one.
var owners = map[string][]string{
	"github.com/jackc/pgx":                {"platform/sqldb"},
	"modernc.org/sqlite":                  {"platform/sqldb"},
	"github.com/pressly/goose":            {"platform/sqldb"},
	"database/sql":                        {"platform", "*sql"},
	"go.mongodb.org/mongo-driver":         {"platform/mongodb", "*mongo"},
	"github.com/twmb/franz-go":            {"platform/bus/kafkabus"},
	"github.com/gomodule/redigo":          {"platform/redisdb", "platform/limit", "*redis"},
	"github.com/go-chi/chi":               {"platform/httpx", "cmd"},
	"github.com/minio/minio-go":           {"platform/s3"},
	"github.com/coder/websocket":          {"platform/wsgql"},
	"github.com/graph-gophers/graphql-go": {"platform/gqlx", "platform/wsgql", "*graph", "cmd"},
	"github.com/vektah/gqlparser":         {"platform/gqlx"},
	"github.com/go-json-experiment/json":  {"platform/gqlx", "platform/wsgql"},
	"github.com/golang-jwt/jwt":           {"platform/signing", "tests"},
	"github.com/coreos/go-oidc":           {"*oidc"},
	"golang.org/x/oauth2":                 {"*oidc"},
	"github.com/zitadel/oidc":             {"tests"},
	"github.com/pquerna/otp":              {"auth"},
	"golang.org/x/crypto":                 {"auth", "platform/keys", "platform/passwords"},
	"github.com/alecthomas/kong":          {"cmd"},
	"github.com/prometheus/client_golang": {"platform", "cmd"},
	"github.com/prometheus/client_model":  {"tests"},
	"github.com/google/uuid":              {"platform/ids"},
	"github.com/mattn/go-isatty":          {"platform/zlog", "cmd"},
	"go.uber.org/goleak":                  {"tests"},
	"github.com/compose-spec/compose-go":  {"tests"},
	"go.yaml.in/yaml":                     {"tests"},
	"github.com/Shopify/toxiproxy":        {"tests"},
	"github.com/tus/tusd":                 {"*http"},
	"golang.org/x/exp/slog":               {"chat/chathttp"}, // of tusd's configuration
	"github.com/gabriel-vasile/mimetype":  {"*blob"},
	"golang.org/x/image":                  {"*blob"},
	"github.com/wneessen/go-mail":         {"platform/mail"},
	"github.com/emersion/go-smtp":         {"tests"},
	"github.com/emersion/go-sasl":         {"tests"},
	"github.com/rs/zerolog":               {"any"},
	"github.com/hashicorp/golang-lru":     {"any"},
	"golang.org/x/sync":                   {"any"},
	"golang.org/x/text":                   {"any"},
	"golang.org/x/sys":                    {"platform"},
	"golang.org/x/term":                   {"cmd"},
	"testing":                             {"tests"},
	"testing/synctest":                    {"tests"},
	"net/http/httptest":                   {"tests"},
}

// room is a package by its place under the module.
type room struct {
	place   string // "platform/sqldb", "chat/chatsql", "cmd/chatd"
	context string // "chat"; empty outside a context
	trade   string // "root", "v1", "test", a technology; "platform", "cmd", "migrations"
}

func roomOf(dir string) room {
	place, inside := strings.CutPrefix(dir, "internal/")
	top, rest, _ := strings.Cut(place, "/")
	if !inside || !slices.Contains(contexts, top) {
		return room{place: place, trade: top}
	}
	trade, ok := strings.CutPrefix(rest, top)
	switch {
	case rest == "":
		trade = "root"
	case !ok || trade != "v1" && trade != "test" && !slices.Contains(technologies, trade):
		trade = "unknown"
	}
	return room{place: place, context: top, trade: trade}
}

// isTest says whether only tests may use the package: …test, and testenv.
func (r room) isTest() bool {
	name := path.Base(r.place)
	return strings.HasSuffix(name, "test") || name == "testenv"
}

// breach tells why from may not import target; empty when it may. In a test
// file, or a …test package, inTest holds.
func breach(from room, target string, inTest bool) string {
	inTest = inTest || from.isTest()
	if dir, ours := strings.CutPrefix(target, "chatd/"); ours {
		return breachInside(from, roomOf(dir), inTest)
	}
	return breachOutside(from, target, inTest)
}

func breachInside(from, to room, inTest bool) string {
	switch {
	case to.trade == "cmd":
		return "nothing imports cmd: it is where everything is put together"
	case to.isTest() && !inTest:
		return "…test packages are for tests alone"
	case from.trade == "cmd":
		return ""
	case to.trade == "unknown":
		return "a context has its root, its v1, its test package and adapters named after a technology"
	case from.trade == "platform" && to.trade != "platform" && (to.trade != "migrations" || !inTest):
		return "platform knows no context, so that it can serve them all"
	case to.trade == "platform", to.place == from.place:
		return ""
	case to.trade == "migrations" && (from.trade == "sql" || inTest):
		return ""
	case from.context == "" || to.context == "":
		return "only cmd and SQL adapters take from here"
	case from.context != to.context:
		return breachAcross(from, to)
	case from.trade == "v1":
		return "published events are plain: they know platform alone"
	case to.trade == "root", to.trade == "v1", to.trade == "test" && inTest:
		return ""
	case inTest:
		return "" // a context's own tests may run on its real store
	case from.trade == "root":
		return "a context's root knows no adapter: it says what it needs (store.go, peers.go) and is given it"
	default:
		return "adapters do not know each other: cmd puts them together"
	}
}

func breachAcross(from, to room) string {
	switch {
	case to.trade == "v1" && slices.Index(contexts, to.context) < slices.Index(contexts, from.context):
		return ""
	case to.trade == "v1":
		return "contexts know each other's events in the order " + strings.Join(contexts, ", ")
	case from.trade == "graph" && to.trade == "graph" && slices.Index(graphOrder, to.context) < slices.Index(graphOrder, from.context):
		return ""
	default:
		return "of another context only its v1 can be seen (and a graph package's nodes, in the order " + strings.Join(graphOrder, ", ") + ")"
	}
}

func breachOutside(from room, target string, inTest bool) string {
	row := ""
	for prefix := range owners {
		if (target == prefix || strings.HasPrefix(target, prefix+"/")) && len(prefix) > len(row) {
			row = prefix
		}
	}
	first, _, _ := strings.Cut(target, "/")
	switch {
	case row == "" && strings.Contains(first, "."):
		return "a dependency needs an owner: a row in arch_test.go and one in docs/dependencies.md"
	case row == "":
		return ""
	}
	for _, owner := range owners[row] {
		technology, isTechnology := strings.CutPrefix(owner, "*")
		switch {
		case owner == "any", owner == "tests" && inTest, isTechnology && from.trade == technology:
			return ""
		case from.place == owner, strings.HasPrefix(from.place, owner+"/"):
			return ""
		}
	}
	return row + " belongs to " + strings.Join(owners[row], ", ")
}

// source is one parsed Go file of the module.
type source struct {
	dir, name string
	lines     int
	test      bool
	file      *ast.File
}

func moduleSources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var sources []source
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() && file != root {
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return filepath.SkipDir // a module of its own
			}
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		sources = append(sources, source{
			dir: filepath.ToSlash(dir), name: name, lines: strings.Count(string(text), "\n"),
			test: strings.HasSuffix(name, "_test.go"), file: parsed,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 10 {
		t.Fatalf("only %d files were found", len(sources))
	}
	return sources
}

func TestNobodyImportsWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	for _, s := range moduleSources(t) {
		for _, spec := range s.file.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := breach(roomOf(s.dir), target, s.test); why != "" {
				t.Errorf("%s/%s imports %s: %s", s.dir, s.name, target, why)
			}
		}
	}
}

func TestTheImportRuleRefusesBreaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		inTest   bool
		want     string // part of the reason; empty when allowed
	}{
		{"internal/platform/sqldb", "chatd/internal/chat", false, "platform knows no context"},
		{"internal/platform/loadgen", "chatd/internal/platform/wsgql/wsclient", false, ""},
		{"internal/chat", "chatd/internal/platform/errs", false, ""},
		{"internal/chat", "chatd/internal/chat/chatsql", false, "knows no adapter"},
		{"internal/chat", "chatd/internal/chat/chatsql", true, ""},
		{"internal/chat", "chatd/internal/user/userv1", false, ""},
		{"internal/user", "chatd/internal/chat/chatv1", false, "in the order"},
		{"internal/chat", "chatd/internal/user", false, "only its v1"},
		{"internal/chat", "chatd/internal/user", true, "only its v1"},
		{"internal/chat/chatsql", "chatd/internal/chat/chatgraph", false, "adapters do not know each other"},
		{"internal/chat/chatgraph", "chatd/internal/chat/chatsql", true, ""},
		{"internal/chat/chatgraph", "chatd/internal/user/usersql", true, "only its v1"},
		{"internal/chat/chatsql", "chatd/internal/chat", false, ""},
		{"internal/chat/chatsql", "chatd/internal/chat/chattest", false, "for tests alone"},
		{"internal/chat/chatsql", "chatd/internal/chat/chattest", true, ""},
		{"internal/chat/chattest", "chatd/internal/platform/sqldb/sqldbtest", false, ""},
		{"internal/chat/chatv1", "chatd/internal/chat", false, "plain"},
		{"internal/chat/chatgraph", "chatd/internal/user/usergraph", false, ""},
		{"internal/user/usergraph", "chatd/internal/auth/authgraph", false, "only its v1"},
		{"internal/auth/authsql", "chatd/migrations", false, ""},
		{"internal/auth", "chatd/migrations", false, "only cmd and SQL adapters"},
		{"internal/auth", "chatd/internal/auth/utils", false, "named after a technology"},
		{"internal/auth", "chatd/cmd/chatd", false, "nothing imports cmd"},
		{"cmd/chatd", "chatd/internal/chat/chatsql", false, ""},
		{"internal/chat/chatsql", "github.com/jackc/pgx/v5", false, "belongs to platform/sqldb"},
		{"internal/platform/sqldb/sqldbtest", "github.com/jackc/pgx/v5/stdlib", false, ""},
		{"internal/auth", "github.com/gomodule/redigo", false, "belongs to platform/redisdb"},
		{"internal/auth/authsql", "github.com/gomodule/redigo", false, "belongs to platform/redisdb"},
		{"internal/auth/authredis", "github.com/gomodule/redigo", false, ""},
		{"internal/platform/limit/redislimit", "github.com/gomodule/redigo", false, ""},
		{"internal/chat", "database/sql", false, "belongs to platform, *sql"},
		{"internal/chat/chatmongo", "go.mongodb.org/mongo-driver/v2/bson", false, ""},
		{"internal/chat", "go.mongodb.org/mongo-driver/v2/bson", false, "belongs to platform/mongodb, *mongo"},
		{"internal/chat/chatsql", "database/sql", false, ""},
		{"internal/chat", "github.com/graph-gophers/graphql-go", false, "belongs to"},
		{"internal/chat/chatgraph", "github.com/graph-gophers/graphql-go", false, ""},
		{"internal/platform/signing", "github.com/golang-jwt/jwt/v5", false, ""},
		{"internal/auth", "github.com/golang-jwt/jwt/v5", false, "belongs to platform/signing"},
		{"internal/user", "github.com/vektah/gqlparser/v2", false, "belongs to platform/gqlx"},
		{"internal/platform/bus", "github.com/twmb/franz-go/pkg/kgo", false, "belongs to platform/bus/kafkabus"},
		{"internal/platform/bus/kafkabus", "github.com/twmb/franz-go/pkg/kadm", false, ""},
		{"internal/user", "github.com/some/thing", false, "needs an owner"},
		{"internal/user", "testing", false, "belongs to tests"},
		{"internal/user/usertest", "testing", false, ""},
		{"internal/user", "strings", false, ""},
	} {
		got := breach(roomOf(c.from), c.to, c.inTest)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s (test: %v): %q, wanted %q", c.from, c.to, c.inTest, got, c.want)
		}
	}
}

// The alarms: what is over is answered by splitting the trade.
const (
	mostLines          = 400 // of a file
	mostStatements     = 50  // of a function
	mostContextFiles   = 30  // of a context's root
	mostPlatformFiles  = 8   // of a platform package, doc.go not counted
	mostCommandFiles   = 15  // of cmd/chatd
	mostStoreMethods   = 12
	mostPeerMethods    = 3
	peersAreDeclaredIn = "peers.go"
)

// roomy are packages over an alarm, each with the reason why it stays whole.
var roomy = map[string]string{
	"internal/chat":           "a conversation's rules: its families of use cases share one Service, one Store and one table of rights",
	"internal/platform/sqldb": "two engines behind one text: each way of writing is a file, and none is of use without the others",
	"internal/platform/gqlx":  "one document's way from text to answer; its steps share the analysis that is cached",
	"internal/platform/wsgql": "one socket's life; its parts share the socket's state, which nobody else may touch",
}

func TestNoRoomHasOutgrownItsTrade(t *testing.T) {
	t.Parallel()
	files := map[string]int{}
	for _, s := range moduleSources(t) {
		if s.test {
			continue
		}
		if s.name != "doc.go" {
			files[s.dir]++
		}
		if s.lines > mostLines {
			t.Errorf("%s/%s has %d lines, more than %d", s.dir, s.name, s.lines, mostLines)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			for _, alarm := range alarms(s, n) {
				t.Error(alarm)
			}
			return true
		})
	}
	for dir, n := range files {
		most := mostContextFiles
		switch r := roomOf(dir); r.trade {
		case "platform":
			most = mostPlatformFiles
		case "cmd":
			most = mostCommandFiles
		}
		if n > most && roomy[dir] == "" {
			t.Errorf("%s has %d files, more than %d: split the trade", dir, n, most)
		}
	}
}

func alarms(s source, n ast.Node) (found []string) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if c := statements(n.Body); c > mostStatements {
			found = append(found, fmt.Sprintf("%s/%s: %s has %d statements, more than %d", s.dir, s.name, n.Name, c, mostStatements))
		}
	case *ast.TypeSpec:
		wanted, ok := n.Type.(*ast.InterfaceType)
		most := mostStoreMethods
		if s.name == peersAreDeclaredIn {
			most = mostPeerMethods
		}
		if ok && wanted.Methods.NumFields() > most {
			found = append(found, fmt.Sprintf("%s/%s: %s has %d methods, more than %d", s.dir, s.name, n.Name, wanted.Methods.NumFields(), most))
		}
	}
	return found
}

func statements(body *ast.BlockStmt) (n int) {
	if body == nil {
		return 0
	}
	ast.Inspect(body, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
		case ast.Stmt:
			n++
		}
		return true
	})
	return n
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, s := range moduleSources(t) {
		if !s.test {
			said[s.dir] = said[s.dir] || s.name == "doc.go" && s.file.Doc != nil
		}
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s has no doc.go: what it owns, its words, where to start reading, what it does not do", dir)
		}
	}
}
