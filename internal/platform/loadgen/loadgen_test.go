package loadgen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/loadgen"
)

func play(t *testing.T, f *fakeServer, s loadgen.Scenario) *loadgen.Report {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	report, err := loadgen.Run(ctx, loadgen.Config{URLs: []string{start(t, f)}, PerAccount: 4, Settle: 100 * time.Millisecond}, s)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEveryScenarioFindsAFaithfulServerGood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scenario        loadgen.Scenario
		sent, delivered int64
	}{
		{loadgen.Fanout(10, 20, 1, false), 20, 200},
		{loadgen.Fanout(10, 21, 4, false), 21, 210},
		{loadgen.Send(8, 3, 40), 40, 40},
		{loadgen.Rooms(5, 3, 25, 0), 25, 75},
		{loadgen.Rooms(5, 3, 25, 1000), 25, 75},
		{loadgen.Idle(12, 10*time.Millisecond), 1, 12},
	} {
		t.Run(c.scenario.Name, func(t *testing.T) {
			t.Parallel()
			r := play(t, &fakeServer{}, c.scenario)
			if !r.Good() || r.Sent != c.sent || r.Acked != c.sent || r.Delivered != c.delivered {
				t.Errorf("%+v", r)
			}
			if r.Ack.P50 <= 0 || r.Delivery.P999 < r.Delivery.P50 || r.AckRate <= 0 || r.DeliveryRate <= 0 {
				t.Errorf("figures are missing: %+v", r)
			}
		})
	}
}

func TestAServerThatDeliversBadlyIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server                           *fakeServer
		lost, doubled, reordered, failed int64
	}{
		"one message lost by one receiver": {server: &fakeServer{deliver: func(r int, m string, seq int, _ []string) (now, later []string) {
			if r == 1 && seq == 5 {
				return nil, nil
			}
			return []string{m}, nil
		}}, lost: 1},
		"the last message lost by all": {server: &fakeServer{deliver: func(_ int, m string, seq int, _ []string) (now, later []string) {
			if seq == 10 {
				return nil, nil
			}
			return []string{m}, nil
		}}, lost: 3},
		"one message twice": {server: &fakeServer{deliver: func(r int, m string, seq int, _ []string) (now, later []string) {
			if r == 2 && seq == 4 {
				return []string{m, m}, nil
			}
			return []string{m}, nil
		}}, doubled: 1},
		"two messages swapped": {server: &fakeServer{deliver: func(r int, m string, seq int, held []string) (now, later []string) {
			if r == 0 && seq == 3 {
				return nil, []string{m}
			}
			return append([]string{m}, held...), nil
		}}, reordered: 1},
		"one send refused": {server: &fakeServer{refuse: func(seq int) bool { return seq == 7 }}, failed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := play(t, c.server, loadgen.Rooms(1, 3, 10, 0))
			if r.Good() || r.Lost != c.lost || r.Doubled != c.doubled || r.Reordered != c.reordered || r.Failed != c.failed {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestWhatCannotBeSetUpIsAnErrorWithAHint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg      loadgen.Config
		scenario loadgen.Scenario
	}{
		"no server":          {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}}, loadgen.Fanout(1, 1, 1, false)},
		"no URL":             {loadgen.Config{URLs: []string{"127.0.0.1:4000"}}, loadgen.Fanout(1, 1, 1, false)},
		"no receivers":       {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}}, loadgen.Fanout(0, 1, 1, false)},
		"too many sockets":   {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}}, loadgen.Rooms(1000, 1000, 1, 0)},
		"a text too long":    {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}, TextSize: 20_000}, loadgen.Fanout(1, 1, 1, false)},
		"no such process":    {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}, PID: 1 << 30}, loadgen.Fanout(1, 1, 1, false)},
		"too many messages":  {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}}, loadgen.Fanout(1, 1<<30, 1, false)},
		"a warm-up too long": {loadgen.Config{URLs: []string{"http://127.0.0.1:1"}, Warmup: 1 << 30}, loadgen.Fanout(1, 1, 1, false)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r, err := loadgen.Run(t.Context(), c.cfg, c.scenario); err == nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestALocalServerIsMeasured(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc here")
	}
	r := play(t, &fakeServer{}, loadgen.Idle(4, time.Millisecond))
	if r.ServerRSS < 1<<20 {
		t.Errorf("%d bytes held by this very process", r.ServerRSS)
	}
}

func TestAReportIsATableAndALineOfJSON(t *testing.T) {
	t.Parallel()
	r := &loadgen.Report{Scenario: "fanout", Delivered: 5, Lost: 2, Failure: "why"}
	var table, line bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "2 lost, 0 doubled") {
		t.Error(table.String(), err)
	}
	var back loadgen.Report
	if err := r.WriteJSON(&line); err != nil || strings.Count(line.String(), "\n") != 1 {
		t.Error(line.String(), err)
	}
	if err := json.Unmarshal(line.Bytes(), &back); err != nil || !reflect.DeepEqual(back, *r) {
		t.Error(back, err)
	}
}

func TestSocketsAreSpreadOverNodes(t *testing.T) {
	t.Parallel()
	url := start(t, &fakeServer{}) // one server stands for three nodes
	cfg := loadgen.Config{URLs: []string{url, url, url}, PerAccount: 4, Settle: 100 * time.Millisecond}
	r, err := loadgen.Run(t.Context(), cfg, loadgen.Rooms(6, 5, 30, 0))
	if err != nil || !r.Good() {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(r.Nodes) != 3 {
		t.Fatalf("%+v", r.Nodes)
	}
	for _, n := range r.Nodes {
		if n.Delivered != 50 || n.URL != url || n.RSS == 0 {
			t.Errorf("%+v", n)
		}
	}
}
