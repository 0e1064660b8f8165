package chathttp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"time"

	"chatd/internal/platform/ids"
)

// linkTime is how long a link is good at most, and linkStep what its end is a
// multiple of: within a step everybody is given the same address, so that a
// payload with links is the same for all and browsers keep what they have.
const (
	linkTime = 5 * time.Minute
	linkStep = time.Minute
)

// Links signs addresses of files. It may be used by any number of goroutines.
type Links struct {
	base string
	key  []byte
	now  func() time.Time
}

// NewLinks returns links under an origin, as https://chat.example.org, or
// relative ones where it is empty. The key has 32 bytes, the same on every
// node.
func NewLinks(origin string, key []byte) *Links {
	return &Links{base: origin + Path, key: key, now: time.Now}
}

// File is a link to a file, good for 4 to 5 minutes.
func (l *Links) File(id ids.Attachment) string { return l.link(id, false) }

// Thumbnail is a link to a file's thumbnail, good as long.
func (l *Links) Thumbnail(id ids.Attachment) string { return l.link(id, true) }

func (l *Links) link(id ids.Attachment, thumbnail bool) string {
	end := l.now().Truncate(linkStep).Add(linkTime).Unix()
	path := id.String()
	if thumbnail {
		path += thumbnailPath
	}
	return l.base + path + "?until=" + strconv.FormatInt(end, 10) + "&sig=" + base64.RawURLEncoding.EncodeToString(l.sign(id, thumbnail, end))
}

func (l *Links) sign(id ids.Attachment, thumbnail bool, end int64) []byte {
	h := hmac.New(sha256.New, l.key)
	h.Write(id.Bytes())
	if thumbnail {
		h.Write([]byte{1})
	} else {
		h.Write([]byte{0})
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(end))) //nolint:gosec // Bits.
	return h.Sum(nil)[:16]
}

// check says how long a link is good yet: not above zero when it is none, or
// its time is over.
func (l *Links) check(id ids.Attachment, thumbnail bool, q url.Values) time.Duration {
	end, err := strconv.ParseInt(q.Get("until"), 10, 64)
	if err != nil {
		return 0
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(q.Get("sig"))
	if err != nil || subtle.ConstantTimeCompare(sig, l.sign(id, thumbnail, end)) != 1 {
		return 0
	}
	return min(time.Unix(end, 0).Sub(l.now()), linkTime)
}
