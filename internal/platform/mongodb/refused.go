package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"chatd/internal/platform/errs"
)

// ErrUnfit says that the server is not one to work on: too old, not a primary,
// or one that withholds a right.
var ErrUnfit = errors.New("mongodb: the server cannot be worked on")

// oldest is the least MongoDB that chatd works on, by its name and by the
// version of the protocol that it is known by (MongoDB's wire versions).
const (
	oldest     = "6.0"
	oldestWire = 17
)

// answer is what a server says of itself.
type answer struct {
	SetName   string `bson:"setName"`
	Msg       string `bson:"msg"` // "isdbgrid" of a sharded cluster's door
	Wire      int    `bson:"maxWireVersion"`
	Writable  bool   `bson:"isWritablePrimary"`
	Arbiter   bool   `bson:"arbiterOnly"`
	Secondary bool   `bson:"secondary"`
}

// hello asks who answers. What a lone server has written stays; in a replica
// set only what a majority has does.
func hello(ctx context.Context, client *mongo.Client) (is answer, err error) {
	// The command that needs credentials comes second, so that their refusal
	// is told from nobody's being there.
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&is); err != nil {
		return is, err
	}
	if err := is.fit(); err != nil {
		return is, err
	}
	return is, client.Ping(ctx, readpref.Primary())
}

// fit says why a server cannot be worked on.
func (is answer) fit() error {
	no := func(text string) error { return &refused{text, ErrUnfit} }
	const others = "name all members of the replica set in the URL, with replicaSet=NAME and without directConnection"
	switch {
	case is.Wire < oldestWire:
		return no(fmt.Sprintf("it is older than %s, which chatd needs; upgrade it (it speaks protocol version %d, and %d is needed)", oldest, is.Wire, oldestWire))
	case is.Arbiter:
		return no("it is an arbiter, which keeps no data; " + others)
	case is.Secondary:
		return no("it is a secondary, which takes no writes; " + others)
	case !is.Writable:
		return no("it is not a primary and takes no writes; start its replica set, or " + others)
	}
	return nil
}

// mayWrite makes sure that the user may read and remove documents, by doing
// that to none. (An update of none would make the collection in FerretDB.)
func mayWrite(ctx context.Context, db *mongo.Database) error {
	nobody := bson.D{{Key: "_id", Value: "nobody"}}
	c := db.Collection("chatd_nothing")
	if err := c.FindOne(ctx, nobody).Err(); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	_, err := c.DeleteOne(ctx, nobody)
	return err
}

// refused is an error in the words of who has to put it right.
type refused struct {
	text  string
	cause error
}

func (e *refused) Error() string { return e.text }

// Unwrap returns what was met.
func (e *refused) Unwrap() error { return e.cause }

// reason is why Open does not succeed, in one line that says what to do. Of a
// search for a server the driver tells the whole topology; of that the last
// error is kept.
func reason(err error, withTLS bool) error {
	if errors.Is(err, ErrUnfit) {
		return err
	}
	text := oneLine(err).Error()
	translated := Translate(err)
	if e, ok := errors.AsType[mongo.ServerError](err); ok && e.HasErrorCode(codeUnauthorized) {
		if strings.Contains(text, "requires authentication") {
			return &refused{"it wants a user and a password; write mongodb://user:password@host (" + text + ")", translated}
		}
		return &refused{"the user lacks a right; give it the role readWrite on the database (" + text + ")", translated}
	}
	if strings.Contains(text, "auth error") || strings.Contains(text, "Authentication failed") || errors.Is(translated, ErrCredentials) {
		return &refused{"the user or the password is refused; check both in the URL, and authSource (" + text + ")", errors.Join(ErrCredentials, err)}
	}
	met := text
	if _, last, ok := strings.Cut(text, "Last error: "); ok {
		met, _, _ = strings.Cut(last, " }")
	}
	for _, c := range []struct{ sign, what string }{
		{"requires at least", "it is older than " + oldest + ", which chatd needs; upgrade it"},
		{"no such host", "the host is not known; check its name in the URL"},
		{"connection refused", "nobody listens there; start MongoDB, or check host and port in the URL"},
		{"unknown authority", "its certificate is of an authority that this machine does not know; name the authority's file by tlsCAFile=FILE in the URL"},
		{"certificate is valid for", "its certificate is for another host; name it in the URL as its certificate does"},
		{"certificate is not valid", "its certificate is for another host; name it in the URL as its certificate does"},
		{"cannot validate certificate", "its certificate is for another host; name it in the URL as its certificate does"},
		{"first record does not look like a TLS handshake", "it does not speak TLS; take tls=true out of the URL"},
	} {
		if strings.Contains(met, c.sign) {
			return &refused{c.what + " (" + met + ")", unavailable(err)}
		}
	}
	switch {
	case strings.Contains(met, "EOF") || strings.Contains(met, "reset by peer") || strings.Contains(met, "closed"):
		advice := "it closed the connection; if it wants TLS, say tls=true in the URL"
		if withTLS {
			advice = "it closed the connection; if it does not speak TLS, take tls=true out of the URL"
		}
		return &refused{advice + " (" + met + ")", unavailable(err)}
	case met != text:
		return &refused{"no answer; check hosts and ports in the URL, and what lies between (" + met + ")", unavailable(err)}
	case strings.Contains(text, "server selection error"):
		return &refused{"no primary answers in time; check hosts, ports and replicaSet in the URL, and what lies between", unavailable(err)}
	case errors.Is(translated, errs.ErrUnavailable):
		return &refused{"no answer in time; check hosts and ports in the URL, and what lies between (" + text + ")", translated}
	}
	return oneLine(err)
}
