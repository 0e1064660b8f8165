package gqlx_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/testenv"
)

func nested(field string, depth int, leaf string) string {
	return strings.Repeat(field+"{", depth) + leaf + strings.Repeat("}", depth)
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+" ", i)
	}
	return b.String()
}

// bomb is a chain of fragments, each of which spreads the next twice.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("{viewer{...F0}}")
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on User{...F%d ...F%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on User{id}", n)
	return b.String()
}

const stockIntrospection = `query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
 types { ...FullType } directives { name description locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
 inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

func TestALimitRefusesOneOverAndLetsPassWhatIsAtIt(t *testing.T) {
	t.Parallel()
	ids := func(n int) string { return strings.Repeat(`"x",`, n) }
	for _, c := range []struct {
		name, query string
		vars        map[string]any
		code        string // empty: runs
	}{
		{"depth 12", "{viewer{" + nested("friend", 10, "id") + "}}", nil, ""},
		{"depth 13", "{viewer{" + nested("friend", 11, "id") + "}}", nil, "QUERY_TOO_COMPLEX"},
		{"depth through fragments", "{viewer{...A}} fragment A on User{" + nested("friend", 6, "...B") + "} fragment B on User{" + nested("friend", 5, "id") + "}", nil, "QUERY_TOO_COMPLEX"},
		{"15 aliases", "{" + many(15, "a%d:hello") + "}", nil, ""},
		{"16 aliases", "{" + many(16, "a%d:hello") + "}", nil, "QUERY_TOO_COMPLEX"},
		{"16 aliases of __typename", "{" + many(16, "a%d:__typename") + "}", nil, "QUERY_TOO_COMPLEX"},
		{"aliases over fragments", "{...A ...B} fragment A on Query{" + many(8, "a%d:hello") + "} fragment B on Query{" + many(8, "b%d:hello") + "}", nil, "QUERY_TOO_COMPLEX"},
		{"a field 15 times", "{" + strings.Repeat("hello ", 15) + "}", nil, ""},
		{"a field 500 times", "{" + strings.Repeat("__typename ", 500) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"complexity 1 + 333 x 3", "{viewer{friends(first:333){edges{node{id}}}}}", nil, ""},
		{"complexity 1 + 334 x 3", "{viewer{friends(first:334){edges{node{id}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"complexity by last", "{viewer{friends(last:334){edges{node{id}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"complexity in a variable", "query($n:Int){viewer{friends(first:$n){edges{node{id}}}}}", map[string]any{"n": 333}, ""},
		{"complexity over in a variable", "query($n:Int){viewer{friends(first:$n){edges{node{id}}}}}", map[string]any{"n": 334}, "QUERY_TOO_COMPLEX"},
		{"complexity over in a default", "query($n:Int=334){viewer{friends(first:$n){edges{node{id}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"absent is 50", "{viewer{friends{edges{node{friends(first:6){pageInfo{hasNextPage}}}}}}}", nil, ""},
		{"absent is 50, over", "{viewer{friends{edges{node{friends(first:9){pageInfo{hasNextPage}}}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"an absent variable is 50", "query($n:Int){viewer{friends(first:$n){edges{node{friends(first:9){pageInfo{hasNextPage}}}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"a page of 2^31-1 nested", "{viewer{friends(first:2147483647){edges{node{friends(first:2147483647){pageInfo{hasNextPage}}}}}}}", nil, "QUERY_TOO_COMPLEX"},
		{"1000 ids", "{users(ids:[" + ids(1000) + "]){id}}", nil, ""},
		{"1001 ids", "{users(ids:[" + ids(1001) + "]){id}}", nil, "QUERY_TOO_COMPLEX"},
		{"1001 ids in a variable", "query($i:[ID!]!){users(ids:$i){id}}", map[string]any{"i": make1001()}, "QUERY_TOO_COMPLEX"},
		{"64 KiB", "{hello}" + strings.Repeat(" ", 64<<10-7), nil, ""},
		{"64 KiB and one", "{hello}" + strings.Repeat(" ", 64<<10-6), nil, "PAYLOAD_TOO_LARGE"},
		{"1e6 deep list literal", "{users(ids:" + strings.Repeat("[", 1_000_000) + ")}", nil, "PAYLOAD_TOO_LARGE"},
		{"deep list literal within 64 KiB", "{users(ids:" + strings.Repeat("[", 60_000) + ")}", nil, "QUERY_TOO_COMPLEX"},
		{"10k nested braces", strings.Repeat("{viewer", 9_000), nil, "QUERY_TOO_COMPLEX"},
		{"directives", "{hello " + strings.Repeat("@a", 30_000) + "}", nil, "QUERY_TOO_COMPLEX"},
		{"10 unknown directives", "{hello " + many(10, "@a%d") + "}", nil, "GRAPHQL_VALIDATION_FAILED"},
		{"fragment cycle", "{viewer{...A}} fragment A on User{friend{...B}} fragment B on User{friend{...A}}", nil, "QUERY_TOO_COMPLEX"},
		{"fragment on itself", "{viewer{...A}} fragment A on User{...A}", nil, "GRAPHQL_VALIDATION_FAILED"},
		{"fragment bomb 2^20", bomb(20), nil, "QUERY_TOO_COMPLEX"},
		{"one login", `mutation{login(input:{login:"a"}){token}}`, nil, ""},
		{"two logins", `mutation{a:login(input:{login:"a"}){token} b:login(input:{login:"b"}){token}}`, nil, "QUERY_TOO_COMPLEX"},
		{"two logins by fragment", `mutation{...A b:login(input:{login:"b"}){token}} fragment A on Mutation{a:login(input:{login:"a"}){token}}`, nil, "QUERY_TOO_COMPLEX"},
		{"two sends", `mutation{a:send(input:{text:"a"}){message{id}} b:send(input:{text:"b"}){message{id}}}`, nil, ""},
		{"stock introspection", stockIntrospection, nil, ""},
		{"circular introspection", "{__schema{types{" + nested("fields{type", 3, "name") + strings.Repeat("}", 3) + "}}}", nil, "GRAPHQL_VALIDATION_FAILED"},
		{"introspection 21 deep", "{__type(name:\"User\"){" + nested("ofType", 20, "name") + "}}", nil, "QUERY_TOO_COMPLEX"},
		{"fields to be merged", "{viewer{" + strings.Repeat("...{friend{id}}", 150) + "}}", nil, "QUERY_TOO_COMPLEX"},
		{"no operation", "fragment A on Query{hello}", nil, "GRAPHQL_VALIDATION_FAILED"},
		{"not GraphQL", "{", nil, "GRAPHQL_PARSE_FAILED"},
		{"not UTF-8", "{hello(name:\"\xff\")}", nil, "GRAPHQL_PARSE_FAILED"},
		{"unknown field", "{nothing}", nil, "GRAPHQL_VALIDATION_FAILED"},
		{"bad Time literal", `{search(at:"yesterday")}`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"Int literal of 33 bits", `{viewer{friends(first:4294967296){pageInfo{hasNextPage}}}}`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"empty", "", nil, "BAD_USER_INPUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			var r *gqlx.Response
			took := testenv.Quickest(time.Second, func() time.Duration {
				return testenv.Took(func() { r = f.Exec(as(t.Context(), ann), gqlx.Request{Query: c.query, Variables: c.vars}) })
			})
			if c.code == "" {
				if len(r.Errors) > 0 && r.Refused() {
					t.Fatalf("refused: %.300s", r.AppendJSON(nil))
				}
				return
			}
			if !r.Refused() || len(r.Errors) == 0 || r.Errors[0].Code() != c.code || r.Errors[0].RequestID() == "" {
				t.Fatalf("got %.300s", r.AppendJSON(nil))
			}
			if len(r.Errors) > 5 {
				t.Errorf("%d errors", len(r.Errors))
			}
			if n := f.calls.Load(); n != 0 {
				t.Errorf("%d resolvers ran", n)
			}
			if took > time.Second { // quiet machines need a hundredth
				t.Errorf("refusing took %v", took)
			}
		})
	}
}

func make1001() []any {
	out := make([]any, 1001)
	for i := range out {
		out[i] = "x"
	}
	return out
}

func TestAnUnknownOperationNameIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	two := "query A{hello} query B{b:hello}"
	for name, want := range map[string]string{"": "GRAPHQL_VALIDATION_FAILED", "C": "GRAPHQL_VALIDATION_FAILED", "B": ""} {
		r := f.Exec(t.Context(), gqlx.Request{Query: two, OperationName: name})
		if want == "" && string(r.Data) != `{"b":"hello you"}` || want != "" && (len(r.Errors) == 0 || r.Errors[0].Code() != want) {
			t.Errorf("%q: %s", name, r.AppendJSON(nil))
		}
	}
}

func TestWithoutIntrospectionNothingIsToldOfTheSchema(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *gqlx.Config) { c.Introspection = false })
	for _, q := range []string{
		"{__schema{types{name}}}", `{__type(name:"User"){name}}`, "{helo}", "{viewer{nam}}", `{hello(nam:"x")}`,
		`{search(filter:{kinds:[DIREC]})}`, `{search(filter:{tex:"x"})}`, "{viewer}", "{viewer{...A}} fragment A on Usr{id}",
	} {
		r := f.Exec(as(t.Context(), ann), gqlx.Request{Query: q})
		got := string(r.AppendJSON(nil))
		if !r.Refused() || strings.Contains(got, "mean") || strings.Contains(got, "DIRECT") || strings.Contains(got, "friends") {
			t.Errorf("%s: %s", q, got)
		}
	}
	if r := f.Exec(t.Context(), gqlx.Request{Query: "{__typename}"}); r.Refused() {
		t.Errorf("__typename: %s", r.AppendJSON(nil))
	}
}

func TestWithoutAViewerOnlyOpenOperationsRun(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for query, open := range map[string]bool{
		"{hello}": true, "{__typename}": true, "{__schema{queryType{name}}}": true, `mutation{login(input:{login:"a"}){token}}`: true,
		"{viewer{id}}": false, "{hello viewer{id}}": false, `mutation{send(input:{text:"a"}){message{id}}}`: false,
		"subscription{events{cursor}}":                                     false,
		"query($x:Int!){viewer{friends(first:$x){pageInfo{hasNextPage}}}}": false, // before its variables are looked at
	} {
		d, r := f.Prepare(t.Context(), gqlx.Request{Query: query})
		switch {
		case open && (r != nil || !d.Open()):
			t.Errorf("%s is not open", query)
		case !open && (r == nil || r.Errors[0].Code() != "UNAUTHENTICATED" || r.HTTPStatus() != 401):
			t.Errorf("%s is open", query)
		}
	}
}

func TestADocumentSaysWhatItIs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	d, r := f.Prepare(as(t.Context(), ann), gqlx.Request{Query: "query Q{v:viewer{...A} hello} fragment A on User{friend{name}}"})
	if r != nil {
		t.Fatalf("%s", r.AppendJSON(nil))
	}
	if d.Kind() != gqlx.Query || d.Name() != "Q" || fmt.Sprint(d.Fields()) != "[viewer hello]" || !d.Selects("name") || d.Selects("id") {
		t.Errorf("%v %v %v", d.Kind(), d.Name(), d.Fields())
	}
}

func FuzzDocuments(f *testing.F) {
	for _, q := range []string{
		"{hello}", stockIntrospection, bomb(5), benchMutation, benchSubscription, "{viewer{friends(first:3){edges{node{id}}}}}",
		"{viewer{...A}} fragment A on User{...A}", `{search(filter:{kinds:[DIRECT],and:[{limit:1}]},at:"2026-01-01T00:00:00Z")}`,
		"query($n:Int=3){viewer{friends(first:$n) @include(if:true){pageInfo{hasNextPage}}}}", "{a:hello b:hello @skip(if:false)}",
	} {
		f.Add(q)
	}
	fix := setup(f, quiet)
	ctx := as(f.Context(), ann)
	f.Fuzz(func(t *testing.T, q string) {
		var d *gqlx.Document
		var r *gqlx.Response
		took := testenv.Quickest(2*time.Second, func() time.Duration {
			return testenv.Took(func() { d, r = fix.Prepare(ctx, gqlx.Request{Query: q}) })
		})
		if (d == nil) == (r == nil) {
			t.Fatal("neither prepared nor refused")
		}
		if r != nil && r.Errors[0].Code() == "INTERNAL" {
			t.Fatalf("%s", r.AppendJSON(nil))
		}
		if took > 2*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}
