package usergraph_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// run runs the face's presence until the test ends.
func (f *face) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.present.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (f *face) user(name string) ids.User {
	id, _ := ids.ParseUser(f.id(name))
	return id
}

func TestPresenceOfAListIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.run(t)
	f.friends = []ids.User{f.viewer, f.user("bob")}
	for _, name := range []string{"bob", "zoe"} {
		t.Cleanup(f.present.Attend(f.user(name)).End)
	}
	const document = `query($ids: [ID!]!) { users(ids: $ids) { username presence { status } } }`
	of := map[string]any{"ids": []any{f.id("zoe"), f.id("bob"), f.id("ada"), f.id("bob"), ids.New[ids.User]().String()}}
	const want = `{"users":[{"username":"zoe","presence":{"status":"OFFLINE"}},{"username":"bob","presence":{"status":"ONLINE"}},` +
		`{"username":"ada","presence":{"status":"OFFLINE"}},{"username":"bob","presence":{"status":"ONLINE"}},null]}`
	end := time.Now().Add(30 * time.Second)
	for got := ""; got != want; got, _ = f.ask(t, document, of) {
		if time.Now().After(end) {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	f.asked = 0
	f.want(t, document, of, want, "")
	f.want(t, `{ searchUsers(query: "mx") { edges { node { username presence { status lastActiveAt } } } } }`, nil,
		f.searched(t), "")
	if f.asked != 3 { // searched asks too
		t.Errorf("for three lists it was asked %d times who may see them", f.asked)
	}
}

// searched is what the search gives, by asking for each by name.
func (f *face) searched(t *testing.T) string {
	t.Helper()
	got, errors := f.ask(t, `{ searchUsers(query: "mx") { edges { node { username presence { status lastActiveAt } } } } }`, nil)
	if errors != "" || strings.Count(got, `"lastActiveAt":null`) != 2 {
		t.Errorf("%s %s", got, errors)
	}
	return got
}

func TestSetPresenceSaysHowOthersSeeIt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const document = `mutation($s: PresenceStatus!) { setPresence(input: {status: $s}) { user { username } presence { status } } }`
	answer := func(status string) string {
		return `{"setPresence":{"user":{"username":"ada"},"presence":{"status":"` + status + `"}}}`
	}
	f.want(t, document, map[string]any{"s": "BUSY"}, answer("OFFLINE"), "") // without a socket
	defer f.present.Attend(f.viewer).End()
	for _, status := range []string{"BUSY", "AWAY", "OFFLINE", "ONLINE"} {
		f.want(t, document, map[string]any{"s": status}, answer(status), "")
	}
	f.want(t, `{ user(id: "`+f.id("ada")+`") { presence { status } } }`, nil, `{"user":{"presence":{"status":"ONLINE"}}}`, "")
	if _, errors := f.ask(t, document, map[string]any{"s": "ASLEEP"}); !strings.HasPrefix(errors, "BAD_USER_INPUT") {
		t.Errorf("asleep: %s", errors)
	}
}

func TestPresenceNeedsAViewerAndNames(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, document := range []string{
		`mutation { setPresence(input: {status: AWAY}) { user { id } } }`, `{ userByUsername(username: "ada") { presence { status } } }`,
	} {
		if r := f.engine.Exec(t.Context(), gqlx.Request{Query: document}); len(r.Errors) != 1 || r.Errors[0].Code() != "UNAUTHENTICATED" {
			t.Errorf("%s gave %s", document, r.AppendJSON(nil))
		}
	}
	viewer := principal.With(t.Context(), principal.Principal{User: f.viewer, Role: principal.Member})
	many := make([]any, user.MaxIDs+1)
	for i := range many {
		many[i] = f.id("bob")
	}
	for name, of := range map[string]any{"null": nil, "a null": []any{nil}, "too many": many} {
		live, refused := f.engine.Subscribe(viewer, gqlx.Request{
			Query: `subscription($u: [ID!]!) { presenceChanged(userIds: $u) { status } }`, Variables: map[string]any{"u": of},
		})
		if refused == nil {
			live.Stream.Close()
			t.Errorf("%s is taken", name)
		} else if code := refused.Errors[0].Code(); code != "BAD_USER_INPUT" {
			t.Errorf("%s: %s", name, code)
		}
	}
}
