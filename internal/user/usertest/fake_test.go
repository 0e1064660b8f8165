package usertest_test

import (
	"testing"

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
