package usergraph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
	"chatd/internal/user/usergraph"
	"chatd/internal/user/usertest"
)

type root struct {
	query        *usergraph.Query
	mutation     *usergraph.Mutation
	subscription *usergraph.Subscription
}

const rest = `"An event." interface Event { "Its position." cursor: String! @spliced(as: CURSOR) }`

func (r *root) Subscription() *usergraph.Subscription { return r.subscription }

func (r *root) Query() *usergraph.Query       { return r.query }
func (r *root) Mutation() *usergraph.Mutation { return r.mutation }

type face struct {
	engine *gqlx.Engine
	store  *usertest.Fake
	viewer ids.User

	present *user.PresenceService
	friends []ids.User     // of everybody
	asked   int            // who they are
	picture ids.Attachment // the only one there is
	worn    []ids.Attachment
}

// AppendLink implements gqlx.Links.
func (f *face) AppendLink(dst []byte, who ids.User, path string) []byte {
	return append(append(append(dst, who.String()...), " at "...), path...)
}

// Wear implements user.Wardrobe.
func (f *face) Wear(_ context.Context, who ids.User, id ids.Attachment) error {
	if who != f.viewer || !id.IsZero() && id != f.picture {
		return user.ErrBadAvatar
	}
	f.worn = append(f.worn, id)
	return nil
}

// Companions implements user.Circle.
func (f *face) Companions(context.Context, ids.User) ([]ids.User, error) { return f.friends, nil }

// Together implements user.Circle.
func (f *face) Together(_ context.Context, _ ids.User, of []ids.User) ([]ids.User, error) {
	f.asked++
	return slices.DeleteFunc(slices.Clone(of), func(u ids.User) bool { return !slices.Contains(f.friends, u) }), nil
}

var now = usertest.Born.Add(time.Hour)

// setup serves ada (the viewer), bob and zoe.
func setup(t *testing.T) *face {
	t.Helper()
	f := &face{store: usertest.NewFake()}
	service := user.New(user.Deps{Store: f.store, Cursors: page.NewSealer([]byte("0123456789abcdef")), Wardrobe: f},
		user.Config{Now: func() time.Time { return now }})
	f.present = user.NewPresence(user.PresenceDeps{Store: f.store, Circle: f, Log: zerolog.Nop()}, user.PresenceConfig{})
	users := usergraph.NewUsers(service, f.present, usergraph.Pictures{
		Links: f, Path: func(id ids.Attachment) string { return "/pictures/" + id.String() },
	})
	subscription := usergraph.NewSubscription(users)
	engine, err := gqlx.New(gqlx.Config{
		SDL:  []gqlx.Source{{Name: "rest", SDL: rest}, {Name: "usergraph", SDL: usergraph.SDL()}},
		Root: &root{usergraph.NewQuery(service, users), usergraph.NewMutation(service, users), subscription},
		Log:  zerolog.Nop(), Subscriptions: subscription.Fields(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	f.engine = engine
	for i, name := range []string{"ada", "bob", "zoe"} {
		id, err := ids.FromBytes[ids.User](fmt.Appendf(nil, "%016d", i))
		if err != nil {
			t.Fatal(err)
		}
		p := usertest.Profile(name, "Mx "+strings.ToUpper(name))
		p.ID = id
		if err := f.store.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if name == "ada" {
			f.viewer = id
		}
	}
	return f
}

func (f *face) id(name string) string {
	p, _ := f.store.ByUsername(context.Background(), name)
	return p.ID.String()
}

// ask runs a document as the viewer and returns data and errors as JSON, each
// error as "CODE field message".
func (f *face) ask(t *testing.T, document string, variables map[string]any) (data, errors string) {
	t.Helper()
	ctx := principal.With(t.Context(), principal.Principal{User: f.viewer, Role: principal.Member, Expires: now.Add(time.Hour)})
	r := f.engine.Exec(ctx, gqlx.Request{Query: document, Variables: variables})
	var all []string
	for _, e := range r.Errors {
		field, _ := e.Extensions["field"].(string)
		all = append(all, strings.Join(strings.Fields(e.Code()+" "+field+" "+e.Message), " "))
	}
	return string(r.Data), strings.Join(all, "; ")
}

func (f *face) want(t *testing.T, document string, variables map[string]any, data, errors string) {
	t.Helper()
	gotData, gotErrors := f.ask(t, document, variables)
	if gotData != data || gotErrors != errors {
		t.Errorf("%s\ngave %s %s\nwant %s %s", document, gotData, gotErrors, data, errors)
	}
}

func TestUserByIDAndName(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.want(t, `query($id: ID!) { user(id: $id) { __typename id username displayName bio statusText statusEmoji
		statusExpiresAt timeZone locale createdAt updatedAt } }`, map[string]any{"id": f.id("bob")},
		`{"user":{"__typename":"User","id":"`+f.id("bob")+`","username":"bob","displayName":"Mx BOB","bio":null,`+
			`"statusText":null,"statusEmoji":null,"statusExpiresAt":null,"timeZone":null,"locale":null,`+
			`"createdAt":"2026-11-23T08:30:00.123Z","updatedAt":"2026-11-23T08:30:00.123Z"}}`, "")
	f.want(t, `{ userByUsername(username: "BOB") { username } }`, nil, `{"userByUsername":{"username":"bob"}}`, "")
	for _, id := range []string{ids.New[ids.User]().String(), "", "bob", ids.New[ids.Session]().String(), "usr_'--"} {
		f.want(t, `query($id: ID!) { user(id: $id) { id } }`, map[string]any{"id": id},
			`{"user":null}`, "NOT_FOUND No such user.")
	}
	f.want(t, `{ userByUsername(username: "nobody") { id } }`, nil, `{"userByUsername":null}`, "NOT_FOUND No such user.")
}

func TestUsersComeInOrderWithNullsInOneRead(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.want(t, `query($ids: [ID!]!) { users(ids: $ids) { username } }`,
		map[string]any{"ids": []any{f.id("zoe"), "made up", ids.New[ids.User]().String(), f.id("ada"), f.id("zoe")}},
		`{"users":[{"username":"zoe"},null,null,{"username":"ada"},{"username":"zoe"}]}`, "")
	if n := f.store.Reads(); n != 1 {
		t.Errorf("%d reads", n)
	}
	many := make([]any, 101)
	for i := range many {
		many[i] = f.id("ada")
	}
	f.want(t, `query($ids: [ID!]!) { users(ids: $ids) { username } }`, map[string]any{"ids": many},
		`null`, "BAD_USER_INPUT ids Ask for at most 100 users at once.")
}

func TestSearchIsPaged(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const document = `query($after: String) { searchUsers(query: "mx", first: 2, after: $after) {
		edges { node { username } } pageInfo { hasNextPage hasPreviousPage endCursor } } }`
	data, failed := f.ask(t, document, nil)
	var page struct {
		SearchUsers struct {
			Edges    []any
			PageInfo struct{ EndCursor string }
		}
	}
	if err := json.Unmarshal([]byte(data), &page); err != nil || failed != "" || len(page.SearchUsers.Edges) != 2 {
		t.Fatalf("%s %s %v", data, failed, err)
	}
	end := page.SearchUsers.PageInfo.EndCursor
	data, failed = f.ask(t, document, map[string]any{"after": end})
	if !strings.Contains(data, `"edges":[{"node":{"username":"zoe"}}],"pageInfo":{"hasNextPage":false,"hasPreviousPage":true`) {
		t.Errorf("the second page is %s %s", data, failed)
	}
	f.want(t, document, map[string]any{"after": "x" + end}, `null`, "BAD_USER_INPUT after The cursor is not valid here.")
	f.want(t, `{ searchUsers(query: " ") { edges { cursor } } }`, nil,
		`null`, "BAD_USER_INPUT query Search for 1 to 100 characters.")
	f.want(t, `{ searchUsers(query: "nobody") { edges { cursor } pageInfo { hasNextPage startCursor endCursor } } }`, nil,
		`{"searchUsers":{"edges":[],"pageInfo":{"hasNextPage":false,"startCursor":null,"endCursor":null}}}`, "")
}

func TestUpdateProfileChangesWhatIsGivenAndClearsWhatIsNull(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const document = `mutation($input: UpdateProfileInput!) { updateProfile(input: $input) {
		user { username displayName bio statusText statusExpiresAt locale } } }`
	f.want(t, document, map[string]any{"input": map[string]any{
		"displayName": "Ada", "bio": "Analyst", "statusText": "busy", "statusExpiresAt": "2026-11-23T12:00:00+01:00", "locale": "en-gb",
	}}, `{"updateProfile":{"user":{"username":"ada","displayName":"Ada","bio":"Analyst","statusText":"busy",`+
		`"statusExpiresAt":"2026-11-23T11:00:00.000Z","locale":"en-GB"}}}`, "")
	f.want(t, document, map[string]any{"input": map[string]any{"bio": nil, "statusExpiresAt": nil}},
		`{"updateProfile":{"user":{"username":"ada","displayName":"Ada","bio":null,"statusText":"busy",`+
			`"statusExpiresAt":null,"locale":"en-GB"}}}`, "")
	f.want(t, document, map[string]any{"input": map[string]any{}},
		`{"updateProfile":{"user":{"username":"ada","displayName":"Ada","bio":null,"statusText":"busy",`+
			`"statusExpiresAt":null,"locale":"en-GB"}}}`, "")
	f.want(t, `mutation { updateProfile(input: {displayName: null}) { user { id } } }`, nil,
		`null`, "BAD_USER_INPUT displayName A display name has 1 to 64 characters on one line.")
	f.want(t, `mutation { updateProfile(input: {statusText: "late", statusExpiresAt: "2020-01-01T00:00:00Z"}) { user { id } } }`,
		nil, `null`, "BAD_USER_INPUT statusExpiresAt A status ends in the future.")
}

// A picture is worn before the profile names it, and shown by a link of the
// viewer's; what is no picture changes nothing.
func TestAnAvatarIsAPictureOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.picture = ids.New[ids.Attachment]()
	const document = `mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { user { bio avatarUrl } } }`
	set := func(input map[string]any, data, errors string) {
		t.Helper()
		f.want(t, document, map[string]any{"input": input}, data, errors)
	}
	shown := `{"updateProfile":{"user":{"bio":"Analyst","avatarUrl":"` + f.viewer.String() + ` at /pictures/` + f.picture.String() + `"}}}`
	set(map[string]any{"bio": "Analyst"}, `{"updateProfile":{"user":{"bio":"Analyst","avatarUrl":null}}}`, "")
	set(map[string]any{"avatarAttachmentId": f.picture.String()}, shown, "")
	const refused = "BAD_USER_INPUT avatarAttachmentId An avatar is an image that you have uploaded and sent in no message."
	for _, bad := range []string{ids.New[ids.Attachment]().String(), "", "x", f.viewer.String()} {
		set(map[string]any{"avatarAttachmentId": bad, "bio": "changed"}, `null`, refused)
	}
	set(map[string]any{"avatarAttachmentId": f.picture.String(), "locale": "x_"}, `null`, "BAD_USER_INPUT locale Give a language tag such as de-AT.")
	set(map[string]any{}, shown, "")
	f.want(t, `{ userByUsername(username: "bob") { avatarUrl } }`, nil, `{"userByUsername":{"avatarUrl":null}}`, "")
	set(map[string]any{"avatarAttachmentId": nil}, `{"updateProfile":{"user":{"bio":"Analyst","avatarUrl":null}}}`, "")
	if !slices.Equal(f.worn, []ids.Attachment{f.picture, {}}) {
		t.Errorf("worn %v", f.worn)
	}
}

func TestNobodyWhoIsNotSignedInIsServed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, document := range []string{
		`{ userByUsername(username: "ada") { id } }`, `{ searchUsers(query: "ada") { edges { cursor } } }`,
		`mutation { updateProfile(input: {bio: "x"}) { user { id } } }`,
	} {
		r := f.engine.Exec(t.Context(), gqlx.Request{Query: document})
		if len(r.Errors) != 1 || r.Errors[0].Code() != "UNAUTHENTICATED" {
			t.Errorf("%s gave %s", document, r.AppendJSON(nil))
		}
	}
}
