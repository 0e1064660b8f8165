package gqlx

import (
	"github.com/vektah/gqlparser/v2/ast"

	"chatd/internal/platform/errs"
)

// shape is an operation with its fragments expanded and fields of the same
// response key merged, as execution will see it. It is built before validation
// and bounds what validation has to look at.
type shape struct {
	roots []*node
	names map[string]struct{} // of all selected fields
	inner map[string]struct{} // variables used below the root fields' arguments

	limits     Limits
	fragments  map[string]*ast.FragmentDefinition
	open       map[string]bool // fragments being expanded
	selections int
	pairs      int // of fields to be merged, which validation compares
	refused    *refusal
}

// node is one response key in a selection set.
type node struct {
	key, name string
	fields    []*ast.Field // all that were merged
	children  []*node
}

func shapeOf(l Limits, doc *ast.QueryDocument, op *ast.OperationDefinition) (*shape, *refusal) {
	s := &shape{
		limits: l, names: map[string]struct{}{}, inner: map[string]struct{}{},
		open: map[string]bool{}, fragments: make(map[string]*ast.FragmentDefinition, len(doc.Fragments)),
	}
	for _, f := range doc.Fragments {
		s.fragments[f.Name] = f
	}
	s.roots = s.expand([]ast.SelectionSet{op.SelectionSet}, 1, false)
	return s, s.refused
}

// expand merges selection sets that belong to the same object. Depth counts
// fields from the root, or from the introspection field.
func (s *shape) expand(sets []ast.SelectionSet, depth int, meta bool) []*node {
	limit := s.limits.Depth
	if meta {
		limit = s.limits.IntrospectionDepth
	}
	if len(sets) == 0 || s.refused != nil {
		return nil
	}
	if depth > limit {
		s.refused = refuse(errs.TooComplex, "A document nests at most %d fields deep.", limit)
		return nil
	}
	var (
		nodes []*node
		byKey = map[string]*node{}
	)
	for _, set := range sets {
		s.collect(set, depth, byKey, &nodes)
	}
	aliases := map[string]int{}
	for _, n := range nodes {
		if n.key != n.name {
			if aliases[n.name]++; aliases[n.name] > s.limits.Aliases {
				s.refused = refuse(errs.TooComplex, "A field has at most %d aliases.", s.limits.Aliases).at(n.fields[0].Position)
			}
		}
		if s.pairs += len(n.fields) * (len(n.fields) - 1) / 2; s.pairs > overlapPairs {
			s.refused = refuse(errs.TooComplex, "A document repeats fields too often.").at(n.fields[0].Position)
		}
		if s.refused != nil {
			return nil
		}
		below := make([]ast.SelectionSet, 0, len(n.fields))
		for _, f := range n.fields {
			if len(f.SelectionSet) > 0 {
				below = append(below, f.SelectionSet)
			}
		}
		if !meta && depth == 1 && (n.name == "__schema" || n.name == "__type") {
			n.children = s.expand(below, 1, true)
		} else {
			n.children = s.expand(below, depth+1, meta)
		}
	}
	return nodes
}

// collect adds the fields of one selection set to those of its object.
func (s *shape) collect(set ast.SelectionSet, depth int, byKey map[string]*node, nodes *[]*node) {
	written := map[string]int{} // in this set itself
	for _, sel := range set {
		if s.selections++; s.selections > s.limits.Tokens && s.refused == nil {
			s.refused = refuse(errs.TooComplex, "A document expands to at most %d selections.", s.limits.Tokens)
		}
		if s.refused != nil {
			return
		}
		switch sel := sel.(type) {
		case *ast.Field:
			s.uses(sel.Directives)
			if depth > 1 {
				s.usesArguments(sel.Arguments)
			}
			if written[sel.Alias]++; written[sel.Alias] > s.limits.Aliases {
				s.refused = refuse(errs.TooComplex, "A field is repeated at most %d times.", s.limits.Aliases).at(sel.Position)
				return
			}
			n := byKey[sel.Alias]
			if n == nil {
				n = &node{key: sel.Alias, name: sel.Name}
				byKey[sel.Alias] = n
				*nodes = append(*nodes, n)
				s.names[sel.Name] = struct{}{}
			}
			n.fields = append(n.fields, sel)
		case *ast.InlineFragment:
			s.uses(sel.Directives)
			s.collect(sel.SelectionSet, depth, byKey, nodes)
		case *ast.FragmentSpread:
			s.uses(sel.Directives)
			if f := s.fragments[sel.Name]; f != nil && !s.open[sel.Name] { // cycles and unknown names are for the validator
				s.open[sel.Name] = true
				s.collect(f.SelectionSet, depth, byKey, nodes)
				s.open[sel.Name] = false
			}
		}
	}
}

func (s *shape) uses(directives ast.DirectiveList) {
	for _, d := range directives {
		s.usesArguments(d.Arguments)
	}
}

func (s *shape) usesArguments(args ast.ArgumentList) {
	for _, a := range args {
		s.usesValue(a.Value)
	}
}

func (s *shape) usesValue(v *ast.Value) {
	if v.Kind == ast.Variable {
		s.inner[v.Raw] = struct{}{}
	}
	for _, c := range v.Children {
		s.usesValue(c.Value)
	}
}

// argDefaults finds the variables that stand for an argument with a default of
// its own; valid only after validation.
func (s *shape) argDefaults() map[string]*ast.Value {
	var out map[string]*ast.Value
	var walk func([]*node)
	walk = func(nodes []*node) {
		for _, n := range nodes {
			for _, f := range n.fields {
				for _, a := range f.Arguments {
					d := f.Definition.Arguments.ForName(a.Name)
					if a.Value.Kind == ast.Variable && d != nil && d.DefaultValue != nil {
						if out == nil {
							out = map[string]*ast.Value{}
						}
						out[a.Value.Raw] = d.DefaultValue
					}
				}
			}
			walk(n.children)
		}
	}
	walk(s.roots)
	return out
}

// maxCost is where costs saturate: far above any limit, far below overflow.
const maxCost = 1 << 31

// cost is what an operation is counted for: 1 for each field of object type,
// times the length of the list that it heads.
type cost struct {
	fixed int64
	lists []listCost // whose length is in a variable
}

type listCost struct {
	lengths []length
	pages   bool // takes first or last: the assumed length where neither is given
	inner   cost
}

// length is the length of a list, given by an argument.
type length struct {
	variable string // empty: fixed
	fixed    int
}

// costOf needs validated nodes.
func costOf(nodes []*node, absent int) cost {
	var total cost
	for _, n := range nodes {
		f := n.fields[0]
		if f.Definition == nil || len(f.SelectionSet) == 0 || len(n.name) > 1 && n.name[:2] == "__" {
			continue // a leaf, or introspection
		}
		inner := costOf(n.children, absent)
		inner.fixed++
		l := listCost{inner: inner}
		l.pages = f.Definition.Arguments.ForName("first") != nil || f.Definition.Arguments.ForName("last") != nil
		variable := false
		for _, f := range n.fields {
			for _, arg := range []string{"first", "last", "ids", "representations"} {
				if v, ok := lengthOf(f, arg); ok {
					l.lengths = append(l.lengths, v)
					variable = variable || v.variable != ""
				}
			}
		}
		if variable || len(inner.lists) > 0 {
			total.lists = append(total.lists, l)
		} else {
			total.fixed = min(total.fixed+l.of(nil, absent), maxCost)
		}
	}
	return total
}

// lengthOf reads the argument that gives a list's length; false when it does
// not.
func lengthOf(f *ast.Field, arg string) (length, bool) {
	def, given := f.Definition.Arguments.ForName(arg), f.Arguments.ForName(arg)
	if def == nil || given == nil || (arg == "ids" || arg == "representations") != (def.Type.Elem != nil) {
		return length{}, false
	}
	switch v := given.Value; v.Kind {
	case ast.Variable:
		return length{variable: v.Raw}, true
	case ast.ListValue:
		return length{fixed: len(v.Children)}, true
	case ast.IntValue:
		n, err := v.Value(nil)
		if i, ok := n.(int64); ok && err == nil {
			return length{fixed: int(min(max(i, 0), maxCost))}, true
		}
	default: // null, or what validation refuses
	}
	return length{}, false
}

// total adds up with the request's variables, already coerced.
func (c cost) total(vars map[string]any, absent int) int64 {
	sum := c.fixed
	for _, l := range c.lists {
		sum = min(sum+l.of(vars, absent), maxCost)
	}
	return sum
}

func (l listCost) of(vars map[string]any, absent int) int64 {
	times, given := int64(1), false
	for _, n := range l.lengths {
		if v, ok := n.in(vars); ok {
			times, given = max(times, int64(v)), true
		}
	}
	if l.pages && !given {
		times = int64(absent)
	}
	return min(times*l.inner.total(vars, absent), maxCost)
}

func (n length) in(vars map[string]any) (int, bool) {
	if n.variable == "" {
		return n.fixed, true
	}
	switch v := vars[n.variable].(type) {
	case int32:
		return max(int(v), 0), true
	case []any:
		return len(v), true
	}
	return 0, false
}
