// Package wsgql serves GraphQL over WebSocket: the subprotocol
// graphql-transport-ws
// (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), made for
// very many sockets that receive the same events.
//
// Words. A socket is one client's connection; an operation is what it started
// with `subscribe` under an id of its choice. A frame is a finished WebSocket
// frame (RFC 6455), header and all. An entry is what waits in a socket's
// mailbox: frames, or a live item that is yet to be rendered. A flusher turns
// entries into frames and writes them.
//
// Where to start. ServeHTTP (server.go) upgrades; socket.go has a socket's life
// from its first byte to its last; message.go, init.go and operations.go are
// the protocol, turn.go the order of a socket's mutations; subscription.go
// joins a feed.Stream to a socket. flush.go and write.go are the way out: live
// items are rendered when they are written, the bytes of a frame are shared by
// all sockets that hold the same subscription under the same id, one write
// takes everything that is waiting, and no write blocks a flusher. wheel.go keeps all times: initialisation, pings, the end of
// tokens. drain.go ends it all in good order. Who wants to know who is connected is told
// by Config.Attend.
//
// coder/websocket does the handshake, the reading and the control frames; data
// is written past it (upgrade.go), so no goroutine exists for writing and
// net/http's buffers are gone. A socket at rest is one goroutine, waiting to
// read.
//
// It does not parse or execute GraphQL (Engine does), does not know tokens
// (Authenticator does), and decides no rights.
package wsgql
