package chatsql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// Config has the bounds of a Store; the zero Config is good.
type Config struct {
	// Heads is how many conversations' counters are kept in memory on
	// SQLite, some 150 bytes each (16,384).
	Heads int
	// Batch is how many messages, or receipts, one job may write (256).
	Batch int
}

// Store implements chat.Store on a database that has been migrated with the
// set "chat".
type Store struct {
	db    *sqldb.DB
	lane  *sqldb.Lane
	bulk  bulk
	words wordsIndex
	sends *sqldb.Batcher[sending]
	// PostgreSQL: what cannot be appended at once, so that the rest can.
	replies *sqldb.Batcher[sending]
	moves   *sqldb.Batcher[moving]

	told  func([]*chat.Event)
	begun atomic.Bool // there is a position

	ofEdition atomic.Bool // the index of words is, or was, of this program's edition of terms

	// PostgreSQL: the position at which plans are made anew.
	planned int64

	// SQLite: what the newest job left behind, for the lane's goroutine alone;
	// PostgreSQL: pos alone, of the newest append.
	counted bool
	pos     int64
	epoch   string
	heads   *simplelru.LRU[ids.Conversation, head]
}

var _ chat.Store = (*Store)(nil)

// standing is how far the store has come.
type standing struct {
	epoch string
	pos   int64
}

// New returns the Store of a database. It reads nothing yet.
func New(db *sqldb.DB, cfg Config) *Store {
	s := &Store{db: db, lane: db.Lane("chat"), bulk: oneByOne{}, words: fts5{}, told: func([]*chat.Event) {}}
	if db.Engine() == sqldb.PostgreSQL {
		s.bulk, s.words = unnested{}, tsvector{}
	}
	batch := cmp.Or(cfg.Batch, 256)
	s.sends = sqldb.NewBatcher(s.lane, batch, s.applySends)
	s.replies = s.sends
	if db.Engine() == sqldb.PostgreSQL {
		s.replies = sqldb.NewBatcher(s.lane, batch, s.placeAll)
	}
	s.moves = sqldb.NewBatcher(s.lane, batch, s.applyMoves)
	s.heads, _ = simplelru.NewLRU[ids.Conversation, head](max(cmp.Or(cfg.Heads, 16_384), 1), nil)
	return s
}

// OnCommit names who is told of each commit's events.
func (s *Store) OnCommit(told func([]*chat.Event)) { s.told = told }

// Position returns the newest visible position. It is read where all else is:
// what another query has seen is at or before it, which memory, told after the
// commit, could not promise.
func (s *Store) Position(ctx context.Context) (string, int64, error) {
	at, err := position(ctx, s.db)
	if err == nil {
		s.begun.Store(true)
		return at.epoch, at.pos, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", 0, fmt.Errorf("read the position: %w", err)
	}
	// Of a new database the lane answers, so that no commit comes in between.
	err = s.lane.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := s.begin(ctx, tx, nil)
		if err != nil {
			return err
		}
		at = standing{c.epoch, c.pos}
		return c.finish(ctx)
	})
	if err != nil {
		return "", 0, fmt.Errorf("read the position: %w", err)
	}
	return at.epoch, at.pos, nil
}

const selectPosition = `SELECT epoch, pos FROM chat_position WHERE id = 1`

func position(ctx context.Context, q sqldb.Querier) (standing, error) {
	var at standing
	err := q.QueryRow(ctx, selectPosition).Scan(&at.epoch, &at.pos)
	return at, err
}
