package chathttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"sync"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// uploader is what uploads need decided.
type uploader interface {
	BeginUpload(ctx context.Context, user ids.User, name string, length int64) (chat.File, error)
	Upload(ctx context.Context, user ids.User, id ids.Attachment) (chat.File, error)
	CompleteUpload(ctx context.Context, f chat.File) error
	EndUpload(ctx context.Context, user ids.User, id ids.Attachment) error
}

var errNowhere = errors.New("the blobs have no place for what is being uploaded")

func (f *Face) newTus() (*handler.UnroutedHandler, error) {
	s, dir := &tusStore{f: f}, ""
	switch blobs := f.deps.Blobs.(type) {
	case Directory:
		dir = blobs.Incoming()
		files := filestore.New(dir)
		files.FileModePerm, files.DirModePerm = 0o600, 0o700
		s.files = files
	case Parts:
		s.files = partStore{blobs}
	default:
		return nil, errNowhere
	}
	parts := handler.NewStoreComposer()
	parts.UseCore(s)
	parts.UseTerminater(s)
	parts.UseLengthDeferrer(s)
	parts.UseLocker(newLocker(dir))
	return handler.NewUnroutedHandler(handler.Config{
		StoreComposer: parts, MaxSize: f.cfg.MaxSize, BasePath: Path, DisableDownload: true, DisableConcatenation: true,
		Cors: &handler.CorsConfig{Disable: true}, NetworkTimeout: f.cfg.Silence, AcquireLockTimeout: f.cfg.WaitLock,
		GracefulRequestCompletionTimeout: 10 * time.Second, PreUploadCreateCallback: f.begin,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // the front logs requests
	})
}

// tusRequest hands a request to tusd, with the upload's id for its path.
func (f *Face) tusRequest(w http.ResponseWriter, r *http.Request, id string) {
	r = r.Clone(gated(r.Context()))
	r.URL = &url.URL{Path: "/" + id}
	r.Header.Del("X-HTTP-Method-Override")
	guarded := &tusWriter{ResponseWriter: w}
	defer guarded.end()
	w = guarded
	if r.Method == http.MethodOptions {
		f.uploads.ServeHTTP(w, r)
		return
	}
	who, err := f.caller(r.Context()) //nolint:contextcheck // It is the request's, cloned.
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if r.ContentLength > f.cfg.MaxSize {
			w.Header().Set("Connection", "close") // rather than reading it
			f.fail(w, r, chat.ErrFileSize)
			return
		}
		done, ok := f.parts.begin(who.User, f.cfg.AtOnce)
		if !ok {
			f.fail(w, r, errs.ErrRateLimited.With(errs.RetryAfter(time.Second)))
			return
		}
		defer done()
		r.Body = &bounded{ReadCloser: r.Body, end: time.Now().Add(f.cfg.Longest)}
	}
	f.uploads.ServeHTTP(w, r)
}

func (f *Face) upload(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		f.tus.PostFile(w, r)
	case http.MethodHead:
		f.tus.HeadFile(w, r)
	case http.MethodPatch:
		f.tus.PatchFile(w, r)
	case http.MethodDelete:
		f.tus.DelFile(w, r)
	}
}

// tusWriter makes a Location relative to the server: what a request says its
// host is need not be so. And it keeps tusd from setting deadlines when they are
// another request's: it interrupts one that is in another's way by a deadline
// that is over, perhaps when that has just been answered. A connection whose
// request was interrupted is of no use for a further one.
type tusWriter struct {
	http.ResponseWriter

	mu          sync.Mutex
	answered    bool
	interrupted bool
}

// WriteHeader implements http.ResponseWriter.
func (w *tusWriter) WriteHeader(status int) {
	if at := w.Header().Get("Location"); at != "" {
		w.Header().Set("Location", Path+path.Base(at))
	}
	if w.end() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// end says that no deadline may be set any more, and whether one is over.
func (w *tusWriter) end() (interrupted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	return w.interrupted
}

// SetReadDeadline is called by http.ResponseController.
func (w *tusWriter) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered {
		return nil
	}
	w.interrupted = w.interrupted || !t.After(time.Now())
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

// SetWriteDeadline is called by http.ResponseController.
func (w *tusWriter) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *tusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// bounded is a body that ends with an error at a time.
type bounded struct {
	io.ReadCloser
	end time.Time
}

func (b *bounded) Read(p []byte) (int, error) {
	if time.Now().After(b.end) {
		return 0, io.ErrUnexpectedEOF
	}
	return b.ReadCloser.Read(p)
}

// begin reserves room for an upload, before anything of it is read.
func (f *Face) begin(hook handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
	var none handler.HTTPResponse
	who, err := f.caller(hook.Context)
	if err != nil {
		return none, handler.FileInfoChanges{}, f.told(hook.Context, err)
	}
	name := hook.Upload.MetaData["filename"]
	if name == "" {
		name = hook.Upload.MetaData["name"]
	}
	length := hook.Upload.Size
	if hook.Upload.SizeIsDeferred {
		length = -1
	}
	file, err := f.deps.Chat.BeginUpload(hook.Context, who.User, name, length)
	if err != nil {
		return none, handler.FileInfoChanges{}, f.told(hook.Context, err)
	}
	return none, handler.FileInfoChanges{ID: file.ID.String(), MetaData: handler.MetaData{}}, nil
}

// told is an error as tusd tells it: it would show all of any other.
func (f *Face) told(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[handler.Error](err); ok {
		return known
	}
	e := errs.Of(err)
	if e == nil || e.Kind() == errs.Internal {
		f.deps.Log.Error().Err(err).Str("request_id", principal.RequestID(ctx)).Msg("an upload failed")
		e = errs.ErrInternal
	}
	status := e.Kind().HTTP()
	switch {
	case errors.Is(err, chat.ErrFileType), errors.Is(err, chat.ErrFileDamaged):
		status = http.StatusUnsupportedMediaType
	case errors.Is(err, chat.ErrQuota), errors.Is(err, chat.ErrUnsent), errors.Is(err, chat.ErrNoUploads):
		status = http.StatusForbidden // 412 is tus's own word for another version
	}
	fault := handler.NewError(e.Kind().GraphQL(), e.Public(), status)
	if wait := e.RetryAfter(); wait > 0 {
		fault.HTTPResponse.Header["Retry-After"] = httpx.RetryAfter(wait)
	}
	return fault
}
