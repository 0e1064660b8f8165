package user_test

import (
	"runtime"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

// BenchmarkActive is what presence costs an operation, on a socket and over
// HTTP, among ten thousand people who are there.
func BenchmarkActive(b *testing.B) {
	s := user.NewPresence(user.PresenceDeps{Store: usertest.NewFake(), Circle: &town{}, Log: zerolog.Nop()}, user.PresenceConfig{})
	var one *user.Attending
	who := make([]ids.User, 10_000)
	for i := range who {
		who[i] = ids.New[ids.User]()
		one = s.Attend(who[i])
	}
	b.Run("socket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one.Active()
		}
	})
	b.Run("http", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			s.Active(who[i%len(who)])
			i++
		}
	})
}

// BenchmarkApart is what a block costs whoever asks for it, among a hundred
// thousand of them, and the memory that each takes.
func BenchmarkApart(b *testing.B) {
	const blocks = 100_000
	store := usertest.NewFake()
	who := make([]ids.User, 20_000)
	for i := range who {
		who[i] = ids.New[ids.User]()
	}
	store.Block(who, blocks)
	s := user.New(user.Deps{Store: store, Log: zerolog.Nop()}, user.Config{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	each := float64(heap()-before) / blocks
	for name, ask := range map[string]func(a, b ids.User) bool{
		"party": func(a, _ ids.User) bool { return s.Party(a) }, "apart": s.Apart,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				ask(who[i%len(who)], who[(i+7)%len(who)])
				i++
			}
			b.ReportMetric(each, "B/block")
		})
	}
}
