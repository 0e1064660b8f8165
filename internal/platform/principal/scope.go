package principal

// Scope is what a personal token may be used for: any of the constants
// together.
type Scope uint8

// The scopes.
const (
	ScopeRead  Scope = 1 << iota // queries and subscriptions, and fetching files
	ScopeWrite                   // mutations, and uploading files
	ScopeAdmin                   // what is for administrators, with one of the others
)

// Has says whether all of want are in s.
func (s Scope) Has(want Scope) bool { return s&want == want }

// Holds says whether the caller's token lets him do what want stands for. A
// session is good for whatever its user may do.
func (p Principal) Holds(want Scope) bool { return p.Token.IsZero() || p.Scopes.Has(want) }
