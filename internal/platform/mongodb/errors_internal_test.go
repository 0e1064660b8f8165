package mongodb

import (
	"errors"
	"fmt"
	"testing"

	"chatd/internal/platform/errs"
)

type givenUp bool

func (givenUp) Error() string     { return "connection pool for 127.0.0.1:27017 was cleared" }
func (g givenUp) Retryable() bool { return bool(g) }

func TestConnectionsThatWereGivenUpAreUnavailable(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{true, false} {
		err := Translate(fmt.Errorf("page: %w", givenUp(again)))
		if errors.Is(err, errs.ErrUnavailable) != again {
			t.Errorf("retryable %t: %v", again, err)
		}
	}
}
