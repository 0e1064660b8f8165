// Package principal says who is calling: the signed-in user of a request or a
// socket, the client's address and device, and the connection that an
// operation came in by. It carries them in a context through typed accessors
// and decides nothing.
package principal
