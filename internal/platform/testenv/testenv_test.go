package testenv_test

import (
	"testing"
	"time"

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

func TestTheLeastOfFiveTimesIsTaken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		took  []time.Duration
		want  time.Duration
		tries int
	}{
		{[]time.Duration{1}, 1, 1},
		{[]time.Duration{10}, 10, 1},
		{[]time.Duration{11, 30, 9}, 9, 3},
		{[]time.Duration{15, 14, 12, 13, 16, 1}, 12, 5},
	} {
		tries := 0
		got := testenv.Quickest(10, func() time.Duration { tries++; return tc.took[tries-1] })
		if got != tc.want || tries != tc.tries {
			t.Errorf("of %d: %d after %d tries, want %d after %d", tc.took, got, tries, tc.want, tc.tries)
		}
	}
}
