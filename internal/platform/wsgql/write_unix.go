//go:build unix

package wsgql

import (
	"errors"
	"syscall"
)

// attempt is a write on a descriptor that does not wait. Its function is made
// once, so that a write allocates nothing.
type attempt struct {
	once func(fd uintptr) bool
	p    []byte
	n    int
	err  error
}

func (a *attempt) init() {
	a.once = func(fd uintptr) bool {
		for a.n < len(a.p) {
			n, err := syscall.Write(int(fd), a.p[a.n:])
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				return true
			case err != nil:
				a.err = err
				return true
			default:
				a.n += n
			}
		}
		return true // never wait for the descriptor
	}
}

// write takes as much as fits and never waits.
func (a *attempt) write(s *socket, p []byte) (int, error) {
	if s.raw == nil {
		return 0, nil
	}
	a.p, a.n, a.err = p, 0, nil
	err := s.raw.Write(a.once)
	a.p = nil
	if err == nil {
		err = a.err
	}
	return a.n, err
}
