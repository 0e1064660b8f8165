//go:build soak

package main

import (
	"testing"
	"time"
)

// How much the tests of reliability do under -tags soak.
const (
	soak = true

	slack, grace = 2 * time.Second, 0

	crashCycles, crashRooms, crashWriters = 20, 8, 16
	crashBacklog                          = 100_000

	seamSubscribers, seamWriters = 100, 20
	seamTime                     = time.Minute

	slowReaders, slowMessages = 200, 1_000
	slowMemory                = 64 << 20 // bytes, without the race detector

	drainSockets, drainRounds = 1_000, 10

	missedTooMany = 10_001

	scripts, scriptActions = 500, 60

	retryKeys, keyCopies, cutAnswers = 1_000, 20, 200

	outages    = 5
	outageTime = 30 * time.Second

	diskBytes, diskRounds = 96 << 20, 5

	syncedSends = 100

	signIns = 300 // at once

	halfMadeRounds = 100

	contentionTime = 5 * time.Minute

	removals = 200

	pilesBeyond = 10_000

	modelSteps = 20_000

	raceRounds = 20

	churnCycles = 20_000

	damages = 60

	backups, backupKills, backupMessages = 10, 20, 20_000

	nodeKills = 20

	moveKills    = 26
	moveMessages = 1_000_000
	moveMemory   = 160 << 20

	kafkaKills, kafkaDown, kafkaWriters = 3, time.Minute, 6 // about 200 messages a second

	orderTime = 20 * time.Second
	nodeHops  = 100

	cutTime   = 20 * time.Second
	cutRounds = 60

	stormClients, stormPeople, stormRoom, stormWaves = 10_000, 501, 25, 5
	stormPause                                       = 100 * time.Millisecond
	stormTime                                        = 30 * time.Second

	sessionRounds, guessRounds = 100, 50

	clockTime = time.Minute

	redisHang = 60 * time.Second
)

// moveTarget is what many messages are moved to: a PostgreSQL that syncs.
func moveTarget(t testing.TB) place { return place{"--postgres-url", newCluster(t).url()} }
