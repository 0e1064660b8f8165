package main

import (
	"testing"
	"time"
)

// Friends see who is there without a conversation in common, from the moment
// they are friends until they are not; who is asked to be one sees nothing.
func TestFriendsSeeEachOtherWithoutAConversation(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada, bob, eve := p.register(t, "ada"), p.register(t, "bob"), p.register(t, "eve")
	p.relate(t, "sendFriendRequest", eve, bob)
	evil := p.dial(t, eve)
	overheard, watched := hearPresence(t, evil, nil), hearWatched(t, evil, bob)
	receive(t, overheard) // StreamStarted
	listens := p.dial(t, ada)
	hears, watches := hearPresence(t, listens, nil), hearWatched(t, listens, bob)
	begin := receive(t, hears)
	there := p.dial(t, bob)
	barrier(t, there)
	p.awaitSeen(t, 10*time.Second, bob, bob, "ONLINE")
	if status, at := p.seen(t, ada, bob); status != "OFFLINE" || at != "" {
		t.Errorf("a stranger sees %s, %q", status, at)
	}

	p.befriend(t, ada, bob)
	wantChange(t, hears, bob, "ONLINE")
	if e := receive(t, watches); e.Status != "ONLINE" || e.User.ID != bob.id {
		t.Errorf("who watches is told %+v", e)
	}
	if status, at := p.seen(t, ada, bob); status != "ONLINE" || at == "" {
		t.Errorf("a friend sees %s, %q", status, at)
	}
	p.setPresence(t, bob, "BUSY")
	wantChange(t, hears, bob, "BUSY")
	again := hearPresence(t, p.dial(t, ada), begin.Cursor)
	for e := receive(t, again); e.Type != "CaughtUp"; e = receive(t, again) {
		if e.Type == "PresenceChanged" {
			t.Errorf("replayed: %s", e)
		}
	}
	if e := receive(t, again); e.String() != "PresenceSnapshot ONLINE BUSY" && e.String() != "PresenceSnapshot BUSY ONLINE" {
		t.Errorf("there are %s", e)
	}
	p.setPresence(t, bob, "OFFLINE")
	wantChange(t, hears, bob, "OFFLINE")
	p.setPresence(t, bob, "ONLINE")
	wantChange(t, hears, bob, "ONLINE")

	p.relate(t, "removeFriend", bob, ada)
	wantChange(t, hears, bob, "OFFLINE")
	if status, at := p.seen(t, ada, bob); status != "OFFLINE" || at != "" {
		t.Errorf("who was a friend sees %s, %q", status, at)
	}
	p.befriend(t, ada, bob)
	wantChange(t, hears, bob, "ONLINE")
	p.relate(t, "blockUser", bob, ada)
	wantChange(t, hears, bob, "OFFLINE")
	p.relate(t, "unblockUser", bob, ada)
	p.setPresence(t, bob, "AWAY")
	p.awaitSeen(t, 10*time.Second, bob, bob, "AWAY")

	// Whoever was never a friend has heard of nobody but themselves.
	p.setPresence(t, eve, "BUSY")
	wantChange(t, overheard, eve, "BUSY")
	select {
	case e := <-watched:
		t.Errorf("who has only asked was told %+v", e)
	default:
	}
}
