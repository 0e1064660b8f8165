package chat

import (
	"fmt"
	"testing"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// secretive is the users who hide how far they have read.
type secretive map[ids.User]bool

func (s secretive) HidesReads(u ids.User) bool { return s[u] }

// How far a message has come, by the positions of the others: each is written
// as joined/delivered/read, with a minus where he hides and an exclamation mark
// where he has marked something unread.
func TestHowFarAMessageHasComeFollowsFromPositions(t *testing.T) {
	t.Parallel()
	sender, others := ids.New[ids.User](), []ids.User{ids.New[ids.User](), ids.New[ids.User]()}
	type at struct {
		joined, delivered, read, seen int64
		hides                         bool
	}
	for name, tt := range map[string]struct {
		others  []at
		hides   bool // the sender does
		state   DeliveryState
		readers int
	}{
		"nobody else is there":                         {nil, false, Sent, 0},
		"the other has nothing":                        {[]at{{0, 4, 4, 0, false}}, false, Sent, 0},
		"the other has it":                             {[]at{{0, 5, 4, 0, false}}, false, Delivered, 0},
		"the other has read it":                        {[]at{{0, 5, 5, 0, false}}, false, Read, 1},
		"the other has read on":                        {[]at{{0, 9, 9, 0, false}}, false, Read, 1},
		"the other has read it and marked it unread":   {[]at{{0, 5, 2, 5, false}}, false, Read, 1},
		"the other has read it and hides that":         {[]at{{0, 5, 5, 0, true}}, false, Delivered, 0},
		"the other has read it and the sender hides":   {[]at{{0, 5, 5, 0, false}}, true, Delivered, 0},
		"one of two has it":                            {[]at{{0, 5, 5, 0, false}, {0, 4, 4, 0, false}}, false, Sent, 1},
		"both have it, one has read it":                {[]at{{0, 5, 5, 0, false}, {0, 5, 4, 0, false}}, false, Delivered, 1},
		"both have read it":                            {[]at{{0, 5, 5, 0, false}, {0, 6, 6, 0, false}}, false, Read, 2},
		"both have read it, one hides that":            {[]at{{0, 5, 5, 0, true}, {0, 6, 6, 0, false}}, false, Delivered, 1},
		"the only other came later":                    {[]at{{5, 9, 9, 0, false}}, false, Sent, 0},
		"one has read it, another came later":          {[]at{{0, 5, 5, 0, false}, {7, 9, 9, 0, false}}, false, Read, 1},
		"one came later, and the one before is behind": {[]at{{0, 3, 3, 0, false}, {7, 9, 9, 0, false}}, false, Sent, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hide := secretive{sender: tt.hides}
			members := []Member{{User: sender, ReadSeq: 9, DeliveredSeq: 9}}
			for i, o := range tt.others {
				hide[others[i]] = o.hides
				members = append(members, Member{
					User: others[i], JoinedSeq: o.joined, DeliveredSeq: o.delivered, ReadSeq: o.read, SeenSeq: o.seen,
				})
			}
			s := &Service{Deps: Deps{Discretion: hide}}
			m := Message{Sender: sender, Seq: 5}
			if got := s.DeliveryStateOf(sender, m, members); got != tt.state {
				t.Errorf("%s instead of %s", got, tt.state)
			}
			if got := s.ReadBy(sender, m, members); len(got) != tt.readers {
				t.Errorf("%d readers instead of %d", len(got), tt.readers)
			}
		})
	}
}

// What an event of a receipt shows to its member, to others, and to those who
// share nothing.
func TestAReceiptIsShownToThoseWhoShareTheirsAndNeverGoesBack(t *testing.T) {
	t.Parallel()
	ada, bob, eve := ids.New[ids.User](), ids.New[ids.User](), ids.New[ids.User]()
	s := &Service{Deps: Deps{Discretion: secretive{eve: true}}}
	shown := func(viewer, of ids.User, read, seen int64) string {
		e := outwardly(&Event{Kind: ReceiptChanged, Receipt: &Receipt{User: of, ReadSeq: read, DeliveredSeq: 9, SeenSeq: seen}})
		if e = s.shownTo(viewer, e); e == nil {
			return "nothing"
		}
		return fmt.Sprint(e.Receipt.ReadSeq, e.Receipt.SeenSeq)
	}
	for _, tt := range []struct {
		viewer, of ids.User
		want       string
	}{
		{ada, ada, "3 7"}, {bob, ada, "7 0"}, {eve, ada, "nothing"}, {eve, eve, "3 7"}, {bob, eve, "nothing"},
	} {
		if got := shown(tt.viewer, tt.of, 3, 7); got != tt.want {
			t.Errorf("%s instead of %s", got, tt.want)
		}
	}
	if got := shown(bob, ada, 8, 7); got != "8 7" {
		t.Errorf("read on: %s", got)
	}
	set := &Event{Kind: SettingsChanged, Settings: &SettingsOf{User: ada}}
	if s.shownTo(bob, set) != nil || s.shownTo(ada, set) != set {
		t.Error("settings are not their member's alone")
	}
}

// A follower that joins while a position goes back has it right whichever of
// the two it hears of first.
func TestAStandingThatIsOlderThanAnEventDoesNotCount(t *testing.T) {
	t.Parallel()
	user, room := ids.New[ids.User](), ids.New[ids.Conversation]()
	hub := fanout.NewHub[ids.Conversation, *Event]()
	s := &Service{hub: hub}
	var unread []int32
	f := &follower{
		user: user, hub: hub, shown: s.shownTo, in: map[ids.Conversation]*following{},
		to: func(e feed.Entry) { unread = append(unread, e.Unread) },
	}
	f.join(room, 5, 10)
	hub.Publish(room, &Event{Kind: ReceiptChanged, Conversation: room, Pos: 12, LastOrd: 5, Receipt: &Receipt{User: user, ReadOrd: 2, SeenSeq: 5}})
	f.join(room, 5, 11) // read before the event
	hub.Publish(room, &Event{Kind: MessageChanged, Conversation: room, Pos: 13, LastOrd: 5, Message: &Message{}})
	f.join(room, 4, 13) // read after it: another device has read on
	hub.Publish(room, &Event{Kind: MessageChanged, Conversation: room, Pos: 15, LastOrd: 5, Message: &Message{}})
	if fmt.Sprint(unread) != "[3 3 1]" {
		t.Errorf("unread %v", unread)
	}
}
