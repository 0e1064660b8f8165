package loadgen

import (
	"slices"
	"testing"
	"time"
)

func TestAMarkerIsFoundAgain(t *testing.T) {
	t.Parallel()
	m := mark{run: 1<<62 - 1, stream: 399, n: 9_999_999, at: int64(time.Hour)}
	payload := []byte(`{"data":{"messageAdded":{"id":"x","seq":70123,"text":"` + m.text(300) + `"}}}`)
	got, ok := findMark(payload)
	if !ok || got != m || findSeq(payload) != 70123 || len(m.text(300)) != 300 {
		t.Fatal(got, ok, findSeq(payload))
	}
	for _, text := range []string{"", "hello", markerWord, markerWord + "1:2:3", markerWord + "1:2:3:", markerWord + "1:x:3:4:"} {
		if got, ok := findMark([]byte(text)); ok {
			t.Errorf("%q holds %+v", text, got)
		}
	}
}

func TestATrackTellsWhatIsLostDoubledAndLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		came       []int
		want       []sight
		sent, lost int
		unacked    map[int]struct{}
	}{
		"all in order":             {came: []int{0, 1, 2}, want: []sight{inOrder, inOrder, inOrder}, sent: 3},
		"one overtaken":            {came: []int{0, 2, 1}, want: []sight{inOrder, inOrder, reordered}, sent: 3},
		"one twice":                {came: []int{0, 0, 1}, want: []sight{inOrder, doubled, inOrder}, sent: 2},
		"an overtaken one twice":   {came: []int{1, 0, 0}, want: []sight{inOrder, reordered, doubled}, sent: 2},
		"holes and a missing tail": {came: []int{1, 3}, want: []sight{inOrder, inOrder}, sent: 6, lost: 4},
		"only what was not stored": {came: []int{1}, want: []sight{inOrder}, sent: 3, unacked: map[int]struct{}{0: {}, 2: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tr track
			var got []sight
			for _, n := range c.came {
				got = append(got, tr.see(n))
			}
			if lost := tr.lost(c.sent, c.unacked); !slices.Equal(got, c.want) || lost != c.lost {
				t.Errorf("%v, %d lost", got, lost)
			}
		})
	}
}

func TestQuantilesAreWithinAThirtiethOfTheTruth(t *testing.T) {
	t.Parallel()
	var l latencies
	for i := range 10_000 {
		l.add(time.Duration(i+1) * time.Microsecond)
	}
	for i, got := range l.quantiles(0, 0.5, 0.99, 1) {
		want := []time.Duration{time.Microsecond, 5 * time.Millisecond, 9900 * time.Microsecond, 10 * time.Millisecond}[i]
		if d := float64(got-want) / float64(want); d < -0.034 || d > 0.034 {
			t.Errorf("%s, not %s", got, want)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 63, 64, 65, time.Hour, 1<<63 - 1} {
		if b := bucketOf(d); b < 0 || b >= len(l.buckets) || upperEdge(b) < d {
			t.Errorf("%d is in bucket %d, which ends at %d", d, b, upperEdge(b))
		}
	}
}
