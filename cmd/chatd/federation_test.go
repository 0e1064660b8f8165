package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const entitiesDoc = `query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on User { username } ... on Conversation { name }
	... on Message { text } ... on Attachment { file: name } } }`

func entity(typ, id string) map[string]any { return vars("__typename", typ, "id", id) }

// A router of a federation asks for objects by type and id, of any types at
// once and in any order; what the viewer may not know of is null as what is not
// there, and so is what is of another type than was said.
func TestARouterFindsObjectsByTheirKeysAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 3)
		ada, bob, cyd := all[0], all[1], all[2]
		room := p.group(t, ada, bob)
		m := p.says(t, ada, room, "canary")
		file := p.upload(t, ada, "canary.txt", []byte("canary"))
		if _, err := p.sendFiles(t, ada, room, "", "", file); err != nil {
			t.Fatal(err)
		}
		theirs := []any{entity("Message", m.ID), entity("User", ada.id), entity("Conversation", room), entity("Attachment", file), entity("Message", m.ID)}
		nothing := []any{
			entity("Message", nobodys["message"]), entity("User", ada.id), entity("Conversation", nobodys["conversation"]),
			entity("Attachment", nobodys["attachment"]), entity("Message", "nonsense"),
		}
		const whole = `{"data":{"_entities":[{"__typename":"Message","text":"canary"},{"__typename":"User","username":"user0"},` +
			`{"__typename":"Conversation","name":"a group"},{"__typename":"Attachment","file":"canary.txt"},{"__typename":"Message","text":"canary"}]}}`
		if r := p.ask(t, bob.token, entitiesDoc, vars("r", theirs)); strings.TrimSpace(r.body) != whole {
			t.Errorf("a member: %v", r)
		}
		a, b := p.ask(t, cyd.token, entitiesDoc, vars("r", theirs)), p.ask(t, cyd.token, entitiesDoc, vars("r", nothing))
		if a.body != b.body || !strings.Contains(a.body, `[null,{"__typename":"User","username":"user0"},null,null,null]`) {
			t.Errorf("a stranger: %v, of nothing: %v", a, b)
		}
		// Sessions, invitations and the like are no entities under any name.
		for _, other := range []string{p.session(t, ada), room, m.ID} {
			if r := p.ask(t, ada.token, entitiesDoc, vars("r", []any{entity("User", other)})); !strings.Contains(r.body, `"_entities":[null]`) {
				t.Errorf("%s as a user: %v", other, r)
			}
		}
		for what, bad := range map[string]any{
			"no type": vars("id", ada.id), "no id": vars("__typename", "User"), "a type without a key": entity("Session", p.session(t, ada)),
			"a text": "User", "a number for an id": vars("__typename", "User", "id", 1), "a list": []any{[]any{}},
		} {
			if r := p.ask(t, ada.token, entitiesDoc, vars("r", []any{bad})); r.code() != "BAD_USER_INPUT" {
				t.Errorf("%s: %v", what, r)
			}
		}
		if r := p.ask(t, ada.token, `{ _entities(representations: [{__typename: "User", id: "`+ada.id+`"}]) { __typename } }`, nil); !strings.Contains(r.body, `"User"`) {
			t.Errorf("as a literal: %v", r)
		}
		many := make([]any, 1001)
		for i := range many {
			many[i] = entity("User", ada.id)
		}
		if r := p.ask(t, ada.token, entitiesDoc, vars("r", many)); r.code() != "QUERY_TOO_COMPLEX" {
			t.Errorf("1,001 of them: %v", r)
		}
	})
}

// What `_service` gives composes with another subgraph that knows chatd's
// objects by their keys, in a composer of the field.
func (js nodeScripts) federation(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	var d struct {
		Service struct{ SDL string } `json:"_service"`
	}
	if err := p.gql(t.Context(), "", `{ _service { sdl } }`, nil, &d); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"User", "Conversation", "Message", "Attachment"} {
		if want := fmt.Sprintf("type %s implements Node @key(fields: \"id\")", typ); !strings.Contains(d.Service.SDL, want) {
			t.Errorf("the SDL lacks %s", want)
		}
	}
	for _, machinery := range []string{"_Any", "_Entity", "_entities", "_service", "directive @key"} {
		if strings.Contains(d.Service.SDL, machinery) {
			t.Errorf("the SDL has %s", machinery)
		}
	}
	file := filepath.Join(t.TempDir(), "chatd.graphql")
	if err := os.WriteFile(file, []byte(d.Service.SDL), 0o600); err != nil {
		t.Fatal(err)
	}
	js.run(t, "federation.mjs", file)

	closed := startProgram(t, "--introspection", "off")
	if r := closed.ask(t, "", `{ _service { sdl } }`, nil); r.code() != "FORBIDDEN" || strings.Contains(r.body, "type ") {
		t.Errorf("without introspection: %v", r)
	}
}
