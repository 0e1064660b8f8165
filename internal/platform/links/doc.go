// Package links signs addresses under this server's own paths, for browsers
// that fetch what a page shows without a token: a file, a picture, an archive.
//
// Words. A link names a path, the user it was given to and when it ends; the
// signature is over all three. It is no right by itself: who serves the path
// asks what that user may at the moment of the request, as he would with the
// user's token.
//
// Where to start reading: links.go. It stores nothing, so a single link cannot
// be taken back before its end; the user's right can.
package links
