package chat

import (
	"context"
	"io"

	"chatd/internal/platform/ids"
)

// Directory is what chat needs to know of people.
type Directory interface {
	// Known returns those of the users that exist, in any order.
	Known(ctx context.Context, of []ids.User) ([]ids.User, error)
	// Named returns the users of those of the lower-case usernames that
	// somebody has, in a read or two.
	Named(ctx context.Context, usernames []string) (map[string]ids.User, error)
}

// Content is the bytes of a file, to be read from anywhere.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Blobs has the bytes of files.
type Blobs interface {
	// Remove removes all that there is of files, and is content when there is
	// nothing.
	Remove(ctx context.Context, of ...ids.Attachment) error
}
