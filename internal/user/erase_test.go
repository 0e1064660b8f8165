package user_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user"
	"chatd/internal/user/usertest"
)

func envelope(t *testing.T, name string, event any) bus.Envelope {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return bus.Envelope{Name: name, Topic: authv1.Topic, Payload: payload}
}

// Events that come late, twice or in another order than they happened bring
// nothing of somebody back who is gone, and another node forgets what it
// remembers of him.
func TestNothingThatComesLateBringsSomebodyBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, nothingBringsBack)
}

func nothingBringsBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := usertest.NewFake()
	here, there := user.New(user.Deps{Store: store}, user.Config{}), user.New(user.Deps{Store: store}, user.Config{})
	for _, s := range []*user.Service{here, there} {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Run(ctx) }()
	}
	ada, bob := ids.New[ids.User](), ids.New[ids.User]()
	registered := func(id ids.User, name string) bus.Envelope {
		return envelope(t, authv1.AccountRegisteredName, authv1.AccountRegistered{UserID: id, Username: name, DisplayName: name, At: usertest.Born})
	}
	deleted := func(id ids.User) bus.Envelope {
		return envelope(t, authv1.AccountDeletedName, authv1.AccountDeleted{UserID: id, At: usertest.Born})
	}
	for _, e := range []bus.Envelope{registered(ada, "ada"), deleted(bob)} {
		if err := here.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := there.User(t.Context(), ada); err != nil || p.DisplayName != "ada" {
		t.Fatal(p, err)
	}
	for _, e := range []bus.Envelope{
		deleted(ada), deleted(ada), registered(ada, "ada"), registered(bob, "bob"), deleted(bob), registered(ada, user.GoneName),
		envelope(t, authv1.UsernameChangedName, authv1.UsernameChanged{UserID: ada, Was: "deleted:" + ada.String(), Username: "ada2", At: usertest.Born}),
	} {
		if err := here.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		for _, id := range []ids.User{ada, bob} {
			if p, err := here.User(t.Context(), id); err != nil || p.DisplayName != user.GoneName || p.DeletedAt.IsZero() {
				t.Errorf("%+v %v", p, err)
			}
		}
	}
	if known, err := here.Known(t.Context(), []ids.User{ada, bob}); err != nil || len(known) != 0 {
		t.Error(known, err)
	}
	time.Sleep(time.Second) //nolint:forbidigo // Of a bubble's clock.
	synctest.Wait()
	if p, err := there.User(t.Context(), ada); err != nil || p.DisplayName != user.GoneName || !there.HidesReads(ada) {
		t.Errorf("another node knows %+v %v", p, err)
	}
}
