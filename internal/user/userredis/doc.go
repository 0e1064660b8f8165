// Package userredis has what user's nodes share by Redis and may lose: the
// board on which they leave who is connected to them (board.go), and the shelf
// of profiles that spares the store reads (shelf.go).
//
// A Redis that is away costs presence nothing but a way around it, and profiles
// a read of the store. What stands in Redis is believed as far as user goes:
// whoever may write to it can show people who are not there and names that are
// none, but change nothing. Keys end by themselves.
package userredis
