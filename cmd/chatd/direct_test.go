package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/principal"
)

// oddTexts are texts whose escaping could differ.
var oddTexts = []string{
	"plain", `"quoted" and \ back`, "<b>&amp;</b>", "line\nbreak\ttab", "žluťoučký 日本語 🙂", "\u2028\u2029", strings.Repeat("long ", 500),
}

// An inline fragment keeps a document off the direct way and changes nothing
// of what it selects.
func around(selection string) string { return `... on Message { ` + selection + ` }` }

const wholeMessage = `__typename id conversationId seq rev kind text createdAt editedAt deletedAt replyToId threadRootId mine: id`

func TestASentMessageIsTheSameBytesOnTheDirectWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob, eve := h.somebody("ann"), h.somebody("bob"), h.somebody("eve")
	room := ann.group(bob)
	first := ann.send(room, "first")
	const doc = `mutation S($c: ID!, $t: String!, $k: String, $r: ID) {
		sendMessage(input: {conversationId: $c, text: $t, clientId: $k, replyToId: $r}) { message { %s } } }`
	const whole = `mutation S($i: SendMessageInput!) { sendMessage(input: $i) { __typename answer: message { %s } } }`
	exec := func(who *somebody, doc string, vars map[string]any) string {
		ctx := principal.WithRequestID(who.ctx, "r")
		return string(h.engine.Exec(ctx, gqlx.Request{Query: doc, Variables: vars}).AppendJSON(nil))
	}
	for i, text := range oddTexts {
		key := fmt.Sprint("k", i)
		vars := map[string]any{"c": room, "t": text, "k": key, "r": first}
		// The second is the first again, by its clientId.
		direct, usual := exec(ann, fmt.Sprintf(doc, wholeMessage), vars), exec(ann, fmt.Sprintf(doc, around(wholeMessage)), vars)
		if direct != usual || !json.Valid([]byte(direct)) || !strings.Contains(direct, first) {
			t.Fatalf("%q:\n%s\n%s", text, direct, usual)
		}
		vars = map[string]any{"i": map[string]any{"conversationId": room, "text": text, "clientId": key, "replyToId": first}}
		direct, usual = exec(ann, fmt.Sprintf(whole, "id seq"), vars), exec(ann, fmt.Sprintf(whole, around("id seq")), vars)
		if direct != usual {
			t.Fatalf("%q:\n%s\n%s", text, direct, usual)
		}
	}
	vars := map[string]any{"i": map[string]any{"conversationId": room, "text": "in a thread", "threadRootId": first, "mentions": []any{}, "clientId": "t"}}
	direct, usual := exec(ann, fmt.Sprintf(whole, "id threadRootId"), vars), exec(ann, fmt.Sprintf(whole, around("id threadRootId")), vars)
	if direct != usual || !strings.Contains(direct, `"threadRootId":"`+first) {
		t.Fatalf("%s\n%s", direct, usual)
	}
	for name, c := range map[string]struct {
		who  *somebody
		vars map[string]any
	}{
		"a stranger":          {eve, map[string]any{"c": room, "t": "x"}},
		"no such room":        {ann, map[string]any{"c": "cnv_nonsense", "t": "x"}},
		"no text":             {ann, map[string]any{"c": room, "t": ""}},
		"a key used before":   {ann, map[string]any{"c": room, "t": "another", "k": "k0"}},
		"a reply to nothing":  {ann, map[string]any{"c": room, "t": "x", "r": "nonsense"}},
		"a text of no string": {ann, map[string]any{"c": room, "t": 65}},
		"no variables":        {ann, nil},
	} {
		direct, usual := exec(c.who, fmt.Sprintf(doc, "id"), c.vars), exec(c.who, fmt.Sprintf(doc, around("id")), c.vars)
		if direct != usual || !strings.Contains(direct, `"errors"`) {
			t.Errorf("%s:\n%s\n%s", name, direct, usual)
		}
	}
}

func TestAnAddedMessageIsTheSameBytesOnTheDirectWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, bob := h.somebody("ann"), h.somebody(`<bob> & "co"`)
	room := ann.group(bob)
	const doc = `subscription M($c: ID!) { added: messageAdded(conversationId: $c) { %s } }`
	const selection = wholeMessage + ` sender { __typename id username displayName bot }`
	vars := map[string]any{"c": room}
	direct := ann.listen(fmt.Sprintf(doc, selection), vars)
	usual := ann.listen(fmt.Sprintf(doc, around(selection)), vars)
	for _, text := range oddTexts {
		bob.send(room, text)
		a, b := direct(), usual()
		if a != b || !json.Valid([]byte(a)) || !strings.Contains(a, `"displayName"`) {
			t.Fatalf("%q:\n%s\n%s", text, a, b)
		}
	}
	changed := `subscription M($c: ID!) { messageChanged(conversationId: $c) { %s } }`
	direct, usual = ann.listen(fmt.Sprintf(changed, selection), vars), ann.listen(fmt.Sprintf(changed, around(selection)), vars)
	id := bob.send(room, "to be edited and deleted")
	for _, change := range []string{
		`mutation($m: ID!) { editMessage(input: {id: $m, text: "edited"}) { message { id } } }`,
		`mutation($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`,
	} {
		bob.run(nil, change, map[string]any{"m": id})
		if a, b := direct(), usual(); a != b || !strings.Contains(a, id) {
			t.Fatalf("%s\n%s", a, b)
		}
	}
}
