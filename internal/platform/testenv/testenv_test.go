package testenv_test

import (
	"testing"

	"chatd/internal/platform/testenv"
)

func TestTheListNamesWhatIsRequired(t *testing.T) {
	for _, tc := range []struct {
		list, name string
		want       bool
	}{
		{"", "postgres", false},
		{"postgres", "postgres", true},
		{"redis, postgres", "postgres", true},
		{"postgresql", "postgres", false},
		{"all", "postgres", true},
	} {
		t.Setenv(testenv.Variable, tc.list)
		if got := testenv.Required(tc.name); got != tc.want {
			t.Errorf("%q requires %q: %v", tc.list, tc.name, got)
		}
	}
}

// spy is a test that records how it ended instead of ending.
type spy struct {
	testing.TB
	skipped, failed bool
}

func (s *spy) Helper()               {}
func (s *spy) Skipf(string, ...any)  { s.skipped = true }
func (s *spy) Fatalf(string, ...any) { s.failed = true }

func TestWhatIsMissingSkipsOrFails(t *testing.T) {
	t.Setenv(testenv.Variable, "redis")
	var a, b spy
	testenv.Missing(&a, "postgres", "no binaries")
	testenv.Missing(&b, "redis", "no binaries")
	if !a.skipped || a.failed || !b.failed {
		t.Fatalf("postgres %+v, redis %+v", a, b)
	}
}
