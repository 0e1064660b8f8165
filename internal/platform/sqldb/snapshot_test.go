package sqldb_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func TestSnapshotsAtOnceDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		const n = 30 // more than there are connections
		var inside atomic.Int32
		crowded := make(chan struct{})
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := db.Snapshot(ctx, func(q sqldb.Querier) error {
					if inside.Add(1) == n {
						close(crowded)
					}
					select { // let as many in as there is room for
					case <-crowded:
					case <-time.After(20 * time.Millisecond):
					}
					var got int // by a statement that nobody has prepared
					return q.QueryRow(ctx, fmt.Sprintf("SELECT %d", i)).Scan(&got)
				})
				if err != nil {
					t.Errorf("snapshot %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}
