package mongodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"chatd/internal/platform/dial"
	"chatd/internal/platform/errs"
)

// Config says which database to open and how. URL is required; all else has a
// default.
type Config struct {
	// URL is the deployment's, as in mongodb://user:secret@host:27017/name.
	// TLS, the replica set and where the user is kept are said in it; what
	// this Config bounds is not.
	URL string
	// Name is the database: what the URL names, else "chatd".
	Name string
	// MaxConns bounds the connections to each server (50).
	MaxConns int
	// Timeout bounds every command, waiting for a connection included (5 s),
	// where the context has no limit of its own: a longer one would hold.
	Timeout time.Duration
	// ConnectTimeout bounds the making of a connection, and the search for a
	// primary at Open (3 s).
	ConnectTimeout time.Duration
	// OnCommand, when set, is told the name of each command before it is sent,
	// on the goroutine that sends it.
	OnCommand func(name string)
}

func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, databaseOf(c.URL), "chatd")
	c.MaxConns = cmp.Or(c.MaxConns, 50)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	return c
}

// DB is an open database. All methods may be called at once.
type DB struct {
	client *mongo.Client
	db     *mongo.Database
}

// Open opens the database and makes sure, within twice the connect timeout,
// that it answers and takes the credentials. The error is one line and names
// the hosts, never the secret: errs.ErrUnavailable when nobody answers.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	opts, err := clientOptions(cfg)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, fmt.Errorf("the MongoDB address: %w", oneLine(err))
	}
	ctx, cancel := context.WithTimeout(ctx, 2*cfg.ConnectTimeout)
	defer cancel()
	of := options.Database()
	replicated, err := hello(ctx, client)
	if err != nil {
		err = fmt.Errorf("connecting to MongoDB at %s: %w", strings.Join(opts.Hosts, ","), reason(err))
		_ = disconnect(context.WithoutCancel(ctx), client) // It was never used.
		return nil, err
	}
	if replicated {
		of.SetReadConcern(readconcern.Majority())
	}
	return &DB{client, client.Database(cfg.Name, of)}, nil
}

func clientOptions(cfg Config) (*options.ClientOptions, error) {
	opts := options.Client().ApplyURI(cfg.URL)
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("the MongoDB address: %w", withoutSecret(err, cfg.URL))
	}
	onDisk := true
	opts.SetAppName("chatd").
		SetMaxPoolSize(uint64(max(cfg.MaxConns, 1))).
		SetMaxConnIdleTime(5 * time.Minute).
		SetConnectTimeout(cfg.ConnectTimeout).
		SetDialer(dial.Dialer(cfg.ConnectTimeout)).
		SetServerSelectionTimeout(cfg.ConnectTimeout).
		SetTimeout(cfg.Timeout).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &onDisk})
	if told := cfg.OnCommand; told != nil {
		opts.SetMonitor(&event.CommandMonitor{
			Started: func(_ context.Context, e *event.CommandStartedEvent) { told(e.CommandName) },
		})
	}
	return opts, nil
}

// databaseOf returns the database that an address names; empty for none.
func databaseOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, name, _ := strings.Cut(rest, "/")
	return name
}

// hello asks who answers. What a lone server has written stays; in a replica
// set only what a majority has does.
func hello(ctx context.Context, client *mongo.Client) (replicated bool, err error) {
	var answer struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"` // "isdbgrid" of a sharded cluster's door
	}
	// The command that needs credentials comes second, so that their refusal
	// is told from nobody's being there.
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&answer); err != nil {
		return false, err
	}
	if err := client.Ping(ctx, readpref.Primary()); err != nil {
		return false, err
	}
	return answer.SetName != "" || answer.Msg == "isdbgrid", nil
}

// Collection returns a collection of the database.
func (d *DB) Collection(name string) *mongo.Collection { return d.db.Collection(name) }

// Index makes the indexes of a collection that are not there yet, by their
// names. A unique one over documents that breach it is an error.
func (d *DB) Index(ctx context.Context, collection string, indexes map[string]mongo.IndexModel) error {
	view := d.db.Collection(collection).Indexes()
	there, err := view.ListSpecifications(ctx)
	if err != nil {
		return fmt.Errorf("reading the indexes of %s: %w", collection, Translate(err))
	}
	missing := maps.Clone(indexes)
	for _, index := range there {
		delete(missing, index.Name)
	}
	if len(missing) == 0 {
		return nil
	}
	models := make([]mongo.IndexModel, 0, len(missing))
	for name, index := range missing {
		if index.Options == nil {
			index.Options = options.Index()
		}
		index.Options.SetName(name)
		models = append(models, index)
	}
	if _, err := view.CreateMany(ctx, models); err != nil {
		return fmt.Errorf("making the indexes of %s: %w", collection, Translate(err))
	}
	return nil
}

// Ping says whether the primary answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("asking MongoDB: %w", Translate(err))
	}
	return nil
}

// Drop removes the database and all that is in it.
func (d *DB) Drop(ctx context.Context) error {
	if err := d.db.Drop(ctx); err != nil {
		return fmt.Errorf("dropping the database: %w", Translate(err))
	}
	return nil
}

// Close gives the connections back. What is under way ends with an error.
func (d *DB) Close() error { return disconnect(context.Background(), d.client) }

func disconnect(ctx context.Context, client *mongo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := client.Disconnect(ctx); err != nil {
		return fmt.Errorf("disconnecting from MongoDB: %w", errors.Join(errs.ErrUnavailable, err))
	}
	return nil
}
