package gqlx_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/principal"
)

func TestErrorsTellTheirCodeAndNothingThatIsNotForClients(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct {
		code, message string
		field         any
		logged        int
	}{
		"known":     {"CONFLICT", "Taken.", "name", 0},
		"unknown":   {"INTERNAL", errs.ErrInternal.Public(), nil, 1},
		"panic":     {"INTERNAL", errs.ErrInternal.Public(), nil, 1},
		"cancelled": {"UNAVAILABLE", "The operation took too long and was ended.", nil, 0},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			ctx := principal.WithRequestID(as(t.Context(), ann), "req-1")
			r := f.Exec(ctx, gqlx.Request{Query: `query Q($how: String!) { x: fail(how: $how) hello }`, Variables: map[string]any{"how": how}})
			if string(r.Data) != `{"x":null,"hello":"hello you"}` || r.HTTPStatus() != 200 || len(r.Errors) != 1 {
				t.Fatalf("%s", r.AppendJSON(nil))
			}
			e := r.Errors[0]
			if e.Code() != want.code || e.Message != want.message || e.Extensions["field"] != want.field || e.RequestID() != "req-1" || e.Path[0] != "x" {
				t.Errorf("%+v", e)
			}
			if want.code == "INTERNAL" && len(e.Extensions) != 2 {
				t.Errorf("INTERNAL tells %v", e.Extensions)
			}
			if strings.Contains(string(r.AppendJSON(nil)), "secret") {
				t.Error("tells the cause")
			}
			if n := strings.Count(f.log.String(), "req-1"); n != want.logged {
				t.Errorf("logged %d times: %s", n, f.log)
			}
			if how == "panic" && !strings.Contains(f.log.String(), "engine_test.go") {
				t.Error("the log lacks the panic's stack")
			}
		})
	}
}

func TestAnErrorOutsideOfResolversIsPresentedAlike(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, c := range []struct {
		err    error
		code   string
		status int
	}{
		{errs.ErrRateLimited.With(errs.RetryAfter(time.Second)), "RATE_LIMITED", 429},
		{errors.New("secret"), "INTERNAL", 500},
		{errs.New(errs.Internal, "x.y", "secret"), "INTERNAL", 500},
		{context.DeadlineExceeded, "UNAVAILABLE", 503},
	} {
		r := f.Present(t.Context(), c.err)
		if !r.Refused() || r.Errors[0].Code() != c.code || r.HTTPStatus() != c.status || r.Errors[0].RequestID() == "" {
			t.Errorf("%v: %s", c.err, r.AppendJSON(nil))
		}
		if strings.Contains(string(r.AppendJSON(nil)), "secret") {
			t.Errorf("tells the cause of %v", c.err)
		}
	}
}

func TestAnOperationIsEndedAtItsTimeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		start := time.Now()
		r := f.Exec(as(t.Context(), ann), gqlx.Request{Query: `{ fail(how: "wait") }`})
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
		if r.Errors[0].Code() != "UNAVAILABLE" || string(r.Data) != "null" {
			t.Errorf("%s", r.AppendJSON(nil))
		}
	})
}

func TestBeforeRunsOnceAfterTheChecks(t *testing.T) {
	t.Parallel()
	var seen []string
	f := setup(t, func(c *gqlx.Config) {
		c.Before = func(ctx context.Context, d *gqlx.Document) context.Context {
			seen = append(seen, d.Fields()...)
			return principal.With(ctx, principal.Principal{User: ben})
		}
	})
	r := f.Exec(as(t.Context(), ann), gqlx.Request{Query: "{viewer{id}}"})
	f.Exec(as(t.Context(), ann), gqlx.Request{Query: "{viewr{id}}"})
	if len(seen) != 1 || !strings.Contains(string(r.Data), ben.String()) {
		t.Errorf("%v %s", seen, r.Data)
	}
}

func TestAResponseIsWrittenErrorsFirst(t *testing.T) {
	t.Parallel()
	r := &gqlx.Response{Data: json.RawMessage(`{"a":null}`), Errors: []gqlx.Error{{Message: "No.", Path: []any{"a", 0}, Extensions: map[string]any{"code": "X"}}}}
	b, err := json.Marshal(r)
	if err != nil || string(b) != `{"errors":[{"message":"No.","path":["a",0],"extensions":{"code":"X"}}],"data":{"a":null}}` {
		t.Fatalf("%s %v", b, err)
	}
}
