package gqlx_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/gqlx"
)

func TestASchemaWithFaultsIsRefused(t *testing.T) {
	t.Parallel()
	const q = "extend type Query {\n\"Says hello.\"\nhello: String!\n}\n"
	for name, c := range map[string]struct{ a, b, want string }{
		"a type twice":               {q + "\"A.\"\ntype A {\n\"X.\"\nx: Int }", "\"A.\"\ntype A {\n\"Y.\"\ny: Int }", "Cannot redeclare type A"},
		"a type of the base twice":   {q, "\"Mine.\"\ntype PageInfo {\n\"X.\"\nx: Int }", "Cannot redeclare type PageInfo"},
		"a field twice":              {q, q, "Query.hello can only be defined once"},
		"no description of a type":   {q, "type A {\n\"X.\"\nx: Int }", "A has no description"},
		"no description of a field":  {q, "extend type Query { other: Int }", "Query.other has no description"},
		"no description, argument":   {q, "extend type Query {\n\"X.\"\nother(a: Int): Int }", "Query.other(a:) has no description"},
		"no description, enum value": {q, "\"E.\"\nenum E { A }", "E.A has no description"},
		"no description, input":      {q, "\"I.\"\ninput I { a: Int }", "I.a has no description"},
		"no description, directive":  {q, "directive @x on OBJECT", "@x has no description"},
		"not SDL":                    {q, "typ A", "b.graphql"},
		"unknown type":               {q, "extend type Query {\n\"X.\"\nother: Nothing }", "Undefined type"},
		"subscription without field": {q, "extend type Subscription {\n\"X.\"\nticks: Int }", "no SubscriptionField is given for Subscription.ticks"},
		"resolver missing":           {"extend type Query {\n\"X.\"\nnobody: Int! }", "", "nobody"},
	} {
		_, err := gqlx.New(gqlx.Config{
			SDL:  []gqlx.Source{{Name: "a.graphql", SDL: c.a}, {Name: "b.graphql", SDL: c.b}},
			Root: &root{},
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheComposedSchemaIsOneText(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, want := range []string{"type Query {", "scalar Time", "interface Node", "directive @viewer on FIELD_DEFINITION", "@spliced(as: CURSOR)"} {
		if !strings.Contains(f.SDL(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(f.SDL(), "extend ") {
		t.Error("extensions are left")
	}
}

func TestTimeIsWrittenInUTCWithMilliseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 30, 0, 123_456_789, time.FixedZone("", 3600))
	b, err := json.Marshal(gqlx.TimeOf(at))
	if err != nil || string(b) != `"2026-11-22T09:30:00.123Z"` {
		t.Errorf("%s %v", b, err)
	}
	var in gqlx.Time
	if err := in.UnmarshalGraphQL("2026-11-22T10:30:00.123456+01:00"); err != nil || in.Location() != time.UTC || in.Hour() != 9 {
		t.Errorf("%v %v", in, err)
	}
	for _, bad := range []any{"", "2026-11-22", "2026-11-22 10:30:00Z", 5, nil, "0000-01-01T00:00:00+10:00"} {
		if in.UnmarshalGraphQL(bad) == nil {
			t.Errorf("%v is read", bad)
		}
	}
	if gqlx.TimePtr(time.Time{}) != nil || gqlx.TimePtr(at) == nil {
		t.Error("TimePtr")
	}
}
