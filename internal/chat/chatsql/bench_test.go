//go:build unix

package chatsql_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chatsql"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// The benchmarks write durably (synchronous=FULL), with a random clientId as
// clients do. Each reports appends/s where it appends, and what the process
// has used of a processor (cpu-µs/op), which tells more on a machine that is
// busy with other things.

// usage is the processor time that this process has used.
func usage(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports the processor time since begin.
func measure(b *testing.B, begin time.Duration) {
	b.Helper()
	b.ReportMetric(float64((usage(b)-begin).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

// rooms is a store with conversations to write to.
type rooms struct {
	store *chatsql.Store
	ids   []ids.Conversation
	users []ids.User    // one in each
	words func() string // of a message; nil: the same in all
}

func benchRooms(b *testing.B, db *sqldb.DB, n int) *rooms {
	b.Helper()
	r := &rooms{store: setup(b, db)}
	f := chattest.NewFixture(r.store)
	for range n {
		u := chattest.Users(5)
		r.ids, r.users = append(r.ids, f.Group(b, u...).ID), append(r.users, u[0])
	}
	return r
}

func durable(b *testing.B) *sqldb.DB {
	b.Helper()
	return sqldbtest.Open(b, sqldb.Config{Path: filepath.Join(b.TempDir(), "bench.db")})
}

// stored returns conversations, made by the function, in which messages are
// stored evenly, past the store. The database is opened anew.
func stored(b *testing.B, messages int, make func(db *sqldb.DB) *rooms) *rooms {
	b.Helper()
	ctx := b.Context()
	cfg := sqldb.Config{Path: filepath.Join(b.TempDir(), "bench.db"), Relaxed: true}
	db, err := sqldb.Open(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	r := make(db)
	_, pos, err := r.store.Position(ctx)
	if err != nil {
		b.Fatal(err)
	}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, text := range []string{
			`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
			INSERT INTO chat_message (pos, id, conversation, seq, rev, add_rev, ord, kind, sender, text, client_id, input_hash, created_at)
			SELECT $2 + 1 + i, unhex(printf('%016x%016x', i, abs(random()))), c.id, 1 + i / $3, 2 + i / $3, 2 + i / $3, 1 + i / $3,
				'TEXT', c.creator, printf('%.100c', 'x'), hex(randomblob(16)), randomblob(32), i
			FROM n JOIN chat_conversation c ON c.rowid = 1 + i % $3`,
			`UPDATE chat_conversation SET last_seq = $1 / $3, last_rev = 1 + $1 / $3, last_ord = $1 / $3,
				last_pos = $2 + $1, active_pos = $2 + $1`,
			`UPDATE chat_position SET pos = $2 + $1 WHERE $3 > 0`,
		} {
			if _, err := tx.Exec(ctx, text, messages, pos, len(r.ids)); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
	cfg.Relaxed = false
	r.store = chatsql.New(sqldbtest.Open(b, cfg), chatsql.Config{})
	return r
}

// append has callers append at once, each again when he is answered.
func (r *rooms) append(b *testing.B, callers int) {
	b.Helper()
	var done atomic.Int64
	var wg sync.WaitGroup
	hash := make([]byte, 32)
	same := fmt.Sprintf("%0100d", 0)
	if r.words == nil {
		r.words = func() string { return same }
	}
	b.ReportAllocs()
	b.ResetTimer()
	begin := usage(b)
	for range callers {
		wg.Go(func() {
			for n := done.Add(1); n <= int64(b.N); n = done.Add(1) {
				id := ids.New[ids.Message]()
				_, err := r.store.Append(context.Background(), chat.NewMessage{
					ID: id, Conversation: r.ids[int(n)%len(r.ids)], Sender: r.users[int(n)%len(r.ids)], Kind: chat.Text,
					Text: r.words(), ClientID: rand.Text(), InputHash: hash, CreatedAt: time.Now(), Version: 1,
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	measure(b, begin)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkAppend64 is 64 senders at once.
func BenchmarkAppend64(b *testing.B) {
	for _, n := range []int{1, 400} {
		b.Run(fmt.Sprintf("sqlite/rooms=%d", n), func(b *testing.B) { benchRooms(b, durable(b), n).append(b, 64) })
		b.Run(fmt.Sprintf("postgres/rooms=%d", n), func(b *testing.B) {
			benchRooms(b, sqldbtest.Postgres(b), n).append(b, 64)
		})
	}
}

// BenchmarkAppendAlone is one sender, who waits for each answer.
func BenchmarkAppendAlone(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchRooms(b, durable(b), 1).append(b, 1) })
	b.Run("postgres", func(b *testing.B) { benchRooms(b, sqldbtest.Postgres(b), 1).append(b, 1) })
}

// BenchmarkAppendLarge is 64 senders among messages that are there already,
// and among conversations.
func BenchmarkAppendLarge(b *testing.B) {
	for _, c := range []struct{ stored, rooms int }{{1000, 100}, {1_000_000, 100}, {1_000_000, 20_000}} {
		b.Run(fmt.Sprintf("stored=%d/rooms=%d", c.stored, c.rooms), func(b *testing.B) {
			stored(b, c.stored, func(db *sqldb.DB) *rooms { return benchRooms(b, db, c.rooms) }).append(b, 64)
		})
	}
}

// BenchmarkPage is the newest 50 messages, and 50 from the middle.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		r := stored(b, n, func(db *sqldb.DB) *rooms { return benchRooms(b, db, 1) })
		for name, page := range map[string]chat.MessagePage{
			"newest": {Backward: true}, "middle": {After: int64(n / 2)},
		} {
			b.Run(fmt.Sprintf("stored=%d/%s", n, name), func(b *testing.B) {
				page.Conversation, page.Limit = r.ids[0], 50
				begin := usage(b)
				for b.Loop() {
					if some, err := r.store.Page(b.Context(), r.users[0], page); err != nil || len(some) != 50 {
						b.Fatal(len(some), err)
					}
				}
				measure(b, begin)
			})
		}
	}
}

// BenchmarkMissed is a viewer of 100 conversations who has missed one message
// in ten of them, in small and in long conversations.
func BenchmarkMissed(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		viewer := chattest.Users(1)[0]
		r := stored(b, n, func(db *sqldb.DB) *rooms {
			r := benchRooms(b, db, 0)
			f := chattest.NewFixture(r.store)
			for range 100 {
				r.ids = append(r.ids, f.Group(b, viewer).ID)
			}
			return r
		})
		f := chattest.NewFixture(r.store)
		after := f.Position(b)
		for _, id := range r.ids[:10] {
			f.Send(b, id, viewer, "missed")
		}
		upTo := f.Position(b)
		b.Run(fmt.Sprintf("stored=%d", n), func(b *testing.B) {
			begin := usage(b)
			for b.Loop() {
				if refs, err := r.store.Missed(b.Context(), viewer, after, upTo, 100); err != nil || len(refs) != 10 {
					b.Fatal(len(refs), err)
				}
			}
			measure(b, begin)
		})
	}
}

// BenchmarkStore is every method on both engines; chatmongo has the same for
// MongoDB.
func BenchmarkStore(b *testing.B) {
	hall := chattest.Hall{Rooms: 100, Size: 2000}
	b.Run("sqlite", func(b *testing.B) { chattest.BenchStore(b, setup(b, durable(b)), hall) })
	b.Run("postgres", func(b *testing.B) { chattest.BenchStore(b, setup(b, sqldbtest.Postgres(b)), hall) })
}
