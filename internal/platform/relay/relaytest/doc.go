// Package relaytest has the suite that every relay.Positions must pass
// (RunPositions) and one in memory that passes it (Fake). It is imported by
// tests only.
package relaytest
