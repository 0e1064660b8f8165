package user_test

import (
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
