package authredis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/redisdb"
)

// Deps is what an Ended needs; all of it.
type Deps struct {
	Redis *redisdb.DB
	// Hear is told what other nodes have ended: auth.Service.Hear. It must not
	// block.
	Hear func([]ids.Session)
	Log  zerolog.Logger
}

const (
	channel = "auth/ended"
	// queue is how many calls of Tell may wait to be sent; further ones are
	// left to the store.
	queue = 256
	// batch is how many sessions one message holds at most.
	batch = 500
	// largest is how many bytes a message has at most; longer ones are not
	// ours.
	largest = 64 << 10
)

// Ended tells other nodes of ended sessions, and hears of theirs. Its methods
// may be called at once by any number of goroutines.
type Ended struct {
	deps  Deps
	name  string // of this node, to know its own messages by
	queue chan []ids.Session
}

// message is what is published, as JSON.
type message struct {
	From     string        `json:"from"`
	Sessions []ids.Session `json:"sessions"`
}

// New makes an Ended. Nothing is sent or heard before Run.
func New(deps Deps) *Ended {
	return &Ended{deps: deps, name: rand.Text(), queue: make(chan []ids.Session, queue)}
}

// Tell has the other nodes told of sessions, without waiting for it. It is
// for auth.Service.OnEndedHere.
func (e *Ended) Tell(sessions []ids.Session) {
	select {
	case e.queue <- sessions:
	default: // the other nodes read it
	}
}

// Run sends and hears until ctx ends, and returns ctx's error.
func (e *Ended) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { e.send(ctx) })
	return e.deps.Redis.Subscribe(ctx, e.deps.Redis.Name(channel), e.hear)
}

func (e *Ended) send(ctx context.Context) {
	for {
		var sessions []ids.Session
		select {
		case <-ctx.Done():
			return
		case sessions = <-e.queue:
		}
		for more := true; more && len(sessions) < batch; {
			select {
			case next := <-e.queue:
				sessions = append(slices.Clip(sessions), next...)
			default:
				more = false
			}
		}
		for part := range slices.Chunk(sessions, batch) {
			text, err := json.Marshal(message{From: e.name, Sessions: part})
			if err != nil {
				panic(err) // a string and identifiers
			}
			// That Redis is away, redisdb tells.
			if err := e.deps.Redis.Publish(ctx, e.deps.Redis.Name(channel), string(text)); err != nil {
				e.deps.Log.Debug().Err(err).Int("sessions", len(part)).Msg("ended sessions are left to the store")
			}
		}
	}
}

func (e *Ended) hear(text string) {
	var m message
	if len(text) > largest || json.Unmarshal([]byte(text), &m) != nil {
		e.deps.Log.Debug().Int("bytes", len(text)).Msg("a message that is not ours on the channel of ended sessions")
		return
	}
	if m.From != e.name {
		e.deps.Hear(m.Sessions)
	}
}
