package authhttp

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/httpx"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/links"
	"chatd/internal/platform/principal"
)

// Path is where the face lies.
const Path = "/exports/"

// PathOf is where an export is fetched, by a link to it.
func PathOf(id ids.Export) string { return Path + id.String() }

// Service decides; auth.Service in the program.
type Service interface {
	OpenExport(ctx context.Context, user ids.User, id ids.Export) (auth.Export, *os.File, error)
}

// Face serves everything under Path.
type Face struct {
	exports Service
	links   *links.Signer
	log     zerolog.Logger
}

// New makes a Face.
func New(exports Service, signer *links.Signer, log zerolog.Logger) *Face {
	return &Face{exports, signer, log}
}

// sendTime bounds a download.
const sendTime = 30 * time.Minute

// ServeHTTP serves an export to who has a link to it.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
		return
	}
	e, file, err := f.open(r)
	if err != nil {
		if errs.KindOf(err) == errs.Internal && !errors.Is(err, context.Canceled) {
			f.log.Error().Err(err).Str("request_id", principal.RequestID(r.Context())).Msg("an export could not be served")
		}
		httpx.Fail(w, r, err)
		return
	}
	defer file.Close() //nolint:errcheck // Only read.
	head := w.Header()
	head.Set("Content-Type", "application/zip")
	head.Set("Content-Disposition", `attachment; filename="chatd-export-`+e.CreatedAt.Format(time.DateOnly)+`.zip"`)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "private, no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTime)) // A recorder has none.
	http.ServeContent(w, r, "", time.Time{}, file)
}

func (f *Face) open(r *http.Request) (auth.Export, *os.File, error) {
	id, ok := ids.ParseExport(strings.TrimPrefix(r.URL.Path, Path))
	if !ok {
		return auth.Export{}, nil, auth.ErrNoExport
	}
	user, left := f.links.Check(PathOf(id), r.URL.Query())
	if left <= 0 {
		return auth.Export{}, nil, auth.ErrNoExport
	}
	return f.exports.OpenExport(r.Context(), user, id)
}
