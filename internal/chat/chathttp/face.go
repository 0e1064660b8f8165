package chathttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/tus/tusd/v2/pkg/handler"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Path is where the face lies.
const Path = chat.FilesPath

// Service decides; chat.Service in the program.
type Service interface {
	uploader
	File(ctx context.Context, viewer ids.User, id ids.Attachment) (chat.File, error)
	Thumbnail(ctx context.Context, who principal.Principal, id ids.Attachment) (chat.File, error)
}

// Blobs has the bytes. What is being uploaded it has as a Directory or as
// Parts.
type Blobs interface {
	TakeIn(ctx context.Context, f chat.File) (chat.File, error)
	Open(ctx context.Context, id ids.Attachment, thumbnail bool) (chat.Content, error)
}

// Directory has what is being uploaded in one, for tusd's file store.
type Directory interface {
	Incoming() string
}

// Parts has what is being uploaded in parts that are written once. An upload's
// note is the face's own.
type Parts interface {
	// Note writes an upload's note in place of the one before.
	Note(ctx context.Context, id ids.Attachment, note []byte) error
	// Noted returns it, and how many bytes of the upload there are without a
	// gap; chat.ErrNoFile when there is no note.
	Noted(ctx context.Context, id ids.Attachment) (note []byte, length int64, err error)
	// Add writes what src has as the upload's bytes from an offset on, and
	// returns how many of them are kept, also when src fails.
	Add(ctx context.Context, id ids.Attachment, offset int64, src io.Reader) (int64, error)
	// Drop removes an upload that is under way.
	Drop(ctx context.Context, id ids.Attachment) error
}

// Links has signed the links; links.Signer in the program.
type Links interface {
	// Check says whose a link to a path is and how long it is good yet, which
	// is not above zero when it is none.
	Check(path string, query url.Values) (ids.User, time.Duration)
}

// Deps are what a Face works with; all are required.
type Deps struct {
	Chat  Service
	Blobs Blobs
	Links Links
	// Stands is who a user is at this moment, as a token of his would say;
	// errs.ErrUnauthenticated when none would be good.
	Stands func(ctx context.Context, user ids.User) (principal.Principal, error)
	Log    zerolog.Logger
	// Denied says why a request's token does not count; nil for none.
	Denied func(context.Context) error
}

// Config bounds a Face; zero values are the defaults.
type Config struct {
	MaxSize  int64         // of an upload, in bytes: 25 MiB
	AtOnce   int           // requests with a part of an upload, of one user: 8
	Longest  time.Duration // such a request: 15 min; what came is kept
	Silence  time.Duration // within it: 30 s
	WaitLock time.Duration // for another request on the same upload: 10 s
	Download time.Duration // sending a file: 30 min
}

func (c Config) withDefaults() Config {
	set := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if c.MaxSize == 0 {
		c.MaxSize = 25 << 20
	}
	if c.AtOnce == 0 {
		c.AtOnce = 8
	}
	set(&c.Longest, 15*time.Minute)
	set(&c.Silence, 30*time.Second)
	set(&c.WaitLock, 10*time.Second)
	set(&c.Download, 30*time.Minute)
	return c
}

// Face serves everything under Path.
type Face struct {
	deps    Deps
	cfg     Config
	tus     *handler.UnroutedHandler
	parts   *counts
	uploads http.Handler
}

// New makes a Face.
func New(deps Deps, cfg Config) (*Face, error) {
	f := &Face{deps: deps, cfg: cfg.withDefaults(), parts: newCounts()}
	var err error
	if f.tus, err = f.newTus(); err != nil {
		return nil, fmt.Errorf("set tus up: %w", err)
	}
	f.uploads = f.tus.Middleware(http.HandlerFunc(f.upload))
	return f, nil
}

// ServeHTTP serves a path under Path.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Path)
	if r.Method == http.MethodOptions {
		f.tusRequest(w, r, name)
		return
	}
	if name == "" {
		if r.Method != http.MethodPost {
			f.notAllowed(w, "POST, OPTIONS")
			return
		}
		f.tusRequest(w, r, name)
		return
	}
	name, thumbnail := strings.CutSuffix(name, chat.ThumbnailPath)
	id, ok := ids.ParseAttachment(name)
	if !ok {
		f.fail(w, r, chat.ErrNoFile)
		return
	}
	switch tus := r.Header.Get("Tus-Resumable") != ""; {
	case r.Method == http.MethodGet, r.Method == http.MethodHead && !tus:
		f.download(w, r, id, thumbnail)
	case thumbnail:
		f.notAllowed(w, "GET, HEAD")
	case r.Method == http.MethodHead, r.Method == http.MethodPatch, r.Method == http.MethodDelete:
		f.tusRequest(w, r, name)
	default:
		f.notAllowed(w, "GET, HEAD, PATCH, DELETE, OPTIONS")
	}
}

func (f *Face) notAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
}

// fail answers with what an error means, and logs what is not the client's.
func (f *Face) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errs.KindOf(err) == errs.Internal && !errors.Is(err, context.Canceled) {
		f.deps.Log.Error().Err(err).Str("request_id", principal.RequestID(r.Context())).Msg("a file's request failed")
	}
	httpx.Fail(w, r, err)
}

// caller is who has signed in.
func (f *Face) caller(ctx context.Context) (principal.Principal, error) {
	if p, ok := principal.From(ctx); ok {
		return p, nil
	}
	if err := f.deps.Denied(ctx); err != nil {
		return principal.Principal{}, err
	}
	return principal.Principal{}, errs.ErrUnauthenticated
}
