package chat_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
)

// hanging is a store that answers a reading late and a writing never.
type hanging struct {
	chat.Store
	reads time.Duration
}

func (hanging) OnCommit(func([]*chat.Event)) {}

func (h hanging) View(_ context.Context, viewer ids.User, id ids.Conversation) (chat.View, error) {
	<-time.After(h.reads)
	v := chat.View{Viewer: chat.Member{User: viewer, Role: chat.Plain}}
	v.ID, v.Kind = id, chat.Group
	return v, nil
}

func (hanging) Append(ctx context.Context, _ chat.NewMessage) (chat.Message, error) {
	<-ctx.Done()
	return chat.Message{}, ctx.Err()
}

func TestASendThatReadsFirstHasNoMoreTimeThanOthers(t *testing.T) {
	t.Parallel()
	for reads, within := range map[time.Duration]time.Duration{2 * time.Second: 5 * time.Second, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) { mayTake(t, reads, within) })
	}
}

func mayTake(t *testing.T, reads, within time.Duration) {
	t.Helper()
	s := chat.New(chat.Deps{
		Store: hanging{reads: reads}, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(),
		Limiter: limit.NewLocal(limit.Config{}),
	}, chat.Config{})
	began := time.Now()
	_, err := s.Send(t.Context(), chat.SendInput{Conversation: ids.New[ids.Conversation](), Sender: ids.New[ids.User](), Text: "Hello."})
	if took := time.Since(began); took != within || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errs.ErrUnavailable) {
		t.Errorf("behind a reading of %v it is answered after %v: %v", reads, took, err)
	}
}
