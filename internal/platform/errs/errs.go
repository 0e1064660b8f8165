package errs

import (
	"errors"
	"maps"
	"time"
)

// Kind says what sort of failure an error is to the client.
type Kind uint8

// The kinds. The zero Kind is Internal, so that a forgotten one says nothing.
const (
	Internal Kind = iota
	Unauthenticated
	Forbidden
	NotFound
	BadInput
	Conflict
	Precondition
	RateLimited
	TooLarge
	Unavailable
	ParseFailed
	ValidationFailed
	TooComplex
	PersistedNotFound
)

// Error is a failure that a client may be told of. It is immutable: With
// returns a copy, and errors.Is holds between a copy and its sentinel.
type Error struct {
	kind   Kind
	code   string
	public string
	attrs  map[string]any
}

// New declares a sentinel: code is stable and internal (it names the rule, as
// in "chat.not_member"), public is the sentence that clients are shown.
func New(kind Kind, code, public string, attrs ...Attr) *Error {
	return (&Error{kind: kind, code: code, public: public}).With(attrs...)
}

// Error returns the code and the public sentence.
func (e *Error) Error() string { return e.code + ": " + e.public }

// Kind returns what sort of failure this is.
func (e *Error) Kind() Kind { return e.kind }

// Code returns the stable internal code.
func (e *Error) Code() string { return e.code }

// Public returns the sentence for clients.
func (e *Error) Public() string { return e.public }

// Extensions returns what goes beside the GraphQL code: field, reason,
// retryAfterMs. The map must not be changed.
func (e *Error) Extensions() map[string]any { return e.attrs }

// Is makes errors.Is hold between a sentinel and what With made of it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.kind == e.kind && t.code == e.code
}

// With returns a copy that also carries attrs.
func (e *Error) With(attrs ...Attr) *Error {
	if len(attrs) == 0 {
		return e
	}
	c := *e
	c.attrs = maps.Clone(e.attrs)
	if c.attrs == nil {
		c.attrs = make(map[string]any, len(attrs))
	}
	for _, a := range attrs {
		c.attrs[a.key] = a.value
	}
	return &c
}

// Saying returns a copy with another public sentence.
func (e *Error) Saying(public string) *Error {
	c := *e
	c.public = public
	return &c
}

// Attr is one detail that clients are told beside the code.
type Attr struct {
	key   string
	value any
}

// Field names the input field at fault, as a path with dots.
func Field(name string) Attr { return Attr{"field", name} }

// Reason names which precondition or conflict it was, in capitals.
func Reason(name string) Attr { return Attr{"reason", name} }

// RetryAfter says when it is worth trying again; clients get milliseconds, and
// never fewer than it takes.
func RetryAfter(d time.Duration) Attr {
	return Attr{"retryAfterMs", max((d + time.Millisecond - 1).Milliseconds(), 1)}
}

// RetryAfter is what the attribute of that name says; zero without.
func (e *Error) RetryAfter() time.Duration {
	ms, _ := e.attrs["retryAfterMs"].(int64)
	return time.Duration(ms) * time.Millisecond
}

// Of returns the first *Error in err's chain, or nil when there is none: then
// err is internal.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return nil
}

// KindOf returns the kind of err; Internal for one that is not an *Error.
func KindOf(err error) Kind {
	if e := Of(err); e != nil {
		return e.kind
	}
	return Internal
}

// Sentinels that belong to no context.
var (
	ErrInternal        = New(Internal, "internal", "Something went wrong on the server.")
	ErrUnauthenticated = New(Unauthenticated, "unauthenticated", "Sign in first.")
	ErrForbidden       = New(Forbidden, "forbidden", "You may not do this.")
	ErrNotFound        = New(NotFound, "not_found", "Not found.")
	ErrBadInput        = New(BadInput, "bad_input", "The input is not valid.")
	ErrUnavailable     = New(Unavailable, "unavailable", "The server cannot do this right now. Try again.")
	ErrRateLimited     = New(RateLimited, "rate_limited", "Too many requests. Try again later.")
	ErrBadCursor       = New(BadInput, "bad_cursor", "The cursor is not valid here.", Field("after"))
)
