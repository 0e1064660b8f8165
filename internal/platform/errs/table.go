package errs

import "net/http"

// row is what a kind looks like on each face of the server.
type row struct {
	code   string // extensions.code
	status int    // HTTP, when nothing of the request ran
	closes int    // WebSocket close code, when the socket ends for it
}

var table = map[Kind]row{
	Internal:          {"INTERNAL", http.StatusInternalServerError, 1011},
	Unauthenticated:   {"UNAUTHENTICATED", http.StatusUnauthorized, 4403},
	Forbidden:         {"FORBIDDEN", http.StatusForbidden, 4403},
	NotFound:          {"NOT_FOUND", http.StatusNotFound, 4400},
	BadInput:          {"BAD_USER_INPUT", http.StatusBadRequest, 4400},
	Conflict:          {"CONFLICT", http.StatusConflict, 4400},
	Precondition:      {"FAILED_PRECONDITION", http.StatusPreconditionFailed, 4400},
	RateLimited:       {"RATE_LIMITED", http.StatusTooManyRequests, 1013},
	TooLarge:          {"PAYLOAD_TOO_LARGE", http.StatusRequestEntityTooLarge, 1009},
	Unavailable:       {"UNAVAILABLE", http.StatusServiceUnavailable, 1013},
	ParseFailed:       {"GRAPHQL_PARSE_FAILED", http.StatusBadRequest, 4400},
	ValidationFailed:  {"GRAPHQL_VALIDATION_FAILED", http.StatusBadRequest, 4400},
	TooComplex:        {"QUERY_TOO_COMPLEX", http.StatusBadRequest, 4400},
	PersistedNotFound: {"PERSISTED_QUERY_NOT_FOUND", http.StatusBadRequest, 4400},
}

// GraphQL returns the kind's extensions.code.
func (k Kind) GraphQL() string { return table[k].code }

// HTTP returns the status of an answer to a request of which nothing ran.
func (k Kind) HTTP() int { return table[k].status }

// Close returns the WebSocket close code for a socket that ends for it.
func (k Kind) Close() int { return table[k].closes }

// String returns the GraphQL code.
func (k Kind) String() string { return k.GraphQL() }
