package feed

import "sync"

// maxHeld is how many live items wait while a replay is under way. When more
// come, they are dropped and read again from the store instead.
const maxHeld = 1024

type seamState uint8

const (
	idle seamState = iota // made, not started: live items are not wanted yet
	held                  // a replay is under way: live items wait
	live                  // live items pass
	over                  // ended or closed
)

// Seam joins a replay and the live items that follow it. Whoever produces
// live items calls Offer in order; whoever replays calls Begin, reads the
// store, and calls Release with the positions that his reading has reached.
// Positions rise within each of a number of lanes (one for each source), so
// that what was both replayed and offered passes once. It is safe for
// concurrent use; its lock is held while the sink is offered an item.
type Seam struct {
	mu      sync.Mutex
	state   seamState
	sink    Sink
	floor   []int64
	raise   func(Item, []int64) Item // makes an item's cursor no less than the floor; may be nil
	waiting []waitingItem
	overrun bool
	ended   bool
	endErr  error
}

type waitingItem struct {
	lane int
	pos  int64
	item Item
}

// NewSeam makes a Seam of so many lanes.
func NewSeam(lanes int) *Seam { return &Seam{floor: make([]int64, lanes)} }

// Start puts the seam in force for a sink: live items wait for Release when
// behind is set, else they pass from now on.
func (s *Seam) Start(sink Sink, behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != idle {
		return
	}
	s.sink, s.state = sink, live
	if behind {
		s.state = held
	}
	if s.ended {
		s.finish()
	}
}

// Offer passes a live item on, holds it back, or drops it when its position
// is not above what has passed in its lane. An item at position 0 has none:
// it passes only when the seam is live.
func (s *Seam) Offer(lane int, pos int64, it Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == live:
		s.pass(lane, pos, it)
	case s.state != held || pos == 0:
	case len(s.waiting) >= maxHeld:
		s.overrun, s.waiting = true, nil
	case !s.overrun:
		s.waiting = append(s.waiting, waitingItem{lane, pos, it})
	}
}

func (s *Seam) pass(lane int, pos int64, it Item) {
	if pos != 0 {
		if pos <= s.floor[lane] {
			return
		}
		s.floor[lane] = pos
	}
	if s.raise != nil {
		it = s.raise(it, s.floor)
	}
	if !s.sink.Offer(it) {
		s.state, s.waiting = over, nil
	}
}

// Begin forgets what has been held back: a reading of the store that starts
// now will contain it.
func (s *Seam) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overrun, s.waiting = false, nil
}

// Release lets live items above the reached positions through, those held
// back first. False means that more came than could be held: replay again
// from there.
func (s *Seam) Release(reached ...int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != held {
		return true
	}
	if s.overrun {
		return false
	}
	copy(s.floor, reached)
	s.state = live
	waiting := s.waiting
	s.waiting = nil
	for _, w := range waiting {
		if s.state == live {
			s.pass(w.lane, w.pos, w.item)
		}
	}
	if s.ended && s.state == live {
		s.finish()
	}
	return true
}

// End ends the stream: the sink is told once, when what was offered before
// has passed.
func (s *Seam) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.state == over {
		return
	}
	s.ended, s.endErr = true, err
	if s.state == live {
		s.finish()
	}
}

func (s *Seam) finish() {
	s.state, s.waiting = over, nil
	s.sink.End(s.endErr)
}

// Ended says whether the stream is to end or has ended, and why.
func (s *Seam) Ended() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended || s.state == over, s.endErr
}

// Close ends the stream without telling the sink. Once it has returned,
// nothing more is offered.
func (s *Seam) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.waiting = over, nil
}
