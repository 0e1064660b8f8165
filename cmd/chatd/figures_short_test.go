//go:build !soak

package main

import (
	"testing"
	"time"
)

// How much the tests of reliability do in `go test ./...`. They are the same
// tests as under -tags soak, with smaller numbers.
const (
	soak = false

	// Beyond what is promised a machine that does other things too, and may
	// stand still for seconds, is given slack for an answer and grace for
	// what is waited for. What is promised is measured under -tags soak.
	slack, grace = 10 * time.Second, 20 * time.Second

	crashCycles, crashRooms, crashWriters = 4, 4, 8
	crashBacklog                          = 2_000 // messages that a start after a crash finds

	seamSubscribers, seamWriters = 30, 6
	seamTime                     = 5 * time.Second

	slowReaders, slowMessages = 50, 150
	slowMemory                = 256 << 20 // bytes; the race detector takes most of it

	drainSockets, drainRounds = 60, 2

	missedTooMany = 0 // TOO_MANY needs more than 10,000 events

	scripts, scriptActions = 30, 40

	retryKeys, keyCopies, cutAnswers = 40, 10, 40

	outages    = 1
	outageTime = time.Second

	diskBytes, diskRounds = 24 << 20, 1

	syncedSends = 20

	signIns = 60 // at once

	halfMadeRounds = 3

	contentionTime = 3 * time.Second

	removals = 6

	pilesBeyond = 1000

	modelSteps = 700

	raceRounds = 2

	churnCycles = 300

	damages = 14

	backups, backupKills, backupMessages = 3, 4, 600

	nodeKills = 2

	moveKills    = 4
	moveMessages = 40_000
	moveMemory   = 900 << 20 // bytes; the race detector takes most of it

	kafkaKills, kafkaDown, kafkaWriters = 1, 8 * time.Second, 3

	orderTime = 2 * time.Second
	nodeHops  = 8

	cutTime   = 3 * time.Second
	cutRounds = 6

	stormClients, stormPeople, stormRoom, stormWaves = 200, 9, 4, 2
	stormPause                                       = 100 * time.Millisecond
	stormTime                                        = 3 * time.Minute // of a wave; the race detector takes most of it

	sessionRounds, guessRounds = 4, 2

	clockTime = 2 * time.Second

	redisHang = time.Second
)

// moveTarget is what many messages are moved to: a PostgreSQL that does not
// sync.
func moveTarget(t testing.TB) place { return toPlace(t, false) }
