package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// While others write without a pause somebody is removed, again and again: of
// what was begun after the removal was acknowledged nothing reaches any of his
// streams, up to a fence that came after it; and what was said before the
// removal, by its place in the conversation, reaches the stream of that whole.
func TestNothingSaidAfterARemovalReachesTheRemoved(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 4)
		ada, bob, cyd, dan := all[0], all[1], all[2], all[3]
		room, other := p.group(t, ada, bob, cyd, dan), p.group(t, ada, dan)
		var said atomic.Int64 // messages that were begun
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for _, who := range []person{bob, cyd} {
			writers.Go(func() {
				tick := time.NewTicker(10 * time.Millisecond) // 100 a second each
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					if _, err := p.send(t.Context(), who, room, fmt.Sprint("said ", said.Add(1)), ""); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		late, heard := 0, 0
		for round := range removals {
			conn := p.dial(t, dan)
			one := listen(t, conn, "one", room, nil)
			everything := listenAll(t, conn, "all", nil)
			for said0 := said.Load(); said.Load() < said0+3; {
				pause(t.Context(), time.Millisecond)
			}
			if err := p.gql(t.Context(), ada.token, removeDoc, vars("c", room, "u", dan.id), nil); err != nil {
				t.Fatal(err)
			}
			after := said.Load() // what has a higher number was begun after the acknowledgement
			p.says(t, ada, room, "said "+strconv.FormatInt(said.Add(1), 10))
			fence := fmt.Sprint("fence ", round)
			p.says(t, ada, other, fence)
			number := func(text string) int64 {
				n, err := strconv.ParseInt(strings.TrimPrefix(text, "said "), 10, 64)
				if err != nil {
					return 0 // a note
				}
				return n
			}
			var seqs []int
			for m := range one { // it has ended with the membership
				heard++
				seqs = append(seqs, m.Seq)
				if number(m.text()) > after {
					late++
				}
			}
			for i := range seqs {
				if seqs[i] != seqs[0]+i {
					t.Errorf("round %d: heard %v", round, seqs)
					break
				}
			}
			for e := receive(t, everything); e.Message == nil || e.Message.text() != fence; e = receive(t, everything) {
				if e.Message != nil && number(e.Message.text()) > after {
					late++
				}
			}
			for name, doc := range p.streamsOf(t) {
				if r := askSocket(t, conn, doc, vars("c", room)); !strings.Contains(r, "NOT_FOUND") {
					t.Errorf("%s again: %s", name, r)
				}
			}
			_ = conn.Close()
			if err := p.gql(t.Context(), ada.token, `mutation($i: AddMembersInput!) { addMembers(input: $i) { __typename } }`, vars("i", vars("conversationId", room, "userIds", []string{dan.id})), nil); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		writers.Wait()
		if late > 0 || heard == 0 {
			t.Errorf("%d of what was said after a removal arrived; %d before", late, heard)
		}
		t.Logf("%d removals, %d messages said, %d heard before them, %d after", removals, said.Load(), heard, late)
	})
}
