package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
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
