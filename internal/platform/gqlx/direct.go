package gqlx

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	qerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/vektah/gqlparser/v2/ast"
)

// Direct is a hand-written way past the executing library, which parses and
// validates a document each time and runs its resolvers by reflection: for the
// few operations that a server answers all day. A document takes it when it
// has one root field and selects only what is listed here, without fragments,
// directives and arguments below the root. All others are executed as usual,
// and the bytes are the same: tests hold both ways against each other.
type Direct struct {
	// Mutations are root fields of a non-null type: what the resolver does,
	// returning the object of its answer.
	Mutations map[string]func(ctx context.Context, a Args) (any, error)
	// Types are the object types by their names in the schema.
	Types map[string]DirectType
}

// DirectType has those fields of an object type that need no context.
type DirectType struct {
	// Leaves append a field's value as JSON.
	Leaves map[string]func(dst []byte, object any) []byte
	// Objects return a field's object, nil for null.
	Objects map[string]func(object any) any
	// Lookups return a field's object from memory; false when it is not
	// there. They serve renderings, which can be executed as usual instead;
	// a mutation has happened by then.
	Lookups map[string]func(object any) (any, bool)
}

// directField is one selected field of a compiled document.
type directField struct {
	key    string // "alias": with its quotes and colon
	leaf   func(dst []byte, object any) []byte
	object func(object any) (any, bool)
	fields []directField
}

// compile finds out whether an operation can take the direct way; nil when
// not.
func (e *Engine) compile(p *plan, op *ast.OperationDefinition) *directField {
	if len(op.SelectionSet) != 1 || p.splices != nil || p.viewer {
		return nil
	}
	root, ok := op.SelectionSet[0].(*ast.Field)
	if !ok || len(root.Directives) > 0 || root.Definition == nil || !root.Definition.Type.NonNull {
		return nil
	}
	if _, ok := e.direct.Mutations[root.Name]; p.kind == Mutation && !ok || p.kind == Query {
		return nil
	}
	f := directField{key: keyOf(root)}
	if f.fields, ok = e.compileSet(p.kind, root); !ok {
		return nil
	}
	p.root = root
	return &f
}

func (e *Engine) compileSet(kind Kind, of *ast.Field) (out []directField, ok bool) {
	typ, ok := e.direct.Types[of.Definition.Type.NamedType]
	if !ok {
		return nil, false
	}
	var seen []string
	for _, sel := range of.SelectionSet {
		s, ok := sel.(*ast.Field)
		if !ok || len(s.Directives) > 0 || len(s.Arguments) > 0 || slices.Contains(seen, s.Alias) {
			return nil, false
		}
		seen = append(seen, s.Alias)
		f := directField{key: keyOf(s)}
		object, isObject := typ.Objects[s.Name]
		lookup, isLookup := typ.Lookups[s.Name]
		switch {
		case s.Name == "__typename":
			name := strconv.Quote(of.Definition.Type.NamedType)
			f.leaf = func(dst []byte, _ any) []byte { return append(dst, name...) }
		case isObject:
			f.object = func(o any) (any, bool) { return object(o), true }
		case isLookup && kind == Subscription:
			f.object = lookup
		default:
			if f.leaf, ok = typ.Leaves[s.Name]; !ok {
				return nil, false
			}
		}
		if f.object != nil {
			if f.fields, ok = e.compileSet(kind, s); !ok {
				return nil, false
			}
		}
		out = append(out, f)
	}
	return out, true
}

func keyOf(f *ast.Field) string { return `"` + f.Alias + `":` }

// append appends an object with the selected fields; false when a lookup has
// failed.
func (f *directField) append(dst []byte, object any) ([]byte, bool) {
	if object == nil {
		return append(dst, "null"...), true
	}
	dst = append(dst, '{')
	for i := range f.fields {
		c := &f.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c.key...)
		if c.leaf != nil {
			dst = c.leaf(dst, object)
			continue
		}
		below, ok := c.object(object)
		if !ok {
			return dst, false
		}
		if dst, ok = c.append(dst, below); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

// directSize is room for a payload without growing.
const directSize = 512

// data returns {"alias":object}.
func (f *directField) data(dst []byte, object any) ([]byte, bool) {
	dst = append(append(dst, '{'), f.key...)
	dst, ok := f.append(dst, object)
	return append(dst, '}'), ok
}

// runDirect is Run on the direct way.
func (e *Engine) runDirect(ctx context.Context, d *Document) *Response {
	var object any
	err := recovered(func() (err error) {
		if e.before != nil {
			ctx = e.before(ctx, d)
		}
		args, bad := e.schema.arguments(d.root, d.variables)
		if bad != nil {
			return errArguments
		}
		object, err = e.direct.Mutations[d.root.Name](ctx, args)
		return err
	})
	if err != nil {
		failed := &qerrors.QueryError{ResolverError: err, Path: []any{d.root.Alias}}
		return &Response{Data: []byte("null"), Errors: e.executed(ctx, d.plan, []*qerrors.QueryError{failed})}
	}
	data, _ := d.direct.data(make([]byte, 0, directSize), object)
	return &Response{Data: data}
}

// direct is render on the direct way; false when it must be executed as usual.
func (g *group) direct(event any) (*Rendered, bool) {
	if g.doc.direct == nil {
		return nil, false
	}
	var payload []byte
	ok := false
	err := recovered(func() error {
		payload = append(make([]byte, 0, directSize), `{"data":`...)
		payload, ok = g.doc.direct.data(payload, g.field.Node(event))
		return nil
	})
	if err != nil || !ok {
		return nil, false
	}
	return &Rendered{JSON: append(payload, '}')}, true
}

// AppendString appends s as a JSON string, escaped as encoding/json does.
func AppendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if !literal(s[i]) {
			b, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...)
			}
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// literal says whether a byte of a string stands for itself in JSON.
func literal(c byte) bool {
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// AppendTime appends t as the scalar Time; null for the zero time.
func AppendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, timeLayout)
	return append(dst, '"')
}
