package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// The model is what a conversation is, said as simply as can be: maps and
// slices, no positions, no store, nothing at once. Each operation gives the
// code that the server must answer, and changes the model where that is "".

type modelMessage struct {
	id, text, original, sender, root string
	seq                              int
	deleted, pinned                  bool
	edits                            int
	reactions                        map[string]map[string]bool // users by emoji
	order                            []string                   // of emoji, by when the first of their users came
}

type modelRoom struct {
	id, name string
	members  []string // in the order in which they came in
	role     map[string]string
	messages []*modelMessage // without the server's notes
	byKey    map[string]*modelMessage
	read     map[string]int // up to which seq
	lastSeq  int            // as the answers told it
}

func newModelRoom(id, name, owner string) *modelRoom {
	return &modelRoom{id: id, name: name, members: []string{owner}, role: map[string]string{owner: "OWNER"}, byKey: map[string]*modelMessage{}, read: map[string]int{}}
}

func (r *modelRoom) in(who string) bool { return r.role[who] != "" }

func (r *modelRoom) rules(who string) bool { return r.role[who] == "OWNER" || r.role[who] == "ADMIN" }

func (r *modelRoom) leave(who string) {
	was := r.role[who]
	delete(r.role, who)
	delete(r.read, who)
	r.members = slices.DeleteFunc(r.members, func(m string) bool { return m == who })
	if was != "OWNER" {
		return
	}
	for _, role := range []string{"ADMIN", "MEMBER"} { // the oldest of the highest rank
		for _, m := range r.members {
			if r.role[m] == role {
				r.role[m] = "OWNER"
				return
			}
		}
	}
}

func (r *modelRoom) unread(who string) (n int) {
	for _, m := range r.messages {
		if m.seq > r.read[who] {
			n++
		}
	}
	return n
}

func (r *modelRoom) pins() (n int) {
	for _, m := range r.messages {
		if m.pinned {
			n++
		}
	}
	return n
}

// replies are those in a thread that are not deleted; none when nobody ever
// replied.
func (r *modelRoom) replies(root *modelMessage) (n int, ever bool) {
	for _, m := range r.messages {
		if m.root == root.id {
			ever = true
			if !m.deleted {
				n++
			}
		}
	}
	return n, ever
}

// mayChange is the answer to who would do what some members may.
func (r *modelRoom) mayChange(who string, allowed bool) string {
	switch {
	case !r.in(who):
		return "NOT_FOUND"
	case !allowed:
		return "FORBIDDEN"
	}
	return ""
}

func (m *modelMessage) react(who, emoji string) {
	if m.reactions[emoji] == nil {
		m.reactions[emoji] = map[string]bool{}
		m.order = append(m.order, emoji)
	}
	m.reactions[emoji][who] = true
}

func (m *modelMessage) unreact(who, emoji string) {
	delete(m.reactions[emoji], who)
	if len(m.reactions[emoji]) == 0 {
		delete(m.reactions, emoji)
		m.order = slices.DeleteFunc(m.order, func(e string) bool { return e == emoji })
	}
}

func (m *modelMessage) delete() {
	m.deleted, m.text, m.pinned, m.order, m.reactions = true, "", false, nil, map[string]map[string]bool{}
}

func (r *modelRoom) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", r.name)
	for _, who := range slices.Sorted(maps.Keys(r.role)) {
		fmt.Fprintf(&b, "%s %s, ", who, r.role[who])
	}
	return b.String()
}

// show is a message as a client shows it.
func (r *modelRoom) show(m *modelMessage) string {
	s := fmt.Sprintf("%s %d %q deleted %v pinned %v in %q by %s", m.id, m.seq, m.text, m.deleted, m.pinned, m.root, m.sender)
	for _, e := range m.order {
		s += fmt.Sprintf(" %s%d", e, len(m.reactions[e]))
	}
	if n, ever := r.replies(m); ever {
		s += fmt.Sprintf(" %d replies", n)
	}
	return s
}

// show is a message of an answer or an event, as the model shows its own.
func (m *foldMessage) show() string {
	root := ""
	if m.ThreadRootID != nil {
		root = *m.ThreadRootID
	}
	s := fmt.Sprintf("%s %d %q deleted %v pinned %v in %q by %s", m.ID, m.Seq, m.text(), m.Text == nil, m.PinnedAt != nil, root, m.Sender.ID)
	for _, e := range m.Reactions {
		s += fmt.Sprintf(" %s%d", e.Emoji, e.Count)
	}
	if m.Thread != nil {
		s += fmt.Sprintf(" %d replies", m.Thread.ReplyCount)
	}
	return s
}

// pick is any of them; the zero value of none.
func pick[T any](rnd *rand.Rand, of []T) (v T) {
	if len(of) > 0 {
		v = of[rnd.IntN(len(of))]
	}
	return v
}
