package userredis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"chatd/internal/platform/redisdb"
	"chatd/internal/user"
)

// Board is a user.Board: a key for each node, which ends with its report, and
// a list of the nodes.
type Board struct {
	db     *redisdb.DB
	script *redisdb.Script
}

var _ user.Board = (*Board)(nil)

// NewBoard makes a Board. It asks nothing.
func NewBoard(db *redisdb.DB) *Board {
	return &Board{db: db, script: redisdb.NewScript(exchange)}
}

// exchange leaves a report and returns the others' with their ages, in one
// step. It takes the key of the list and of the node, then the node's name, its
// report, for how many milliseconds it lasts, and what begins the keys of
// reports. Ages are by the server's clock.
const exchange = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lasts = tonumber(ARGV[3])
if lasts > 0 then
	redis.call('SET', KEYS[2], string.format('%.0f', now) .. ' ' .. ARGV[2], 'PX', lasts)
	redis.call('ZADD', KEYS[1], now + lasts, ARGV[1])
	redis.call('PEXPIRE', KEYS[1], 3600000)
else
	redis.call('DEL', KEYS[2])
	redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local out = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
	local r = name ~= ARGV[1] and redis.call('GET', ARGV[4] .. name)
	local at = r and string.find(r, ' ', 1, true)
	local left = at and tonumber(string.sub(r, 1, at - 1))
	if left then
		out[#out + 1] = string.format('%.0f', math.max(now - left, 0))
		out[#out + 1] = string.sub(r, at + 1)
	end
end
return out`

// Exchange implements user.Board. It is one round trip.
func (b *Board) Exchange(ctx context.Context, node string, report []byte, lasts time.Duration) ([]user.Notice, error) {
	begins := b.db.Name("presence/node/")
	found, err := b.db.Texts(ctx, b.script, []string{b.db.Name("presence/nodes"), begins + node}, []string{
		node, string(report), strconv.FormatInt(lasts.Milliseconds(), 10), begins,
	})
	if err != nil {
		return nil, fmt.Errorf("exchange reports: %w", err)
	}
	notices := make([]user.Notice, 0, len(found)/2)
	for i := 0; i+1 < len(found); i += 2 {
		ms, err := strconv.ParseInt(found[i], 10, 64)
		if err != nil {
			continue // not ours
		}
		notices = append(notices, user.Notice{Age: time.Duration(ms) * time.Millisecond, Report: []byte(found[i+1])})
	}
	return notices, nil
}
