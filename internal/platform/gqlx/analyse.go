package gqlx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"chatd/internal/platform/errs"
)

// maxFaults is how many errors of one document are told.
const maxFaults = 5

// refusal says why a request does not run.
type refusal struct {
	kind   errs.Kind
	faults []Error // without extensions
	attrs  []errs.Attr
}

func refuse(kind errs.Kind, format string, args ...any) *refusal {
	return &refusal{kind: kind, faults: []Error{{Message: fmt.Sprintf(format, args...)}}}
}

func (r *refusal) at(p *ast.Position) *refusal {
	if p != nil && p.Line > 0 {
		r.faults[0].Locations = []Location{{Line: p.Line, Column: p.Column}}
	}
	return r
}

// plan returns the analysed operation, from the cache when it was seen before.
func (e *Engine) plan(text, operation string) (*plan, *refusal) {
	k := planKey{text, operation}
	if p, ok := e.plans.get(k); ok {
		return p, nil
	}
	p, bad := e.analyse(text, operation)
	if bad != nil {
		return nil, bad
	}
	e.plans.add(k, p)
	return p, nil
}

// analyse takes the checks in the order of their price: size, syntax, shape,
// validity by our own parser, then by the executing library, cost tables.
func (e *Engine) analyse(text, operation string) (*plan, *refusal) {
	switch {
	case len(text) > e.limits.DocumentBytes:
		return nil, refuse(errs.TooLarge, "A document has at most %d bytes.", e.limits.DocumentBytes)
	case !utf8.ValidString(text):
		return nil, refuse(errs.ParseFailed, "The document is not UTF-8.")
	}
	doc, bad := e.parse(text)
	if bad != nil {
		return nil, bad
	}
	op, bad := choose(doc, operation)
	if bad != nil {
		return nil, bad
	}
	var s *shape
	for _, o := range doc.Operations { // the validator walks all of them
		other, bad := shapeOf(e.limits, doc, o)
		if bad != nil {
			return nil, bad
		}
		if o == op {
			s = other
		}
	}
	if bad := e.validate(text, doc); bad != nil {
		return nil, bad
	}
	p := &plan{
		text: text, operation: operation, name: op.Name, kind: kinds[op.Operation],
		variables: op.VariableDefinitions, selects: s.names, open: true,
		argDefaults: s.argDefaults(),
		cost:        costOf(s.roots, e.limits.ListSize),
	}
	if bad := e.roots(p, s); bad != nil {
		return nil, bad
	}
	if p.kind == Subscription {
		if bad := e.subscription(p, s, doc, op); bad != nil {
			return nil, bad
		}
	}
	p.direct = e.compile(p, op)
	return p, nil
}

var kinds = map[ast.Operation]Kind{
	ast.Query: Query, ast.Mutation: Mutation, ast.Subscription: Subscription,
}

func (e *Engine) parse(text string) (*ast.QueryDocument, *refusal) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, e.limits.Tokens)
	if err == nil {
		return doc, nil
	}
	var g *gqlerror.Error
	switch {
	case !errors.As(err, &g):
		return nil, refuse(errs.ParseFailed, "The document is not GraphQL.")
	case strings.HasPrefix(g.Message, "exceeded token limit"), strings.HasPrefix(g.Message, "exceeded maximum nesting"):
		return nil, refuse(errs.TooComplex, "A document has at most %d tokens.", e.limits.Tokens)
	}
	return nil, &refusal{kind: errs.ParseFailed, faults: []Error{{Message: g.Message, Locations: locations(g)}}}
}

func choose(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *refusal) {
	switch {
	case len(doc.Operations) == 0:
		return nil, refuse(errs.ValidationFailed, "The document has no operation.")
	case name == "" && len(doc.Operations) == 1:
		return doc.Operations[0], nil
	case name == "":
		return nil, refuse(errs.ValidationFailed, "The document has several operations: give operationName.")
	}
	for _, op := range doc.Operations {
		if op.Name == name {
			return op, nil
		}
	}
	return nil, refuse(errs.ValidationFailed, "The document has no operation of the name that was given.")
}

// validationRules are the rules of the specification and the form of Time
// literals; without introspection, their messages suggest no names.
func validationRules(suggest bool) []validator.Rule {
	set := rules.NewDefaultRules()
	if !suggest {
		for name, r := range map[string]validator.Rule{
			"FieldsOnCorrectType": rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
			"KnownArgumentNames":  rules.KnownArgumentNamesRuleWithoutSuggestions,
			"KnownTypeNames":      rules.KnownTypeNamesRuleWithoutSuggestions,
			"ScalarLeafs":         rules.ScalarLeafsRuleWithoutSuggestions,
			"ValuesOfCorrectType": rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
		} {
			set.ReplaceRule(name, r.RuleFunc)
		}
	}
	set.AddRule("TimeLiterals", func(observers *validator.Events, addError validator.AddErrFunc) {
		observers.OnValue(func(_ *validator.Walker, v *ast.Value) {
			if v.Definition == nil || v.Definition.Name != "Time" || v.Kind == ast.Variable || v.Kind == ast.NullValue {
				return
			}
			if _, err := parseTime(v.Raw); v.Kind != ast.StringValue || err != nil {
				addError(validator.Message("Time cannot represent the value %s.", v.String()), at(v.Position))
			}
		})
	})
	inner := set.GetInner()
	out := make([]validator.Rule, 0, len(inner))
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		out = append(out, validator.Rule{Name: name, RuleFunc: inner[name]})
	}
	return out
}

func at(p *ast.Position) validator.ErrorOption {
	return func(err *gqlerror.Error) {
		if p != nil {
			err.Locations = append(err.Locations, gqlerror.Location{Line: p.Line, Column: p.Column})
		}
	}
}

// enough ends a validation that has found maxFaults errors: each more costs
// time and tells nothing new.
type enough struct{}

// validate checks the document by our parser's rules, which annotate its
// fields with their definitions, and then asks the executing library, whose
// rules differ in corners.
func (e *Engine) validate(text string, doc *ast.QueryDocument) *refusal {
	bad := &refusal{kind: errs.ValidationFailed}
	func() {
		defer func() {
			if v := recover(); v != nil {
				if _, ok := v.(enough); !ok {
					panic(v)
				}
			}
		}()
		observers := &validator.Events{}
		for _, rule := range e.rules {
			rule.RuleFunc(observers, func(options ...validator.ErrorOption) {
				g := &gqlerror.Error{}
				for _, o := range options {
					o(g)
				}
				bad.faults = append(bad.faults, Error{Message: g.Message, Locations: locations(g)})
				if len(bad.faults) == maxFaults {
					panic(enough{})
				}
			})
		}
		validator.Walk(e.schema.Schema, doc, observers)
	}()
	if len(bad.faults) > 0 {
		return bad
	}
	for _, q := range e.engine.Validate(text) {
		if q.Rule == "VariablesOfCorrectType" { // it was given no variables
			continue
		}
		if bad.faults = append(bad.faults, e.engineFault(q)); len(bad.faults) == maxFaults {
			break
		}
	}
	if len(bad.faults) > 0 {
		return bad
	}
	return nil
}

// roots reads what the root fields say of the whole operation.
func (e *Engine) roots(p *plan, s *shape) *refusal {
	once := map[string]bool{}
	for _, n := range s.roots {
		p.fields = append(p.fields, n.name)
		switch {
		case n.name == "__typename":
			continue
		case strings.HasPrefix(n.name, "__"):
			if !e.introspection {
				return refuse(errs.ValidationFailed, "Introspection is off on this server.").at(n.fields[0].Position)
			}
			continue
		}
		of := e.schema.traits[fieldKey{n.fields[0].ObjectDefinition.Name, n.name}]
		isOpen := of.open
		p.open, p.admin = p.open && isOpen, p.admin || of.admin
		p.session = p.session || of.session
		if p.kind == Mutation && isOpen {
			if once[n.name] {
				return refuse(errs.TooComplex, "%s may occur once in an operation.", n.name).at(n.fields[0].Position)
			}
			once[n.name] = true
		}
	}
	return nil
}

// subscription completes the plan of a subscription: which renderings it can
// share, and where they differ between subscribers.
func (e *Engine) subscription(p *plan, s *shape, doc *ast.QueryDocument, op *ast.OperationDefinition) *refusal {
	root := s.roots[0]
	p.root = root.fields[0]
	if len(p.root.Directives) > 0 {
		return refuse(errs.ValidationFailed, "The field of a subscription takes no directives.").at(p.root.Position)
	}
	p.inner = slices.Sorted(maps.Keys(s.inner))
	if below := e.traitsBelow(p, root); below != nil {
		p.splices = &spliceNode{children: map[string]*spliceNode{root.key: below}}
	}
	p.renderKey = p.operation + "\x00" + p.text
	if f, ok := op.SelectionSet[0].(*ast.Field); ok && len(op.SelectionSet) == 1 {
		bare := *f
		bare.Arguments = nil
		var key strings.Builder
		formatter.NewFormatter(&key, formatter.WithCompacted()).FormatQueryDocument(&ast.QueryDocument{
			Operations: ast.OperationList{{Operation: op.Operation, SelectionSet: ast.SelectionSet{&bare}}},
			Fragments:  doc.Fragments,
		})
		p.renderKey = key.String()
	}
	return nil
}

// traitsBelow notes @viewer fields in the plan and returns the tree of spliced
// response keys; nil when there are none.
func (e *Engine) traitsBelow(p *plan, n *node) *spliceNode {
	var out *spliceNode
	grow := func() *spliceNode {
		if out == nil {
			out = &spliceNode{}
		}
		return out
	}
	for _, f := range n.fields {
		t := e.schema.traits[fieldKey{f.ObjectDefinition.Name, f.Name}]
		p.viewer = p.viewer || t.viewer
		if t.splices != 0 {
			o := grow()
			o.kinds |= t.splices
		}
	}
	for _, c := range n.children {
		if below := e.traitsBelow(p, c); below != nil {
			o := grow()
			if o.children == nil {
				o.children = map[string]*spliceNode{}
			}
			o.children[c.key] = below
		}
	}
	return out
}

func locations(g *gqlerror.Error) []Location {
	var out []Location
	for _, l := range g.Locations {
		if l.Line > 0 {
			out = append(out, Location{Line: l.Line, Column: l.Column})
		}
	}
	return out
}
