package chatgraph_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

func TestPositionsSettingsAndReportsAreHandedOver(t *testing.T) {
	t.Parallel()
	r := setup(t)
	v := r.conversation(r.viewer, 2)
	c := map[string]any{"c": v.ID.String()}
	r.run(nil, `mutation M($c: ID!) { markDelivered(input: {conversationId: $c, seq: 2}) { conversation { id } }
		markUnread(input: {conversationId: $c, seq: 1}) { conversation { id } } }`, c)
	if r.more.deliverTo != 2 || r.more.unread != 1 {
		t.Fatalf("%+v", r.more)
	}
	yes, no, none := true, false, chat.NotifyNone
	until, never := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}
	all := chat.NotifyAll
	for in, want := range map[string]chat.SettingsPatch{
		``: {},
		`, mutedUntil: "2040-01-01T00:00:00Z", pinned: true, archived: false, notify: NONE`: {MutedUntil: &until, Pinned: &yes, Archived: &no, Notify: &none},
		`, mutedUntil: null, notify: ALL`:              {MutedUntil: &never, Notify: &all},
		`, pinned: null, archived: null, notify: null`: {},
	} {
		r.run(nil, `mutation M($c: ID!) { updateConversationSettings(input: {conversationId: $c`+in+`}) { conversation { id } } }`, c)
		if !reflect.DeepEqual(r.more.patch, want) {
			t.Errorf("%s: %+v", in, r.more.patch)
		}
	}
	var got struct {
		Conversation struct{ ViewerSettings map[string]any }
	}
	r.run(&got, `query Q($c: ID!) { conversation(id: $c) { viewerSettings { mutedUntil pinned archived notify } } }`, c)
	if s := fmt.Sprint(got.Conversation.ViewerSettings); s != "map[archived:false mutedUntil:<nil> notify:ALL pinned:false]" {
		t.Error(s)
	}
	for in, want := range map[string]chat.Filter{
		`null`: {}, `{}`: {}, `{archived: true, pinned: false, unread: true, kind: DIRECT}`: {Archived: &yes, Pinned: &no, Unread: &yes, Kind: chat.Direct},
	} {
		r.run(nil, `{ conversations(filter: `+in+`) { edges { cursor } } }`, nil)
		if !reflect.DeepEqual(r.more.filter, want) {
			t.Errorf("%s: %+v", in, r.more.filter)
		}
	}
}

func TestACursorIsOfItsFilter(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.conversation(r.viewer, 0)
	cursor := func(filter string) string {
		var got struct{ Conversations connection }
		r.run(&got, `{ conversations(filter: `+filter+`) { edges { cursor node { seq: lastSeq } } pageInfo { endCursor } } }`, nil)
		return got.Conversations.Edges[0].Cursor
	}
	filters := []string{`{}`, `{archived: true}`, `{pinned: true}`, `{pinned: false}`, `{unread: true}`, `{kind: GROUP}`}
	for _, of := range filters {
		for _, with := range filters {
			const doc = `query Q($a: String) { conversations(after: $a, filter: %s) { edges { cursor } } }`
			vars := map[string]any{"a": cursor(of)}
			if of == with {
				r.run(nil, fmt.Sprintf(doc, with), vars)
			} else {
				r.refuses(fmt.Sprintf(doc, with), vars, "BAD_USER_INPUT", "after")
			}
		}
	}
}

// However many messages a page has, and of how many conversations, who has
// read them is known by one read of positions and one of people.
func TestReadersOfAPageAreReadAtOnce(t *testing.T) {
	t.Parallel()
	r := setup(t)
	var in []chat.View
	for range 4 {
		in = append(in, r.conversation(r.viewer, 5))
	}
	readers := []ids.User{ids.New[ids.User](), ids.New[ids.User](), ids.New[ids.User]()}
	for i := range r.messages {
		r.messages[i].Sender = r.viewer
	}
	for _, v := range in {
		for i, u := range readers {
			r.members = append(r.members, chat.Member{
				Conversation: v.ID, User: u, JoinedAt: created.Add(time.Duration(i) * time.Second), ReadSeq: int64(5 - i), DeliveredSeq: 5,
			})
		}
	}
	const parts = `edges { node { seq deliveryState readBy(first: 2) { edges { cursor node { username } } pageInfo { hasNextPage } } } }`
	for name, doc := range map[string]string{
		"a page of messages": `query Q($c: ID!) { messages(conversationId: $c, first: 50) { ` + parts + ` } }`,
		"conversations":      `{ conversations(first: 20) { edges { node { lastMessage { deliveryState readBy(first: 5) { edges { node { username } } } } } } } }`,
	} {
		vars := map[string]any{}
		if strings.Contains(doc, "$c") {
			vars["c"] = in[0].ID.String()
		}
		r.reads()
		r.run(nil, doc, vars)
		calls := r.reads()
		if n := calls["Positions"]; n != 2 { // for readBy, and for deliveryState of own ones
			t.Errorf("%s: %d reads of positions", name, n)
		}
		if many, one := calls["People.Many"], calls["People.One"]; many != 1 || one != 0 {
			t.Errorf("%s: %d reads of people, %d of one", name, many, one)
		}
	}
	type page struct {
		Edges []struct {
			Cursor string
		}
		PageInfo struct{ HasNextPage bool }
	}
	var got struct {
		Messages struct {
			Edges []struct {
				Node struct {
					Seq           int
					DeliveryState string
					ReadBy        page
				}
			}
		}
	}
	r.run(&got, `query Q($c: ID!) { messages(conversationId: $c, first: 50) { `+parts+` } }`, map[string]any{"c": in[0].ID.String()})
	var seen []string
	for _, e := range got.Messages.Edges {
		seen = append(seen, fmt.Sprint(e.Node.Seq, " ", e.Node.DeliveryState, " ", len(e.Node.ReadBy.Edges), " ", e.Node.ReadBy.PageInfo.HasNextPage))
	}
	if s := strings.Join(seen, ", "); s != "1 READ 2 true, 2 READ 2 true, 3 READ 2 true, 4 DELIVERED 2 false, 5 DELIVERED 1 false" {
		t.Error(s)
	}
	var more struct{ Message struct{ ReadBy page } }
	r.run(&more, `query Q($m: ID!, $a: String) { message(id: $m) { readBy(first: 2, after: $a) { edges { cursor node { username } } pageInfo { hasNextPage } } } }`,
		map[string]any{"m": r.messages[0].ID.String(), "a": got.Messages.Edges[0].Node.ReadBy.Edges[1].Cursor})
	if p := more.Message.ReadBy; len(p.Edges) != 1 || p.PageInfo.HasNextPage {
		t.Errorf("%+v", p)
	}
}

func TestReportsAreListedInAConstantNumberOfReads(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.standing = principal.Admin
	r.conversation(r.viewer, 6)
	for i := range r.messages {
		m := r.messages[i]
		report := chat.Report{
			ID: ids.New[ids.Report](), Message: m.ID, Conversation: m.Conversation, Reporter: ids.New[ids.User](), Reason: "rude",
			CreatedAt: created, Reported: &m,
		}
		if i%2 == 0 {
			report.Resolved = chat.Resolved{Resolution: chat.Dismissed, Resolver: r.viewer, ResolvedAt: created}
		}
		r.more.reports = append([]chat.Report{report}, r.more.reports...)
	}
	var got struct {
		Reports struct {
			Edges []struct {
				Node struct {
					ID, State, Resolution, Reason string
					Message                       struct{ Text string }
				}
			}
			PageInfo struct{ HasNextPage bool }
		}
	}
	r.reads()
	r.run(&got, `{ reports(first: 4, state: OPEN) { edges { node { id state resolution reason createdAt note resolvedAt
		reporter { username } resolvedBy { username } message { text seq sender { username } } } } pageInfo { hasNextPage endCursor } } }`, nil)
	if n := len(got.Reports.Edges); n != 4 || !got.Reports.PageInfo.HasNextPage || got.Reports.Edges[1].Node.State != "RESOLVED" ||
		got.Reports.Edges[0].Node.Message.Text != "text" || r.more.state != chat.ReportOpen {
		t.Fatalf("%+v", got)
	}
	if calls := r.reads(); len(calls) != 2 || calls["ReportPage"] != 1 || calls["People.Many"] != 1 {
		t.Errorf("%v", calls)
	}
	r.refuses(`mutation { resolveReport(input: {reportId: "none", resolution: DISMISSED}) { report { id } } }`, nil, "NOT_FOUND", "")
	r.refuses(`mutation { reportMessage(input: {messageId: "none", reason: "rude"}) { report { id } } }`, nil, "NOT_FOUND", "")
	r.refuses(`{ reports(after: "none") { edges { cursor } } }`, nil, "BAD_USER_INPUT", "after")
}
