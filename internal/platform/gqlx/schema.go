package gqlx

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

//go:embed base.graphql
var baseSDL string

// schema is the composed schema and what its directives say of its fields.
type schema struct {
	*ast.Schema
	sdl    string
	traits map[fieldKey]trait
}

type fieldKey struct{ typ, field string }

// trait is what the directives of a field mean for running it.
type trait struct {
	viewer bool
	open   bool
	admin  bool
	// splices are what a field may stand for, of an interface or of one type.
	splices spliceSet
	// session: refused to personal tokens.
	session bool
}

// compose merges the sources into one schema. Extensions are folded into their
// types, so that the executing library, which lets the last of two definitions
// win silently, never sees two.
func compose(sources []Source) (*schema, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: "gqlx/base.graphql", Input: baseSDL})
	if err != nil {
		return nil, fmt.Errorf("parse the base schema: %w", err)
	}
	for _, s := range sources {
		part, err := parser.ParseSchema(&ast.Source{Name: s.Name, Input: s.SDL})
		if err != nil {
			return nil, fmt.Errorf("parse the schema: %w", err)
		}
		doc.Merge(part)
	}
	dropEmptyRoots(doc)
	if err := described(doc); err != nil {
		return nil, err
	}
	whole := validator.PreludeDocument()
	whole.Merge(doc)
	s, err := validator.ValidateSchemaDocument(whole)
	if err != nil {
		return nil, fmt.Errorf("compose the schema: %w", err)
	}
	var sdl strings.Builder
	formatter.NewFormatter(&sdl, formatter.WithIndent("  ")).FormatSchema(s)
	out := &schema{Schema: s, sdl: sdl.String(), traits: map[fieldKey]trait{}}
	out.collectTraits()
	return out, nil
}

// dropEmptyRoots leaves out the base's Mutation or Subscription when no source
// adds a field to it: a type without fields is not valid.
func dropEmptyRoots(doc *ast.SchemaDocument) {
	doc.Definitions = slices.DeleteFunc(doc.Definitions, func(d *ast.Definition) bool {
		return (d.Name == "Mutation" || d.Name == "Subscription") && len(d.Fields) == 0 &&
			doc.Extensions.ForName(d.Name) == nil
	})
}

// described refuses elements without a description, all of them at once.
func described(doc *ast.SchemaDocument) error {
	var faults []error
	need := func(description, format string, args ...any) {
		if strings.TrimSpace(description) == "" {
			faults = append(faults, fmt.Errorf(format+" has no description", args...))
		}
	}
	arguments := func(owner string, args ast.ArgumentDefinitionList) {
		for _, a := range args {
			need(a.Description, "%s(%s:)", owner, a.Name)
		}
	}
	for _, d := range doc.Directives {
		need(d.Description, "@%s", d.Name)
		arguments("@"+d.Name, d.Arguments)
	}
	for _, d := range doc.Definitions {
		need(d.Description, "%s", d.Name)
	}
	for _, d := range slices.Concat(doc.Definitions, doc.Extensions) {
		for _, f := range d.Fields {
			need(f.Description, "%s.%s", d.Name, f.Name)
			arguments(d.Name+"."+f.Name, f.Arguments)
		}
		for _, v := range d.EnumValues {
			need(v.Description, "%s.%s", d.Name, v.Name)
		}
	}
	return errors.Join(faults...)
}

// collectTraits reads the directives. A field of an interface has the traits
// of the same field on every type that it may turn out to be, and the other
// way round, because a document may select it through either.
func (s *schema) collectTraits() {
	for _, d := range s.Types {
		for _, f := range d.Fields {
			own := trait{viewer: f.Directives.ForName("viewer") != nil, open: f.Directives.ForName("open") != nil, admin: f.Directives.ForName("admin") != nil}
			own.session = f.Directives.ForName("session") != nil
			if sp := f.Directives.ForName("spliced"); sp != nil {
				own.splices = own.splices.with(spliceKinds[sp.Arguments.ForName("as").Value.Raw])
			}
			s.addTrait(d.Name, f.Name, own)
			for _, related := range slices.Concat(s.PossibleTypes[d.Name], s.Implements[d.Name]) {
				s.addTrait(related.Name, f.Name, own)
			}
		}
	}
}

func (s *schema) addTrait(typ, field string, t trait) {
	if t == (trait{}) {
		return
	}
	k := fieldKey{typ, field}
	old := s.traits[k]
	t.viewer, t.open, t.admin = old.viewer || t.viewer, old.open || t.open, old.admin || t.admin
	t.session, t.splices = old.session || t.session, old.splices|t.splices
	s.traits[k] = t
}
