package gqlx

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// badInput is a variable that does not fit its type: where, and why.
type badInput struct {
	path []string
	why  string
}

func (b *badInput) field() string { return strings.Join(b.path, ".") }

func (b *badInput) under(name string) *badInput {
	b.path = append([]string{name}, b.path...)
	return b
}

func unfit(why string) *badInput { return &badInput{why: why} }

// coerce turns the request's variables into values of their types, after the
// rules of the specification (section 6.1.2): int32, float64, string, bool,
// []any, map[string]any, with the defaults of variables and of input fields
// filled in. Variables that the operation does not declare are ignored. The
// input is not changed.
func (s *schema) coerce(p *plan, given map[string]any) (map[string]any, *badInput) {
	if len(p.variables) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(p.variables))
	for _, d := range p.variables {
		v, ok := given[d.Variable]
		if !ok {
			def := d.DefaultValue
			if def == nil {
				def = p.argDefaults[d.Variable]
			}
			if def == nil {
				if d.Type.NonNull {
					return nil, unfit("is required").under(d.Variable)
				}
				continue
			}
			v, _ = def.Value(nil)
		}
		c, bad := s.value(d.Type, v)
		if bad != nil {
			return nil, bad.under(d.Variable)
		}
		out[d.Variable] = c
	}
	return out, nil
}

// value coerces one value. It accepts what encoding/json makes with or without
// UseNumber, and its own results.
func (s *schema) value(t *ast.Type, v any) (any, *badInput) {
	if v == nil {
		if t.NonNull {
			return nil, unfit("must not be null")
		}
		return nil, nil
	}
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok { // a single value stands for a list of one
			one, bad := s.value(t.Elem, v)
			return []any{one}, bad
		}
		out := make([]any, len(list))
		for i, e := range list {
			c, bad := s.value(t.Elem, e)
			if bad != nil {
				return nil, bad.under(strconv.Itoa(i))
			}
			out[i] = c
		}
		return out, nil
	}
	def := s.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, unfit("must be an object")
		}
		return s.object(def, m)
	case ast.Enum:
		name, ok := v.(string)
		if !ok || def.EnumValues.ForName(name) == nil {
			return nil, unfit("must be one of the values of " + def.Name)
		}
		return name, nil
	default:
		return scalar(def.Name, v)
	}
}

func (s *schema) object(def *ast.Definition, m map[string]any) (any, *badInput) {
	out := make(map[string]any, len(def.Fields))
	known := 0
	for _, f := range def.Fields {
		v, ok := m[f.Name]
		if ok {
			known++
		} else {
			if f.DefaultValue == nil {
				if f.Type.NonNull {
					return nil, unfit("is required").under(f.Name)
				}
				continue
			}
			v, _ = f.DefaultValue.Value(nil)
		}
		c, bad := s.value(f.Type, v)
		if bad != nil {
			return nil, bad.under(f.Name)
		}
		out[f.Name] = c
	}
	if known < len(m) {
		var unknown []string
		for name := range m {
			if def.Fields.ForName(name) == nil {
				unknown = append(unknown, name)
			}
		}
		return nil, unfit("is not a field of " + def.Name).under(clip(slices.Min(unknown), 64))
	}
	if def.Directives.ForName("oneOf") != nil {
		if len(m) != 1 {
			return nil, unfit("must have exactly one field")
		}
		for name, v := range out {
			if v == nil {
				return nil, unfit("must not be null").under(name)
			}
		}
	}
	return out, nil
}

func scalar(name string, v any) (any, *badInput) {
	switch name {
	case "Int":
		if n, ok := asInt(v); ok {
			return n, nil
		}
		return nil, unfit("must be an integer of 32 bits")
	case "Float":
		if n, ok := asFloat(v); ok {
			return n, nil
		}
		return nil, unfit("must be a number")
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, unfit("must be true or false")
	case "String":
		if t, ok := v.(string); ok {
			return t, nil
		}
		return nil, unfit("must be a string")
	case "ID":
		if t, ok := asID(v); ok {
			return t, nil
		}
		return nil, unfit("must be a string or an integer")
	case "Time":
		if t, ok := v.(string); ok {
			if _, err := parseTime(t); err == nil {
				return t, nil
			}
		}
		return nil, unfit("must be a time as RFC 3339 writes it")
	}
	return plain(v), nil
}

func asInt(v any) (int32, bool) {
	switch n := v.(type) {
	case int32:
		return n, true
	case int64:
		return int32(n), n >= math.MinInt32 && n <= math.MaxInt32 //nolint:gosec // Checked beside.
	case int:
		return asInt(int64(n))
	case json.Number:
		if i, err := strconv.ParseInt(string(n), 10, 32); err == nil {
			return int32(i), true
		}
		f, err := n.Float64() // 1.0 and 1e3 are integers too
		if err != nil {
			return 0, false
		}
		return asInt(f)
	case float64:
		if n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n), true
		}
	}
	return 0, false
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, !math.IsInf(n, 0) && !math.IsNaN(n)
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	}
	return 0, false
}

func asID(v any) (string, bool) {
	switch n := v.(type) {
	case string:
		return n, true
	case json.Number:
		_, err := strconv.ParseInt(string(n), 10, 64)
		return string(n), err == nil
	case int32, int64, int, float64:
		if f, ok := asFloat(n); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10), true
		}
	}
	return "", false
}

// plain turns the numbers of a value of any other scalar into Go's.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}

// arguments evaluates the arguments of a subscription's root field.
func (s *schema) arguments(f *ast.Field, vars map[string]any) (Args, *badInput) {
	out := make(Args, len(f.Definition.Arguments))
	for _, d := range f.Definition.Arguments {
		a := f.Arguments.ForName(d.Name)
		absent := a == nil
		if a != nil && a.Value.Kind == ast.Variable {
			_, given := vars[a.Value.Raw]
			absent = !given
		}
		var v any
		switch {
		case !absent:
			v, _ = a.Value.Value(vars)
		case d.DefaultValue != nil:
			v, _ = d.DefaultValue.Value(nil)
		default:
			continue
		}
		c, bad := s.value(d.Type, v)
		if bad != nil {
			return nil, bad.under(d.Name)
		}
		out[d.Name] = c
	}
	return out, nil
}

// clip cuts what a client wrote to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
