package wsgql_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatd/internal/platform/wsgql"
)

func TestMutationsTakeEffectInTheOrderSent(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{Unlimited: true})
	p := r.ready(t, "good")
	var want []string
	for i := range 100 {
		id := fmt.Sprint(i)
		p.start(id, []string{"mutation note " + id, "mutation note " + id + " twice"}[i%2])
		want = append(want, id)
	}
	for range 200 {
		p.hear()
	}
	r.noteMu.Lock()
	defer r.noteMu.Unlock()
	if !slices.Equal(r.notes, want) {
		t.Errorf("order is %v", r.notes)
	}
}

func TestAMutationThatWaitsForItsTurnCanBeTakenBack(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	p.start("1", "mutation wait")
	<-r.running
	p.start("2", "mutation note 2")
	p.start("3", "mutation note 3")
	p.start("q", "{ok}") // a query waits for nobody
	p.wants(`q next {"data":{"ok":true}}`)
	p.wants("q complete")
	p.say(`{"id":"2","type":"complete"}`, `{"type":"ping"}`)
	p.wants("pong")
	r.release <- struct{}{}
	for _, want := range []string{`1 next {"data":{"waited":true}}`, "1 complete", `3 next {"data":{"ok":true}}`, "3 complete"} {
		p.wants(want)
	}
	r.noteMu.Lock()
	defer r.noteMu.Unlock()
	if !slices.Equal(r.notes, []string{"3"}) {
		t.Errorf("ran %v", r.notes)
	}
}

func TestAMutationThatHasItsPlaceLetsTheNextBegin(t *testing.T) {
	t.Parallel()
	r := setup(t, wsgql.Config{})
	p := r.ready(t, "good")
	for i := range 10 {
		p.start(fmt.Sprint(i), "mutation pass "+fmt.Sprint(i))
	}
	for range 10 {
		<-r.running // all of them, though none has ended
	}
	for range 10 {
		r.release <- struct{}{}
	}
	for range 20 {
		p.hear()
	}
	r.noteMu.Lock()
	defer r.noteMu.Unlock()
	if want := strings.Split("0123456789", ""); !slices.Equal(r.notes, want) {
		t.Errorf("order is %v", r.notes)
	}
}
