package wsgql

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/limit"
)

func TestFramesOfAllLengthsHaveTheirHeader(t *testing.T) {
	t.Parallel()
	for n, head := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 65535: "\x81\x7e\xff\xff",
		65536: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		payload := bytes.Repeat([]byte("x"), n)
		if got := appendText([]byte("before"), payload); string(got) != "before"+head+string(payload) {
			t.Errorf("%d bytes: header is %x", n, got[6:6+len(head)])
		}
	}
}

// unspliced appends what has no splices.
type unspliced struct{ Renderer }

func (unspliced) Append(dst []byte, r *gqlx.Rendered, local feed.Local) []byte {
	return r.Append(dst, local, nil)
}

func TestASplicedFrameIsTheSameAsABuiltOne(t *testing.T) {
	t.Parallel()
	m := messagesOf("1")
	for n := range 65800 { // lengths are written anew at 126 and at 65536
		if n > 300 && n < 65400 {
			continue
		}
		payload := bytes.Repeat([]byte("x"), n)
		want := m.appendNext([]byte("before"), payload)
		if got := m.appendSpliced([]byte("before"), unspliced{}, &gqlx.Rendered{JSON: payload}, nil); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %.60q, want %.60q", n, got, want)
		}
	}
}

func TestACloseReasonIsCutAtACharacter(t *testing.T) {
	t.Parallel()
	f := closeFrame(4409, strings.Repeat("ü", 100))
	if len(f) > 127 || int(f[1]) != len(f)-2 || !utf8.Valid(f[4:]) || f[2] != 4409>>8 || f[3] != 4409&0xff {
		t.Errorf("frame is %q", f)
	}
}

func TestTheBudgetRefills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget{rate: limit.Rate{Burst: 3, Per: time.Second}}
		for range 3 {
			if _, ok := b.take(time.Now()); !ok {
				t.Fatal("refused within the burst")
			}
		}
		wait, ok := b.take(time.Now())
		if ok || wait != time.Second {
			t.Fatalf("the fourth: %v, wait %v", ok, wait)
		}
		<-time.After(wait)
		if _, ok := b.take(time.Now()); !ok {
			t.Error("refused after the wait")
		}
		if _, ok := b.take(time.Now()); ok {
			t.Error("one more than refilled")
		}
	})
}

func TestTheWheelTurnsUpEverySocketAtItsTime(t *testing.T) {
	t.Parallel()
	var w wheel
	w.init(10 * time.Millisecond)
	at := func(ms int) time.Time { return w.zero.Add(time.Duration(ms) * time.Millisecond) }
	soon, late, moved, removed, beyond := &socket{id: "soon"}, &socket{id: "late"}, &socket{id: "moved"}, &socket{id: "removed"}, &socket{id: "beyond"}
	w.schedule(soon, at(15))
	w.schedule(late, at(4000))
	w.schedule(moved, at(15))
	w.schedule(moved, at(4000))
	w.schedule(removed, at(15))
	w.remove(removed)
	w.remove(removed)
	w.schedule(beyond, at(1_000_000))
	got := map[string]int{}
	for ms := 0; ms <= 6000; ms += 7 {
		for _, s := range w.due(at(ms)) {
			if _, ok := got[s.id]; ok {
				t.Errorf("%s came twice", s.id)
			}
			got[s.id] = ms
		}
	}
	for id, ms := range map[string]int{"soon": 15, "late": 4000, "moved": 4000} {
		if late := got[id] - ms; late < 0 || late > 20 {
			t.Errorf("%s came at %d, want %d", id, got[id], ms)
		}
	}
	if ms, ok := got["beyond"]; !ok || ms < (wheelSlots-2)*10 {
		t.Errorf("what is beyond the horizon came at %d, %v", ms, ok)
	}
	if _, ok := got["removed"]; ok {
		t.Error("a removed socket came")
	}
	if s := w.due(at(100_000_000)); len(s) != 0 { // the clock has leapt
		t.Errorf("%d sockets out of nowhere", len(s))
	}
}
