package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"chatd/internal/platform/errs"
)

// ErrDuplicate says that a document with the same unique key exists.
var ErrDuplicate = errors.New("mongodb: unique key violated")

// ErrCredentials says that the server does not take the user or the password.
var ErrCredentials = errors.New("mongodb: the credentials are refused")

// Codes of servers that cannot serve now but may later.
var passing = []int{
	6, 7, 89, 9001, // host unreachable, host not found, network timeout, socket
	50, 262, // the time limit of a command
	64, 79, 100, // write concern not met
	91, 189, 10107, 10058, 11600, 11602, 13435, 13436, // no primary now
	112,       // write conflict
	134,       // read concern majority not available yet
	14031, 39, // disk full
}

const (
	codeAuthentication = 18
	codeUnauthorized   = 13
)

// Translate makes the driver's error one of ours and keeps it as a cause:
// ErrDuplicate, ErrCredentials, errs.ErrUnavailable. mongo.ErrNoDocuments and
// what is no fault of the server stay as they are.
func Translate(err error) error {
	switch {
	case err == nil, errors.Is(err, mongo.ErrNoDocuments), errors.Is(err, errs.ErrUnavailable),
		errors.Is(err, context.Canceled):
		return err
	case mongo.IsDuplicateKeyError(err):
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	}
	if e, ok := errors.AsType[mongo.ServerError](err); ok {
		switch {
		case e.HasErrorCode(codeAuthentication), e.HasErrorCode(codeUnauthorized):
			return fmt.Errorf("%w: %w", ErrCredentials, err)
		case slices.ContainsFunc(passing, e.HasErrorCode),
			e.HasErrorLabel("RetryableWriteError"), e.HasErrorLabel("NetworkError"):
			return unavailable(err)
		}
	}
	if again, ok := errors.AsType[retryable](err); ok && again.Retryable() {
		return unavailable(err)
	}
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) || errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "server selection error") {
		return unavailable(err)
	}
	return err
}

// retryable is what the driver says of the connections that it has given up
// because another one failed: it has no exported name for that.
type retryable interface {
	error
	Retryable() bool
}

func unavailable(cause error) error { return fmt.Errorf("%w: %w", errs.ErrUnavailable, cause) }

// oneLine keeps the first line of an error.
func oneLine(err error) error {
	if line, _, more := strings.Cut(err.Error(), "\n"); more {
		return errors.New(line)
	}
	return err
}

// withoutSecret takes an address's password out of an error about it.
func withoutSecret(err error, address string) error {
	text := oneLine(err).Error()
	user, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(address, "mongodb+srv://"), "mongodb://"), "@")
	if !ok {
		return errors.New(text)
	}
	if _, secret, ok := strings.Cut(user, ":"); ok && secret != "" {
		text = strings.ReplaceAll(text, secret, "***")
		if plain, err := url.PathUnescape(secret); err == nil && plain != "" {
			text = strings.ReplaceAll(text, plain, "***")
		}
	}
	return errors.New(text)
}
