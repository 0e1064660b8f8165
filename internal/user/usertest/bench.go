package usertest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user"
)

// BenchStore measures every method of a store that is empty: one caller, who
// waits for each answer, among a thousand profiles.
func BenchStore(b *testing.B, s user.Store) {
	b.Helper()
	all := make([]user.Profile, 1000)
	list := make([]ids.User, len(all))
	for i := range all {
		all[i] = Profile(fmt.Sprintf("user%d", i), fmt.Sprintf("Number %d of Many", i))
		list[i] = all[i].ID
		if err := s.Create(b.Context(), all[i]); err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	seen := make(map[ids.User]time.Time, len(list))
	for _, u := range list {
		seen[u] = Born
	}
	if err := s.Saw(ctx, seen); err != nil {
		b.Fatal(err)
	}
	for _, op := range []struct {
		name string
		do   func(i int) error
	}{
		{"Create", func(int) error {
			return s.Create(ctx, Profile("u"+strings.ToLower(rand.Text()[:20]), "New"))
		}},
		{"Profiles1", func(i int) error {
			some, err := s.Profiles(ctx, list[i%len(list):][:1])
			return found(len(some), 1, err)
		}},
		{"Profiles50", func(int) error {
			some, err := s.Profiles(ctx, list[:50])
			return found(len(some), 50, err)
		}},
		{"ByUsername", func(i int) error {
			_, err := s.ByUsername(ctx, all[i%len(all)].Username)
			return err
		}},
		{"Range20", func(int) error {
			some, err := s.Range(ctx, user.NameRange{From: "num", To: user.TermEnd("num"), With: []string{"man"}, Limit: 20})
			return found(len(some), 20, err)
		}},
		{"Update", func(i int) error {
			_, err := s.Update(ctx, list[i%len(list)], func(p *user.Profile) error {
				p.Bio = fmt.Sprintf("changed %d times", i)
				return nil
			})
			return err
		}},
		{"Rename", func(i int) error {
			_, err := s.Update(ctx, list[i%len(list)], func(p *user.Profile) error {
				p.DisplayName = fmt.Sprintf("Renamed %d Times", i)
				return nil
			})
			return err
		}},
		{"Read100", func(int) error {
			_, _, err := s.Read(ctx, 0, 100)
			return err
		}},
		{"LastChange", func(int) error {
			_, err := s.LastChange(ctx)
			return err
		}},
		{"Choose", func(i int) error {
			return s.Choose(ctx, user.Sighting{User: list[i%len(list)], Choice: user.Busy, LastActiveAt: Born})
		}},
		{"Saw100", func(i int) error {
			seen := make(map[ids.User]time.Time, 100)
			for _, u := range list[:100] {
				seen[u] = Born.Add(time.Duration(i+1) * time.Second)
			}
			return s.Saw(ctx, seen)
		}},
		{"Sightings50", func(int) error {
			some, err := s.Sightings(ctx, list[:50])
			return found(len(some), 50, err)
		}},
	} {
		b.Run(op.name, func(b *testing.B) { repeat(b, op.do) })
	}
}

func repeat(b *testing.B, do func(i int) error) {
	b.Helper()
	i := 0
	for b.Loop() {
		if err := do(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// found is an error unless n is want.
func found(n, want int, err error) error {
	if err == nil && n != want {
		err = fmt.Errorf("%d found instead of %d", n, want)
	}
	return err
}
