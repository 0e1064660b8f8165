// Package wsclient is a small client of graphql-transport-ws for load
// generators and tests: cheap enough per message that ten thousand
// connections fit beside the server that is measured, and open enough that a
// test can send what no decent client would.
//
// Socket (socket.go) is a WebSocket (RFC 6455) without extensions: one
// reusable read buffer, no goroutine. Conn (conn.go) speaks the subprotocol on
// top of it, with one goroutine that reads and calls handlers.
//
// It does not reconnect, and it bounds nothing that the server sends but a
// single message.
package wsclient
