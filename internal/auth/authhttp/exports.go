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

// ExportPath is where they lies.
const ExportPath = "/exports/"

// PathOf is where an export is fetched, by a link to it.
func PathOf(id ids.Export) string { return ExportPath + id.String() }

// Exporting decides; auth.Service in the program.
type Exporting interface {
	OpenExport(ctx context.Context, user ids.User, id ids.Export) (auth.Export, *os.File, error)
}

// Exports serves everything under ExportPath.
type Exports struct {
	exports Exporting
	links   *links.Signer
	log     zerolog.Logger
}

// NewExports makes an Exports.
func NewExports(exports Exporting, signer *links.Signer, log zerolog.Logger) *Exports {
	return &Exports{exports, signer, log}
}

// sendTime bounds a download.
const sendTime = 30 * time.Minute

// ServeHTTP serves an export to who has a link to it.
func (f *Exports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (f *Exports) open(r *http.Request) (auth.Export, *os.File, error) {
	id, ok := ids.ParseExport(strings.TrimPrefix(r.URL.Path, ExportPath))
	if !ok {
		return auth.Export{}, nil, auth.ErrNoExport
	}
	user, left := f.links.Check(PathOf(id), r.URL.Query())
	if left <= 0 {
		return auth.Export{}, nil, auth.ErrNoExport
	}
	return f.exports.OpenExport(r.Context(), user, id)
}
