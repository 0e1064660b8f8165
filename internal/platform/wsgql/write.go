package wsgql

import "time"

// writeWaiting waits until p is written, or the write timeout.
func writeWaiting(s *socket, p []byte) (int, error) {
	if err := s.nc.SetWriteDeadline(time.Now().Add(s.srv.cfg.WriteTimeout)); err != nil {
		return 0, err
	}
	n, err := s.nc.Write(p)
	if err == nil {
		s.seen() // the peer's system has taken something
	}
	return n, err
}

// writeBlocked is the writer of a socket whose connection is full: it may
// wait, for at most the write timeout at a time. It ends when nothing is left,
// and the flushers have the socket again.
func (s *socket) writeBlocked(rest []byte, entries []entry) {
	defer s.release()
	s.srv.metrics.count(s.shard, blockedWrites, 1)
	if _, err := writeWaiting(s, rest); err != nil {
		s.kill()
		s.box.Done()
		return
	}
	f := &flusher{srv: s.srv, shard: s.shard}
	for {
		f.emit(s, entries, writeWaiting)
		// Before Done: afterwards a flusher may have the connection.
		_ = s.nc.SetWriteDeadline(time.Time{})
		if !s.box.Done() {
			return
		}
		entries = s.box.Take(nil)
	}
}
