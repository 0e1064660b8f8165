package chattest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// Population is what somebody has done in a store: a few groups with all that
// can happen in them, some direct conversations, a group that all have left.
type Population struct {
	*Fixture
	Users []ids.User
	Rooms []ids.Conversation
	Sent  []chat.NewMessage // with a ClientID
	acts  *script
}

// Populate fills a store, the same way for the same seed but for identifiers.
func Populate(t testing.TB, store chat.Store, seed uint64, steps int) *Population {
	t.Helper()
	p := &Population{Fixture: NewFixture(store), Users: Users(7)}
	p.acts = &script{
		suite: suite{Fixture: p.Fixture}, rnd: rand.New(rand.NewPCG(seed, 2)), users: p.Users[:6],
		owner: make(map[ids.Conversation]ids.User),
	}
	for i := range 3 {
		c := p.Group(t, p.Users[i], p.Users[(i+1)%6], p.Users[(i+2)%6])
		p.acts.rooms, p.acts.owner[c.ID] = append(p.acts.rooms, c.ID), p.Users[i]
	}
	p.Rooms = slices.Clone(p.acts.rooms)
	for i := range 3 {
		c := p.Direct(t, p.Users[i+1], p.Users[i])
		p.Rooms = append(p.Rooms, c.ID)
		first := p.Send(t, c.ID, p.Users[i], "first")
		p.Edit(t, p.Edit(t, first, "edited"), "edited again")
		p.Delete(t, p.Edit(t, p.Send(t, c.ID, p.Users[i+1], "second"), "to be deleted"))
		p.MarkRead(t, p.Users[i+1], c.ID, 1)
	}
	p.Files(t)
	p.Act(t, steps)
	p.report(t)
	last := p.Group(t, p.Users[6])
	p.Rooms = append(p.Rooms, last.ID)
	p.Send(t, last.ID, p.Users[6], "alone")
	p.Leave(t, last.ID, p.Users[6])
	p.acts.act(t)
	p.invite(t)
	return p
}

// invite has some come in by themselves.
func (p *Population) invite(t testing.TB) {
	t.Helper()
	c := p.Channel(t, "Bücher und Bilder", p.Users[5], p.Users[0])
	p.Rooms = append(p.Rooms, c.ID)
	p.Rename(t, c.ID, p.Users[5], "Bücher", "Read and talked about")
	open, _ := p.Invite(t, c.ID, p.Users[5], 0, p.Now().Add(time.Hour))
	once, _ := p.Invite(t, c.ID, p.Users[0], 1, time.Time{})
	gone, _ := p.Invite(t, c.ID, p.Users[5], 5, time.Time{})
	for i, j := range []chat.Joining{
		p.Joining(c.ID, p.Users[1], ids.GroupInvite{}), p.Joining(c.ID, p.Users[2], open.ID), p.Joining(c.ID, p.Users[3], once.ID),
	} {
		if joined, err := p.Store.Join(t.Context(), j); err != nil || !joined {
			t.Fatalf("join %d: %t, %v", i, joined, err)
		}
	}
	if _, err := p.Store.RevokeInvite(t.Context(), gone.ID, p.Now()); err != nil {
		t.Fatal(err)
	}
	p.Rename(t, c.ID, p.Users[5], "Bücher & Bilder", "Read and talked about")
}

// Files leaves some of each kind of file: in a message, in a deleted one, in
// none, not complete, condemned.
func (p *Population) Files(t testing.TB) {
	t.Helper()
	id := p.Rooms[0]
	p.SendFiles(t, id, p.Image(t, p.Users[0]), p.Image(t, p.Users[0]))
	p.Edit(t, p.SendFiles(t, id, p.Image(t, p.Users[0])), "with a text")
	p.Delete(t, p.SendFiles(t, id, p.Image(t, p.Users[0])))
	condemned := p.Image(t, p.Users[0])
	if err := p.Store.Condemn(t.Context(), p.Users[0], condemned.ID, p.Now()); err != nil {
		t.Fatal(err)
	}
	p.Upload(t, p.Users[1], 77)
	if err := p.Store.Wear(t.Context(), p.Users[1], p.Image(t, p.Users[1]).ID, p.Now()); err != nil {
		t.Fatal(err)
	}
	p.Image(t, p.Users[1])
	p.SendFiles(t, id, p.Image(t, p.Users[0])) // the newest has all
}

// Act goes on doing things.
func (p *Population) Act(t testing.TB, steps int) {
	t.Helper()
	for n := range steps {
		p.acts.act(t)
		if n%5 > 0 {
			continue
		}
		id := pick(p.acts.rnd, p.acts.rooms)
		m := p.Message(t, id, p.acts.owner[id], "with a key")
		m.ClientID, m.InputHash = fmt.Sprintf("key %d", len(p.Sent)), []byte{byte(n), 1, 2}
		if all := p.All(t, p.acts.owner[id], id); len(all) > 0 {
			m.ReplyTo = pick(p.acts.rnd, all).ID
		}
		if _, err := p.Store.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		p.Sent = append(p.Sent, m)
	}
}

// On is the population as it goes on in another store that has the same.
func (p *Population) On(store chat.Store) *Population {
	other := *p
	other.Fixture, other.acts = &Fixture{Store: store}, nil
	other.calls.Store(p.calls.Load())
	acts := *p.acts
	acts.suite = suite{Fixture: other.Fixture}
	other.acts = &acts
	return &other
}

// SameAnswers compares all that two stores answer to some users. One may have
// been filled with the other's archive: then it tells of a new conversation
// who was in at first, where SQL tells who ever was.
func (p *Population) SameAnswers(t testing.TB, a, b chat.Store, viewers ...ids.User) {
	t.Helper()
	for _, viewer := range viewers {
		for _, ask := range p.questions(t, viewer) {
			if x, y := ask(a), ask(b); x != y {
				t.Fatalf("the answers differ:\n%s\n%s", x, y)
			}
		}
	}
	x, y := journalOf(t, a), journalOf(t, b)
	if !slices.Equal(x, y) {
		t.Fatalf("the journals differ:\n%s\n\n%s", strings.Join(x, "\n"), strings.Join(y, "\n"))
	}
}

type question func(of chat.Store) string

func (p *Population) questions(t testing.TB, viewer ids.User) []question {
	ctx := t.Context()
	asked := []question{
		func(s chat.Store) string {
			epoch, pos, err := s.Position(ctx)
			return answer("position", err, epoch, pos)
		},
		func(s chat.Store) string {
			all, err := s.Standings(ctx, viewer)
			slices.SortFunc(all, func(a, b chat.Standing) int { return a.Conversation.Compare(b.Conversation) })
			return answer("standings", err, all)
		},
		func(s chat.Store) string { u, err := s.Usage(ctx, viewer); return answer("usage", err, u) },
		func(s chat.Store) string {
			all, err := s.List(ctx, viewer, chat.Filter{}, 0, 100)
			return answer("list", err, all)
		},
		func(s chat.Store) string {
			away := true
			all, err := s.List(ctx, viewer, chat.Filter{Archived: &away}, 0, 100)
			return answer("put away", err, all)
		},
		func(s chat.Store) string {
			all, err := s.ReportPage(ctx, "", ids.Report{}, 100)
			return answer("reports", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Channels(ctx, viewer, chat.ChannelQuery{Words: []string{"bild", "bu"}, Limit: 10})
			return answer("channels", err, all)
		},
	}
	for _, id := range p.Rooms {
		asked = append(asked, p.questionsOf(t, viewer, id)...)
	}
	end := p.Position(t)
	for _, after := range []int64{0, end / 3, end / 2, end - 5, end - 1, end} {
		asked = append(asked, func(s chat.Store) string {
			refs, err := s.Missed(ctx, viewer, after, end, 1000)
			if err != nil {
				return answer("missed", err)
			}
			events, err := s.Load(ctx, viewer, refs)
			return answer("missed", err, refs, told(events))
		})
	}
	return asked
}

func (p *Population) questionsOf(t testing.TB, viewer ids.User, id ids.Conversation) []question {
	ctx := t.Context()
	asked := []question{
		func(s chat.Store) string { v, err := s.View(ctx, viewer, id); return answer("view", err, v) },
		func(s chat.Store) string {
			all, err := s.Page(ctx, viewer, chat.MessagePage{Conversation: id, Limit: 500})
			return answer("page", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Page(ctx, viewer, chat.MessagePage{Conversation: id, Limit: 3, Backward: true, Before: 9})
			return answer("page back", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Members(ctx, viewer, id, chat.MemberKey{}, 100)
			return answer("members", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Changed(ctx, viewer, id, 0, 500)
			return answer("changed", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Invites(ctx, id, ids.GroupInvite{}, 10)
			return answer("invites", err, all)
		},
		func(s chat.Store) string {
			all, err := s.Pinned(ctx, viewer, id, 0, 200)
			return answer("pinned", err, all)
		},
		func(s chat.Store) string { u, err := s.Heir(ctx, id, viewer); return answer("heir", err, u) },
		func(s chat.Store) string {
			all, err := s.MessagesAt(ctx, viewer, map[ids.Conversation]int64{id: 1})
			return answer("first", err, all)
		},
	}
	all, err := p.Store.Page(ctx, viewer, chat.MessagePage{Conversation: id, Limit: 500})
	if err != nil {
		return asked
	}
	for _, m := range all {
		if len(m.Reactions) > 0 {
			asked = append(asked, func(s chat.Store) string { return reactorsOf(ctx, s, viewer, m) })
		}
		if m.Thread != nil {
			asked = append(asked, func(s chat.Store) string {
				all, err := s.Replies(ctx, viewer, chat.ThreadPage{Root: m.ID, Limit: 200})
				return answer("replies", err, all)
			})
		}
		if m.Rev > m.Seq || m.Deleted() {
			asked = append(asked, func(s chat.Store) string {
				edits, err := s.Edits(ctx, viewer, m.ID, 0, 100)
				return answer("edits", err, edits)
			})
		}
	}
	return asked
}

func reactorsOf(ctx context.Context, s chat.Store, viewer ids.User, m chat.Message) string {
	own, err := s.Reacted(ctx, viewer, []ids.Message{m.ID})
	if err != nil {
		return answer("reacted", err)
	}
	slices.SortFunc(own, func(a, b chat.Reactor) int { return cmp.Compare(a.Emoji, b.Emoji) })
	all, err := s.Reactors(ctx, []chat.Message{m}, 3)
	slices.SortStableFunc(all, func(a, b chat.Reactor) int { return cmp.Compare(a.Emoji, b.Emoji) })
	return answer("reactors", err, own, all)
}

func answer(what string, err error, v ...any) string {
	if err != nil {
		code := "error"
		for _, known := range []error{chat.ErrNoConversation, chat.ErrNoMessage, chat.ErrTooMany} {
			if strings.Contains(err.Error(), known.Error()) {
				code = known.Error()
			}
		}
		return what + ": " + code
	}
	text, err := json.Marshal(v)
	return fmt.Sprintf("%s: %s %v", what, strings.ReplaceAll(string(text), "[null", "[[]"), err) // none is none
}

func told(events []*chat.Event) []chat.Event {
	var all []chat.Event
	for _, e := range events {
		e := *e
		e.Joined = nil
		all = append(all, e)
	}
	return all
}

// journalOf reads all events of a store, but for who came in with a new
// conversation.
func journalOf(t testing.TB, s chat.Store) []string {
	t.Helper()
	var all []string
	for after := int64(0); ; {
		events, upTo, err := s.Read(t.Context(), after, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range told(events) {
			all = append(all, answer("event", nil, e))
		}
		if after = cmp.Or(upTo, after); len(events) < 50 {
			return all
		}
	}
}
