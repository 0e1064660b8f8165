package chathttp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
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

// download serves a file, or its thumbnail, to who has a link to it, or has
// signed in and may read it.
func (f *Face) download(w http.ResponseWriter, r *http.Request, id ids.Attachment, thumbnail bool) {
	file, keep, err := f.readable(r, id, thumbnail)
	if err == nil && thumbnail && !file.Thumbnail {
		err = chat.ErrNoFile
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	bytes, err := f.deps.Blobs.Open(id, thumbnail)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	defer bytes.Close() //nolint:errcheck // Only read.
	head := w.Header()
	kind := typeServed(file.ContentType)
	inline := shownInline[kind] && file.Width > 0
	tag := file.ID.Bytes()
	if thumbnail {
		if kind, err = thumbnailType(bytes); err != nil {
			f.fail(w, r, err)
			return
		}
		tag = append(tag, 't')
	}
	head.Set("Content-Type", kind)
	head.Set("Content-Disposition", disposition(inline || thumbnail, file.Name))
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	head.Set("Etag", `"`+hex.EncodeToString(tag)+`"`) // What an id names never changes.
	if keep > 0 {
		head.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(keep.Seconds())))
	} else {
		head.Set("Cache-Control", "private, no-cache") // Rights are asked for each time.
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(f.cfg.Download)) // A recorder has none.
	http.ServeContent(w, r, "", time.Time{}, bytes)
}

// readable returns the file and how long a browser may keep it without asking.
func (f *Face) readable(r *http.Request, id ids.Attachment, thumbnail bool) (chat.File, time.Duration, error) {
	ctx := r.Context()
	if q := r.URL.Query(); q.Has("sig") {
		left := f.deps.Links.check(id, thumbnail, q)
		if left <= 0 {
			return chat.File{}, 0, chat.ErrNoFile
		}
		file, err := f.deps.Chat.LinkedFile(ctx, id)
		return file, left, err
	}
	who, err := f.caller(ctx)
	if err != nil {
		return chat.File{}, 0, err
	}
	file, err := f.deps.Chat.File(ctx, who, id)
	return file, 0, err
}

func thumbnailType(f interface {
	ReadAt(p []byte, off int64) (int, error)
},
) (string, error) {
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
