package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// pages are the README and the pages of docs/, by their path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("no docs", err)
	}
	out := map[string]string{}
	for _, file := range append(files, filepath.Join("..", "..", "README.md")) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(b)
	}
	return out
}

// What the docs say that a test shows, a test of that name does.
func TestTheDocsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	exists := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range pages(t) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
			if !exists[m[1]] {
				t.Errorf("%s names %s", file, m[1])
			}
		}
	}
}

// Every GraphQL document of the docs is good against the schema and within the
// limits as they are by default.
func TestTheDocumentsOfTheDocsRun(t *testing.T) {
	t.Parallel()
	e, err := newEngine(parts{}, gqlx.Config{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := principal.With(t.Context(), principal.Principal{User: ids.New[ids.User](), Role: principal.Admin})
	found := 0
	for file, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?s)```graphql\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for doc := range strings.SplitSeq(m[1], "\n\n") {
				found++
				_, refused := e.Prepare(ctx, gqlx.Request{Query: doc})
				if refused == nil {
					continue
				}
				for _, fault := range refused.Errors {
					if fault.Extensions["code"] != "BAD_USER_INPUT" { // variables, which a page does not give
						t.Errorf("%s: %s\n%s", file, fault.Message, doc)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("the docs have no documents")
	}
}
