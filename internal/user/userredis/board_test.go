package userredis_test

import (
	"errors"
	"testing"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/user"
	"chatd/internal/user/userredis"
	"chatd/internal/user/usertest"
)

func TestBoard(t *testing.T) {
	t.Parallel()
	usertest.RunBoard(t, func(t *testing.T, ways int) []user.Board {
		t.Helper()
		prefix, all := redisdbtest.Prefix(), make([]user.Board, ways)
		for i := range all {
			all[i] = userredis.NewBoard(redisdbtest.Open(t, redisdb.Config{Prefix: prefix}))
		}
		return all
	}, func(d time.Duration) { <-time.After(d) })
}

func TestABoardThatIsAwaySaysSoAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), ProbeEvery: 50 * time.Millisecond})
	b := userredis.NewBoard(db)
	if _, err := b.Exchange(t.Context(), "a", []byte("report"), time.Minute); err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	if _, err := b.Exchange(t.Context(), "a", []byte("report"), time.Minute); !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
	s.Again(t)
	redisdbtest.Eventually(t, "it is back", func() bool {
		found, err := b.Exchange(t.Context(), "b", []byte("report"), time.Minute)
		return err == nil && len(found) == 0
	})
}

// What somebody else has written there is passed over.
func TestABoardWithRubbishOnIt(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	b := userredis.NewBoard(redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Prefix: "chatd"}))
	s.Do(t, "ZADD", "chatd:presence/nodes", "9999999999999", "x")
	for _, text := range []string{" ", "x y", "12"} {
		s.Do(t, "SET", "chatd:presence/node/x", text)
		found, err := b.Exchange(t.Context(), "a", []byte("report"), time.Minute)
		if err != nil || len(found) != 0 {
			t.Errorf("%q: %v, %v", text, found, err)
		}
	}
}
