package chattest

import (
	"slices"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

func (s suite) companionTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"companions are those of small conversations, once":   s.companions,
		"together are those of any conversation, and no more": s.together,
		"who has left is nobody's companion":                  s.companionsLeft,
	}
}

func (s suite) companionsOf(t *testing.T, user ids.User, most, limit int) []ids.User {
	t.Helper()
	got, err := s.Store.Companions(t.Context(), user, most, limit)
	if err != nil {
		t.Fatal(err)
	}
	return sortedUsers(got)
}

func (s suite) togetherWith(t *testing.T, user ids.User, of ...ids.User) []ids.User {
	t.Helper()
	got, err := s.Store.Together(t.Context(), user, of)
	if err != nil {
		t.Fatal(err)
	}
	return sortedUsers(got)
}

func (s suite) companions(t *testing.T) {
	u := Users(6)
	s.Direct(t, u[0], u[1])
	s.Group(t, u[0], u[1], u[2])
	big := s.Group(t, u[0], u[2], u[3])
	s.Add(t, big.ID, u[0], u[4])
	s.Group(t, u[4], u[5])
	same(t, "of up to three", s.companionsOf(t, u[0], 3, 100), sortedUsers(u[:3]))
	same(t, "of up to four", s.companionsOf(t, u[0], 4, 100), sortedUsers(u[:5]))
	same(t, "two at most", len(s.companionsOf(t, u[0], 4, 2)), 2)
	same(t, "of nobody", len(s.companionsOf(t, ids.New[ids.User](), 4, 100)), 0)
	for _, other := range s.companionsOf(t, u[0], 3, 100) {
		if !slices.Contains(s.companionsOf(t, other, 3, 100), u[0]) {
			t.Error("it is not the same the other way round")
		}
	}
}

func (s suite) together(t *testing.T) {
	u := Users(5)
	s.Group(t, u[0], u[1], u[2])
	s.Direct(t, u[0], u[1])
	s.Group(t, u[3], u[2])
	same(t, "of all", s.togetherWith(t, u[0], u...), sortedUsers(u[:3]))
	same(t, "of some", s.togetherWith(t, u[0], u[4], u[2], u[2], u[3]), sortedUsers(u[2:3]))
	same(t, "of strangers", len(s.togetherWith(t, u[0], u[3], u[4], ids.New[ids.User](), ids.User{})), 0)
	same(t, "of none", len(s.togetherWith(t, u[0])), 0)
	many := append(Users(300), u[1])
	same(t, "of many", s.togetherWith(t, u[0], many...), sortedUsers(u[1:2]))
}

func (s suite) companionsLeft(t *testing.T) {
	u := Users(3)
	c := s.Group(t, u...)
	s.Leave(t, c.ID, u[1])
	same(t, "companions", s.companionsOf(t, u[0], 10, 100), sortedUsers([]ids.User{u[0], u[2]}))
	same(t, "together", s.togetherWith(t, u[0], u...), sortedUsers([]ids.User{u[0], u[2]}))
	same(t, "his own", len(s.companionsOf(t, u[1], 10, 100)), 0)
	same(t, "together with him", len(s.togetherWith(t, u[1], u...)), 0)
	s.Add(t, c.ID, u[0], u[1])
	same(t, "back again", s.togetherWith(t, u[1], u[2]), sortedUsers(u[2:]))
	s.SetRole(t, c.ID, u[0], u[1], chat.Admin)
	same(t, "with a role", s.companionsOf(t, u[1], 3, 100), sortedUsers(u))
}

// companions measures those of somebody who is in all rooms.
func (h *hall) companions(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Companions(b.Context(), h.members[0], 256, 5000)
		return found(len(some), min(50+4*(len(h.rooms)-1), 5000), err)
	})
}

func (h *hall) together(b *testing.B) {
	h.each(b, func(int) error {
		some, err := h.Store.Together(b.Context(), h.members[0], h.members)
		return found(len(some), 50, err)
	})
}
