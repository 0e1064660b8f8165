package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Whenever the server is killed, an account is there with its profile or not
// there at all: it can be signed in to, or be registered again.
func TestAnAccountIsNeverHalfMade(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		p.register(t, "root")
		made, free := 0, 0
		const register = `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`
		for round := range halfMadeRounds {
			const each = 6
			name := func(n int) string { return fmt.Sprintf("user%d.%d", round, n) }
			input := func(n int) map[string]any {
				return vars("email", name(n)+"@example.org", "username", name(n), "displayName", "Called "+name(n), "password", password(name(n)))
			}
			acknowledged := make([]bool, each)
			// Killed when some are acknowledged and others are at it.
			var killing sync.WaitGroup
			acks := make(chan struct{}, each)
			killing.Go(func() {
				for range rand.IntN(each) {
					<-acks
				}
				pause(t.Context(), time.Duration(rand.IntN(int(60*time.Millisecond))))
				p.kill()
			})
			together(each, func(n int) string {
				acknowledged[n] = p.gql(t.Context(), "", register, vars("i", input(n)), nil) == nil
				acks <- struct{}{}
				return ""
			})
			killing.Wait()
			p.start(t)
			for n := range each {
				var d struct {
					Login struct {
						User struct{ Username, DisplayName string }
					}
				}
				sign := func() error {
					return p.gql(t.Context(), "", `mutation($l: String!, $p: String!) { login(input: {login: $l, password: $p}) { user { username displayName } } }`,
						vars("l", name(n), "p", password(name(n))), &d)
				}
				err := sign()
				if err == nil {
					made++
					// The profile comes by the event of the account's commit, if the
					// server was killed between the two.
					eventually(t, "the profile of "+name(n), func() bool { return d.Login.User.DisplayName == "Called "+name(n) || sign() != nil })
					if d.Login.User.Username != name(n) || d.Login.User.DisplayName != "Called "+name(n) {
						t.Errorf("%s is %+v", name(n), d.Login.User)
					}
					continue
				}
				free++
				if acknowledged[n] {
					t.Errorf("%s was acknowledged and is not there: %v", name(n), err)
				}
				if err := p.gql(t.Context(), "", register, vars("i", input(n)), nil); err != nil {
					t.Errorf("%s is not there, and cannot be made: %v", name(n), err)
				}
			}
		}
		t.Logf("%d accounts were made before the kill, %d were not", made, free)
	})
}
