package userredis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/platform/testenv"
	"chatd/internal/user"
	"chatd/internal/user/userredis"
	"chatd/internal/user/usertest"
)

func TestShelf(t *testing.T) {
	t.Parallel()
	usertest.RunShelf(t, func(t *testing.T) user.Shelf {
		t.Helper()
		return userredis.NewShelf(redisdbtest.Open(t, redisdb.Config{}), zerolog.Nop())
	})
}

func TestAShelfThatIsAwayIsEmptyAndSoonCostsNothing(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	db := redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Timeout: 100 * time.Millisecond, ProbeEvery: 50 * time.Millisecond})
	shelf := userredis.NewShelf(db, zerolog.Nop())
	ada := usertest.Profile("ada", "Ada")
	redisdbtest.Eventually(t, "she is on the shelf", func() bool { // within the time of a call, which is short
		shelf.Put(t.Context(), []user.Kept{{Profile: ada}})
		return len(shelf.Take(t.Context(), []ids.User{ada.ID})) == 1
	})
	s.Pause(t)
	const reads = 50
	var took []time.Duration
	for range reads {
		took = append(took, testenv.Took(func() {
			if n := len(shelf.Take(t.Context(), []ids.User{ada.ID})); n != 0 {
				t.Errorf("%d profiles of a shelf that does not answer", n)
			}
		}))
	}
	slices.Sort(took)
	t.Logf("of %d reads of a shelf that does not answer half took up to %v, the slowest %v", reads, took[reads/2], took[reads-1])
	if took[reads/2] > 50*time.Millisecond {
		t.Error("every read waited")
	}
	s.Resume(t)
	redisdbtest.Eventually(t, "it is back", func() bool { return len(shelf.Take(t.Context(), []ids.User{ada.ID})) == 1 })
}

func TestRubbishOnTheShelfIsNobody(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	shelf := userredis.NewShelf(redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Prefix: "chatd"}), zerolog.Nop())
	ada := usertest.Profile("ada", "Ada")
	for _, text := range []string{"", "x", fmt.Sprintf("%032x", 5), fmt.Sprintf("%032x", 5) + "{", fmt.Sprintf("%032x", 5) + "{}", fmt.Sprintf("%032s{}", "-")} {
		s.Do(t, "SET", "chatd:profile/2/"+ada.ID.String(), text)
		if found := shelf.Take(t.Context(), []ids.User{ada.ID}); len(found) != 0 {
			t.Errorf("%q: %+v", text, found)
		}
	}
	s.Do(t, "DEL", "chatd:profile/2/"+ada.ID.String())
	s.Do(t, "LPUSH", "chatd:profile/2/"+ada.ID.String(), "x")
	if found := shelf.Take(t.Context(), []ids.User{ada.ID}); len(found) != 0 {
		t.Errorf("of a list: %+v", found)
	}
}
