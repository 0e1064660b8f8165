package chat

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"chatd/internal/platform/ids"
)

// Attachment is what a message tells of a file.
type Attachment struct {
	ID          ids.Attachment `json:"id"`
	Name        string         `json:"name"` // as CleanName makes it
	ContentType string         `json:"type"` // told from its content
	Size        int64          `json:"size"` // in bytes, as it is downloaded
	Width       int            `json:"width,omitempty"`
	Height      int            `json:"height,omitempty"` // of an image; else 0
	Thumbnail   bool           `json:"thumbnail,omitempty"`
}

// FilesPath is where files are served, and ThumbnailPath what follows a file's
// path to its thumbnail.
const (
	FilesPath     = "/files/"
	ThumbnailPath = "/thumbnail"
)

// FilePath is where a file, or its thumbnail, is served.
func FilePath(id ids.Attachment, thumbnail bool) string {
	if thumbnail {
		return FilesPath + id.String() + ThumbnailPath
	}
	return FilesPath + id.String()
}

// File is an upload, and later the file of a message.
type File struct {
	Attachment // but for ID and Name only when it is Complete

	Uploader  ids.User
	Length    int64 // in bytes as uploaded, or reserved for it; the quota counts it
	CreatedAt time.Time
	Complete  bool
	Message   ids.Message // zero: in none yet
	Worn      bool        // as its uploader's picture (Wardrobe); not to be sent then
}

// FileUsage is what a user's files come to, but for condemned ones.
type FileUsage struct {
	Bytes  int64
	Unsent int // files that are in no message and not worn
}

// Files stores what is known of uploaded files; their bytes are elsewhere. A
// file is reserved when its upload begins, completed when all of it is there,
// and becomes a message's by Append. One that nobody needs is condemned:
// nobody sees it any more, and it is forgotten once its bytes are gone. So
// whatever happens in between, there are no bytes of which nothing is known.
type Files interface {
	// Reserve stores a new file that is not complete.
	Reserve(ctx context.Context, f File) error
	// Usage returns what a user's files come to.
	Usage(ctx context.Context, user ids.User) (FileUsage, error)
	// Complete fills in all of f but its Name, CreatedAt and Message.
	// ErrNoFile when it is not the uploader's, in a message or condemned.
	// Doing so again changes it.
	Complete(ctx context.Context, f File) error
	// File returns a file, to whoever has been authorised; ErrNoFile when
	// there is none or it is condemned.
	File(ctx context.Context, id ids.Attachment) (File, error)
	// ReadableFiles returns those of the files that the viewer may read: his
	// own while they are in no message, else those of messages in his
	// conversations; in any order, in a constant number of reads.
	ReadableFiles(ctx context.Context, viewer ids.User, of []ids.Attachment) ([]File, error)
	// Condemn condemns a file of that uploader that is in no message and not
	// worn; ErrNoFile when there is none.
	Condemn(ctx context.Context, uploader ids.User, id ids.Attachment, at time.Time) error
	// CondemnUnsent condemns the files in no message and not worn that were
	// reserved before a time, at most limit, and returns how many. A message that
	// takes one at the same moment may be quicker even after it.
	CondemnUnsent(ctx context.Context, before, at time.Time, limit int) (int, error)
	// Condemned returns files that were condemned before a time, at most
	// limit.
	Condemned(ctx context.Context, before time.Time, limit int) ([]ids.Attachment, error)
	// Forget takes away all that is known of condemned files; others stay.
	Forget(ctx context.Context, of []ids.Attachment) error
}

// maxNameLen bounds a file's name, in bytes, which file systems do, too.
const maxNameLen = 200

// CleanName makes a name of what a client says a file is called: the last part
// of a path, without control characters and those that turn the direction of
// writing, at most 200 bytes of which the ending stays. It is never empty.
func CleanName(given string) string {
	given = strings.ToValidUTF8(given, "_")
	given = given[strings.LastIndexAny(given, `/\`)+1:]
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, given)
	name = strings.TrimSpace(name)
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	if len(name) <= maxNameLen {
		return name
	}
	end := path.Ext(name)
	if len(end) > 20 {
		end = ""
	}
	return strings.ToValidUTF8(name[:maxNameLen-len(end)], "") + end
}

func (s *Service) checkAttachments(of []ids.Attachment) error {
	if len(of) == 0 {
		return nil
	}
	if len(of) > s.cfg.Files.PerMessage {
		return ErrManyAttachments
	}
	for i, id := range of {
		if slices.Contains(of[:i], id) {
			return ErrManyAttachments
		}
	}
	return nil
}
