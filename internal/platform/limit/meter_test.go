package limit_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/limit"
)

var three = limit.Budget{Name: "three", Rate: limit.Rate{Burst: 3, Per: time.Minute}}

// somebody has an ID of his own for each n.
func somebody(n uint64) (id limit.ID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

func TestAMeteredBudgetIsABurstThenOneEachPer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refused []string
		m := limit.NewMeter(limit.MeterConfig{Refused: func(name string) { refused = append(refused, name) }})
		for i := range 3 {
			if wait, ok := m.Take(three, somebody(1)); !ok || wait != 0 {
				t.Fatalf("%d of the burst is refused for %s", i, wait)
			}
		}
		wait, ok := m.Take(three, somebody(1))
		if ok || wait != time.Minute || len(refused) != 1 || refused[0] != "three" {
			t.Fatalf("after the burst: %v %v, told of %v", wait, ok, refused)
		}
		if _, ok := m.Take(three, somebody(2)); !ok {
			t.Fatal("somebody else pays for it")
		}
		if _, ok := m.Take(limit.Budget{Name: "other", Rate: three.Rate}, somebody(1)); !ok {
			t.Fatal("another budget pays for it")
		}
		<-time.After(wait)
		if _, ok := m.Take(three, somebody(1)); !ok {
			t.Fatal("refused after retryAfter")
		}
		if _, ok := m.Take(three, somebody(1)); ok {
			t.Fatal("two passed after one Per")
		}
		<-time.After(time.Hour)
		for range 3 {
			if _, ok := m.Take(three, somebody(1)); !ok {
				t.Fatal("a budget that has had its time is not whole")
			}
		}
		if _, ok := m.Take(three, somebody(1)); ok {
			t.Fatal("a budget grew beyond its burst")
		}
		for range 1000 {
			if _, ok := m.Take(limit.Budget{Name: "three"}, somebody(1)); !ok {
				t.Fatal("no rate is a limit")
			}
			if _, ok := (*limit.Meter)(nil).Take(three, somebody(1)); !ok {
				t.Fatal("no meter is a limit")
			}
		}
	})
}

func TestAMeterIsExactUnderManyAtOnce(t *testing.T) {
	t.Parallel()
	m := limit.NewMeter(limit.MeterConfig{Shared: true})
	b := limit.Budget{Name: "b", Rate: limit.Rate{Burst: 500, Per: time.Hour}}
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if _, ok := m.Take(b, somebody(1)); ok {
					passed.Add(1)
				}
				for _, d := range m.TakeDue() {
					m.Learn(d.Budget, d.ID, 0)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 500 {
		t.Errorf("%d of 500 passed", n)
	}
}

func TestOthersAreToldOfAPartOfABudgetNotOfEachTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := limit.NewMeter(limit.MeterConfig{Shared: true})
		b := limit.Budget{Name: "b", Rate: limit.Rate{Burst: 160, Per: time.Second}}
		told := 0
		for range 160 {
			m.Take(b, somebody(1))
			select {
			case <-m.Due():
				due := m.TakeDue()
				if len(due) != 1 || due[0].Taken != 10 || due[0].Budget != b || due[0].ID != somebody(1) {
					t.Fatalf("%+v", due)
				}
				told++
			default:
			}
		}
		if told != 16 {
			t.Errorf("told %d times of 160", told)
		}
		// Somebody who takes little is nobody's concern, however long he does.
		for range 1000 {
			m.Take(b, somebody(2))
			<-time.After(2 * time.Second)
		}
		if due := m.TakeDue(); len(due) != 0 {
			t.Errorf("%+v", due)
		}
	})
}

func TestWhatOthersTookIsPaidBackAndNothingIsGivenTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := limit.NewMeter(limit.MeterConfig{Shared: true})
		m.Take(three, somebody(1))
		m.Learn(three, somebody(1), 5*time.Minute) // two more than a burst
		if wait, ok := m.Take(three, somebody(1)); ok || wait != 3*time.Minute {
			t.Fatalf("%s %v", wait, ok)
		}
		m.Learn(three, somebody(1), 0) // of an emptied Redis
		if _, ok := m.Take(three, somebody(1)); ok {
			t.Fatal("forgetting others opened the budget")
		}
		m.Learn(three, somebody(9), time.Hour) // of nobody who has taken here
		if _, ok := m.Take(three, somebody(9)); !ok {
			t.Fatal("it was kept for somebody who had not asked")
		}
	})
}

// Whoever has many addresses can make a meter forget, and not grow.
func TestAMeterIsBounded(t *testing.T) {
	t.Parallel()
	m := limit.NewMeter(limit.MeterConfig{MaxKeys: 64, Shared: true})
	one := limit.Budget{Name: "one", Rate: limit.Rate{Burst: 1, Per: time.Hour}}
	for n := range uint64(100_000) {
		m.Take(one, somebody(n))
	}
	if due := m.TakeDue(); len(due) > 64 {
		t.Errorf("%d are kept of 64", len(due))
	}
}

func TestATakeAllocatesNothing(t *testing.T) { // not at once with others: it counts allocations
	for name, m := range map[string]*limit.Meter{
		"alone": limit.NewMeter(limit.MeterConfig{}), "shared": limit.NewMeter(limit.MeterConfig{Shared: true}),
	} {
		b := limit.Budget{Name: "requests-user", Rate: limit.Rate{Burst: 400, Per: time.Nanosecond}}
		m.Take(b, somebody(1))
		if n := testing.AllocsPerRun(1000, func() { m.Take(b, somebody(1)) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkTake stands for what every request and every message pays.
func BenchmarkTake(b *testing.B) {
	for name, cfg := range map[string]limit.MeterConfig{"alone": {}, "shared": {Shared: true}} {
		b.Run(name, func(b *testing.B) {
			m := limit.NewMeter(cfg)
			budget := limit.Budget{Name: "requests-user", Rate: limit.Rate{Burst: 1 << 30, Per: time.Nanosecond}}
			ids := make([]limit.ID, 1024)
			for i := range ids {
				ids[i] = somebody(uint64(i) << 20)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				m.Take(budget, ids[n&1023])
				n++
			}
		})
	}
}
