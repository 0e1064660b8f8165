// Command 0021 counts how many nodes hear of each message under four ways of
// telling them, for ADR 21. It is a model: nothing of chatd runs in it.
//
//	go run ./docs/adr/0021
package main

import (
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"text/tabwriter"
)

// world is who is in which conversation.
type world struct {
	rooms  [][]int // members of each conversation
	online []bool  // by user
	team   []int   // by user
}

// model says how a world is made.
type model struct {
	users, teams int
	online       float64 // part of the users who are connected
	perUser      int     // conversations of each, about
	apart        float64 // part of the members who are of another team
}

// sizes of conversations: most are pairs and small groups, some are channels.
func size(r *rand.Rand) int {
	switch p := r.Float64(); {
	case p < 0.6:
		return 2
	case p < 0.95:
		return 3 + r.IntN(10)
	default:
		return 20 + r.IntN(180)
	}
}

func (m model) build(r *rand.Rand) *world {
	w := &world{online: make([]bool, m.users), team: make([]int, m.users)}
	teams := make([][]int, m.teams)
	for u := range m.users {
		w.online[u] = r.Float64() < m.online
		w.team[u] = r.IntN(m.teams)
		teams[w.team[u]] = append(teams[w.team[u]], u)
	}
	for memberships := 0; memberships < m.users*m.perUser; {
		team := teams[r.IntN(m.teams)]
		var room []int
		for range min(size(r), len(team)) {
			u := team[r.IntN(len(team))]
			if r.Float64() < m.apart {
				u = r.IntN(m.users)
			}
			if !slices.Contains(room, u) {
				room = append(room, u)
			}
		}
		w.rooms = append(w.rooms, room)
		memberships += len(room)
	}
	return w
}

// place puts every user on a node: anywhere, or beside his team.
func (w *world) place(r *rand.Rand, nodes int, byTeam bool) []int {
	at := make([]int, len(w.online))
	for u := range at {
		at[u] = r.IntN(nodes)
		if byTeam {
			at[u] = w.team[u] % nodes
		}
	}
	return at
}

// listening returns the nodes on which somebody listens to a conversation.
func (w *world) listening(room, at []int) map[int]bool {
	on := make(map[int]bool)
	for _, u := range room {
		if w.online[u] {
			on[at[u]] = true
		}
	}
	return on
}

func partition(room, partitions int) int {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, room) // never fails
	return int(h.Sum32()) % partitions
}

// heard is how many nodes hear of a message, on average over messages. A
// conversation has as many messages as it has members who are connected.
type heard struct{ needed, partitions12, partitions1000 float64 }

func (w *world) count(at []int) heard {
	interest := map[int][]map[int]bool{}
	for _, p := range []int{12, 1000} {
		interest[p] = make([]map[int]bool, p)
		for i := range p {
			interest[p][i] = make(map[int]bool)
		}
	}
	on := make([]map[int]bool, len(w.rooms))
	for i, room := range w.rooms {
		on[i] = w.listening(room, at)
		for p, of := range interest {
			for n := range on[i] {
				of[partition(i, p)][n] = true
			}
		}
	}
	var h heard
	var messages float64
	for i, room := range w.rooms {
		weight := 0.0
		for _, u := range room {
			if w.online[u] {
				weight++
			}
		}
		messages += weight
		h.needed += weight * float64(len(on[i]))
		h.partitions12 += weight * float64(len(interest[12][partition(i, 12)]))
		h.partitions1000 += weight * float64(len(interest[1000][partition(i, 1000)]))
	}
	return heard{h.needed / messages, h.partitions12 / messages, h.partitions1000 / messages}
}

func run(m model, seed uint64, nodes []int, out io.Writer) error {
	r := rand.New(rand.NewPCG(seed, 21)) //nolint:gosec // A model, the same each time.
	w := m.build(r)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%d users, %.0f %% connected, %d conversations; nodes that hear of a message:\n",
		m.users, 100*m.online, len(w.rooms))
	fmt.Fprintln(t, "nodes\tbroadcast\t12 partitions\t1,000 partitions\twhere somebody listens\tthe same, teams together\t")
	for _, n := range nodes {
		spread, together := w.count(w.place(r, n, false)), w.count(w.place(r, n, true))
		fmt.Fprintf(t, "%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n",
			n, n, spread.partitions12, spread.partitions1000, spread.needed, together.needed)
	}
	return t.Flush()
}

func main() {
	m := model{teams: 200, perUser: 20, apart: 0.1}
	flag.IntVar(&m.users, "users", 20_000, "accounts")
	flag.Float64Var(&m.online, "online", 0.3, "part of them that is connected")
	seed := flag.Uint64("seed", 1, "of the model")
	flag.Parse()
	if err := run(m, *seed, []int{1, 3, 10, 30, 100}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
