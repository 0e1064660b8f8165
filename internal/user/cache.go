package user

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"chatd/internal/platform/ids"
)

// cache keeps the profiles looked at last. What it holds is never older than
// the last change that this process has made or heard of: a read that a change
// overtook is not kept.
//
// It also says which profiles that others have kept (Shelf) are new enough. A
// floor is the UpdatedAt of a user's last change that this node knows of. Of
// every change after the position line there is a floor; so a profile that was
// read after the changes up to line, and is not below its floor, misses none
// that this node knows of.
type cache struct {
	mu      sync.Mutex
	recent  *lru.LRU[ids.User, Profile]
	changes uint64 // counts them
	floors  *lru.LRU[ids.User, floor]
	line    int64
	heard   int64 // the position up to which changes are known
}

type floor struct {
	at  time.Time
	pos int64 // 0 of a change of our own that is not heard of yet
}

// floorsKept bounds the floors; when one goes, the line rises.
const floorsKept = 65_536

func newCache(size int) *cache {
	recent, err := lru.NewLRU[ids.User, Profile](size, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	c := &cache{recent: recent}
	c.floors, err = lru.NewLRU(floorsKept, func(_ ids.User, f floor) {
		if f.pos == 0 {
			f.pos = c.heard
		}
		c.line = max(c.line, f.pos)
	})
	if err != nil {
		panic(err)
	}
	return c
}

// find calls found for each that is kept, and returns the others and a mark to
// keep them by once they have been read.
func (c *cache) find(of []ids.User, found func(Profile)) (missing []ids.User, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range of {
		if p, ok := c.recent.Get(id); ok {
			found(p)
		} else {
			missing = append(missing, id)
		}
	}
	return missing, c.changes
}

// keep takes what was read after find gave the mark.
func (c *cache) keep(mark uint64, read []Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mark != c.changes {
		return
	}
	for _, p := range read {
		c.recent.Add(p.ID, p)
	}
}

// changed takes what became of an update that began at the mark. The profile is
// kept when the update succeeded and no other came in between; what was kept
// before is forgotten in any case.
func (c *cache) changed(mark uint64, id ids.User, p Profile, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok {
		c.raise(id, floor{at: p.UpdatedAt})
	}
	if ok && mark == c.changes {
		c.recent.Add(id, p)
	} else {
		c.recent.Remove(id)
	}
	c.changes++
}

// raise notes a user's last change. c.mu is held.
func (c *cache) raise(id ids.User, f floor) {
	if old, ok := c.floors.Peek(id); ok && !old.at.Before(f.at) {
		f.at, f.pos = old.at, max(old.pos, f.pos)
	}
	c.floors.Add(id, f)
}

// hear takes a change of the log.
func (c *cache) hear(pos int64, id ids.User, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raise(id, floor{at, pos})
	if p, ok := c.recent.Peek(id); ok && p.UpdatedAt.Before(at) {
		c.recent.Remove(id)
	}
	c.changes++ // a read that is under way may have missed it
}

// reach says that all changes up to a position have been heard.
func (c *cache) reach(pos int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = max(c.heard, pos)
}

// begin says that changes are heard from a position on.
func (c *cache) begin(line int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line, c.heard = line, line
}

// position is that up to which changes are known; what is read from the store
// from now on misses none of them.
func (c *cache) position() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// fit returns those of the kept that are new enough.
func (c *cache) fit(kept []Kept) (fit []Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range kept {
		f, ok := c.floors.Peek(k.ID)
		if k.Stamp >= c.line && (!ok || !k.UpdatedAt.Before(f.at)) {
			fit = append(fit, k.Profile)
		}
	}
	return fit
}

// mark is for an update about to begin.
func (c *cache) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}
