package zlog

import (
	"io"
	"log" //nolint:depguard // To silence it.
)

// Silence has what libraries write by the standard library's log go nowhere,
// such as net/http's clients of servers that talk out of turn: it is neither
// JSON nor escaped, and what matters of it comes back as an error. It is for
// main, once.
func Silence() { log.SetOutput(io.Discard) }
