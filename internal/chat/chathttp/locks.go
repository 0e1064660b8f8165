package chathttp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"

	"chatd/internal/platform/ids"
)

// locker keeps two requests from writing to one upload: in this process by
// tusd's locker, which asks the first to give way, and between nodes on one
// directory by a lock of the file system, which ends with its process.
// Nodes on one bucket need none: a part is written whole, and of two at one
// offset the longer one is kept.
type locker struct {
	memory *memorylocker.MemoryLocker
	dir    string // empty: no lock of the file system
}

func newLocker(dir string) *locker { return &locker{memorylocker.New(), dir} }

// NewLock implements handler.Locker.
func (l *locker) NewLock(id string) (handler.Lock, error) {
	if _, ok := ids.ParseAttachment(id); !ok {
		return nil, handler.ErrNotFound
	}
	inner, err := l.memory.NewLock(id)
	if err != nil {
		return nil, err
	}
	if l.dir == "" {
		return polite{inner}, nil
	}
	return &lock{inner: polite{inner}, path: filepath.Join(l.dir, id)}, nil
}

// gate is where a request that is asked to give way hears of it: once it
// writes, since tusd reads then what it has set before. One that does not write
// is soon over.
type gate struct {
	mu     sync.Mutex
	writes bool
	wanted func() // what gives way, when it was asked for before
}

type gateKey struct{}

// gated returns the context of a request that has a gate.
func gated(ctx context.Context) context.Context { return context.WithValue(ctx, gateKey{}, &gate{}) }

// writing says that the request of ctx writes from now on.
func writing(ctx context.Context) {
	g, ok := ctx.Value(gateKey{}).(*gate)
	if !ok {
		return
	}
	g.mu.Lock()
	giveWay := g.wanted
	g.writes, g.wanted = true, nil
	g.mu.Unlock()
	if giveWay != nil {
		giveWay()
	}
}

func (g *gate) ask(giveWay func()) {
	g.mu.Lock()
	writes := g.writes
	if !writes {
		g.wanted = giveWay
	}
	g.mu.Unlock()
	if writes {
		giveWay()
	}
}

// polite is a lock whose holder is asked to give way by his gate.
type polite struct{ inner handler.Lock }

// Lock implements handler.Lock.
func (p polite) Lock(ctx context.Context, giveWay func()) error {
	if g, ok := ctx.Value(gateKey{}).(*gate); ok {
		straight := giveWay
		giveWay = func() { g.ask(straight) }
	}
	return p.inner.Lock(ctx, giveWay)
}

// Unlock implements handler.Lock.
func (p polite) Unlock() error { return p.inner.Unlock() }

type lock struct {
	inner handler.Lock
	path  string
	file  *os.File
}

// Lock implements handler.Lock. What is not there needs no other lock than the
// process's: it cannot be written to.
func (l *lock) Lock(ctx context.Context, giveWay func()) error {
	if err := l.inner.Lock(ctx, giveWay); err != nil {
		return err
	}
	f, err := os.Open(l.path)
	if err != nil {
		return nil //nolint:nilerr // As above; whoever writes meets the error.
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			l.file = f
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(handler.ErrLockTimeout, f.Close(), l.inner.Unlock())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.Join(err, f.Close(), l.inner.Unlock())
}

// Unlock implements handler.Lock.
func (l *lock) Unlock() error {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, l.inner.Unlock())
}

// counts are the requests of each user that are at work.
type counts struct {
	mu sync.Mutex
	n  map[ids.User]int
}

func newCounts() *counts { return &counts{n: make(map[ids.User]int)} }

// begin counts one more, until done; false when there are as many as may be.
func (c *counts) begin(who ids.User, most int) (done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[who] >= most {
		return nil, false
	}
	c.n[who]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n[who]--; c.n[who] == 0 {
			delete(c.n, who)
		}
	}, true
}
