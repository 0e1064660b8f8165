package chathttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/links"
	"chatd/internal/platform/principal"
)

// shownInline are the types that browsers show without running anything.
var shownInline = map[string]bool{
	"image/png": true, "image/apng": true, "image/jpeg": true, "image/gif": true, "image/webp": true,
}

// served are the types that are told to browsers; what is none of them is
// bytes, so that none takes it for a page or a script.
var served = []string{
	"image/png", "image/apng", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif",
	"audio/", "video/", "application/pdf", "application/zip", "application/gzip", "text/plain", "application/vnd.openxmlformats-officedocument.",
	"application/vnd.oasis.opendocument.",
}

func typeServed(contentType string) string {
	for _, t := range served {
		name, _, _ := strings.Cut(contentType, ";")
		if name == t || strings.HasPrefix(name, t) && strings.ContainsAny(t[len(t)-1:], "/.") {
			return contentType
		}
	}
	return "application/octet-stream"
}

// download serves a file, or its thumbnail, to who may read it at this moment
// and has signed in, or to whoever has a link of his.
func (f *Face) download(w http.ResponseWriter, r *http.Request, id ids.Attachment, thumbnail bool) {
	file, who, keep, err := f.readable(r, id, thumbnail)
	if err == nil && thumbnail && !file.Thumbnail {
		err = chat.ErrNoFile
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	bytes, err := f.deps.Blobs.Open(r.Context(), id, thumbnail)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	defer bytes.Close() //nolint:errcheck // Only read.
	head := w.Header()
	kind := typeServed(file.ContentType)
	inline := shownInline[kind] && file.Width > 0
	if thumbnail {
		if kind, err = thumbnailType(bytes); err != nil {
			f.fail(w, r, err)
			return
		}
	}
	head.Set("Content-Type", kind)
	head.Set("Content-Disposition", disposition(inline || thumbnail, file.Name))
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	head.Set("Etag", tagOf(id, thumbnail, who)) // What an id names never changes.
	if keep > 0 {
		head.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(keep.Seconds())))
	} else {
		head.Set("Cache-Control", "private, no-cache") // Rights are asked for each time.
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(f.cfg.Download)) // A recorder has none.
	http.ServeContent(w, r, "", time.Time{}, bytes)
}

// readable returns the file, who may read it, and how long his browser may keep
// it without asking.
func (f *Face) readable(r *http.Request, id ids.Attachment, thumbnail bool) (file chat.File, who ids.User, keep time.Duration, err error) {
	ctx := r.Context()
	var p principal.Principal
	if q := r.URL.Query(); links.Signed(q) {
		p, keep, err = f.linked(ctx, chat.FilePath(id, thumbnail), q)
	} else {
		p, err = f.caller(ctx)
	}
	switch {
	case err != nil:
	case thumbnail:
		file, err = f.deps.Chat.Thumbnail(ctx, p, id)
	default:
		file, err = f.deps.Chat.File(ctx, p.User, id)
	}
	return file, p.User, keep, err
}

// linked says whose a link is. It is good as long as he might sign in, and with
// no token but his.
func (f *Face) linked(ctx context.Context, path string, q url.Values) (principal.Principal, time.Duration, error) {
	who, left := f.deps.Links.Check(path, q)
	if left <= 0 {
		return principal.Principal{}, 0, chat.ErrNoFile
	}
	if p, ok := principal.From(ctx); ok && p.User != who {
		return principal.Principal{}, 0, chat.ErrNoFile
	}
	p, err := f.deps.Stands(ctx, who)
	if errs.KindOf(err) == errs.Unauthenticated {
		err = chat.ErrNoFile
	}
	return p, left, err
}

// tagOf names what one user gets of a file: it never changes, and tells nobody
// else that he has the same.
func tagOf(id ids.Attachment, thumbnail bool, who ids.User) string {
	h := sha256.New()
	h.Write(id.Bytes())
	h.Write(who.Bytes())
	if thumbnail {
		h.Write([]byte{'t'})
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

func thumbnailType(f io.ReaderAt) (string, error) {
	head := make([]byte, 8)
	if n, err := f.ReadAt(head, 0); n < len(head) {
		return "", fmt.Errorf("read a thumbnail: %w", errors.Join(errs.ErrInternal, err))
	}
	if head[0] == 0xff {
		return "image/jpeg", nil
	}
	return "image/png", nil
}

// disposition names a file twice: for old clients in ASCII, and as RFC 6266
// and RFC 8187 say.
func disposition(inline bool, name string) string {
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	ascii := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || strings.ContainsRune(`"\%/`, r) {
			return '_'
		}
		return r
	}, name)
	return kind + `; filename="` + ascii + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
