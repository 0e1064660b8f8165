package chatmongo_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// commands records what is sent to the server.
type commands struct {
	mu  sync.Mutex
	all []string
}

func (c *commands) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, name)
}

// of returns the commands that fn sends, sorted.
func (c *commands) of(fn func()) string {
	c.mu.Lock()
	c.all = nil
	c.mu.Unlock()
	fn()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.all)
	return strings.Join(c.all, " ")
}

// An insert, then two updates at the same time, are two round trips.
func TestASendIsTwoRoundTripsAndAPageOneQuery(t *testing.T) {
	t.Parallel()
	sent := &commands{}
	cfg := mongodbtest.Config(t)
	cfg.OnCommand = sent.add
	db := mongodbtest.Open(t, cfg)
	f := chattest.NewFixture(setup(t, db))
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	u := chattest.Users(2)
	c := f.Group(t, u...)
	for _, key := range []string{"", "key"} {
		in := f.Message(t, c.ID, u[0], "text")
		in.ClientID, in.InputHash = key, []byte("hash")
		if got := sent.of(func() {
			if _, err := f.Store.Append(t.Context(), in); err != nil {
				t.Error(err)
			}
		}); got != "insert update update" {
			t.Errorf("a send with the key %q sends: %s", key, got)
		}
	}
	for what, c := range map[string]struct {
		do   func() error
		want string
	}{
		"a page, and the reader's right": {func() error {
			_, err := f.Store.Page(t.Context(), u[1], chat.MessagePage{Conversation: c.ID, Limit: 10})
			return err
		}, "find find"},
		"a receipt": {func() error {
			_, _, err := f.Store.MarkRead(t.Context(), u[1], c.ID, 2)
			return err
		}, "find find find insert update update"},
		"the position": {func() error {
			_, _, err := f.Store.Position(t.Context())
			return err
		}, "find"},
	} {
		f.Position(t) // the epoch is known
		if got := sent.of(func() {
			if err := c.do(); err != nil {
				t.Error(err)
			}
		}); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}
