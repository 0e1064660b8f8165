package wsgql

import (
	"context"
	"time"
)

const restartReason = "The server is restarting."

// Drain refuses new sockets and ends those that are there with 1012, spread
// over a short time. Operations that are running finish first, within
// Config.DrainGrace, and their answers are sent; later ones are not begun. It
// returns when all sockets are gone; if ctx ends before, it cuts off the rest
// and returns the context's error. A drained Server cannot be used again; to
// drain it again does no harm.
func (s *Server) Drain(ctx context.Context) error {
	sockets, empty := s.registry.drain()
	spread := min(s.cfg.DrainSpread, time.Duration(len(sockets))*2*time.Millisecond)
	if end, ok := ctx.Deadline(); ok {
		spread = min(spread, time.Until(end)/4)
	}
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	begun, left := time.Now(), sockets
	for len(left) > 0 {
		n := len(left)
		if passed := time.Since(begun); passed < spread {
			n = max(1, int(float64(len(sockets))*float64(passed)/float64(spread))-(len(sockets)-len(left)))
		}
		for _, sock := range left[:n] {
			sock.drain()
		}
		if left = left[n:]; len(left) == 0 {
			break
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	err := s.drained(ctx, sockets, empty)
	s.end.Do(func() {
		close(s.stop)
		s.queue.close()
	})
	s.workers.Wait()
	return err
}

// drained waits for the sockets to go, and helps those that do not.
func (s *Server) drained(ctx context.Context, sockets []*socket, empty <-chan struct{}) error {
	grace := time.NewTimer(s.cfg.DrainGrace)
	defer grace.Stop()
	select {
	case <-empty:
		return nil
	case <-grace.C:
		for _, sock := range sockets {
			if sock.isReady() {
				sock.shut(codeRestart, restartReason, false)
			}
		}
	case <-ctx.Done():
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, sock := range sockets {
		if sock.isReady() {
			sock.kill()
		}
	}
	select {
	case <-empty:
	case <-time.After(s.cfg.Linger): // something running does not heed its context
	}
	return ctx.Err()
}

// drain begins nothing more on the socket, and closes it when nothing is
// running.
func (s *socket) drain() {
	s.mu.Lock()
	s.draining = true
	idle := s.ready && s.running == 0
	s.mu.Unlock()
	if idle {
		s.shut(codeRestart, restartReason, false)
	}
}
