package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The schema is what clients are written against: a change of it is seen in
// the diff of testdata/schema.graphql, or not made. Nothing is ever renamed or
// removed; `go test ./cmd/chatd -run Schema -update` writes it anew.
func TestTheComposedSchemaIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	e, err := newEngine(parts{}, gqlx.Config{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	golden := filepath.Join("testdata", "schema.graphql")
	if *update {
		if err := os.WriteFile(golden, []byte(e.SDL()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if e.SDL() != string(want) {
		t.Fatal("the schema is not testdata/schema.graphql; if it is meant to change, run with -update and look at the diff")
	}
}

// Documents that were good once stay so: those under testdata/documents are
// never changed, only added to.
func TestTheDocumentsOfClientsStayValid(t *testing.T) {
	t.Parallel()
	e, err := newEngine(parts{}, gqlx.Config{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	files, err := filepath.Glob(filepath.Join("testdata", "documents", "*.graphql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	ctx := principal.With(t.Context(), principal.Principal{User: ids.New[ids.User](), Role: principal.Admin})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, refused := e.Prepare(ctx, gqlx.Request{Query: string(text)}); refused != nil {
			t.Errorf("%s: %+v", file, refused.Errors)
		}
	}
}
