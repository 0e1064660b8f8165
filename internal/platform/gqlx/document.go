package gqlx

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operation.
const (
	Query Kind = iota + 1
	Mutation
	Subscription
)

// String returns the keyword of the kind.
func (k Kind) String() string {
	switch k {
	case Query:
		return "query"
	case Mutation:
		return "mutation"
	case Subscription:
		return "subscription"
	}
	return "unknown"
}

// Document is a request that passed all checks, ready to run with its
// variables. It is used by one request; what does not depend on the variables
// is shared and cached.
type Document struct {
	*plan
	variables map[string]any // coerced, defaults filled in
}

// plan is what is known of one operation of a document before it runs. It is
// immutable.
type plan struct {
	text      string
	operation string // as the request named it; may be empty
	name      string
	kind      Kind
	open      bool
	admin     bool // a root field is @admin
	session   bool // a root field is @session
	fields    []string
	selects   map[string]struct{}
	variables ast.VariableDefinitionList
	// argDefaults has the default of the argument that a variable stands for,
	// for variables that are left out.
	argDefaults map[string]*ast.Value
	cost        cost
	direct      *directField // nil: the executing library runs it

	root *ast.Field // of subscriptions and of what goes the direct way

	// Of subscriptions only.
	renderKey string   // what is selected, without the root field's arguments
	inner     []string // variables that what is selected uses, sorted
	viewer    bool     // a selected field is @viewer
	splices   *spliceNode
}

// Kind says what the operation does.
func (d *Document) Kind() Kind { return d.kind }

// Open says whether the operation needs no viewer: every root field is @open,
// __typename or introspection.
func (d *Document) Open() bool { return d.open }

// Selects says whether a field of that name is selected anywhere.
func (d *Document) Selects(field string) bool {
	_, ok := d.selects[field]
	return ok
}

// Fields returns the names of the root fields in the order of the document.
// The slice is shared and must not be changed.
func (d *Document) Fields() []string { return d.fields }

// Name returns the operation's name; empty for an anonymous one.
func (d *Document) Name() string { return d.name }

type planKey struct{ text, operation string }

// planCache keeps the plans used last, bounded by count and by estimated
// bytes; the least recently used goes first.
type planCache struct {
	mu       sync.Mutex
	lru      *simplelru.LRU[planKey, *plan]
	bytes    int
	maxBytes int
}

func newPlanCache(count, bytes int) (*planCache, error) {
	c := &planCache{maxBytes: bytes}
	lru, err := simplelru.NewLRU(count, func(k planKey, _ *plan) { c.bytes -= k.size() })
	c.lru = lru
	return c, err
}

// size estimates what a plan keeps alive: its text, the syntax tree that the
// variables and root arguments point into, and the tables made from it.
func (k planKey) size() int { return 2048 + 24*len(k.text) }

func (c *planCache) get(k planKey) (*plan, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(k)
}

func (c *planCache) add(k planKey, p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru.Contains(k) {
		return
	}
	c.bytes += k.size()
	c.lru.Add(k, p)
	for c.bytes > c.maxBytes && c.lru.Len() > 1 {
		c.lru.RemoveOldest()
	}
}
