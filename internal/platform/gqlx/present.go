package gqlx

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	graphql "github.com/graph-gophers/graphql-go"
	qerrors "github.com/graph-gophers/graphql-go/errors"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

var (
	errTooLong   = errs.New(errs.Unavailable, "gqlx.timeout", "The operation took too long and was ended.")
	errGone      = errs.New(errs.Unavailable, "gqlx.cancelled", "The request was given up.")
	errNotAdmin  = errs.New(errs.Forbidden, "gqlx.not_admin", "Only the server's administrators may.")
	errArguments = errs.New(errs.BadInput, "gqlx.arguments", "The arguments are not valid.")
)

// panicked is a resolver's panic on its way to the log.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// panics takes the executing library's panics: kept with their stack for the
// log, which present writes; nothing of them reaches a client.
type panics struct{}

func (panics) MakePanicError(_ context.Context, v any) *qerrors.QueryError {
	return &qerrors.QueryError{Message: "panic", ResolverError: &panicked{v, debug.Stack()}}
}

func (panics) LogPanic(context.Context, any) {}

// recovered turns a panic of fn into an error.
func recovered(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return fn()
}

// Present turns an error into a refusal: what is an *errs.Error is told, all
// else is INTERNAL and logged here.
func (e *Engine) Present(ctx context.Context, err error) *Response {
	id := requestID(ctx)
	known := e.known(ctx, err)
	if shared, ok := errors.AsType[*told](err); ok {
		id = shared.id
	} else if known.Kind() == errs.Internal {
		e.logInternal(id, "", nil, err, 1)
	}
	return &Response{
		Errors: []Error{{Message: known.Public(), Extensions: extensions(known.Kind(), known.Extensions(), id)}},
		status: known.Kind().HTTP(),
	}
}

// told is an error that is in the log already, under the id that clients are
// given: that of a rendering which many wait for.
type told struct {
	known *errs.Error
	id    string
}

func (t *told) Error() string { return t.known.Error() }
func (t *told) Unwrap() error { return t.known }

// tell logs an internal error once for all who will be told of it.
func (e *Engine) tell(ctx context.Context, p *plan, err error) error {
	if shared, ok := errors.AsType[*told](err); ok {
		return shared
	}
	t := &told{known: e.known(ctx, err), id: requestID(ctx)}
	if t.known.Kind() == errs.Internal {
		e.logInternal(t.id, p.name, nil, err, 1)
	}
	return t
}

// known finds what clients may be told of an error.
func (e *Engine) known(ctx context.Context, err error) *errs.Error {
	if ours := errs.Of(err); ours != nil {
		if ours.Kind() == errs.Internal {
			return errs.ErrInternal
		}
		return ours
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return errGone
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errTooLong
	}
	return errs.ErrInternal
}

func (e *Engine) refused(ctx context.Context, r *refusal) *Response {
	id := requestID(ctx)
	var attrs map[string]any
	if len(r.attrs) > 0 {
		attrs = errs.ErrBadInput.With(r.attrs...).Extensions()
	}
	for i := range r.faults {
		r.faults[i].Message = clip(r.faults[i].Message, 500)
		r.faults[i].Extensions = extensions(r.kind, attrs, id)
	}
	return &Response{Errors: r.faults, status: r.kind.HTTP()}
}

// engineFault is an error of the executing library's validation.
func (e *Engine) engineFault(q *qerrors.QueryError) Error {
	msg := strings.TrimPrefix(q.Message, "graphql: ")
	if !e.introspection {
		msg, _, _ = strings.Cut(msg, " Did you mean")
	}
	return Error{Message: msg, Locations: engineLocations(q)}
}

// executed presents what the executing library reports after an operation ran.
func (e *Engine) executed(ctx context.Context, p *plan, list []*qerrors.QueryError) []Error {
	if len(list) == 0 {
		return nil
	}
	var (
		id       = requestID(ctx)
		out      = make([]Error, 0, len(list))
		internal *qerrors.QueryError
		count    int
	)
	for _, q := range list {
		known := e.knownOf(ctx, q)
		if known.Kind() == errs.Internal {
			if count++; internal == nil {
				internal = q
			}
		}
		out = append(out, Error{
			Message: known.Public(), Locations: engineLocations(q), Path: q.Path,
			Extensions: extensions(known.Kind(), known.Extensions(), id),
		})
	}
	if internal != nil {
		var cause error = internal
		if internal.ResolverError != nil {
			cause = internal.ResolverError
		}
		e.logInternal(id, p.name, internal.Path, cause, count)
	}
	return out
}

// knownOf tells the library's own errors from those of resolvers.
func (e *Engine) knownOf(ctx context.Context, q *qerrors.QueryError) *errs.Error {
	switch {
	case q.ResolverError != nil:
		return e.known(ctx, q.ResolverError)
	case errors.Is(q.Err, graphql.ErrTooManySelections):
		return errs.New(errs.TooComplex, "gqlx.selections", "The document expands to too many selections.")
	case q.Rule != "":
		return errs.New(errs.ValidationFailed, "gqlx.invalid", e.engineFault(q).Message)
	case errs.Of(q.Err) != nil, errors.Is(q.Err, context.DeadlineExceeded), errors.Is(q.Err, context.Canceled):
		return e.known(ctx, q.Err)
	case q.Path == nil: // it could not make the resolver's arguments
		return errArguments
	}
	return errs.ErrInternal
}

// logInternal writes the one log line of an operation that failed for reasons
// which clients are not told.
func (e *Engine) logInternal(id, operation string, path []any, err error, count int) {
	e.log.Error().Err(err).Str("request_id", id).Str("operation", clip(operation, 100)).
		Interface("path", path).Int("count", count).Msg("operation failed")
}

func extensions(kind errs.Kind, attrs map[string]any, id string) map[string]any {
	out := make(map[string]any, len(attrs)+2)
	maps.Copy(out, attrs)
	out["code"] = kind.GraphQL()
	out["requestId"] = id
	return out
}

// requestID is the request's name, or a fresh one so that every error has one.
func requestID(ctx context.Context) string {
	if id := principal.RequestID(ctx); id != "" {
		return id
	}
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func engineLocations(q *qerrors.QueryError) []Location {
	out := make([]Location, 0, len(q.Locations))
	for _, l := range q.Locations {
		out = append(out, Location{Line: l.Line, Column: l.Column})
	}
	return out
}

// MarshalJSON writes the response as the GraphQL specification says: errors
// first, data only when the operation ran.
func (r *Response) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// AppendJSON appends the response as MarshalJSON writes it.
func (r *Response) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if len(r.Errors) > 0 {
		b, err := json.Marshal(r.Errors)
		if err != nil { // an attribute that JSON cannot hold
			b = []byte(`[{"message":"` + errs.ErrInternal.Public() + `","extensions":{"code":"INTERNAL"}}]`)
		}
		dst = append(append(dst, `"errors":`...), b...)
		if r.Data != nil {
			dst = append(dst, ',')
		}
	}
	if r.Data != nil {
		dst = append(append(dst, `"data":`...), r.Data...)
	}
	return append(dst, '}')
}

// HTTPStatus is the status for application/graphql-response+json: 200 for what
// ran, else that of the reason for refusing.
func (r *Response) HTTPStatus() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

func isValidation(q *qerrors.QueryError) bool { return q.Rule != "" }
