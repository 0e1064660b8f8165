package fanout

import (
	"context"
	"errors"
	"sync"
)

// Why a mailbox did not take something.
var (
	ErrFull   = errors.New("mailbox is full")
	ErrClosed = errors.New("mailbox is closed")
)

// Bounds limit what a Mailbox holds: what is waiting and what its reader has
// taken but not yet reported as Done.
type Bounds struct {
	Count int // items waiting
	Bytes int // sum of the sizes given with them
}

// Mailbox is a bounded queue with any number of writers and one reader, which
// takes everything at once. Init must be called before use.
//
// The reader's side: wake is called when there is something to take and the
// reader is at rest. It then calls Take and, when it is finished with what it
// got, Done, which tells whether to Take again; while it is busy between the
// two, wake is not called.
type Mailbox[E any] struct {
	bounds *Bounds
	wake   func()

	mu      sync.Mutex
	items   []E
	waiting int           // bytes of items
	taken   int           // bytes taken and not yet Done
	busy    bool          // the reader has been woken and is not at rest
	closed  bool          // takes nothing more
	room    chan struct{} // closed when half of the bytes are free again; nil when nobody waits
}

// Init prepares m. Bounds may be shared by many mailboxes. wake is called
// without m's lock, by whichever goroutine put the first item in; it must not
// block.
func (m *Mailbox[E]) Init(b *Bounds, wake func()) { m.bounds, m.wake = b, wake }

// Offer puts e in, without blocking. It returns ErrFull when that would break
// the bounds, and ErrClosed after Close. An empty mailbox takes one item of
// any size.
func (m *Mailbox[E]) Offer(e E, size int) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if held := m.waiting + m.taken; len(m.items) >= m.bounds.Count || held > 0 && held+size > m.bounds.Bytes {
		m.mu.Unlock()
		return ErrFull
	}
	m.put(e, size)
	return nil
}

// Put puts e in as soon as half of the bytes are free, or at once where it
// fits into that half. It returns ErrClosed after Close, or the context's
// error.
func (m *Mailbox[E]) Put(ctx context.Context, e E, size int) error {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return ErrClosed
		}
		held := m.waiting + m.taken
		if len(m.items) <= m.bounds.Count/2 && (held == 0 || held+size <= m.bounds.Bytes/2) {
			m.put(e, size)
			return nil
		}
		if m.room == nil {
			m.room = make(chan struct{})
		}
		room := m.room
		m.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Claim makes the caller the reader of a mailbox that is empty and whose
// reader is at rest: what is of that size he deals with himself instead of
// putting it in, and calls Done. False says that the mailbox is not so.
func (m *Mailbox[E]) Claim(size int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.busy {
		return false
	}
	m.busy, m.taken = true, size
	return true
}

// put appends and wakes. m.mu is held and released.
func (m *Mailbox[E]) put(e E, size int) {
	m.items = append(m.items, e)
	m.waiting += size
	wake := !m.busy
	m.busy = true
	m.mu.Unlock()
	if wake {
		m.wake()
	}
}

// Close ends the mailbox; it reports whether this call was the one that did.
// The last items are put in past all bounds, and the reader still gets them.
// With drop, what was waiting before is thrown away.
func (m *Mailbox[E]) Close(drop bool, last ...E) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.closed = true
	if drop {
		m.items, m.waiting = nil, 0
	}
	m.items = append(m.items, last...)
	wake := !m.busy && len(m.items) > 0
	m.busy = m.busy || wake
	if m.room != nil {
		close(m.room)
		m.room = nil
	}
	m.mu.Unlock()
	if wake {
		m.wake()
	}
	return true
}

// Closed says whether Close has been called.
func (m *Mailbox[E]) Closed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Take returns everything that is waiting, in order. The mailbox goes on with
// the memory of spare, whose content is lost; nil is fine. Only the reader
// calls it, and calls Done before it takes again.
func (m *Mailbox[E]) Take(spare []E) []E {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = spare[:0]
	m.taken, m.waiting = m.waiting, 0
	return items
}

// Done reports that what was taken is dealt with. True means that more is
// waiting and the reader must Take again, now or later; false that it is at
// rest until wake.
func (m *Mailbox[E]) Done() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = 0
	if m.room != nil && m.waiting <= m.bounds.Bytes/2 && len(m.items) <= m.bounds.Count/2 {
		close(m.room)
		m.room = nil
	}
	m.busy = len(m.items) > 0
	return m.busy
}

// Len returns how many items wait and how many bytes the mailbox holds,
// counting what has been taken and is not Done.
func (m *Mailbox[E]) Len() (items, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items), m.waiting + m.taken
}
