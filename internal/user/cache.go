package user

import (
	"sync"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"chatd/internal/platform/ids"
)

// cache keeps the profiles looked at last. What it holds is never older than
// the last change that this process has made: a read that a change overtook is
// not kept.
type cache struct {
	mu      sync.Mutex
	recent  *lru.LRU[ids.User, Profile]
	changes uint64 // counts them
}

func newCache(size int) *cache {
	recent, err := lru.NewLRU[ids.User, Profile](size, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &cache{recent: recent}
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
	if ok && mark == c.changes {
		c.recent.Add(id, p)
	} else {
		c.recent.Remove(id)
	}
	c.changes++
}

// mark is for an update about to begin.
func (c *cache) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}
