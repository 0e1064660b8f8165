package usertest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/user"
)

// Board is a user.Board in memory.
type Board struct {
	mu    sync.Mutex
	away  bool
	notes map[string]note
}

type note struct {
	report []byte
	at     time.Time
	lasts  time.Duration
}

var _ user.Board = (*Board)(nil)

// NewBoard returns an empty board.
func NewBoard() *Board { return &Board{notes: map[string]note{}} }

// Away lets every exchange fail, or no longer.
func (b *Board) Away(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// Empty forgets everything.
func (b *Board) Empty() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.notes)
}

// Exchange implements user.Board.
func (b *Board) Exchange(_ context.Context, node string, report []byte, lasts time.Duration) ([]user.Notice, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return nil, errs.ErrUnavailable
	}
	delete(b.notes, node)
	var others []user.Notice
	for name, n := range b.notes {
		age := time.Since(n.at)
		if age >= n.lasts {
			delete(b.notes, name)
			continue
		}
		others = append(others, user.Notice{Report: bytes.Clone(n.report), Age: age})
	}
	if lasts > 0 {
		b.notes[node] = note{bytes.Clone(report), time.Now(), lasts}
	}
	return others, nil
}

// RunBoard holds a board to what user.Board promises. open returns as many
// ways to one empty board, as nodes have them. pass waits: it is given short
// times only.
func RunBoard(t *testing.T, open func(t *testing.T, ways int) []user.Board, pass func(time.Duration)) {
	t.Helper()
	exchange := func(t *testing.T, b user.Board, node, report string, lasts time.Duration) map[string]time.Duration {
		t.Helper()
		found, err := b.Exchange(t.Context(), node, []byte(report), lasts)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]time.Duration{}
		for _, n := range found {
			got[string(n.Report)] = n.Age
		}
		return got
	}
	t.Run("nodes see each other's last report", func(t *testing.T) {
		t.Parallel()
		b := open(t, 3)
		wantReports(t, "the first", exchange(t, b[0], "a", "a1", time.Minute))
		wantReports(t, "the second", exchange(t, b[1], "b", "b1 \x00\xff\n", time.Minute), "a1")
		wantReports(t, "the first again", exchange(t, b[0], "a", "a2", time.Minute), "b1 \x00\xff\n")
		wantReports(t, "the third", exchange(t, b[2], "c", "", time.Minute), "a2", "b1 \x00\xff\n")
		wantReports(t, "and once more", exchange(t, b[1], "b", "b2", time.Minute), "a2", "")
	})
	t.Run("who leaves is not seen any more", func(t *testing.T) {
		t.Parallel()
		b := open(t, 2)
		exchange(t, b[0], "a", "a1", time.Minute)
		exchange(t, b[0], "a", "", 0)
		wantReports(t, "after", exchange(t, b[1], "b", "b1", time.Minute))
	})
	t.Run("reports have an age and end", func(t *testing.T) {
		t.Parallel()
		b := open(t, 2)
		begin := time.Now()
		exchange(t, b[0], "a", "a1", time.Minute)
		pass(300 * time.Millisecond)
		got := exchange(t, b[1], "b", "b1", time.Minute)
		if age, most := got["a1"], time.Since(begin)+10*time.Millisecond; age < 250*time.Millisecond || age > most {
			t.Errorf("after 300 ms its age is %v", age)
		}
		exchange(t, b[0], "a", "a2", 300*time.Millisecond)
		pass(400 * time.Millisecond)
		wantReports(t, "when it has ended", exchange(t, b[1], "b", "b1", time.Minute))
		wantReports(t, "the other stays", exchange(t, b[0], "a", "a3", time.Minute), "b1")
	})
	t.Run("a long report", func(t *testing.T) {
		t.Parallel()
		b := open(t, 2)
		long := string(bytes.Repeat([]byte("0123456789abcdef"), 64<<10)) // 10,000 people and more
		exchange(t, b[0], "a", long, time.Minute)
		wantReports(t, "it", exchange(t, b[1], "b", "b1", time.Minute), long)
	})
}

// wantReports compares what was found with the reports that should be there.
func wantReports(t *testing.T, when string, got map[string]time.Duration, reports ...string) {
	t.Helper()
	if len(got) != len(reports) {
		t.Errorf("%s: %v", when, got)
	}
	for _, r := range reports {
		if _, ok := got[r]; !ok {
			t.Errorf("%s: %v, want %q", when, got, r)
		}
	}
}
