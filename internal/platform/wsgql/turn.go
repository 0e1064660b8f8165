package wsgql

import "chatd/internal/platform/turn"

// A socket's mutations begin one after the other, so that what a client sends
// without waiting for answers is stored in the order sent. The next begins
// when the one before it has ended or, if it has a single root field, when it
// has passed its turn: then several share a commit.

// inTurn gives op its turn, or lets it wait: then it returns false, and whoever
// passes the turn starts op. Those that wait are bounded by the slots.
func (s *socket) inTurn(op *operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mutating {
		s.mutations = append(s.mutations, op)
		return false
	}
	s.mutating = true
	return true
}

// runInTurn runs op, and then those whose turn it is.
func (op *operation) runInTurn() {
	for op != nil {
		if op.prepared.Single() {
			op.ctx = turn.With(op.ctx, op.pass)
		}
		op.run()
		op = op.yield()
	}
}

// pass starts the next mutation beside op.
func (op *operation) pass() {
	if next := op.yield(); next != nil {
		op.sock.hold()
		go op.sock.perform(next)
	}
}

// yield takes the turn from op, once, and returns who has it now; nil for
// nobody.
func (op *operation) yield() *operation {
	s := op.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if op.passed {
		return nil
	}
	op.passed = true
	if len(s.mutations) == 0 {
		s.mutating, s.mutations = false, nil
		return nil
	}
	next := s.mutations[0]
	s.mutations[0] = nil
	s.mutations = s.mutations[1:]
	return next
}
