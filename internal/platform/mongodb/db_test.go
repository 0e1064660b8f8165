package mongodb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/mongodb"
	"chatd/internal/platform/mongodb/mongodbtest"
)

// refusedOpen opens what cannot be opened and checks how that is told.
func refusedOpen(t *testing.T, address string, want error) error {
	t.Helper()
	begun := time.Now()
	db, err := mongodb.Open(t.Context(), mongodb.Config{URL: address})
	if err == nil {
		_ = db.Close()
		t.Fatal("it was opened")
	}
	t.Log(err)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("it is no %v", want)
	}
	if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "s3cret") || len(text) > 400 {
		t.Errorf("not one short line without the secret: %q", text)
	}
	return err
}

func TestAnAddressThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "chat", "postgres://user:s3cret@localhost/chat", "mongodb://user:s3cret@/chat",
		"mongodb://user:s3cret@localhost:notaport/chat", "mongodb://user:s3cret%zz@localhost/chat",
		"mongodb://localhost/chat?w=none&readConcernLevel",
	} {
		refusedOpen(t, address, nil)
	}
}

func TestNobodyThereIsToldInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	err = refusedOpen(t, "mongodb://user:s3cret@"+address+"/chat", errs.ErrUnavailable)
	if !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") {
		t.Error("it does not say where and why")
	}
}

func TestAServerThatNeverAnswersIsToldInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	refusedOpen(t, "mongodb://"+l.Addr().String(), errs.ErrUnavailable)
}

func TestWrongCredentialsAreTold(t *testing.T) {
	t.Parallel()
	address := mongodbtest.Config(t).URL
	_, host, _ := strings.Cut(address, "://")
	if _, rest, ok := strings.Cut(host, "@"); ok {
		host = rest
	}
	refusedOpen(t, "mongodb://nobody:s3cret@"+host, mongodb.ErrCredentials)
}

func TestToOpenADatabaseMakesNothing(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	mongodbtest.Open(t, cfg)
	client, err := mongo.Connect(options.Client().ApplyURI(cfg.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	names, err := client.ListDatabaseNames(t.Context(), bson.D{{Key: "name", Value: cfg.Name}})
	if err != nil || len(names) != 0 {
		t.Errorf("there is %v, %v", names, err)
	}
}

func TestErrorsOfTheDriverAreOurs(t *testing.T) {
	t.Parallel()
	command := func(code int32) error { return mongo.CommandError{Code: code, Message: "said the server"} }
	for what, c := range map[string]struct{ err, want error }{
		"a duplicate":               {command(11000), mongodb.ErrDuplicate},
		"one of several writes":     {mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{{WriteError: mongo.WriteError{Code: 11000}}}}, mongodb.ErrDuplicate},
		"no right":                  {command(13), mongodb.ErrCredentials},
		"no primary":                {command(10107), errs.ErrUnavailable},
		"a step down":               {command(189), errs.ErrUnavailable},
		"a time limit":              {command(50), errs.ErrUnavailable},
		"a write without majority":  {mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}, errs.ErrUnavailable},
		"a full disk":               {command(14031), errs.ErrUnavailable},
		"a network error":           {mongo.CommandError{Labels: []string{"NetworkError"}}, errs.ErrUnavailable},
		"a deadline":                {context.DeadlineExceeded, errs.ErrUnavailable},
		"a closed client":           {mongo.ErrClientDisconnected, errs.ErrUnavailable},
		"nothing found stays":       {mongo.ErrNoDocuments, mongo.ErrNoDocuments},
		"who gave up stays":         {context.Canceled, context.Canceled},
		"what is ours already does": {errs.ErrUnavailable, errs.ErrUnavailable},
	} {
		got := mongodb.Translate(c.err)
		if !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
		if !errors.Is(c.want, errs.ErrUnavailable) && errors.Is(got, errs.ErrUnavailable) {
			t.Errorf("%s: %v is told as passing", what, got)
		}
	}
	if err := mongodb.Translate(command(2)); errors.Is(err, errs.ErrUnavailable) || errs.Of(err) != nil {
		t.Error("a bad query is told as", err)
	}
	if mongodb.Translate(nil) != nil {
		t.Error("nothing is something")
	}
}

func TestIndexesAreMadeOnceAndHold(t *testing.T) {
	t.Parallel()
	db := mongodbtest.New(t)
	ctx := t.Context()
	indexes := map[string]mongo.IndexModel{
		"key":  {Keys: bson.D{{Key: "key", Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true)},
		"size": {Keys: bson.D{{Key: "size", Value: 1}}},
	}
	for range 2 {
		if err := db.Index(ctx, "things", indexes); err != nil {
			t.Fatal(err)
		}
	}
	things := db.Collection("things")
	for _, doc := range []bson.D{{}, {}, {{Key: "key", Value: "a"}}, {{Key: "key", Value: "b"}}} {
		if _, err := things.InsertOne(ctx, doc); err != nil {
			t.Fatal(err)
		}
	}
	_, err := things.InsertOne(ctx, bson.D{{Key: "key", Value: "a"}})
	if !errors.Is(mongodb.Translate(err), mongodb.ErrDuplicate) {
		t.Fatal(err)
	}
	if err := db.Ping(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestACommandThatTakesTooLongIsUnavailable(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	db := mongodbtest.Open(t, cfg)
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	err := db.Collection("things").FindOne(ctx, bson.D{}).Err()
	if !errors.Is(mongodb.Translate(err), errs.ErrUnavailable) {
		t.Fatal(err)
	}
}
