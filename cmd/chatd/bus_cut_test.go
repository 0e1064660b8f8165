package main

import (
	"bytes"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"chatd/internal/platform/bus/kafkabus/kafkabustest"
	"chatd/internal/platform/wsgql/wsclient"
)

// rename is a toxic of ours: brokers say themselves where they are to be
// reached, and who is to go through a proxy must be told its address instead.
// Both texts have the same length, and the port is the same.
type rename struct{ From, To string }

func (r *rename) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			c.Data = bytes.ReplaceAll(c.Data, []byte(r.From), []byte(r.To))
			stub.Output <- c
		}
	}
}

var registerRename = sync.OnceFunc(func() { toxics.Register("rename", new(rename)) })

// startNodesOnAWay starts two nodes, the second of which reaches Kafka by a
// way of its own.
func startNodesOnAWay(t *testing.T) (here, there *program, way proxy) {
	t.Helper()
	registerRename()
	broker := kafkabustest.Brokers(t)[0]
	host, port, err := net.SplitHostPort(broker)
	if err != nil || len(host) != len(proxies) {
		t.Fatal(broker, err)
	}
	far := net.JoinHostPort(proxies, port)
	way = newProxyAt(t, far, broker)
	way.add(t, "rename", "rename", "downstream", vars("From", host, "To", proxies))
	nodes := startNodesWith(t, 2, onPostgres(t), func(node int) []string { return []string{"--kafka-brokers", []string{broker, far}[node]} })
	return nodes[0], nodes[1], way
}

// A node that is cut off from the bus does not know at once that somebody has
// left. It must not tell him all the same what is said afterwards, and what it
// tells the others is whole.
func TestANodeThatIsCutOffFromTheBusTellsNobodyTooMuch(t *testing.T) {
	t.Parallel()
	here, there, way := startNodesOnAWay(t)
	here.peers = nil // the writers are here, all readers there
	c := assemble(t, here, 1, 2, 4)
	room := c.rooms[0]
	for _, w := range c.writers {
		w.pause = 10 * time.Millisecond
	}
	for _, f := range c.followers {
		f.next = there.ws
	}
	leavers := here.people(t, "leaver", cutRounds)
	var added []string
	for _, l := range leavers {
		added = append(added, l.id)
	}
	owner := c.people[0]
	if err := here.gql(t.Context(), owner.token, `mutation($i: AddMembersInput!) { addMembers(input: $i) { conversation { id } } }`,
		vars("i", vars("conversationId", room, "userIds", added)), nil); err != nil {
		t.Fatal(err)
	}
	type ear struct {
		who      person
		messages <-chan message
		events   <-chan event
		socket   *wsclient.Conn
	}
	ears := make([]ear, len(leavers))
	for i, who := range leavers {
		socket := there.dial(t, who)
		ears[i] = ear{who: who, socket: socket, messages: listen(t, socket, "1", room, nil), events: listenAll(t, socket, "2", nil)}
		if e := receive(t, ears[i].events); e.Type != "StreamStarted" {
			t.Fatalf("%+v", e)
		}
	}
	c.start(t, forEver)
	await(t, 10*time.Second, "all hear", func() bool {
		return !slices.ContainsFunc(ears, func(e ear) bool { return len(e.messages) == 0 || len(e.events) == 0 })
	})

	way.suffer(t, isSilent)
	begin := time.Now()
	var delays []time.Duration
	for i, e := range ears {
		pause(t.Context(), cutTime/time.Duration(len(ears)))
		if err := here.gql(t.Context(), e.who.token, `mutation($i: LeaveConversationInput!) { leaveConversation(input: $i) { ok } }`,
			vars("i", vars("conversationId", room)), nil); err != nil {
			t.Fatal(err)
		}
		// What is said from here on is not for him: by a node that knows, and
		// by the one that may not.
		after, err := []*program{here, there}[i%2].send(t.Context(), owner, room, fmt.Sprint("fence ", i), "")
		if err != nil {
			t.Fatal(err)
		}
		c.log.add(&sent{writer: 1000, room: room, text: after.text(), fate: acked, got: after})
		fenced := func() bool {
			for _, f := range c.followers {
				f.mu.Lock()
				behind := f.lastSeq(room) < after.Seq
				f.mu.Unlock()
				if behind {
					return false
				}
			}
			return true
		}
		said := time.Now()
		await(t, 10*time.Second, "the others have heard it", fenced)
		if i%2 == 0 {
			delays = append(delays, time.Since(said))
		}
		barrier(t, e.socket) // what was to come before it has come
		heard := 0
		for m := range drained(e.messages) {
			if heard++; m.Seq >= after.Seq {
				t.Errorf("%s has left and hears %q", e.who.name, m.text())
			}
		}
		for ev := range drained(e.events) {
			if ev.Message != nil && ev.Message.Seq >= after.Seq {
				t.Errorf("%s has left and hears %q among all events", e.who.name, ev.Message.text())
			}
		}
		if heard == 0 {
			t.Errorf("%s heard nothing before he left", e.who.name)
		}
		if _, err := there.send(t.Context(), e.who, room, "still here", ""); codeOf(err) != "NOT_FOUND" {
			t.Errorf("%s has left and sends: %v", e.who.name, err)
		}
	}
	slices.Sort(delays)
	t.Logf("%d have left within %v of the cut; the others heard what was said elsewhere after %v in the median", len(ears),
		time.Since(begin).Round(time.Millisecond), delays[len(delays)/2])
	if delays[len(delays)/2] < 20*time.Millisecond {
		t.Error("it was heard by the bus, which was to be cut")
	}
	way.heal(t, isSilent)
	pause(t.Context(), 500*time.Millisecond)
	stored, lists := c.end(t)
	notes := c.log.noted(stored, lists)
	v := judge(c.log, stored, lists)
	mustBeClean(t, v)
	if notes != len(ears)+1 || v.acks < 10*len(ears) {
		t.Errorf("%d notes, %d messages", notes, v.acks)
	}
}

// noted gives the notes of comings and goings, which are all alike, texts of
// their own, so that the judge knows them, and says how many there are.
func (l *ledger) noted(stored map[string][]message, lists map[string][][]message) (notes int) {
	for room, history := range stored {
		own := map[string]string{}
		for i, m := range history {
			if text := m.text(); text == "left" || strings.HasPrefix(text, "added ") {
				notes++
				unique := fmt.Sprint("note ", m.ID)
				own[m.ID] = unique
				history[i].Text = &unique
				l.add(&sent{room: room, text: unique, fate: unknown})
			}
		}
		for _, list := range lists[room] {
			for i, m := range list {
				if unique, ok := own[m.ID]; ok && (m.text() == "left" || strings.HasPrefix(m.text(), "added ")) {
					list[i].Text = &unique
				}
			}
		}
	}
	return notes
}

// drained are the values that a channel holds now.
func drained[T any](from <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			select {
			case v, ok := <-from:
				if !ok || !yield(v) {
					return
				}
			default:
				return
			}
		}
	}
}
