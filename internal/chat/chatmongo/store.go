package chatmongo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/mongodb"
)

// Config has the bounds of a Store; the zero Config is good.
type Config struct {
	// Heads is how many conversations' counters are kept in memory, some 150
	// bytes each (16,384).
	Heads int
	// Group is how many commits are inserted at once (128). A document has at
	// most 40,000 bytes of text, an insert 48 million.
	Group int
	// Queue is how many writes may wait for their group (1024). Further
	// callers wait outside, each as long as its context allows.
	Queue int
	// Timeout bounds every call from its begin to the answer, waiting for
	// others and further tries included (5 s).
	Timeout time.Duration
}

// Store implements chat.Store on a database whose indexes Prepare has made.
// Any number of Stores may share a database.
type Store struct {
	db            *mongodb.DB
	log           *mongo.Collection
	conversations *mongo.Collection
	members       *mongo.Collection
	invites       *mongo.Collection
	reports       *mongo.Collection
	files         *mongo.Collection
	meta          *mongo.Collection
	cfg           Config
	told          func([]*chat.Event)

	queue chan *job
	turn  chan struct{} // held by who commits, or asks for the position

	overtaken atomic.Uint64

	indexing sync.Mutex // held by who gives messages their words
	indexed  atomic.Bool

	// What follows belongs to the holder of the turn.
	epoch string
	at    int64 // all up to it is brought up; -1 when that must be found out
	heads *simplelru.LRU[ids.Conversation, head]
}

var _ chat.Store = (*Store)(nil)

// Overtaken is how often another node was quicker and a group was planned
// again on what that had written.
func (s *Store) Overtaken() uint64 { return s.overtaken.Load() }

// New returns the Store of a database. It reads nothing yet.
func New(db *mongodb.DB, cfg Config) *Store {
	cfg.Group = cmp.Or(cfg.Group, 128)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	s := &Store{
		db: db, log: db.Collection("chat_log"), conversations: db.Collection("chat_conversations"),
		members: db.Collection("chat_members"), invites: db.Collection("chat_invites"), reports: db.Collection("chat_reports"),
		files: db.Collection("chat_files"), meta: db.Collection("chat_meta"),
		cfg: cfg, told: func([]*chat.Event) {},
		queue: make(chan *job, cmp.Or(cfg.Queue, 1024)), turn: make(chan struct{}, 1), at: -1,
	}
	s.heads, _ = simplelru.NewLRU[ids.Conversation, head](max(cmp.Or(cfg.Heads, 16_384), 1), nil)
	return s
}

// Prepare makes the indexes, and the epoch of a new database. It must have
// returned before any other use, and may run on several nodes at once. What
// Check refuses is left alone.
func (s *Store) Prepare(ctx context.Context) error {
	if _, err := s.Check(ctx); err != nil {
		return err
	}
	if err := s.index(ctx); err != nil {
		return err
	}
	if err := s.mark(ctx, rand.Text()); err != nil {
		return fmt.Errorf("prepare chat's epoch: %w", err)
	}
	return s.listOld(ctx)
}

func (s *Store) index(ctx context.Context) error {
	log := map[string]mongo.IndexModel{
		"end": unique("end"), "id": unique("id"), "key": unique("key"), "place": unique("place"),
		"reply": unique("reply"), "changed": unique("changed"), "past": unique("past"),
		"pinned": unique("pinned"), "reactor": sparse("reactor"), "reacted": unique("reacted"), "walk": {Keys: bson.D{is("c", 1), is("end", 1)}},
		"words": {Keys: bson.D{is("c", 1), is("words", 1)}},
	}
	if err := s.db.Index(ctx, s.log.Name(), log); err != nil {
		return fmt.Errorf("prepare chat's log: %w", err)
	}
	members := map[string]mongo.IndexModel{
		"roll": unique("roll"), "user": {Keys: bson.D{is("u", 1)}}, "receipts": {Keys: bson.D{is("c", 1), is("read_pos", 1)}},
	}
	if err := s.db.Index(ctx, s.members.Name(), members); err != nil {
		return fmt.Errorf("prepare chat's members: %w", err)
	}
	if err := errors.Join(s.channelIndexes(ctx), s.inviteIndexes(ctx)); err != nil {
		return fmt.Errorf("prepare chat's channels: %w", err)
	}
	if err := s.db.Index(ctx, s.reports.Name(), map[string]mongo.IndexModel{"open": unique("open")}); err != nil {
		return fmt.Errorf("prepare chat's reports: %w", err)
	}
	files := map[string]mongo.IndexModel{
		"user": {Keys: bson.D{is("u", 1)}}, "message": sparse("message"), "unsent": sparse("unsent"), "condemned": sparse("condemned"),
		"doubted": sparse("doubted"),
	}
	if err := s.db.Index(ctx, s.files.Name(), files); err != nil {
		return fmt.Errorf("prepare chat's files: %w", err)
	}
	return nil
}

// unique is a sparse index of which each value is there once.
func unique(field string) mongo.IndexModel {
	return mongo.IndexModel{Keys: bson.D{is(field, 1)}, Options: options.Index().SetUnique(true).SetSparse(true)}
}

// sparse is an index that leaves out what lacks the field.
func sparse(field string) mongo.IndexModel {
	return mongo.IndexModel{Keys: bson.D{is(field, 1)}, Options: options.Index().SetSparse(true)}
}

const epochID = "epoch"

// within gives a call its time. A request's context has a limit of its own, a
// longer one, and then the driver's for a command does not hold.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// OnCommit names who is told of each commit's events.
func (s *Store) OnCommit(told func([]*chat.Event)) { s.told = told }

// Position returns the newest position. What others have committed is brought
// up before it is told.
func (s *Store) Position(ctx context.Context) (string, int64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return "", 0, gaveUp(ctx)
	}
	defer func() { <-s.turn }()
	if err := s.knowEpoch(ctx); err != nil {
		return "", 0, fmt.Errorf("read the epoch: %w", err)
	}
	if _, err := s.sync(ctx); err != nil {
		return "", 0, fmt.Errorf("read the position: %w", err)
	}
	return s.epoch, s.at, nil
}

func (s *Store) knowEpoch(ctx context.Context) error {
	if s.epoch != "" {
		return nil
	}
	var d struct {
		Epoch string `bson:"epoch"`
	}
	err := s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: epochID}}).Decode(&d)
	s.epoch = d.Epoch
	return mongodb.Translate(err)
}

// find reads all documents of a query.
func find[T any](
	ctx context.Context, c *mongo.Collection, filter bson.D, opts ...options.Lister[options.FindOptions],
) ([]T, error) {
	cursor, err := c.Find(ctx, filter, opts...)
	if err != nil {
		return nil, mongodb.Translate(err)
	}
	var all []T
	return all, mongodb.Translate(cursor.All(ctx, &all))
}

// ascending sorts by a field and takes the first of them.
func ascending(field string, limit int) *options.FindOptionsBuilder {
	return options.Find().SetSort(bson.D{{Key: field, Value: 1}}).SetLimit(int64(limit))
}

func descending(field string, limit int) *options.FindOptionsBuilder {
	return options.Find().SetSort(bson.D{{Key: field, Value: -1}}).SetLimit(int64(limit))
}

// one reads a document by its _id, and returns nil when it is not there.
func one[T any](ctx context.Context, c *mongo.Collection, id any) (*T, error) {
	var d T
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil //nolint:nilnil // Not being there is an answer.
	}
	if err != nil {
		return nil, mongodb.Translate(err)
	}
	return &d, nil
}

// is, in and from make filters.
func is(field string, v any) bson.E { return bson.E{Key: field, Value: v} }

func in[T any](field string, of []T) bson.E { return is(field, bson.D{is("$in", of)}) }

func over(field string, v any) bson.E { return is(field, bson.D{is("$gt", v)}) }

func between(field string, after, before any) bson.E {
	return is(field, bson.D{is("$gt", after), is("$lt", before)})
}

// parts cuts a list for $in, which a command of 16 MB must hold.
func parts[T any](of []T) [][]T {
	const most = 1000
	var all [][]T
	for len(of) > most {
		all, of = append(all, of[:most]), of[most:]
	}
	if len(of) > 0 {
		all = append(all, of)
	}
	return all
}
