package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"

	"chatd/internal/platform/ids"
)

func TestAKeySendsOneMessageHoweverOftenItIsTried(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		c := assemble(t, p, 1, 0, 2*int(followings))
		c.start(t, forEver)
		room, who := c.rooms[0], c.people[0]
		differ := 0
		var mu sync.Mutex
		try := func(key string, copies int) {
			var wg sync.WaitGroup
			var first message
			for range copies {
				wg.Go(func() {
					m, err := p.send(t.Context(), who, room, "text of "+key, key)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						t.Errorf("%s: %v", key, err)
					case first.ID == "":
						first = m
					case first.ID != m.ID || first.Seq != m.Seq:
						differ++
					}
				})
			}
			wg.Wait()
			c.log.add(&sent{room: room, text: "text of " + key, fate: acked, got: first})
		}
		for k := range retryKeys {
			try(fmt.Sprint("key ", k), keyCopies)
		}
		for k := range cutAnswers {
			p.sendDeaf(t, who, room, fmt.Sprint("text of deaf ", k), fmt.Sprint("deaf ", k))
		}
		p.kill()
		p.start(t)
		for k := range retryKeys { // answers after a restart are judged as those before it
			try(fmt.Sprint("key ", k), 2)
		}
		for k := range cutAnswers {
			try(fmt.Sprint("deaf ", k), 2)
		}
		if _, err := p.send(t.Context(), who, room, "something else", "key 0"); codeOf(err) != "CONFLICT" {
			t.Errorf("a key used for another text: %v", err)
		}
		v := c.settle(t)
		if v.stored != retryKeys+cutAnswers || differ != 0 {
			t.Errorf("%d messages, %d answers differ", v.stored, differ)
		}
		t.Logf("%d keys x %d copies, %d answers cut, a restart between: %d answers differ", retryKeys, keyCopies, cutAnswers, differ)
	})
}

// sendDeaf sends a message and is gone before the answer.
func (p *program) sendDeaf(t testing.TB, who person, room, text, key string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": sendDoc, "variables": vars("i", vars("conversationId", room, "text", text, "clientId", key))})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /graphql HTTP/1.1\r\nHost: x\r\nX-Test: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		ids.New[ids.Message](), who.token, len(body), body)
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
