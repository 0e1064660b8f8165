package usertest_test

import (
	"testing"
	"time"

	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

func TestFakeKeepsThePromisesOfAStore(t *testing.T) {
	t.Parallel()
	usertest.RunStore(t, func(*testing.T) user.Store { return usertest.NewFake() })
	if n := len(usertest.Injections); n != 60 {
		t.Errorf("%d injections", n)
	}
}

func TestFakeBoardKeepsThePromisesOfABoard(t *testing.T) {
	t.Parallel()
	usertest.RunBoard(t, func(_ *testing.T, ways int) []user.Board {
		b, all := usertest.NewBoard(), make([]user.Board, ways)
		for i := range all {
			all[i] = b
		}
		return all
	}, func(d time.Duration) { <-time.After(d) })
}
