// Package httpx is the HTTP edge: servers with time limits that stop in order,
// the front that every request passes (name, client address, sign-in, security
// headers, origins, access log, recovery), and what operators ask (alive,
// ready, metrics).
//
// Words: the front is the chain before all routes; a hop is one address in
// X-Forwarded-For; a check is one dependency that readiness names.
//
// Start reading at front.go. The order there is the order of things.
//
// It decides nothing about what a caller may do: a request with a bad token
// goes on as anonymous, with the reason kept (TokenError), because open
// operations ignore it. It knows no route and no context. Origins of sockets
// are checked where they are upgraded.
package httpx
