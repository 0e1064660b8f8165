package feed

import "sync"

// early are the signals that come before the stream is live.
type early struct {
	mu      sync.Mutex
	state   seamState // idle until the stream begins
	waiting []Item
	lost    bool // more came than are kept
}

// hold begins to keep what comes; a snapshot from now on has what was kept
// before.
func (e *early) hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.waiting, e.lost = held, nil, false
}

// take passes a signal on when the stream is live, and else keeps it.
func (e *early) take(seam *Seam, it Item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.state == live:
		seam.Offer(0, 0, it)
	case e.state != held:
	case len(e.waiting) >= maxHeld:
		e.lost, e.waiting = true, nil
	case !e.lost:
		e.waiting = append(e.waiting, it)
	}
}

// overrun says whether signals have been lost, so that a snapshot is needed.
func (e *early) overrun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}

// release lets signals through, those that were kept first. The seam is live.
func (e *early) release(seam *Seam) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, it := range e.waiting {
		seam.Offer(0, 0, it)
	}
	e.state, e.waiting = live, nil
}
