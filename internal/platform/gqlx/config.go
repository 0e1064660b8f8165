package gqlx

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/feed"
)

// Source is one part of the composed schema; Name is told in errors.
type Source struct{ Name, SDL string }

// Limits bound one request. Zero values are the documented defaults.
type Limits struct {
	DocumentBytes      int           // 65,536
	Tokens             int           // 5,000 lexical tokens in a document
	Depth              int           // 12
	IntrospectionDepth int           // 20, below __schema and __type
	Complexity         int           // 1,000
	Aliases            int           // 15 of one field in one selection set
	ListSize           int           // 50, assumed where first and last are absent
	BodyBytes          int64         // 1 MiB, of an HTTP request
	Timeout            time.Duration // 30 s, for one operation or one rendering
	CachedDocuments    int           // 1,000
	CachedBytes        int           // 16 MiB, estimated
}

func (l Limits) withDefaults() Limits {
	set := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&l.DocumentBytes, 64<<10)
	set(&l.Tokens, 5000)
	set(&l.Depth, 12)
	set(&l.IntrospectionDepth, 20)
	set(&l.Complexity, 1000)
	set(&l.Aliases, 15)
	set(&l.ListSize, 50)
	set(&l.CachedDocuments, 1000)
	set(&l.CachedBytes, 16<<20)
	if l.BodyBytes <= 0 {
		l.BodyBytes = 1 << 20
	}
	if l.Timeout <= 0 {
		l.Timeout = 30 * time.Second
	}
	return l
}

// SubscriptionField says how one field of Subscription is opened and rendered.
type SubscriptionField struct {
	// Name is the field's name in the schema.
	Name string
	// Open checks the viewer's rights and the positions he gives, and opens
	// the stream. The context carries the principal and feed.Resume.
	Open func(ctx context.Context, a Args) (feed.Stream, error)
	// Node turns a shared event into what the field's resolver would have sent
	// on its channel. It is called once per rendering.
	Node func(event any) any
}

// Config is what an Engine is made of.
type Config struct {
	// SDL are the contexts' parts; the base part (directives, Time, PageInfo,
	// Node) is added by New.
	SDL []Source
	// Root has the methods Query, Mutation and Subscription, as graphql-go
	// wants them; a subscription's resolver returns Channel of its context.
	Root any
	// Subscriptions has one entry for each field of Subscription.
	Subscriptions []SubscriptionField
	// Direct is a way past the executing library for a few documents; the
	// zero Direct is none.
	Direct Direct
	// Links signs what fields that are @spliced(as: LINK) stand for; nil where
	// the schema has none.
	Links  Links
	Limits Limits
	// Introspection lets anybody read the schema; without it, suggestions are
	// left out of error messages too.
	Introspection bool
	Log           zerolog.Logger
	// Denied says why a context has no principal, for operations that need
	// one; nil, or a nil answer, is errs.ErrUnauthenticated.
	Denied func(ctx context.Context) error
	// Before is called once before each query and mutation runs, after all
	// checks, and may put things into the context. May be nil.
	Before func(ctx context.Context, d *Document) context.Context
}

// Args are the arguments of a subscription's root field: coerced to the
// schema's types, defaults filled in, absent where nothing was given.
type Args map[string]any

// ID returns an argument of type ID or String; empty when absent or null.
func (a Args) ID(name string) string { return a.String(name) }

// String returns an argument of type String, ID or an enum; empty when absent
// or null.
func (a Args) String(name string) string {
	s, _ := a[name].(string)
	return s
}

// Int returns an argument of type Int; false when absent or null.
func (a Args) Int(name string) (int64, bool) {
	n, ok := a[name].(int32)
	return int64(n), ok
}

// Strings returns an argument that is a list of ID, String or enum values; nil
// when absent or null. Nulls in the list are left out.
func (a Args) Strings(name string) []string {
	l, ok := a[name].([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(l))
	for _, v := range l {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
