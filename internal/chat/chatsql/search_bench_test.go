//go:build unix

package chatsql_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/platform/terms"
)

// indexing keeps the index up as the service does, until the function is
// called.
func indexing(b *testing.B, store chat.Store) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for more := true; more && ctx.Err() == nil; {
				at, err := store.Index(ctx, 256)
				if err != nil && ctx.Err() == nil {
					b.Error(err)
				}
				more = err == nil && at.UpTo < at.Newest
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// BenchmarkAppendIndexed is what the index costs senders: the first is without
// it, as though nobody had called Index.
func BenchmarkAppendIndexed(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		open := durable
		if engine == "postgres" {
			open = func(b *testing.B) *sqldb.DB { return sqldbtest.Postgres(b) }
		}
		for _, callers := range []int{1, 64} {
			for _, with := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/callers=%d/indexed=%v", engine, callers, with), func(b *testing.B) {
					r := benchRooms(b, open(b), 100)
					r.words = vocabulary()
					if with {
						defer indexing(b, r.store)()
					}
					r.append(b, callers)
				})
			}
		}
	}
}

// vocabulary makes texts of twelve words, of which there are some 30,000, few
// of them often.
func vocabulary() func() string {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.3, 8, 30_000)
	var mu sync.Mutex
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		var b strings.Builder
		for range 12 {
			w := z.Uint64()
			fmt.Fprintf(&b, "%c%cw%d ", 'a'+rune(w%26), 'a'+rune(w/26%26), w)
		}
		return b.String()
	}
}

// BenchmarkSearch is a page of 50 of a viewer of 100 conversations with
// 100,000 messages, and what indexing these took.
func BenchmarkSearch(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			db := durable
			if engine == "postgres" {
				db = func(b *testing.B) *sqldb.DB { return sqldbtest.Postgres(b) }
			}
			benchSearch(b, db(b))
		})
	}
}

func benchSearch(b *testing.B, db *sqldb.DB) {
	b.Helper()
	const messages = 100_000
	store := setup(b, db)
	f := chattest.NewFixture(store)
	viewer := chattest.Users(1)[0]
	rooms := make([]ids.Conversation, 100)
	for i := range rooms {
		rooms[i] = f.Group(b, viewer).ID
	}
	text := vocabulary()
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			for range messages / 100 {
				_, err := store.Append(context.Background(), chat.NewMessage{
					ID: ids.New[ids.Message](), Conversation: rooms[n], Sender: viewer, Kind: chat.Text, Text: text(), CreatedAt: time.Now(), Version: 1,
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	needle := f.Send(b, rooms[0], viewer, "needle")
	before, begin := size(b, db), usage(b)
	f.Index(b)
	b.Logf("%d messages take %d bytes each; their index takes %d more, and %.1f µs of CPU",
		messages, before/messages, (size(b, db)-before)/messages, float64((usage(b)-begin).Microseconds())/messages)
	for name, q := range map[string]struct {
		words string
		in    ids.Conversation
	}{
		"one message has it":        {"needle", ids.Conversation{}},
		"nobody has it":             {"unheard", ids.Conversation{}},
		"a rare word":               {"aaw676", ids.Conversation{}},
		"the most common word":      {"aaw0", ids.Conversation{}},
		"the beginning of many":     {"aa", ids.Conversation{}},
		"two words":                 {"aaw0 baw1", ids.Conversation{}},
		"the most common, one room": {"aaw0", needle.Conversation},
	} {
		b.Run(name, func(b *testing.B) {
			parsed, _ := terms.Parse(q.words)
			begin := usage(b)
			n := 0
			for b.Loop() {
				got, err := store.Search(b.Context(), viewer, chat.MessageQuery{Needs: parsed.Needs(), Conversation: q.in, Limit: 51})
				if err != nil {
					b.Fatal(err)
				}
				n = len(got)
			}
			measure(b, begin)
			b.ReportMetric(float64(n), "found")
		})
	}
}

// size is how large a database is.
func size(b *testing.B, db *sqldb.DB) (n int64) {
	b.Helper()
	text := `SELECT (p.page_count - f.freelist_count) * s.page_size FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s`
	if db.Engine() == sqldb.PostgreSQL {
		text = `SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`
	}
	if err := db.QueryRow(b.Context(), text).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}
