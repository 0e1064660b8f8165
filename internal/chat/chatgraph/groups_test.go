package chatgraph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func TestUpdatingAGroupTellsWhatIsLeftOutFromWhatIsEmpty(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 0)
	const doc = `mutation U($in: UpdateGroupInput!) { updateGroup(input: $in) { conversation { id } } }`
	for _, c := range []struct {
		in   map[string]any
		want string
	}{
		{map[string]any{"name": "n"}, "n <nil>"},
		{map[string]any{"name": nil, "description": ""}, "<nil> "},
		{map[string]any{}, "<nil> <nil>"},
	} {
		c.in["conversationId"] = v.ID.String()
		r.run(nil, doc, map[string]any{"in": c.in})
		show := func(s *string) string {
			if s == nil {
				return "<nil>"
			}
			return *s
		}
		if got := show(r.update.Name) + " " + show(r.update.Description); got != c.want {
			t.Errorf("%v is taken for %q", c.in, got)
		}
	}
	r.refuses(doc, map[string]any{"in": map[string]any{"conversationId": "none"}}, "NOT_FOUND", "")
}

func TestChannelsArePagedByTheirKeys(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for i := range 5 {
		r.listed = append(r.listed, chat.ListedChannel{
			ID: ids.New[ids.Conversation](), Name: fmt.Sprint("c", i), MemberCount: i, Key: fmt.Sprint("k", i), Joined: i == 2,
		})
	}
	type page struct {
		Channels struct {
			Edges []struct {
				Node struct {
					Name      string
					Joined    bool
					ViewerCan struct{ Join bool }
				}
			}
			PageInfo struct {
				HasNextPage bool
				EndCursor   string
			}
		}
	}
	const doc = `query C($q: String, $a: String) { channels(query: $q, first: 2, after: $a) {
		edges { node { name joined viewerCan { join } } } pageInfo { hasNextPage endCursor } } }`
	var seen []string
	var cursor any
	for more := true; more; {
		var got page
		r.run(&got, doc, map[string]any{"q": "Some Words", "a": cursor})
		for _, e := range got.Channels.Edges {
			seen = append(seen, fmt.Sprintf("%s:%t:%t", e.Node.Name, e.Node.Joined, e.Node.ViewerCan.Join))
		}
		cursor, more = got.Channels.PageInfo.EndCursor, got.Channels.PageInfo.HasNextPage
	}
	if got := strings.Join(seen, " "); got != "c0:false:true c1:false:true c2:true:false c3:false:true c4:false:true" || r.asked != "Some Words" {
		t.Errorf("%s, asked for %q", got, r.asked)
	}
	r.run(nil, doc, map[string]any{"q": "some  words", "a": cursor}) // the same query
	r.refuses(doc, map[string]any{"q": "other", "a": cursor}, "BAD_USER_INPUT", "after")
	r.refuses(doc, map[string]any{"a": cursor}, "BAD_USER_INPUT", "after")
}

func TestInvitationsAreListedWithTheirMakersInAConstantNumberOfReads(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 0)
	const doc = `query I($c: ID!) { groupInvites(conversationId: $c) { edges { node { id creator { id } expiresAt maxUses uses } } } }`
	var before map[string]int
	for n := range 3 {
		for range 5 {
			r.invites = append([]chat.Invite{{ID: ids.New[ids.GroupInvite](), Conversation: v.ID, Creator: ids.New[ids.User](), CreatedAt: created}}, r.invites...)
		}
		r.reads()
		r.run(nil, doc, map[string]any{"c": v.ID.String()})
		if got := r.reads(); n > 0 && fmt.Sprint(got) != fmt.Sprint(before) {
			t.Errorf("%d invitations: %v, before %v", len(r.invites), got, before)
		} else {
			before = got
		}
	}
}

func TestInvitationsAreMadeOfTheirInput(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 0)
	var got struct {
		CreateGroupInvite struct {
			Code   string
			Invite struct {
				ID, ConversationID string
				ExpiresAt          *string
				MaxUses            *int
			}
		}
	}
	const doc = `mutation I($in: CreateGroupInviteInput!) { createGroupInvite(input: $in) { code invite { id conversationId expiresAt maxUses } } }`
	r.run(&got, doc, map[string]any{"in": map[string]any{"conversationId": v.ID.String()}})
	made := got.CreateGroupInvite
	if made.Code != "CODE" || made.Invite.ConversationID != v.ID.String() || made.Invite.ExpiresAt != nil || made.Invite.MaxUses != nil ||
		!r.invited.ExpiresAt.IsZero() || r.invited.MaxUses != nil {
		t.Errorf("%+v of %+v", made, r.invited)
	}
	r.run(nil, doc, map[string]any{"in": map[string]any{
		"conversationId": v.ID.String(), "expiresAt": "2027-01-01T00:00:00Z", "maxUses": 3,
	}})
	if !r.invited.ExpiresAt.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) || *r.invited.MaxUses != 3 {
		t.Errorf("%+v", r.invited)
	}
	var revoked struct {
		RevokeGroupInvite struct{ Invite struct{ RevokedAt *string } }
	}
	const revoke = `mutation R($i: ID!) { revokeGroupInvite(input: {inviteId: $i}) { invite { revokedAt } } }`
	r.run(&revoked, revoke, map[string]any{"i": made.Invite.ID})
	if revoked.RevokeGroupInvite.Invite.RevokedAt == nil {
		t.Error("it is not revoked")
	}
	r.refuses(revoke, map[string]any{"i": "CODE"}, "NOT_FOUND", "")
	r.run(nil, `mutation J { joinByInvite(input: {code: "C"}) { conversation { id } } }`, nil)
	if r.code != "C" {
		t.Error(r.code)
	}
	r.run(nil, `mutation J($c: ID!) { joinChannel(input: {conversationId: $c}) { conversation { id } } }`, map[string]any{"c": v.ID.String()})
}
