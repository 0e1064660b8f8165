package loadgen

import (
	"bytes"
	"strconv"
)

// markerWord begins the marker in a text.
const markerWord = "chatd-bench:"

// mark is what a marker says: of which run and stream, the number in the
// stream, and when it was sent, in nanoseconds since the run began.
type mark struct {
	run    int64
	stream int
	n      int
	at     int64
}

// text makes a message of about size bytes that begins with the marker.
func (m mark) text(size int) string {
	b := append(make([]byte, 0, max(size, 64)), markerWord...)
	for _, v := range []int64{m.run, int64(m.stream), int64(m.n), m.at} {
		b = append(strconv.AppendInt(b, v, 10), ':')
	}
	for len(b) < size {
		b = append(b, '.')
	}
	return string(b)
}

// findMark reads the marker out of a payload without decoding it.
func findMark(payload []byte) (mark, bool) {
	_, rest, found := bytes.Cut(payload, []byte(markerWord))
	if !found {
		return mark{}, false
	}
	var v [4]int64
	for k := range v {
		n, used := leadingInt(rest)
		if used == 0 || used == len(rest) || rest[used] != ':' {
			return mark{}, false
		}
		v[k], rest = n, rest[used+1:]
	}
	return mark{run: v[0], stream: int(v[1]), n: int(v[2]), at: v[3]}, true
}

// findSeq reads the message's seq out of a payload; 0 when there is none.
func findSeq(payload []byte) int64 {
	_, rest, _ := bytes.Cut(payload, []byte(`"seq":`))
	n, _ := leadingInt(rest)
	return n
}

func leadingInt(b []byte) (n int64, used int) {
	for used < len(b) && used < 19 && b[used] >= '0' && b[used] <= '9' {
		n = n*10 + int64(b[used]-'0')
		used++
	}
	return n, used
}

// track is what one receiver has seen of one stream.
type track struct {
	next    int              // all below were seen, but for missing
	missing map[int]struct{} // overtaken by a later one
}

// sight is what a message was to the receiver that got it.
type sight int

const (
	inOrder sight = iota
	doubled
	reordered
)

// see takes message n of the stream. A reordered one is no longer missing.
func (t *track) see(n int) sight {
	if n >= t.next {
		for ; t.next < n; t.next++ {
			if t.missing == nil {
				t.missing = make(map[int]struct{})
			}
			t.missing[t.next] = struct{}{}
		}
		t.next++
		return inOrder
	}
	if _, ok := t.missing[n]; ok {
		delete(t.missing, n)
		return reordered
	}
	return doubled
}

// lost counts the messages below sent that were acknowledged and never came.
func (t *track) lost(sent int, unacknowledged map[int]struct{}) int {
	lost := 0
	for n := range t.missing {
		if _, ok := unacknowledged[n]; !ok {
			lost++
		}
	}
	for n := t.next; n < sent; n++ {
		if _, ok := unacknowledged[n]; !ok {
			lost++
		}
	}
	return lost
}
