package sqldb

import (
	"context"
)

// Item is one caller's part of a batch.
type Item[T any] struct {
	// Value is what the caller gave, and gets back as apply leaves it.
	Value T
	// Err, set by apply, fails this item alone; apply must not have written
	// for it.
	Err error
}

// Batcher lets one call apply what many callers want written at the same time,
// so that they share statements as well as the commit.
type Batcher[T any] struct {
	lane  *Lane
	max   int
	apply func(tx *Tx, items []*Item[T]) error
	items []*Item[T] // the committer's, used again
}

type batch interface {
	limit() int
	run(tx *Tx, jobs []*job) error
}

// NewBatcher returns a batcher on that lane, which gives apply at most limit
// items at once. apply is called like a job of Write: by the lane's goroutine,
// perhaps again with the same items after what it did was undone. It may keep
// the items until the answers to what it has asked for later (Tx.Later) are
// there, not the slice. When it fails or panics with several items it is called
// again for each of them alone, so that only those fail that must.
func NewBatcher[T any](l *Lane, limit int, apply func(tx *Tx, items []*Item[T]) error) *Batcher[T] {
	return &Batcher[T]{lane: l, max: max(limit, 1), apply: apply}
}

// call is an item with what its caller gave, for another try.
type call[T any] struct {
	job
	Item[T]
	given T
}

// Do has v applied and returns it as apply left it, after the commit. Its
// errors are the item's, apply's, and those of Lane.Write.
func (b *Batcher[T]) Do(ctx context.Context, v T) (T, error) {
	c := &call[T]{given: v}
	c.batch, c.item, c.done = b, c, make(chan struct{})
	if err := b.lane.do(ctx, &c.job); err != nil {
		return v, err
	}
	return c.Value, c.Err
}

func (b *Batcher[T]) limit() int { return b.max }

func (b *Batcher[T]) run(tx *Tx, jobs []*job) error {
	b.items = b.items[:0]
	for _, j := range jobs {
		c := j.item.(*call[T]) //nolint:forcetypeassert // Do made it.
		c.Item = Item[T]{Value: c.given}
		b.items = append(b.items, &c.Item)
	}
	defer clear(b.items)
	return b.apply(tx, b.items)
}
