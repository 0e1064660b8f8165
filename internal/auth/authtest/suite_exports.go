package authtest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/internal/auth"
	"chatd/internal/platform/ids"
)

func export(of ids.User, at time.Time) auth.Export {
	return auth.Export{ID: ids.New[ids.Export](), User: of, State: auth.ExportPending, CreatedAt: at}
}

// exported asks for an export and has it made.
func exported(t *testing.T, s Store, of ids.User, at time.Time) auth.Export {
	t.Helper()
	e, made, err := s.AddExport(t.Context(), export(of, at), 5, at.Add(-24*time.Hour), act(auth.ActExported, of, of))
	if err != nil || !made {
		t.Fatal(made, err)
	}
	if got, err := s.NextExport(t.Context(), 5, at); err != nil || got != e {
		t.Fatalf("%+v %v, want %+v", got, err, e)
	}
	e.State, e.Size, e.ExpiresAt = auth.ExportReady, 7, at.Add(7*24*time.Hour)
	if still, err := s.EndExport(t.Context(), e); err != nil || !still {
		t.Fatal(still, err)
	}
	return e
}

func exportsOneByOne(t *testing.T, s Store) {
	a, _ := create(t, s, auth.NeverAdmin)
	var mu sync.Mutex
	var made atomic.Int32
	got := map[auth.Export]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			e, first, err := s.AddExport(t.Context(), export(a.ID, began), 5, began.Add(-time.Hour), act(auth.ActExported, a.ID, a.ID))
			if err != nil {
				t.Error(err)
			}
			if first {
				made.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			got[e] = true
		})
	}
	wg.Wait()
	if made.Load() != 1 || len(got) != 1 || len(audited(t, s, auth.AuditFilter{Actions: []auth.Action{auth.ActExported}})) != 1 {
		t.Fatalf("%d made of %v", made.Load(), got)
	}
	for range 2 { // tries
		if e, err := s.NextExport(t.Context(), 2, began.Add(time.Hour)); err != nil || !got[e] {
			t.Fatalf("%+v %v", e, err)
		}
	}
	if _, err := s.NextExport(t.Context(), 2, began.Add(time.Hour)); !errors.Is(err, auth.ErrNoExport) {
		t.Fatal(err)
	}
	list, err := s.UserExports(t.Context(), a.ID, began)
	if err != nil || len(list) != 1 || list[0].State != auth.ExportFailed || !list[0].ExpiresAt.Equal(began.Add(time.Hour)) {
		t.Fatalf("%+v %v", list, err)
	}
	if still, err := s.EndExport(t.Context(), list[0]); err != nil || still {
		t.Error("one that has failed ends again:", still, err)
	}
	ready := exported(t, s, a.ID, began) // at once, since the first has failed
	if e, err := s.Export(t.Context(), ready.ID, began); err != nil || e != ready {
		t.Errorf("%+v %v", e, err)
	}
	_, _, err1 := s.AddExport(t.Context(), export(a.ID, began.Add(time.Hour)), 5, began.Add(-time.Hour), act(auth.ActExported, a.ID, a.ID))
	_, _, err2 := s.AddExport(t.Context(), export(ids.New[ids.User](), began), 5, began, act(auth.ActExported, a.ID, a.ID))
	if !errors.Is(err1, auth.ErrExportTooSoon) || !errors.Is(err2, auth.ErrNoAccount) {
		t.Error(err1, err2)
	}
}

func exportsEnd(t *testing.T, s Store) {
	create(t, s, auth.AdminIfEmpty)
	a, _ := create(t, s, auth.NeverAdmin)
	day := func(n int) time.Time { return began.Add(time.Duration(n) * 24 * time.Hour) }
	var all []ids.Export
	for n := range 6 {
		all = append(all, exported(t, s, a.ID, day(n)).ID)
	}
	if got := expiredBy(t, s, day(5)); !slices.Equal(got, all[:1]) { // by number
		t.Errorf("%v, want %v", got, all[:1])
	}
	if got := expiredBy(t, s, day(8)); !slices.Equal(got, all[:2]) { // by time
		t.Errorf("%v, want %v", got, all[:2])
	}
	if err := s.ForgetExports(t.Context(), all[:2]); err != nil {
		t.Fatal(err)
	}
	if list, err := s.UserExports(t.Context(), a.ID, day(8)); err != nil || len(list) != 4 || list[0].ID != all[5] || list[3].ID != all[2] {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := s.Export(t.Context(), all[2], day(9)); !errors.Is(err, auth.ErrNoExport) {
		t.Error(err)
	}
	exportsEndWith(t, s, a, all[2:], day)
}

// exportsEndWith has the account that has four exports suspended and deleted.
func exportsEndWith(t *testing.T, s Store, a auth.Account, all []ids.Export, day func(int) time.Time) {
	t.Helper()
	if _, _, err := s.Suspend(t.Context(), act(auth.ActSuspended, ids.User{}, a.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Export(t.Context(), all[3], day(5)); !errors.Is(err, auth.ErrNoExport) {
		t.Error("of somebody who is suspended:", err)
	}
	if _, err := s.Reinstate(t.Context(), act(auth.ActReinstated, ids.User{}, a.ID)); err != nil {
		t.Fatal(err)
	}
	pending, _, err := s.AddExport(t.Context(), export(a.ID, day(6)), 5, day(5), act(auth.ActExported, a.ID, a.ID))
	if err != nil {
		t.Fatal(err)
	}
	d := deletion(a.ID)
	d.At = day(6)
	if _, err := s.DeleteAccount(t.Context(), d, act(auth.ActDeleted, a.ID, a.ID)); err != nil {
		t.Fatal(err)
	}
	if got, want := expiredBy(t, s, day(6)), append(slices.Clip(all), pending.ID); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	pending.State, pending.ExpiresAt = auth.ExportReady, day(13)
	if still, err := s.EndExport(t.Context(), pending); err != nil || still {
		t.Error("one is made for who is gone:", still, err)
	}
}

func expiredBy(t *testing.T, s Store, at time.Time) []ids.Export {
	t.Helper()
	got, err := s.ExpiredExports(t.Context(), at, 10)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, ids.Export.Compare)
	return got
}
