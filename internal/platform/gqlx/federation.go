package gqlx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// federation is what a subgraph's SDL says in the first line: which version it
// is written for, and what it has of it
// (https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec).
const federation = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])

`

// SubgraphSDL returns the composed schema as a router of Federation 2 wants it:
// without the machinery of federation itself, which the first line imports.
func (e *Engine) SubgraphSDL() (string, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: "the composed schema", Input: e.schema.sdl})
	if err != nil {
		return "", fmt.Errorf("parse the composed schema: %w", err)
	}
	doc.Directives = slices.DeleteFunc(doc.Directives, func(d *ast.DirectiveDefinition) bool {
		return strings.Contains(federation, `"@`+d.Name+`"`)
	})
	doc.Definitions = slices.DeleteFunc(doc.Definitions, func(d *ast.Definition) bool { return strings.HasPrefix(d.Name, "_") })
	for _, d := range doc.Definitions {
		if d.Name == "Query" {
			d.Fields = slices.DeleteFunc(d.Fields, func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "_") })
		}
	}
	var sdl strings.Builder
	sdl.WriteString(federation)
	formatter.NewFormatter(&sdl, formatter.WithIndent("  ")).FormatSchemaDocument(doc)
	return sdl.String(), nil
}
