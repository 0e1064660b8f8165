package userredis

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/redisdb"
	"chatd/internal/user"
)

// shelfLife is how long a profile stays that nobody puts there again. It keeps
// the shelf small; what is too old is found out by stamps.
const shelfLife = time.Hour

// Shelf is a user.Shelf: a key for each profile.
type Shelf struct {
	db     *redisdb.DB
	log    zerolog.Logger
	script *redisdb.Script
}

var _ user.Shelf = (*Shelf)(nil)

// NewShelf makes a Shelf. It asks nothing.
func NewShelf(db *redisdb.DB, log zerolog.Logger) *Shelf {
	return &Shelf{db: db, log: log, script: redisdb.NewScript(putNewer)}
}

// putNewer sets each key to its text, for as many milliseconds as the last
// argument says, unless what is there begins with a higher version. Versions
// have one length, so they compare as texts.
const putNewer = `
local n = #KEYS
local put = 0
for i = 1, n do
	if redis.call('GETRANGE', KEYS[i], 0, 31) < string.sub(ARGV[i], 1, 32) then
		redis.call('SET', KEYS[i], ARGV[i], 'PX', ARGV[n + 1])
		put = put + 1
	end
end
return put`

// versionLen is that of UpdatedAt and stamp, 16 hexadecimal digits each.
const versionLen = 32

func version(k user.Kept) string {
	return fmt.Sprintf("%016x%016x", max(k.UpdatedAt.UnixMicro(), 0), max(k.Stamp, 0))
}

// kept is a profile as it is written. The version of its form is in the key.
type kept struct {
	Username    string         `json:"u"`
	DisplayName string         `json:"d"`
	Bio         string         `json:"b,omitempty"`
	StatusText  string         `json:"st,omitempty"`
	StatusEmoji string         `json:"se,omitempty"`
	StatusEnds  time.Time      `json:"sx,omitzero"`
	TimeZone    string         `json:"tz,omitempty"`
	Locale      string         `json:"l,omitempty"`
	CreatedAt   time.Time      `json:"c"`
	Bot         bool           `json:"bt,omitempty"`
	Avatar      ids.Attachment `json:"a,omitzero"`
	DeletedAt   time.Time      `json:"dl,omitzero"`
}

func (s *Shelf) key(id ids.User) string { return s.db.Name("profile/3/" + id.String()) }

// Take implements user.Shelf: one MGET.
func (s *Shelf) Take(ctx context.Context, of []ids.User) []user.Kept {
	keys := make([]string, len(of))
	for i, id := range of {
		keys[i] = s.key(id)
	}
	values, err := s.db.Values(ctx, keys)
	if err != nil { // that Redis is away, redisdb tells
		s.log.Debug().Err(err).Int("profiles", len(of)).Msg("profiles are read from the store")
		return nil
	}
	found := make([]user.Kept, 0, len(values))
	for i, text := range values {
		if k, ok := read(text); ok {
			k.ID = of[i]
			found = append(found, k)
		}
	}
	return found
}

// read reads what put has written; false for what it has not.
func read(text []byte) (k user.Kept, ok bool) {
	if len(text) <= versionLen {
		return k, false
	}
	updated, err := strconv.ParseInt(string(text[:16]), 16, 64)
	if err != nil {
		return k, false
	}
	if k.Stamp, err = strconv.ParseInt(string(text[16:versionLen]), 16, 64); err != nil {
		return k, false
	}
	var v kept
	if json.Unmarshal(text[versionLen:], &v) != nil || v.Username == "" {
		return k, false
	}
	k.Profile = user.Profile{
		Username: v.Username, DisplayName: v.DisplayName, Bio: v.Bio,
		Status:   user.Status{Text: v.StatusText, Emoji: v.StatusEmoji, ExpiresAt: v.StatusEnds},
		TimeZone: v.TimeZone, Locale: v.Locale, CreatedAt: v.CreatedAt, UpdatedAt: time.UnixMicro(updated).UTC(),
		Bot: v.Bot, Avatar: v.Avatar, DeletedAt: v.DeletedAt,
	}
	return k, true
}

// Put implements user.Shelf: one script for all of them.
func (s *Shelf) Put(ctx context.Context, profiles []user.Kept) {
	if len(profiles) == 0 {
		return
	}
	keys, args := make([]string, len(profiles)), make([]string, len(profiles), len(profiles)+1)
	for i, k := range profiles {
		keys[i] = s.key(k.ID)
		text, err := json.Marshal(kept{
			Username: k.Username, DisplayName: k.DisplayName, Bio: k.Bio,
			StatusText: k.Status.Text, StatusEmoji: k.Status.Emoji, StatusEnds: k.Status.ExpiresAt,
			TimeZone: k.TimeZone, Locale: k.Locale, CreatedAt: k.CreatedAt, Bot: k.Bot, Avatar: k.Avatar, DeletedAt: k.DeletedAt,
		})
		if err != nil {
			panic(err) // texts and times
		}
		args[i] = version(k) + string(text)
	}
	args = append(args, strconv.FormatInt(shelfLife.Milliseconds(), 10))
	if _, err := s.db.Eval(ctx, s.script, keys, args); err != nil {
		s.log.Debug().Err(err).Int("profiles", len(profiles)).Msg("profiles are not put on the shelf")
	}
}
