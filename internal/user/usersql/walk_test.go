package usersql_test

import (
	"fmt"
	"sync"
	"testing"

	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

func TestASearchThatMatchesThousandsIsPagedThroughWhole(t *testing.T) {
	t.Parallel()
	s := store(t, sqldbtest.SQLite(t))
	const users, writers = 2200, 64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < users; i += writers {
				name := "Anna Schmidt"
				if i%400 == 0 {
					name = "Berta Schmidt"
				}
				if err := s.Create(t.Context(), usertest.Profile(fmt.Sprintf("u%05d", i), name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, test := range []struct {
		words []string
		want  int
	}{
		{[]string{"schmidt"}, users},          // more than are collected
		{[]string{"b", "schmidt"}, 6},         // of which few match
		{[]string{"b"}, 6},                    // few
		{[]string{"schmidt", "a"}, users - 6}, // nearly all
		{[]string{"schmidt", "nobody"}, 0},    // none
	} {
		found, after := 0, ""
		for {
			page, err := s.Search(t.Context(), user.Query{Words: test.words, After: after, Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				if p.Username <= after {
					t.Fatalf("%q: %s after %s", test.words, p.Username, after)
				}
				after = p.Username
			}
			found += len(page)
			if len(page) < 500 {
				break
			}
		}
		if found != test.want {
			t.Errorf("%q found %d, want %d", test.words, found, test.want)
		}
	}
}
