package authredis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authredis"
	"chatd/internal/auth/authsql"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/testenv"
	"chatd/migrations"
)

// never is a poll that does not come within a test, so that what ends was
// heard of by Redis.
const never = time.Hour

func TestAnotherNodeHearsAtOnce(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	store := open(t)
	a, b := newNode(t, s, store, never), newNode(t, s, store, never)
	subscribed(t, s, 2)
	for name, end := range map[string]func(p principal.Principal) error{
		"logout":            func(p principal.Principal) error { return a.Logout(t.Context(), p) },
		"logout everywhere": func(p principal.Principal) error { return a.LogoutEverywhere(t.Context(), p) },
	} {
		if took := testenv.Quickest(time.Second, func() time.Duration {
			in := a.Register(t)
			b.Caller(t, in)
			begun := time.Now()
			if err := end(a.Caller(t, in)); err != nil {
				t.Fatal(err)
			}
			took := refusedAfter(t, b, in, begun)
			if n := a.Told(in.Session.ID); n != 1 {
				t.Errorf("%s: the sockets of the node itself were told %d times", name, n)
			}
			redisdbtest.Eventually(t, "the other node's sockets are told", func() bool { return b.Told(in.Session.ID) == 1 })
			return took
		}); took > time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}

func TestManySessionsAtOnceAllArrive(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	store := open(t)
	a, b := newNode(t, s, store, never), newNode(t, s, store, never)
	subscribed(t, s, 2)
	list := make([]ids.Session, 1201)
	for i := range list {
		list[i] = ids.New[ids.Session]()
	}
	a.ended.Tell(list)
	redisdbtest.Eventually(t, "all are heard of", func() bool { return b.Told(list[0])+b.Told(list[600])+b.Told(list[1200]) == 3 })
}

func TestWithRedisStoppedTheStoreTellsWithinASecond(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	store := open(t)
	a, b := newNode(t, s, store, 0), newNode(t, s, store, 0)
	subscribed(t, s, 2)
	acknowledged, refused := map[string]time.Duration{}, map[string]time.Duration{} // the least of each
	keep := func(least map[string]time.Duration, what string, took time.Duration) {
		if before, ok := least[what]; !ok || took < before {
			least[what] = took
		}
	}
	end := func(what string) {
		t.Helper()
		in := a.Register(t)
		b.Caller(t, in)
		begun := time.Now()
		if err := a.Logout(t.Context(), a.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		keep(acknowledged, what, time.Since(begun))
		if _, err := a.Authenticate(t.Context(), in.AccessToken); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("%s: on the node itself: %v", what, err)
		}
		keep(refused, what, refusedAfter(t, b, in, begun))
	}
	late := func() (whats []string) {
		for what := range refused {
			if acknowledged[what] > 500*time.Millisecond || refused[what] > time.Second {
				whats = append(whats, fmt.Sprintf("%s: acknowledged after %s, refused after %s", what, acknowledged[what], refused[what]))
			}
		}
		return whats
	}
	// All of it again where a busy machine was in the way of a second.
	for try := 0; try == 0 || try < 5 && len(late()) > 0; try++ {
		end("with redis")
		s.Pause(t)
		end("redis does not answer")
		s.Resume(t)
		s.Do(t, "FLUSHALL")
		end("redis was emptied")
		s.Stop(t)
		end("redis has just gone")
		away(t, a)
		end("redis is away")
		s.Again(t)
		end("redis has just come")
		subscribed(t, s, 2)
		end("redis is back")
		back(t, a)
	}
	for _, what := range late() {
		t.Error(what)
	}
}

func TestAfterAnOutageNodesHearByRedisAgain(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	store := open(t)
	a, b := newNode(t, s, store, never), newNode(t, s, store, never)
	subscribed(t, s, 2)
	s.Stop(t)
	away(t, a)
	s.Again(t)
	subscribed(t, s, 2)
	back(t, a)
	if took := testenv.Quickest(time.Second, func() time.Duration {
		in := a.Register(t)
		b.Caller(t, in)
		begun := time.Now()
		if err := a.Logout(t.Context(), a.Caller(t, in)); err != nil {
			t.Fatal(err)
		}
		return refusedAfter(t, b, in, begun)
	}); took > time.Second {
		t.Error(took)
	}
}

func TestALieKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t)
	a := newNode(t, s, open(t), never)
	subscribed(t, s, 1)
	in := a.Register(t)
	a.Caller(t, in)
	for _, text := range []string{"", "rubbish", `{"sessions":["usr_1"]}`, `{"sessions":null}`, strings.Repeat("x", 1<<20), `{"from":"x","sessions":["` + in.Session.ID.String() + `"]}`} {
		s.Do(t, "PUBLISH", "chatd:auth/ended", text)
	}
	redisdbtest.Eventually(t, "the last is heard", func() bool { return a.Told(in.Session.ID) == 1 })
	a.Caller(t, in)
}

func TestMoreThanCanBeSentIsLeftToTheStore(t *testing.T) {
	t.Parallel()
	db := redisdbtest.Open(t, redisdb.Config{})
	e := authredis.New(authredis.Deps{Redis: db, Hear: func([]ids.Session) {}, Log: zerolog.Nop()})
	for range 10_000 { // nobody sends: Run is not running
		e.Tell([]ids.Session{ids.New[ids.Session]()})
	}
}

// node is a house that tells others, and hears of them.
type node struct {
	*authtest.House
	db    *redisdb.DB
	ended *authredis.Ended
}

// newNode starts a node over a store. poll is how often it reads the store.
func newNode(t *testing.T, s *redisdbtest.Server, store authtest.Store, poll time.Duration) *node {
	t.Helper()
	n := &node{db: redisdbtest.Open(t, redisdb.Config{URL: s.URL(), Prefix: "chatd", ProbeEvery: 50 * time.Millisecond})}
	n.House = authtest.New(t, store, func(_ *auth.Deps, c *auth.Config) {
		c.Now, c.PollEvery = time.Now, poll
		if poll == never {
			c.StaleAfter = never
		}
	})
	n.ended = authredis.New(authredis.Deps{Redis: n.db, Hear: n.Hear, Log: zerolog.Nop()})
	n.OnEndedHere(n.ended.Tell)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = n.Run(ctx) })
	wg.Go(func() {
		if err := n.ended.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return n
}

func open(t *testing.T) *authsql.Store {
	t.Helper()
	db := sqldbtest.SQLite(t)
	if err := db.Migrate(t.Context(), "auth", migrations.FS("auth")); err != nil {
		t.Fatal(err)
	}
	return authsql.New(db)
}

// subscribed waits until so many nodes hear.
func subscribed(t *testing.T, s *redisdbtest.Server, nodes int) {
	t.Helper()
	redisdbtest.Eventually(t, "the nodes are subscribed", func() bool {
		return strings.HasSuffix(strings.TrimSpace(s.Do(t, "PUBSUB", "NUMSUB", "chatd:auth/ended")), ":"+string(rune('0'+nodes)))
	})
}

// refusedAfter waits until the token is refused, and returns how long that is
// after begun.
func refusedAfter(t *testing.T, n *node, in auth.SignIn, begun time.Time) time.Duration {
	t.Helper()
	redisdbtest.Eventually(t, "the token is refused", func() bool {
		_, err := n.Authenticate(t.Context(), in.AccessToken)
		return errors.Is(err, auth.ErrBadToken)
	})
	return time.Since(begun)
}

func away(t *testing.T, n *node) {
	t.Helper()
	redisdbtest.Eventually(t, "redis is away", func() bool { return n.db.Health(t.Context()) != nil })
}

func back(t *testing.T, n *node) {
	t.Helper()
	redisdbtest.Eventually(t, "redis is back", func() bool { return n.db.Health(t.Context()) == nil })
}
