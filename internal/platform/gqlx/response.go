package gqlx

import "encoding/json"

// Request is one GraphQL request, whatever it came in by. Numbers of Variables
// are encoding/json's Number, so that integers arrive exactly.
type Request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

// Location is a place in a document, counted from 1.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Error is one error as clients see it.
type Error struct {
	Message    string         `json:"message"`
	Locations  []Location     `json:"locations,omitempty"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions"`
}

// Code returns the error's extensions.code.
func (e Error) Code() string {
	c, _ := e.Extensions["code"].(string)
	return c
}

// RequestID returns the error's extensions.requestId.
func (e Error) RequestID() string {
	id, _ := e.Extensions["requestId"].(string)
	return id
}

// Response is the answer to one operation. A Response that was refused has
// only errors and no data entry: nothing of it ran.
type Response struct {
	Data   json.RawMessage
	Errors []Error

	status int // HTTP, for application/graphql-response+json
}

// Refused says whether the operation never ran.
func (r *Response) Refused() bool { return r.Data == nil }
