package errs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatd/internal/platform/errs"
)

func TestASentinelIsFoundThroughWrappingAndDetails(t *testing.T) {
	t.Parallel()
	sentinel := errs.New(errs.Conflict, "test.taken", "Taken.")
	err := fmt.Errorf("register: %w", sentinel.With(errs.Field("username")))
	if !errors.Is(err, sentinel) {
		t.Fatal("errors.Is does not see the sentinel")
	}
	if got := errs.Of(err).Extensions()["field"]; got != "username" {
		t.Fatalf("field %v", got)
	}
	if len(sentinel.Extensions()) != 0 {
		t.Fatal("With changed the sentinel")
	}
	if errors.Is(err, errs.ErrNotFound) {
		t.Fatal("another sentinel matches")
	}
}

func TestWhatIsNotOursIsInternal(t *testing.T) {
	t.Parallel()
	if k := errs.KindOf(errors.New("pq: secret")); k != errs.Internal {
		t.Fatalf("kind %v", k)
	}
	if errs.Of(nil) != nil {
		t.Fatal("nil has an error")
	}
}

func TestEveryKindHasItsRow(t *testing.T) {
	t.Parallel()
	for k := errs.Internal; k <= errs.PersistedNotFound; k++ {
		if k.GraphQL() == "" || k.HTTP() < 400 || k.Close() < 1000 {
			t.Errorf("kind %d has no row", k)
		}
	}
}

func TestRetryAfterIsNeverZero(t *testing.T) {
	t.Parallel()
	e := errs.ErrRateLimited.With(errs.RetryAfter(time.Microsecond))
	if e.Extensions()["retryAfterMs"] != int64(1) {
		t.Fatalf("%v", e.Extensions())
	}
}
