package gqlx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	graphql "github.com/graph-gophers/graphql-go"
	"github.com/rs/zerolog"
	"github.com/vektah/gqlparser/v2/validator"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

// overlapPairs bounds how many pairs of selections validation compares to see
// whether they can be merged: its only quadratic part.
const overlapPairs = 10_000

// Engine runs the composed schema. It is safe for concurrent use.
type Engine struct {
	schema        *schema
	engine        *graphql.Schema
	rules         []validator.Rule
	limits        Limits
	introspection bool
	subscriptions map[string]SubscriptionField
	direct        Direct
	links         Links
	before        func(context.Context, *Document) context.Context
	denied        func(context.Context) error
	log           zerolog.Logger
	plans         *planCache

	mu     sync.Mutex
	groups map[groupKey]*group
	closed bool
	work   sync.WaitGroup // renderings and what ends them
}

// New composes the schema and ties it to its resolvers. It returns all faults
// of the SDL that it can find at once: duplicate definitions, elements without
// a description, fields of Subscription without a SubscriptionField, resolvers
// that do not fit. It starts nothing.
func New(cfg Config) (*Engine, error) {
	s, err := compose(cfg.SDL)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		schema: s, limits: cfg.Limits.withDefaults(), introspection: cfg.Introspection,
		rules: validationRules(cfg.Introspection), before: cfg.Before, denied: cfg.Denied, log: cfg.Log,
		direct: cfg.Direct, links: cfg.Links, subscriptions: make(map[string]SubscriptionField, len(cfg.Subscriptions)), groups: map[groupKey]*group{},
	}
	if err := e.addSubscriptions(cfg.Subscriptions); err != nil {
		return nil, err
	}
	if e.plans, err = newPlanCache(e.limits.CachedDocuments, e.limits.CachedBytes); err != nil {
		return nil, fmt.Errorf("make the cache of documents: %w", err)
	}
	e.engine, err = graphql.ParseSchema(s.sdl, cfg.Root,
		graphql.UseStringDescriptions(),
		graphql.UseFieldResolvers(),
		graphql.RestrictIntrospection(func(context.Context) bool { return cfg.Introspection }),
		graphql.OverlapValidationLimit(5*overlapPairs), // it counts some twice
		graphql.MaxSelections(e.limits.Tokens),
		graphql.SubscribeResolverTimeout(e.limits.Timeout),
		graphql.PanicHandler(panics{}),
		graphql.Logger(panics{}),
	)
	if err != nil {
		return nil, fmt.Errorf("tie the schema to its resolvers: %w", err)
	}
	return e, nil
}

func (e *Engine) addSubscriptions(list []SubscriptionField) error {
	var faults []error
	for _, f := range list {
		switch _, twice := e.subscriptions[f.Name]; {
		case twice:
			faults = append(faults, fmt.Errorf("subscription field %s is given twice", f.Name))
		case f.Open == nil || f.Node == nil:
			faults = append(faults, fmt.Errorf("subscription field %s lacks Open or Node", f.Name))
		case e.schema.Subscription == nil || e.schema.Subscription.Fields.ForName(f.Name) == nil:
			faults = append(faults, fmt.Errorf("the schema has no Subscription.%s", f.Name))
		}
		e.subscriptions[f.Name] = f
	}
	if e.schema.Subscription != nil {
		for _, f := range e.schema.Subscription.Fields {
			if _, ok := e.subscriptions[f.Name]; !ok {
				faults = append(faults, fmt.Errorf("no SubscriptionField is given for Subscription.%s", f.Name))
			}
		}
	}
	return errors.Join(faults...)
}

// SDL returns the composed schema, sorted by type name.
func (e *Engine) SDL() string { return e.schema.sdl }

// Prepare checks a request: size, syntax, validity, the need of a viewer,
// variables, cost. A non-nil Response says why it is refused; nothing ran
// then.
func (e *Engine) Prepare(ctx context.Context, r Request) (*Document, *Response) {
	d, bad, err := e.prepare(ctx, r)
	switch {
	case err != nil:
		return nil, e.Present(ctx, err)
	case bad != nil:
		return nil, e.refused(ctx, bad)
	}
	return d, nil
}

func (e *Engine) prepare(ctx context.Context, r Request) (d *Document, bad *refusal, err error) {
	if r.Query == "" {
		if _, ok := r.Extensions["persistedQuery"]; ok {
			return nil, refuse(errs.PersistedNotFound, "PersistedQueryNotFound"), nil
		}
		bad = refuse(errs.BadInput, "The request has no query.")
		bad.attrs = []errs.Attr{errs.Field("query")}
		return nil, bad, nil
	}
	var p *plan
	err = recovered(func() error {
		p, bad = e.plan(r.Query, r.OperationName)
		return nil
	})
	if err != nil || bad != nil {
		return nil, bad, err
	}
	who, ok := principal.From(ctx)
	if !ok && !p.open {
		return nil, nil, e.unauthenticated(ctx)
	}
	if err := p.permits(who); ok && err != nil {
		return nil, nil, err
	}
	if p.admin && !who.May(principal.Administer) {
		return nil, nil, errNotAdmin
	}
	vars, unfit := e.schema.coerce(p, r.Variables)
	if unfit != nil {
		bad = refuse(errs.BadInput, "%s %s.", unfit.field(), unfit.why)
		bad.attrs = []errs.Attr{errs.Field(unfit.field())}
		return nil, bad, nil
	}
	if c := p.cost.total(vars, e.limits.ListSize); c > int64(e.limits.Complexity) {
		return nil, refuse(errs.TooComplex, "The operation's complexity is %d; the limit is %d.", c, e.limits.Complexity), nil
	}
	return &Document{plan: p, variables: vars}, nil, nil
}

func (e *Engine) unauthenticated(ctx context.Context) error {
	if e.denied != nil {
		if err := e.denied(ctx); err != nil {
			return err
		}
	}
	return errs.ErrUnauthenticated
}

// Exec checks and runs a query or mutation, for at most Limits.Timeout. It
// always returns a Response.
func (e *Engine) Exec(ctx context.Context, r Request) *Response {
	d, refused := e.Prepare(ctx, r)
	if refused != nil {
		return refused
	}
	return e.Run(ctx, d)
}

// Run runs a prepared query or mutation, for at most Limits.Timeout.
func (e *Engine) Run(ctx context.Context, d *Document) *Response {
	if d.kind == Subscription {
		return e.refused(ctx, refuse(errs.BadInput,
			"Subscriptions are served over the WebSocket at this address, subprotocol graphql-transport-ws."))
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	if d.direct != nil {
		return e.runDirect(ctx, d)
	}
	var r *graphql.Response
	err := recovered(func() error {
		if e.before != nil {
			ctx = e.before(ctx, d)
		}
		r = e.engine.Exec(ctx, d.text, d.operation, d.variables)
		return nil
	})
	if err != nil {
		return e.Present(ctx, err)
	}
	if len(r.Data) == 0 && slices.ContainsFunc(r.Errors, isValidation) {
		bad := &refusal{kind: errs.ValidationFailed}
		for _, q := range r.Errors[:min(len(r.Errors), maxFaults)] {
			bad.faults = append(bad.faults, e.engineFault(q))
		}
		return e.refused(ctx, bad)
	}
	if len(r.Data) == 0 {
		r.Data = []byte("null")
	}
	return &Response{Data: r.Data, Errors: e.executed(ctx, d.plan, r.Errors)}
}
