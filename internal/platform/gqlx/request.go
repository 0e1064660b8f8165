package gqlx

import (
	stdjson "encoding/json"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeRequest reads the JSON object that a request is, as GraphQL over HTTP
// and graphql-transport-ws have it; document says whether it has a query. It
// keeps nothing of text. What is not UTF-8, names something twice or has half
// a surrogate pair is no JSON.
func DecodeRequest(text []byte) (r Request, document bool, err error) {
	var p struct {
		Query         *string `json:"query"`
		OperationName string  `json:"operationName"`
		Variables     object  `json:"variables"`
		Extensions    object  `json:"extensions"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return Request{}, false, misread(err)
	}
	r = Request{OperationName: p.OperationName, Variables: p.Variables, Extensions: p.Extensions}
	if p.Query != nil {
		r.Query = *p.Query
	}
	return r, p.Query != nil, nil
}

// decodeObject reads a JSON object, or null, into dst.
func decodeObject(text []byte, dst *map[string]any) error {
	return json.Unmarshal(text, (*object)(dst))
}

var (
	errNotJSON   = errors.New("the text is not JSON")
	errNotObject = errors.New("must be an object")
)

// misread says what a client can do about err.
func misread(err error) error {
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return errNotJSON
	}
	switch name := strings.TrimPrefix(string(wrong.JSONPointer), "/"); name {
	case "query", "operationName":
		return errors.New(name + " must be a string")
	case "variables", "extensions":
		return errors.New(name + " must be an object")
	default:
		return errNotObject
	}
}

// object is a JSON object with exact numbers: encoding/json's Number, which
// graphql-go knows. Null is a nil one.
type object map[string]any

var _ json.UnmarshalerFrom = (*object)(nil)

// UnmarshalJSONFrom reads an object or null.
func (o *object) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k != '{' && k != 'n' {
		return errors.Join(errNotObject, d.SkipValue())
	}
	v, err := value(d)
	*o, _ = v.(map[string]any)
	return err
}

// value reads the next value as encoding/json does with UseNumber.
func value(d *jsontext.Decoder) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case jsontext.KindBeginObject:
		return members(d)
	case jsontext.KindBeginArray:
		return elements(d)
	case jsontext.KindString:
		return t.String(), nil
	case jsontext.KindNumber:
		return stdjson.Number(t.String()), nil
	case jsontext.KindTrue, jsontext.KindFalse:
		return t.Bool(), nil
	default:
		return nil, nil
	}
}

func members(d *jsontext.Decoder) (map[string]any, error) {
	all := make(map[string]any)
	for d.PeekKind() == jsontext.KindString {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String() // the next token takes its place
		if all[name], err = value(d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return all, err
}

func elements(d *jsontext.Decoder) ([]any, error) {
	all := []any{}
	for k := d.PeekKind(); k != jsontext.KindEndArray && k != jsontext.KindInvalid; k = d.PeekKind() {
		v, err := value(d)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	_, err := d.ReadToken()
	return all, err
}
