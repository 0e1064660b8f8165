package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/wsgql/wsclient"
)

// fate is what a sender knows of a message.
type fate uint8

const (
	unknown fate = iota // no answer came, or UNAVAILABLE: it may be stored, once
	acked
	refused // answered with an error of the API: it must not be stored
)

// sent is one try of a writer. Its text is its own and its key too, so that it
// is known wherever it comes up.
type sent struct {
	writer, n int
	room      string
	text      string
	fate      fate
	code      string // of the error that came
	got       message
	took      time.Duration
}

// ledger is what all writers know. Texts are unique in it.
type ledger struct {
	mu    sync.Mutex
	tries []*sent
}

func (l *ledger) add(s *sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries = append(l.tries, s)
}

// all are the tries so far; ended writers only may be looked at.
func (l *ledger) all() []*sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tries)
}

func (l *ledger) count(f fate) int {
	n := 0
	for _, s := range l.all() {
		if s.fate == f {
			n++
		}
	}
	return n
}

// verdict counts what must not be. All but tries, acks and stored must be 0.
type verdict struct {
	tries, acks, stored, lists int

	lost      int // acknowledged and not stored, or stored and not in a list
	phantom   int // stored though refused or never sent, or in a list and not stored
	dup       int // stored or in a list twice
	inversion int // not in the order of its writer, or of seq
	gap       int // a seq that is not there
	diverged  int // an answer or a list tells another message than the store

	notes []string // on the first faults
}

// note tells more of a fault, and returns 1.
func (v *verdict) note(format string, args ...any) int {
	if len(v.notes) < 10 {
		v.notes = append(v.notes, fmt.Sprintf(format, args...))
	}
	return 1
}

func (v verdict) bad() int { return v.lost + v.phantom + v.dup + v.inversion + v.gap + v.diverged }

func (v verdict) String() string {
	return fmt.Sprintf("%d tries, %d acknowledged, %d stored, %d lists: lost %d, phantom %d, dup %d, inversion %d, gap %d, diverged %d",
		v.tries, v.acks, v.stored, v.lists, v.lost, v.phantom, v.dup, v.inversion, v.gap, v.diverged)
}

// judge compares what was acknowledged, what is stored (a history of each
// room) and what subscribers have (lists of each room, from its first message
// on).
func judge(l *ledger, stored map[string][]message, lists map[string][][]message) verdict {
	v := verdict{}
	byText := map[string]message{}
	for _, h := range stored {
		v.stored += len(h)
		for i, m := range h {
			if m.Seq != i+1 {
				v.gap += v.note("seq %d at place %d", m.Seq, i+1)
			}
			if _, twice := byText[m.text()]; twice {
				v.dup += v.note("%s is stored twice", m.text())
			}
			byText[m.text()] = m
		}
	}
	known := map[string]bool{}
	last := map[string]int{} // seq, by writer and room
	for _, s := range l.all() {
		v.tries++
		known[s.text] = true
		m, there := byText[s.text]
		switch s.fate {
		case acked:
			v.acks++
			if !there {
				v.lost += v.note("%s was acknowledged and is not stored", s.text)
				continue
			}
			if m.ID != s.got.ID || m.Seq != s.got.Seq {
				v.diverged += v.note("%s was acknowledged as %d", s.text, s.got.Seq)
			}
			from := fmt.Sprint(s.writer, s.room)
			if s.n > 0 && m.Seq <= last[from] { // tries without a number went at once
				v.inversion += v.note("%s has seq %d", s.text, m.Seq)
			}
			last[from] = m.Seq
		case refused:
			if there {
				v.phantom += v.note("%s was refused (%s) and is stored", s.text, s.code)
			}
		case unknown:
		}
	}
	for text := range byText {
		if !known[text] {
			v.phantom += v.note("%s is stored and was never sent", text)
		}
	}
	for room, all := range lists {
		for i, list := range all {
			v.lists++
			v.compare(fmt.Sprint("list ", i), stored[room], list)
		}
	}
	return v
}

// compare judges one subscriber's list by the history.
func (v *verdict) compare(name string, history, list []message) {
	seen := map[int]bool{}
	last := 0
	for _, m := range list {
		switch {
		case seen[m.Seq]:
			v.dup += v.note("%s: seq %d twice", name, m.Seq)
		case m.Seq < last:
			v.inversion += v.note("%s: seq %d after %d", name, m.Seq, last)
		}
		seen[m.Seq], last = true, max(last, m.Seq)
		switch {
		case m.Seq < 1 || m.Seq > len(history):
			v.phantom += v.note("%s: seq %d is not stored", name, m.Seq)
		case history[m.Seq-1].ID != m.ID || history[m.Seq-1].text() != m.text():
			v.diverged += v.note("%s: seq %d is another message", name, m.Seq)
		}
	}
	for i := range history {
		if !seen[i+1] {
			v.lost += v.note("%s: no seq %d of %d", name, i+1, len(history))
		}
	}
}

// mustBeClean logs the verdict and fails the test unless all its faults are 0
// and there was something to judge.
func mustBeClean(t testing.TB, v verdict) {
	t.Helper()
	t.Log(v)
	if v.bad() != 0 || v.acks == 0 {
		t.Errorf("the judge: %v\n%s", v, strings.Join(v.notes, "\n"))
	}
}

// histories reads the rooms whole, as who.
func (p *program) histories(t testing.TB, who person, rooms []string) map[string][]message {
	t.Helper()
	out := map[string][]message{}
	for _, room := range rooms {
		out[room] = p.history(t, who, room)
	}
	return out
}

// writer sends one message after the other into its rooms, each under a key
// of its own.
type writer struct {
	p     *program
	n     int
	who   person
	rooms []string
	log   *ledger
	next  int
	pause time.Duration // between two sends; 0 is full speed
	text  string        // put behind what makes the text unique
	at    *program      // where it sends; nil: at any node of p
}

// run sends over sockets until ctx ends, connecting again when one is lost.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		address := w.p.anyWS()
		if w.at != nil {
			address = w.at.ws()
		}
		c, err := wsclient.Dial(ctx, address, vars("authorization", "Bearer "+w.who.token))
		if err != nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		for ctx.Err() == nil && c.Err() == nil {
			wait := w.pause
			if w.send(ctx, c).code == "UNAVAILABLE" {
				wait = 100 * time.Millisecond
			}
			if wait > 0 {
				pause(ctx, wait)
			}
		}
		_ = c.Close()
	}
}

const sendDoc = `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id seq rev text } } }`

// send sends the next message and notes what became of it. An answer is waited
// for beyond the end of ctx.
func (w *writer) send(ctx context.Context, c *wsclient.Conn) *sent {
	w.next++
	s := &sent{writer: w.n, n: w.next, room: w.rooms[w.next%len(w.rooms)]}
	s.text = fmt.Sprintf("w%d-%d%s", s.writer, s.n, w.text)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 35*time.Second)
	defer cancel()
	begin := time.Now()
	data, err := c.Query(ctx, sendDoc, vars("i", vars("conversationId", s.room, "text", s.text, "clientId", s.key())))
	s.took = time.Since(begin)
	s.note(data, err)
	w.log.add(s)
	return s
}

func (s *sent) key() string { return fmt.Sprintf("key-%d-%d", s.writer, s.n) }

func (s *sent) note(data json.RawMessage, err error) {
	var d struct{ SendMessage struct{ Message message } }
	switch code := codeOf(err); {
	case err == nil && json.Unmarshal(data, &d) == nil:
		s.fate, s.got = acked, d.SendMessage.Message
	case code == "UNAVAILABLE": // "try again": a commit may have been under way
		s.code = code
	case code != "" && code != "?":
		s.fate, s.code = refused, code
	}
}

// retry sends the tries whose fate is not known again, which settles it, and
// every tenth acknowledged one, which must change nothing. It returns how many
// answers told another message than the first.
func (w *writer) retry(t testing.TB, tries []*sent) (differ int) {
	t.Helper()
	for i, s := range tries {
		if s.fate == refused || s.fate == acked && i%10 != 0 {
			continue
		}
		m, err := w.p.send(t.Context(), w.who, s.room, s.text, s.key())
		for again := 0; codeOf(err) == "UNAVAILABLE" && again < 5; again++ { // as a client does
			pause(t.Context(), 200*time.Millisecond)
			m, err = w.p.send(t.Context(), w.who, s.room, s.text, s.key())
		}
		if err != nil {
			t.Errorf("retry of %s: %v", s.text, err)
			return differ
		}
		if s.fate == acked && (m.ID != s.got.ID || m.Seq != s.got.Seq) {
			differ++
		}
	}
	return differ
}

// pause waits, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await asks until what is wanted holds, and fails the test when it does not
// within the time and grace.
func await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	end := time.Now().Add(within + grace)
	for !holds() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}

func TestTheJudgeFindsEachFault(t *testing.T) {
	t.Parallel()
	m := func(seq int, text string) message {
		return message{ID: "id-" + text, Seq: seq, Text: &text}
	}
	log := &ledger{tries: []*sent{
		{n: 1, text: "a", room: "r", fate: acked, got: m(1, "a")},
		{n: 2, text: "b", room: "r", fate: acked, got: m(2, "b")},
		{text: "c", room: "r", fate: unknown},
		{text: "d", room: "r", fate: refused},
	}}
	good := []message{m(1, "a"), m(2, "b"), m(3, "c")}
	for name, tc := range map[string]struct {
		history, list []message
		want          func(verdict) int // the fault that must be found; nil for none
	}{
		"clean":              {good, good, nil},
		"without unknown":    {good[:2], good[:2], nil},
		"lost":               {good[:1], good[:1], func(v verdict) int { return v.lost }},
		"phantom":            {append(good[:3:3], m(4, "d")), good, func(v verdict) int { return v.phantom }},
		"never sent":         {append(good[:3:3], m(4, "e")), good, func(v verdict) int { return v.phantom }},
		"stored twice":       {append(good[:3:3], m(4, "c")), good, func(v verdict) int { return v.dup }},
		"hole":               {[]message{good[0], good[1], m(4, "c")}, good, func(v verdict) int { return v.gap }},
		"writer's order":     {[]message{m(1, "b"), m(2, "a")}, nil, func(v verdict) int { return v.inversion }},
		"other id":           {[]message{good[0], {ID: "x", Seq: 2, Text: good[1].Text}}, nil, func(v verdict) int { return v.diverged }},
		"missed by one":      {good, good[:2], func(v verdict) int { return v.lost }},
		"hole in the list":   {good, []message{good[0], good[2]}, func(v verdict) int { return v.lost }},
		"twice in the list":  {good, append(good[:3:3], good[2]), func(v verdict) int { return v.dup }},
		"list out of order":  {good, []message{good[1], good[0], good[2]}, func(v verdict) int { return v.inversion }},
		"list of its own":    {good, append(good[:3:3], m(4, "x")), func(v verdict) int { return v.phantom }},
		"other text in list": {good, []message{m(1, "z"), good[1], good[2]}, func(v verdict) int { return v.diverged }},
	} {
		lists := map[string][][]message{}
		if tc.list != nil {
			lists["r"] = [][]message{tc.list}
		}
		v := judge(log, map[string][]message{"r": tc.history}, lists)
		if tc.want == nil && v.bad() != 0 || tc.want != nil && tc.want(v) == 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
}
