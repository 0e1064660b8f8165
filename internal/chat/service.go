package chat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/rs/zerolog"

	"chatd/internal/platform/fanout"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/limit"
)

// Deps are what a Service works with; all but Crier, Limiter, Meter,
// Discretion and Walls are required.
type Deps struct {
	Store     Store
	Directory Directory
	// Secret keys the hashes of sent inputs; 32 bytes, the same on every
	// node and for ever.
	Secret []byte
	Log    zerolog.Logger
	// Crier reaches the other nodes; nil where there are none.
	Crier Crier
	// Limiter counts tries of invites' codes; nil: nobody does.
	Limiter limit.Limiter
	// Meter counts what is sent and uploaded; nil counts nothing.
	Meter *limit.Meter
	// Discretion tells whose read positions are hidden; nil when nobody's.
	Discretion Discretion
	// Walls tells who is kept apart; nil when nobody is.
	Walls Walls
	// Blobs has the bytes of files; nil where nobody uploads any.
	Blobs Blobs
	// Faces knows whose picture a file is; nil where nobody has one.
	Faces Faces
}

// Config tunes a Service; zero values are the defaults.
type Config struct {
	// Now is the clock; time.Now.
	Now func() time.Time
	// Standings is how many memberships are remembered between sends; 65,536.
	Standings int
	// TypingFor is how long a typing signal holds; 5 s.
	TypingFor time.Duration
	// Check is how often the tail compares itself with the store; 500 ms.
	Check time.Duration
	// Codes is how often one user may try a code; 20 times, and one more
	// each 10 s.
	Codes limit.Rate
	// Sends is how many messages one user may send, retries too, and Uploads
	// how many uploads he may begin; without a rate as many as he likes.
	Sends, Uploads limit.Budget
	// IndexEvery is for how long messages are gathered before they are indexed
	// for the search; 100 ms.
	IndexEvery time.Duration
	// Files bounds uploads.
	Files FilesConfig
}

// Service is chat's use cases. Its methods may be called by any number of
// goroutines, and authorise the viewer themselves.
type Service struct {
	Deps
	cfg      Config
	standing *lru.Cache[standingKey, standing]
	hub      *fanout.Hub[ids.Conversation, *Event]
	tail     *tail
	live     *live
	typists  *typists
	viewers  *followers
	indexer  *indexer
	pairs    *lru.Cache[ids.Conversation, [2]ids.User] // of direct conversations
	passages passages

	// Those who type at other nodes. Their node ends it or repeats it; it ends
	// here by itself if that node is gone.
	strangers *typists
}

type standingKey struct {
	conversation ids.Conversation
	user         ids.User
}

// standing is what a send must know of its sender's membership. It may be
// stale: the store refuses what was decided on a version that has moved.
type standing struct {
	kind    Kind
	role    Role
	version int64
	alone   bool // View.Alone
}

// New makes a Service and names it as the listener of the store's commits. It
// starts nothing; Run does.
func New(deps Deps, cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Standings == 0 {
		cfg.Standings = 65_536
	}
	if cfg.TypingFor == 0 {
		cfg.TypingFor = 5 * time.Second
	}
	if cfg.Check == 0 {
		cfg.Check = 500 * time.Millisecond
	}
	cfg.Files = cfg.Files.withDefaults()
	cache, err := lru.New[standingKey, standing](cfg.Standings)
	if err != nil {
		panic(err) // Only for a size below one.
	}
	pairs, err := lru.New[ids.Conversation, [2]ids.User](cfg.Standings)
	if err != nil {
		panic(err) // As above.
	}
	s := &Service{Deps: deps, cfg: cfg, standing: cache, pairs: pairs, hub: fanout.NewHub[ids.Conversation, *Event]()}
	s.viewers = newFollowers(s.hub)
	s.live = newLive(deps.Crier)
	s.typists = newTypists(s.cfg.TypingFor, s.signal)
	s.strangers = newTypists(s.cfg.TypingFor, func(k standingKey, typing bool) { s.dispatchSignal(k, typing) })
	s.tail = newTail(deps.Store, s.dispatch, s.quick, cfg.Check, deps.Log)
	s.indexer = newIndexer(deps.Store, cfg.IndexEvery, deps.Log)
	deps.Store.OnCommit(s.committed)
	return s
}

// Start finds the position that Run goes on from. It must have returned before
// the first stream is opened: what is committed later reaches every stream.
func (s *Service) Start(ctx context.Context) error {
	err := s.tail.start(ctx)
	s.indexer.added.Store(s.tail.last.Load()) // may not be in the index yet
	return err
}

// Run hands committed events to those who listen until ctx ends. Start comes
// before it.
func (s *Service) Run(ctx context.Context) error {
	defer s.typists.stop()
	defer s.strangers.stop()
	var telling sync.WaitGroup
	telling.Go(func() { s.live.run(ctx) })
	telling.Go(func() { s.indexer.run(ctx) })
	defer telling.Wait()
	return s.tail.run(ctx)
}

// Healthy says why this node may not be delivering; nil when it is.
func (s *Service) Healthy() error { return s.tail.healthy() }

// decide runs a use case that depends on who is in the conversation, again
// when that has moved under it.
func (s *Service) decide(ctx context.Context, viewer ids.User, id ids.Conversation, do func(View) error) error {
	const tries = 5
	for try := 1; ; try++ {
		v, err := s.Store.View(ctx, viewer, id)
		if err != nil {
			return err
		}
		if err = do(v); !errors.Is(err, ErrMoved) || try == tries {
			return err
		}
	}
}

// forget drops what is remembered of a membership that has changed.
func (s *Service) forget(id ids.Conversation, users ...ids.User) {
	for _, u := range users {
		s.standing.Remove(standingKey{id, u})
	}
}

// inputHash is what tells a retry from another message under the same
// clientId.
func (s *Service) inputHash(in SendInput) []byte {
	h := hmac.New(sha256.New, s.Secret)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(in.Text)))) //nolint:gosec // A text has at most 40,000 bytes.
	h.Write([]byte(in.Text))
	h.Write(in.ReplyTo.Bytes())
	in.hashMore(h)
	return h.Sum(nil)[:16]
}

// known refuses users that do not exist, or not for the viewer.
func (s *Service) known(ctx context.Context, viewer ids.User, users ...ids.User) error {
	found, err := s.Directory.Known(ctx, users)
	found = s.withoutApart(viewer, found)
	if err != nil {
		return fmt.Errorf("look up users: %w", err)
	}
	if len(found) < len(users) {
		return ErrNoUser
	}
	return nil
}
