package bus

import "slices"

// Hearer is one broadcast handler with what waits for it, for implementations
// of Bus.
type Hearer struct {
	Topics []string
	handle func(Envelope)
	queue  chan Envelope
}

// NewHearer returns the hearer of some topics, for which at most room events
// may wait.
func NewHearer(topics []string, handle func(Envelope), room int) *Hearer {
	return &Hearer{Topics: slices.Clone(topics), handle: handle, queue: make(chan Envelope, room)}
}

// Offer reports false when e is lost.
func (h *Hearer) Offer(e Envelope) bool {
	if !slices.Contains(h.Topics, e.Topic) {
		return true
	}
	select {
	case h.queue <- e.Clone():
		return true
	default:
		return false
	}
}

// Work hands events to the handler until quit is closed.
func (h *Hearer) Work(quit <-chan struct{}) {
	for {
		select {
		case <-quit:
			return
		case e := <-h.queue:
			h.handle(e)
		}
	}
}
