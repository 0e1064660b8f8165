package gqlx

// Kind is what an operation does.
type Kind uint8

// The kinds of operation.
const (
	Query Kind = iota + 1
	Mutation
	Subscription
)

// String returns the keyword of the kind.
func (k Kind) String() string {
	switch k {
	case Query:
		return "query"
	case Mutation:
		return "mutation"
	case Subscription:
		return "subscription"
	}
	return "unknown"
}

// Document is a request that passed all checks, ready to run with its
// variables. It is used by one request; what does not depend on the variables
// is shared and cached.
type Document struct {
	*plan
	variables map[string]any // coerced, defaults filled in
}

// Kind says what the operation does.
func (d *Document) Kind() Kind { return d.kind }

// Open says whether the operation needs no viewer: every root field is @open,
// __typename or introspection.
func (d *Document) Open() bool { return d.open }

// Selects says whether a field of that name is selected anywhere.
func (d *Document) Selects(field string) bool {
	_, ok := d.selects[field]
	return ok
}

// Fields returns the names of the root fields in the order of the document.
func (d *Document) Fields() []string { return d.fields }

// Name returns the operation's name; empty for an anonymous one.
func (d *Document) Name() string { return d.name }
