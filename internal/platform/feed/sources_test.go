package feed_test

import (
	"testing"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/ids"
)

// A cursor of before a source came goes on where it was, and with all that the
// new source has, as long as that has no epoch of its own.
func TestASourceThatComesLaterLeavesCursorsGood(t *testing.T) {
	t.Parallel()
	who := ids.New[ids.User]()
	one, two := newSource(), newSource()
	two.epoch = ""
	one.add()
	sealed := codec(t, nil)
	cursor, err := feed.NewViewers(sealed, feed.Config{}, one).Now(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	one.add()
	two.add()
	two.add()
	two.add()
	poll := func(v *feed.Viewers) (got []int64, err error) {
		items, _, _, err := v.Poll(t.Context(), who, cursor, 10)
		for _, it := range items {
			n, _ := it.Event.(*int64)
			got = append(got, *n)
		}
		return got, err
	}
	if got, err := poll(feed.NewViewers(sealed, feed.Config{}, one, two)); err != nil || len(got) != 4 || got[0] != 2 || got[1] != 1 || got[3] != 3 {
		t.Errorf("after it: %v, %v", got, err)
	}
	two.epoch = "its own"
	if got, err := poll(feed.NewViewers(sealed, feed.Config{}, one, two)); err == nil {
		t.Errorf("of other data: %v", got)
	}
}
