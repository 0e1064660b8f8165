package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestTheModelCountsAsByHand(t *testing.T) {
	t.Parallel()
	w := &world{rooms: [][]int{{0, 1, 2}, {2, 3}}, online: []bool{true, true, true, false}, team: []int{0, 1, 2, 3}}
	got := w.count([]int{0, 1, 1, 2})
	// Of four messages three are for nodes 0 and 1, one is for node 1 alone.
	if got.needed != 7.0/4 {
		t.Errorf("%+v", got)
	}
}

func TestNobodyIsToldMoreThanByBroadcast(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	w := model{users: 500, teams: 20, online: 0.5, perUser: 5, apart: 0.1}.build(r)
	for _, nodes := range []int{1, 4, 16} {
		for _, byTeam := range []bool{false, true} {
			h := w.count(w.place(r, nodes, byTeam))
			if h.needed < 1 || h.needed > h.partitions1000 || h.partitions1000 > h.partitions12 || h.partitions12 > float64(nodes) {
				t.Errorf("%d nodes: %+v", nodes, h)
			}
		}
	}
}

func TestTheSameSeedGivesTheSameTable(t *testing.T) {
	t.Parallel()
	m := model{users: 300, teams: 10, online: 0.5, perUser: 5, apart: 0.1}
	var a, b bytes.Buffer
	if err := run(m, 1, []int{1, 3}, &a); err != nil {
		t.Fatal(err)
	}
	if err := run(m, 1, []int{1, 3}, &b); err != nil || a.String() != b.String() || a.Len() == 0 {
		t.Errorf("%v\n%s\n%s", err, &a, &b)
	}
}
