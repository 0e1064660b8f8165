package chat_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
)

// hanging is a store that answers a reading late and a writing never.
type hanging struct{ chat.Store }

func (hanging) OnCommit(func([]*chat.Event)) {}

func (hanging) View(_ context.Context, viewer ids.User, id ids.Conversation) (chat.View, error) {
	<-time.After(3 * time.Second)
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
	synctest.Test(t, func(t *testing.T) {
		s := chat.New(chat.Deps{
			Store: hanging{}, Directory: everybody{}, Secret: make([]byte, 32), Log: zerolog.Nop(),
			Limiter: limit.NewLocal(limit.Config{}),
		}, chat.Config{})
		began := time.Now()
		_, err := s.Send(t.Context(), chat.SendInput{Conversation: ids.New[ids.Conversation](), Sender: ids.New[ids.User](), Text: "Hello."})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
