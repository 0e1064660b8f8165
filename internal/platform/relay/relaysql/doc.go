// Package relaysql keeps the positions and leases of relays in SQLite or
// PostgreSQL, in the table of migrations/relay. Start reading at Positions.
package relaysql
