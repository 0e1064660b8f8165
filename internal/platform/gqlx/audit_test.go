package gqlx_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"chatd/internal/platform/testenv"
)

// TestTheAuditsOfGraphQLOverHTTPPass runs all audits of the npm package
// graphql-http, where node is demanded: npm fetches the package.
func TestTheAuditsOfGraphQLOverHTTPPass(t *testing.T) {
	t.Parallel()
	if !testenv.Required("node") {
		testenv.Missing(t, "node", "npm fetches graphql-http, so only on demand")
	}
	node, npm := testenv.Tool(t, "node"), testenv.Tool(t, "npm")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "audit"))); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
		}
	}
	run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	f := setup(t)
	s := httptest.NewServer(f.HTTP())
	defer s.Close()
	run(node, "audit.mjs", s.URL)
}
