package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// The mutations of a member's positions.
const (
	readDoc      = `mutation($c: ID!, $s: Int!) { markRead(input: {conversationId: $c, seq: $s}) { conversation { unreadCount lastReadSeq } } }`
	deliveredDoc = `mutation($c: ID!, $s: Int!) { markDelivered(input: {conversationId: $c, seq: $s}) { conversation { unreadCount lastReadSeq } } }`
	unreadDoc    = `mutation($c: ID!, $s: Int!) { markUnread(input: {conversationId: $c, seq: $s}) { conversation { unreadCount lastReadSeq } } }`
)

// marks moves a position and returns what came of it.
func (p *program) marks(t testing.TB, doc string, who person, room string, seq int) string {
	t.Helper()
	var d map[string]struct {
		Conversation struct{ UnreadCount, LastReadSeq int }
	}
	if err := p.gql(t.Context(), who.token, doc, vars("c", room, "s", seq), &d); err != nil {
		t.Fatal(err)
	}
	for _, got := range d {
		return fmt.Sprintf("%d unread after %d", got.Conversation.UnreadCount, got.Conversation.LastReadSeq)
	}
	return ""
}

func (p *program) shareReceipts(t testing.TB, who person, share bool) {
	t.Helper()
	var d struct {
		UpdateSettings struct {
			Settings struct{ ShareReadReceipts bool }
		}
	}
	err := p.gql(t.Context(), who.token, `mutation($s: Boolean) { updateSettings(input: {shareReadReceipts: $s}) { settings { shareReadReceipts } } }`,
		vars("s", share), &d)
	if err != nil || d.UpdateSettings.Settings.ShareReadReceipts != share {
		t.Fatal(d, err)
	}
}

// states tells of a viewer's messages how far they have come and who has read
// them, by their names.
func (p *program) states(t testing.TB, who person, room string, names map[string]string) string {
	t.Helper()
	var d struct {
		Messages struct {
			Edges []struct {
				Node struct {
					Seq           int
					DeliveryState *string
					ReadBy        struct {
						Edges []struct{ Node struct{ ID string } }
					}
				}
			}
		}
	}
	err := p.gql(t.Context(), who.token, `query($c: ID!) { messages(conversationId: $c, last: 20) { edges { node { seq deliveryState readBy(first: 10) { edges { node { id } } } } } } }`,
		vars("c", room), &d)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range d.Messages.Edges {
		state := "-"
		if e.Node.DeliveryState != nil {
			state = *e.Node.DeliveryState
		}
		var by []string
		for _, r := range e.Node.ReadBy.Edges {
			by = append(by, names[r.Node.ID])
		}
		slices.Sort(by)
		all = append(all, fmt.Sprintf("%d %s [%s]", e.Node.Seq, state, strings.Join(by, " ")))
	}
	return strings.Join(all, ", ")
}

// receiptEvent is an event of `events` that has to do with reading or settings.
type receiptEvent struct {
	Type, Cursor string
	who          string
}

// hearReceipts subscribes to everything and passes on receipts and settings,
// each as a line.
func hearReceipts(t testing.TB, c *wsclient.Conn, id string, after any, names map[string]string) <-chan receiptEvent {
	t.Helper()
	out := make(chan receiptEvent, 1<<10)
	const doc = `subscription($a: String) { events(after: $a) { __typename cursor
		... on ReceiptChanged { conversationId user { id } readSeq deliveredSeq unreadCount }
		... on ConversationSettingsChanged { conversationId settings { mutedUntil pinned archived notify } }
		... on MessageAdded { message { text } } } }`
	err := c.Subscribe(id, doc, vars("a", after), func(e wsclient.Event) {
		var d struct {
			Data struct {
				Events struct {
					Type                               string `json:"__typename"`
					Cursor                             string
					User                               struct{ ID string }
					ReadSeq, DeliveredSeq, UnreadCount int
					Settings                           json.RawMessage
					Message                            struct{ Text string }
				}
			}
		}
		if e.Kind != wsclient.Next || json.Unmarshal(e.Payload, &d) != nil {
			return
		}
		switch got := d.Data.Events; got.Type {
		case "ReceiptChanged":
			out <- receiptEvent{got.Type, got.Cursor, fmt.Sprintf("%s read %d delivered %d, %d unread", names[got.User.ID], got.ReadSeq, got.DeliveredSeq, got.UnreadCount)}
		case "ConversationSettingsChanged":
			out <- receiptEvent{got.Type, got.Cursor, string(got.Settings)}
		case "MessageAdded":
			out <- receiptEvent{got.Type, got.Cursor, got.Message.Text}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	barrier(t, c)
	return out
}

// hears wants the next lines of a stream.
func hears(t testing.TB, what string, from <-chan receiptEvent, want ...string) (last receiptEvent) {
	t.Helper()
	for _, line := range want {
		if last = receive(t, from); last.who != line {
			t.Fatalf("%s heard %q, want %q", what, last.who, line)
		}
	}
	return last
}

func TestReceiptsAreDerivedFromPositionsAndHiddenWhereTheyAreNotShared(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 4)
		ada, bob, cyd, eve := all[0], all[1], all[2], all[3]
		names := map[string]string{ada.id: "ada", bob.id: "bob", cyd.id: "cyd", eve.id: "eve"}
		room := p.group(t, ada, bob, cyd)
		send := func(who person, text string) {
			t.Helper()
			if _, err := p.send(t.Context(), who, room, text, ""); err != nil {
				t.Fatal(err)
			}
		}
		wants := func(who person, want string) {
			t.Helper()
			if got := p.states(t, who, room, names); got != want {
				t.Errorf("%s sees %s\nwant %s", names[who.id], got, want)
			}
		}
		send(ada, "one")
		send(ada, "two")
		bobs := hearReceipts(t, p.dial(t, bob), "1", nil, names)
		otherBobs := hearReceipts(t, p.dial(t, bob), "1", nil, names)
		cyds := hearReceipts(t, p.dial(t, cyd), "1", nil, names)

		wants(ada, "1 SENT [], 2 SENT []")
		p.marks(t, deliveredDoc, bob, room, 1)
		p.marks(t, deliveredDoc, cyd, room, 2)
		wants(ada, "1 DELIVERED [], 2 SENT []")
		if got := p.marks(t, readDoc, bob, room, 99); got != "0 unread after 2" {
			t.Error(got)
		}
		wants(ada, "1 DELIVERED [bob], 2 DELIVERED [bob]")
		p.marks(t, readDoc, cyd, room, 1)
		wants(ada, "1 READ [bob cyd], 2 DELIVERED [bob]")
		wants(bob, "1 - [bob cyd], 2 - [bob]")
		begin := hears(t, "bob", bobs, "bob read 0 delivered 1, 2 unread")
		hears(t, "bob", bobs, "cyd read 0 delivered 2, 2 unread", "bob read 2 delivered 2, 0 unread", "cyd read 1 delivered 2, 0 unread")
		hears(t, "cyd", cyds, "bob read 0 delivered 1, 2 unread", "cyd read 0 delivered 2, 2 unread", "bob read 2 delivered 2, 2 unread", "cyd read 1 delivered 2, 1 unread")
		hears(t, "bob's other", otherBobs, "bob read 0 delivered 1, 2 unread", "cyd read 0 delivered 2, 2 unread", "bob read 2 delivered 2, 0 unread", "cyd read 1 delivered 2, 0 unread")

		// A step back is bob's alone, live and replayed.
		if got := p.marks(t, unreadDoc, bob, room, 1); got != "2 unread after 0" {
			t.Error(got)
		}
		wants(ada, "1 READ [bob cyd], 2 DELIVERED [bob]")
		hears(t, "bob", bobs, "bob read 0 delivered 2, 2 unread")
		hears(t, "bob's other", otherBobs, "bob read 0 delivered 2, 2 unread")
		hears(t, "cyd", cyds, "bob read 2 delivered 2, 1 unread")
		again := hearReceipts(t, p.dial(t, bob), "2", begin.Cursor, names)
		hears(t, "bob who comes back", again, "cyd read 1 delivered 2, 2 unread", "bob read 0 delivered 2, 2 unread")
		for _, seq := range []int{0, -1, 3} {
			if got := codeOf(p.gql(t.Context(), bob.token, unreadDoc, vars("c", room, "s", seq), nil)); got != "BAD_USER_INPUT" {
				t.Errorf("unread from %d: %q", seq, got)
			}
		}

		// Who comes in has not read what was before.
		if err := p.gql(t.Context(), ada.token, `mutation($c: ID!, $u: ID!) { addMembers(input: {conversationId: $c, userIds: [$u]}) { conversation { id } } }`,
			vars("c", room, "u", eve.id), nil); err != nil {
			t.Fatal(err)
		}
		wants(ada, "1 READ [bob cyd], 2 DELIVERED [bob], 3 - []")

		// Cyd hides: he is in no list, keeps messages from being READ, hears and
		// sees nobody's, and only himself of his own.
		p.shareReceipts(t, cyd, false)
		wants(ada, "1 DELIVERED [bob], 2 DELIVERED [bob], 3 - []")
		wants(cyd, "1 - [cyd], 2 - [], 3 - []")
		p.marks(t, readDoc, cyd, room, 2)
		p.marks(t, readDoc, bob, room, 2)
		send(ada, "fence")
		hears(t, "cyd", cyds, "added one member", "cyd read 2 delivered 2, 0 unread", "fence")
		hears(t, "bob", bobs, "added one member", "bob read 2 delivered 2, 0 unread", "fence")
		p.shareReceipts(t, cyd, true)
		wants(ada, "1 READ [bob cyd], 2 READ [bob cyd], 3 - [], 4 SENT []")
	})
}

// Every operation by everybody: members may, others are told of nothing.
func TestMembersAloneMoveTheirPositionsAndKeepSettings(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	all := p.people(t, "user", 5)
	room := p.group(t, all[0], all[1], all[2], all[3])
	for _, change := range []struct {
		doc string
		who person
	}{{adminDoc, all[1]}, {removeDoc, all[3]}} {
		if err := p.gql(t.Context(), all[0].token, change.doc, vars("c", room, "u", change.who.id), nil); err != nil {
			t.Fatal(err)
		}
	}
	m, err := p.send(t.Context(), all[0], room, "rude", "")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{
		"markRead": readDoc, "markDelivered": deliveredDoc, "markUnread": unreadDoc,
		"updateConversationSettings": `mutation($c: ID!) { updateConversationSettings(input: {conversationId: $c, pinned: true}) { conversation { viewerSettings { pinned } } } }`,
		"reportMessage":              `mutation($m: ID!) { reportMessage(input: {messageId: $m, reason: "rude"}) { report { id } } }`,
		"receipts":                   `subscription($c: ID!) { receipts(conversationId: $c) { readSeq } }`,
	}
	for op, doc := range docs {
		v := vars("c", room, "s", 1)
		switch {
		case strings.Contains(doc, "$m"):
			v = vars("m", m.ID)
		case !strings.Contains(doc, "$s"):
			v = vars("c", room)
		}
		for i, want := range []string{"", "", "", "NOT_FOUND", "NOT_FOUND"} { // owner, admin, member, removed, stranger
			got := askSocket(t, p.dial(t, all[i]), doc, v)
			if refused := strings.Contains(got, "errors") || strings.HasPrefix(got, "error"); refused != (want != "") || !strings.Contains(got, want) {
				t.Errorf("%s by user %d: %s, want %q", op, i, got, want)
			}
		}
		if got := askSocket(t, dialAnonymously(t, p), doc, v); !strings.Contains(got, "UNAUTHENTICATED") {
			t.Errorf("%s by nobody: %s", op, got)
		}
	}
	if got := codeOf(p.gql(t.Context(), "", `{ viewer { settings { shareReadReceipts } } }`, nil, nil)); got != "UNAUTHENTICATED" {
		t.Error(got)
	}
}

// What is hidden on one node is hidden on the other within a second.
func TestReceiptsAreHiddenOnEveryNode(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 2)
	here, there := nodes[0], nodes[1]
	all := here.people(t, "user", 2)
	ada, bob := all[0], all[1]
	names := map[string]string{ada.id: "ada", bob.id: "bob"}
	room := here.group(t, ada, bob)
	for n := range 6 {
		if _, err := here.send(t.Context(), ada, room, fmt.Sprint(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	far := hearReceipts(t, there.dial(t, ada), "1", nil, names)
	here.marks(t, readDoc, bob, room, 1)
	hears(t, "ada", far, "bob read 1 delivered 1, 0 unread")
	here.shareReceipts(t, bob, false)
	await(t, 5*time.Second, "the other node to hide it", func() bool {
		return !strings.Contains(there.states(t, ada, room, names), "bob")
	})
	here.marks(t, readDoc, bob, room, 2)
	here.shareReceipts(t, bob, true)
	await(t, 5*time.Second, "the other node to show it", func() bool {
		return strings.HasPrefix(there.states(t, ada, room, names), "1 READ [bob], 2 READ [bob], 3 SENT []")
	})
	here.marks(t, readDoc, bob, room, 3)
	hears(t, "ada", far, "bob read 3 delivered 3, 0 unread")
}

func TestSettingsOfAConversationAreTheViewersOwn(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		all := p.people(t, "user", 2)
		ada, bob := all[0], all[1]
		rooms := []string{p.group(t, ada, bob), p.group(t, ada, bob), p.group(t, ada)}
		live := hearReceipts(t, p.dial(t, ada), "1", nil, nil)
		bobs := hearReceipts(t, p.dial(t, bob), "1", nil, nil)
		before, err := p.position(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		set := func(room, in, want string) {
			t.Helper()
			var d struct {
				UpdateConversationSettings struct {
					Conversation struct{ ViewerSettings json.RawMessage }
				}
			}
			err := p.gql(t.Context(), ada.token, `mutation($c: ID!) { updateConversationSettings(input: {conversationId: $c, `+in+`}) {
				conversation { viewerSettings { mutedUntil pinned archived notify } } } }`, vars("c", room), &d)
			if got := string(d.UpdateConversationSettings.Conversation.ViewerSettings); err != nil || got != want {
				t.Fatalf("%s, %v, want %s", got, err, want)
			}
		}
		const (
			muted = `{"mutedUntil":"2040-01-01T00:00:00.000Z","pinned":true,"archived":false,"notify":"MENTIONS"}`
			away  = `{"mutedUntil":null,"pinned":false,"archived":true,"notify":"ALL"}`
			loud  = `{"mutedUntil":null,"pinned":true,"archived":false,"notify":"MENTIONS"}`
		)
		set(rooms[0], `mutedUntil: "2040-01-01T01:00:00+01:00", pinned: true, notify: MENTIONS`, muted)
		set(rooms[0], `pinned: true`, muted) // which changes nothing
		set(rooms[1], `archived: true`, away)
		set(rooms[0], `mutedUntil: null`, loud)
		if _, err := p.send(t.Context(), bob, rooms[1], "fence", ""); err != nil {
			t.Fatal(err)
		}
		hears(t, "the other device", live, muted, away, loud, "fence")
		hears(t, "bob", bobs, "fence")
		hears(t, "a device that comes back", hearReceipts(t, p.dial(t, ada), "2", before, nil), away, loud, "fence")

		list := func(who person, filter string) string {
			t.Helper()
			var d struct {
				Conversations struct {
					Edges []struct{ Node struct{ ID string } }
				}
			}
			if err := p.gql(t.Context(), who.token, `{ conversations`+filter+` { edges { node { id } } } }`, nil, &d); err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, e := range d.Conversations.Edges {
				out = append(out, fmt.Sprint(slices.Index(rooms, e.Node.ID)))
			}
			return strings.Join(out, " ")
		}
		for filter, want := range map[string]string{
			``: "2 0", `(filter: {archived: true})`: "1", `(filter: {pinned: true})`: "0", `(filter: {pinned: false})`: "2",
			`(filter: {archived: true, unread: true})`: "1", `(filter: {unread: true})`: "", `(filter: {kind: DIRECT})`: "", `(filter: {kind: GROUP}, first: 1)`: "2",
		} {
			if got := list(ada, filter); got != want {
				t.Errorf("%s: %q, want %q", filter, got, want)
			}
		}
		if got := list(bob, ``); got != "1 0" {
			t.Errorf("bob has %q", got)
		}
	})
}

func TestReportsAreForTheServersAdministrators(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		p := startProgram(t, args...)
		admin := p.register(t, "root") // the first account of a server administers it
		all := p.people(t, "user", 2)
		bob, cyd := all[0], all[1]
		room := p.group(t, bob, cyd)
		rude, err := p.send(t.Context(), bob, room, "a rude word", "")
		if err != nil {
			t.Fatal(err)
		}
		report := func(who person, msg, reason string) (string, error) {
			var d struct {
				ReportMessage struct{ Report struct{ ID, State string } }
			}
			err := p.gql(t.Context(), who.token, `mutation($m: ID!, $r: String!) { reportMessage(input: {messageId: $m, reason: $r}) { report { id state } } }`,
				vars("m", msg, "r", reason), &d)
			return d.ReportMessage.Report.ID, err
		}
		// Twenty at once are one.
		ids := make([]string, 20)
		var at sync.WaitGroup
		for i := range ids {
			at.Go(func() {
				id, err := report(cyd, rude.ID, "It is rude.")
				if ids[i] = id; err != nil {
					t.Error(err)
				}
			})
		}
		at.Wait()
		if len(slices.Compact(ids)) != 1 {
			t.Fatalf("reports %v", ids)
		}
		for reason, who := range map[string]person{"": cyd, "  ": cyd, strings.Repeat("x", 1001): cyd, "a\x00b": bob} {
			if _, err := report(who, rude.ID, reason); codeOf(err) != "BAD_USER_INPUT" {
				t.Errorf("reason %.10q: %v", reason, err)
			}
		}
		const listDoc = `{ reports(state: OPEN) { edges { node { id state reason reporter { id } message { id text deletedAt sender { id } } } } } }`
		for name, who := range map[string]person{"a member": cyd, "its sender": bob} {
			for _, doc := range []string{listDoc, `mutation { resolveReport(input: {reportId: "` + ids[0] + `", resolution: DISMISSED}) { report { id } } }`} {
				if got := codeOf(p.gql(t.Context(), who.token, doc, nil, nil)); got != "FORBIDDEN" {
					t.Errorf("%s: %q", name, got)
				}
			}
			if r := p.ask(t, who.token, `query($i: ID!) { node(id: $i) { id } }`, vars("i", ids[0])); !strings.Contains(r.body, `"node":null`) {
				t.Errorf("%s finds %v", name, r)
			}
		}
		r := p.ask(t, admin.token, listDoc, nil)
		says(t, r.body, ids[0], "a rude word", "It is rude.", cyd.id, bob.id)
		if r := p.ask(t, admin.token, `query($m: ID!, $c: ID!) { message(id: $m) { text } conversation(id: $c) { id } }`, vars("m", rude.ID, "c", room)); r.code() != "NOT_FOUND" {
			t.Errorf("the administrator reads more than the report: %v", r)
		}
		says(t, p.ask(t, admin.token, `query($i: ID!) { node(id: $i) { id ... on Report { reason } } }`, vars("i", ids[0])).body, "It is rude.")
		// What is deleted is gone from the report, too.
		if err := p.gql(t.Context(), bob.token, `mutation($m: ID!) { deleteMessage(input: {id: $m}) { message { id } } }`, vars("m", rude.ID), nil); err != nil {
			t.Fatal(err)
		}
		if r := p.ask(t, admin.token, listDoc, nil); strings.Contains(r.body, "a rude word") || !strings.Contains(r.body, `"text":null`) {
			t.Errorf("after the deletion: %v", r)
		}
		if _, err := report(cyd, rude.ID, "It was rude."); codeOf(err) != "FAILED_PRECONDITION" {
			t.Errorf("a report of a tombstone: %v", err)
		}
		for _, how := range []string{"ACTION_TAKEN", "DISMISSED"} { // the second changes nothing
			r := p.ask(t, admin.token, `mutation($i: ID!) { resolveReport(input: {reportId: $i, resolution: `+how+`, note: "Spoken to."}) {
				report { state resolution note resolvedBy { id } resolvedAt } } }`, vars("i", ids[0]))
			says(t, r.body, "RESOLVED", "ACTION_TAKEN", "Spoken to.", admin.id)
		}
		if r := p.ask(t, admin.token, listDoc, nil); !strings.Contains(r.body, `"edges":[]`) {
			t.Errorf("still open: %v", r)
		}
	})
}
