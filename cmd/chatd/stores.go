package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"chatd/internal/auth/authsql"
	"chatd/internal/chat"
	"chatd/internal/chat/chatblob"
	"chatd/internal/chat/chathttp"
	"chatd/internal/chat/chatmongo"
	"chatd/internal/chat/chatsql"
	"chatd/internal/platform/datadir"
	"chatd/internal/platform/datamove"
	"chatd/internal/platform/keys"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/relay/relaysql"
	"chatd/internal/platform/s3"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/zipdir"
	"chatd/internal/user/usersql"
	"chatd/migrations"
)

// stores is where everything is kept: the data directory with the master
// secret, and one database with a set of tables for each context.
type stores struct {
	dir  *datadir.Dir
	ring *keys.Ring
	db   *sqldb.DB
	docs *mongodb.DB // of chat; nil where it is in db

	several  bool // nodes may work on the database
	claiming sync.Mutex
	node     *sqldb.Lock // PostgreSQL: alone, or shared by nodes with a bus between them; under claiming

	auth   *authsql.Store
	user   *usersql.Store
	chat   chat.Store
	files  blobs // nil where nodes share none
	relays *relaysql.Positions
}

// nodeLock is held by the only node on a PostgreSQL, or by all that have a bus.
const nodeLock = "chatd node"

var (
	errSecondNode = errors.New("another chatd works on this PostgreSQL database; several nodes need a bus between them: give each of them --kafka-brokers")
	errLoneNode   = errors.New("a chatd without --kafka-brokers works on this PostgreSQL database; stop it, or give it --kafka-brokers too")
)

// openStores opens and migrates what the configuration names. Nothing stays
// open after an error.
func openStores(ctx context.Context, cfg Config, log zerolog.Logger) (*stores, error) {
	s := &stores{}
	if err := s.open(ctx, cfg, log); err != nil {
		s.close() //nolint:contextcheck // Closing does not end with what asked for it.
		return nil, err
	}
	return s, nil
}

func (s *stores) open(ctx context.Context, cfg Config, log zerolog.Logger) (err error) {
	bucket, err := openBucket(ctx, cfg)
	if err != nil {
		return atServer("s3-url", err)
	}
	if s.dir, err = datadir.Open(cfg.Data.Dir); err != nil {
		return err
	}
	if s.dir.Full {
		log.Warn().Str("dir", s.dir.Path).Msg("the disk is full: what is there can be read, nothing can be written until there is room")
	}
	if s.ring, err = keys.Open(s.dir.Path, cfg.Secret.Reveal()); err != nil {
		return err
	}
	conf := sqldb.Config{URL: cfg.Data.PostgresURL.Reveal(), Relaxed: cfg.Data.Durability == "relaxed", Log: log}
	if conf.URL == "" {
		conf.Path = s.dir.Database()
		if err := s.dir.CheckEmbedded(); err != nil {
			return err
		}
	}
	// Everything is looked at before anything is changed.
	if s.db, err = sqldb.Open(ctx, conf); err == nil {
		err = s.claim(ctx, cfg)
	}
	if err == nil && conf.URL != "" {
		err = checkCopied(ctx, s.db, cfg)
	}
	if err == nil {
		_, err = stateOf(ctx, s.db, cfg)
	}
	if err == nil {
		err = s.db.CheckExtension(ctx, usersql.Extension)
	}
	if err != nil {
		return atStore(cfg, err)
	}
	prepare, err := s.openChat(ctx, cfg.Data.MongoURL.Reveal())
	if err != nil {
		return atServer("mongo-url", err)
	}
	if err := migrateSets(ctx, s.db, cfg.sets()); err != nil {
		return atStore(cfg, err)
	}
	if err := prepare(ctx); err != nil {
		if s.docs == nil {
			return atStore(cfg, err)
		}
		return atServer("mongo-url", err)
	}
	s.auth, s.user, s.relays = authsql.New(s.db), usersql.New(s.db), relaysql.New(s.db)
	if err := s.openFiles(cfg, bucket, log); err != nil {
		return err
	}
	return s.hold(cfg)
}

// checkCopied refuses a PostgreSQL into which not all has been copied, or that
// has its conversations elsewhere.
func checkCopied(ctx context.Context, db *sqldb.DB, cfg Config) error {
	err := datamove.Check(ctx, db, cfg.sets())
	if errors.Is(err, datamove.ErrUnfinished) {
		return fmt.Errorf("this PostgreSQL %w; run `chatd migrate-data` again to the end, or name another --postgres-url", err)
	}
	return withParts(err, cfg)
}

// atStore names the store that an error is about.
func atStore(cfg Config, err error) error {
	if cfg.Data.PostgresURL != "" {
		return atServer("postgres-url", err)
	}
	return fmt.Errorf("open the store: %w", oneLine{advised(err)})
}

// sets are the tables' sets that are kept in the SQL database.
func (c *Config) sets() []string {
	if c.Data.MongoURL != "" {
		return []string{"auth", "user", "relay"}
	}
	return []string{"auth", "user", "chat", "relay"}
}

// stateOf says how far the tables are that the configuration keeps in db: the
// state of the set that is behind most.
func stateOf(ctx context.Context, db *sqldb.DB, cfg Config) (sqldb.State, error) {
	all := make(map[sqldb.State]bool)
	for _, set := range cfg.sets() {
		state, err := db.State(ctx, set, migrations.FS(set))
		if err != nil {
			return "", err
		}
		all[state] = true
	}
	switch {
	case all[sqldb.Older], all[sqldb.Absent] && all[sqldb.Current]:
		return sqldb.Older, nil
	case all[sqldb.Absent]:
		return sqldb.Absent, nil
	}
	return sqldb.Current, nil
}

// migrateSets brings sets of tables to this version's schema.
func migrateSets(ctx context.Context, db *sqldb.DB, sets []string) error {
	for _, set := range sets {
		if err := db.Migrate(ctx, set, migrations.FS(set)); err != nil {
			return err
		}
	}
	return nil
}

// openChat opens the store of conversations and makes sure that a MongoDB can
// be one. It changes nothing: that is what prepare is for.
func (s *stores) openChat(ctx context.Context, mongo string) (prepare func(context.Context) error, err error) {
	if mongo == "" {
		store := chatsql.New(s.db, chatsql.Config{})
		s.chat = store
		return store.Prepare, nil
	}
	if s.docs, err = mongodb.Open(ctx, mongodb.Config{URL: mongo}); err != nil {
		return nil, err
	}
	store := chatmongo.New(s.docs, chatmongo.Config{})
	s.chat = store
	_, err = store.Check(ctx)
	return store.Prepare, err
}

// oneLine is an error told in one line: drivers tell theirs in several.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

// Unwrap returns the error itself.
func (e oneLine) Unwrap() error { return e.error }

// claim makes sure that PostgreSQL's commits last, and that this is the only
// node on it, or that all of them have a bus.
func (s *stores) claim(ctx context.Context, cfg Config) error {
	if s.db.Engine() == sqldb.SQLite {
		return nil
	}
	if cfg.Data.Durability == "full" {
		if err := s.db.CheckDurable(ctx); err != nil {
			return err
		}
	}
	s.several = cfg.several()
	return s.keepNode(ctx)
}

// keepNode makes sure that this is the only node, or only among nodes with a
// bus: it takes the lock, at first and again when the connection that held it
// has been lost. When another node is in the way, it is errSecondNode or
// errLoneNode.
func (s *stores) keepNode(ctx context.Context) error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.node != nil && s.node.Check(ctx) == nil {
		return nil
	}
	take, inTheWay := s.db.TryLock, errSecondNode
	if s.several {
		take, inTheWay = s.db.TryShare, errLoneNode
	}
	lock, ok, err := take(ctx, nodeLock)
	if err != nil {
		return err
	}
	if !ok {
		return inTheWay
	}
	if s.node != nil {
		s.node.Release()
	}
	s.node = lock
	return nil
}

// hold notes what must be in the directory from now on.
func (s *stores) hold(cfg Config) error {
	var names []string
	if cfg.Secret == "" {
		names = append(names, keys.FileName)
	}
	if s.db.Engine() == sqldb.SQLite {
		names = append(names, datadir.DatabaseFile)
	}
	if s.dir.Full {
		return nil
	}
	return s.dir.Hold(names...)
}

// blobs are where the bytes of files are: a directory or a bucket.
type blobs interface {
	chat.Blobs
	chathttp.Blobs
}

// noSharedFiles says why several nodes take no files.
const noSharedFiles = "nodes take no attachments, for they share no place for files: give each of them the same --s3-url, or --files-dir with the same directory"

// bucketTime is how long the first look at a bucket may take.
const bucketTime = 9 * time.Second

// openBucket opens the bucket of files and sees that it can be used; nil
// without one.
func openBucket(ctx context.Context, cfg Config) (*s3.Bucket, error) {
	switch {
	case cfg.Files.S3URL == "":
		return nil, nil //nolint:nilnil // There is none.
	case cfg.Files.Dir != "":
		return nil, errors.New("files lie in a bucket or in a directory; leave out this one, or --files-dir")
	}
	bucket, err := s3.Open(s3.Config{URL: cfg.Files.S3URL.Reveal()})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTime)
	defer cancel()
	return bucket, bucket.Check(ctx)
}

// openFiles opens the place of uploaded files. Nodes that share none take no
// files: what one of them had the others could not show.
func (s *stores) openFiles(cfg Config, bucket *s3.Bucket, log zerolog.Logger) error {
	how := chatblob.Config{Pixels: int64(cfg.Files.MaxPixels), RefusedTypes: cfg.Files.RefusedTypes}
	if bucket != nil {
		files, err := chatblob.OpenBucket(bucket, filepath.Join(s.dir.Path, "uploads"), how)
		if err != nil {
			return fmt.Errorf("%w; make it writable", err)
		}
		s.files = files
		return nil
	}
	dir := cfg.Files.Dir
	if dir == "" {
		if cfg.several() {
			log.Warn().Msg(noSharedFiles)
			return nil
		}
		dir = filepath.Join(s.dir.Path, "files")
	}
	files, err := chatblob.Open(dir, how)
	if err != nil && s.dir.Full && cfg.Files.Dir == "" {
		log.Warn().Err(err).Msg("no files can be taken before the next start with room on the disk")
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; name another --files-dir, or make this one writable", err)
	}
	s.files = files
	return nil
}

// blobs are the files as chat knows them; nil without.
func (s *stores) blobs() chat.Blobs {
	if s.files == nil {
		return nil
	}
	return s.files
}

// archives is where exports lie, beside the files; nil where nodes share none.
func (s *stores) archives(cfg Config) *zipdir.Dir {
	switch {
	case cfg.Files.Dir != "":
		return zipdir.New(filepath.Join(cfg.Files.Dir, "exports"))
	case cfg.several():
		return nil
	}
	return zipdir.New(filepath.Join(s.dir.Path, "files", "exports"))
}

// ping says whether the database answers and this node may still work on it.
func (s *stores) ping(ctx context.Context) error {
	if s.db.Engine() == sqldb.PostgreSQL {
		if err := s.keepNode(ctx); err != nil {
			return err
		}
	}
	if s.docs != nil {
		if err := s.docs.Ping(ctx); err != nil {
			return err
		}
	}
	return s.db.Ping(ctx)
}

func (s *stores) close() {
	if s.node != nil {
		s.node.Release()
	}
	if s.docs != nil {
		_ = s.docs.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
	if s.dir != nil {
		_ = s.dir.Close()
	}
}

// Describe implements prometheus.Collector.
func (s *stores) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, ch) }

// Collect implements prometheus.Collector.
func (s *stores) Collect(ch chan<- prometheus.Metric) {
	st := s.db.Stats()
	tell := func(kind prometheus.ValueType, name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("chatd_store_"+name, help, nil, nil), kind, v)
	}
	tell(prometheus.CounterValue, "commits_total", "Transactions committed; each may hold the work of many callers.", float64(st.Commits))
	tell(prometheus.CounterValue, "jobs_total", "Callers' pieces of work in the committed transactions.", float64(st.Jobs))
	tell(prometheus.CounterValue, "failed_commits_total", "Transactions that could not be committed.", float64(st.Failed))
	retries := st.Retries
	if shared, ok := s.chat.(interface{ Overtaken() uint64 }); ok {
		retries += shared.Overtaken()
	}
	tell(prometheus.CounterValue, "retries_total", "Transactions that were tried again because another, or another node, was quicker.", float64(retries))
	tell(prometheus.CounterValue, "reads_total", "Queries beside those of transactions that write.", float64(st.Reads))
	tell(prometheus.GaugeValue, "queue_length", "Pieces of work that wait for a transaction.", float64(st.Queue))
	tell(prometheus.GaugeValue, "connections", "Open database connections.", float64(st.Conns))
	tell(prometheus.CounterValue, "read_waits_total", "Readers that had to wait for a connection.", float64(st.Waits))
}
