// Package datamove moves a data directory to servers: its tables to another SQL
// database, and what is kept as documents there to whoever takes it.
//
// Words. A copy has an identifier. The mark in the directory and the claims in
// its targets carry it, so that each knows the other: a copy that was cut off
// at any point goes on when it is begun again, and nothing is ever copied over
// what is there. A target is not served before all was copied and compared; the
// directory is not served from the mark on.
//
// Start reading at Run; copy.go has the steps. It deliberately does not know
// what the tables hold, nor how the targets are opened.
package datamove
