// Package authhttp serves the archives of exports over HTTP, by signed links
// alone: a link is bound to the user to whom it was given, and works only while
// he may sign in. It decides nothing itself: auth.Service does.
//
// Where to start reading: face.go.
package authhttp
