// Package chathttp is the HTTP face of files: uploads by tus 1.0
// (https://tus.io/protocols/resumable-upload), served by tusd's handler, and
// downloads.
//
// Words. An upload is of its uploader's alone, whom the bearer token names; to
// all others it is not there. A link is an address of a file that was signed for
// a user (platform/links): it stands for his token, and gives what he may read
// at the moment of the request.
//
// Where to start reading: face.go for the routes, uploads.go for what tusd is
// given, download.go.
//
// It decides nothing: chat.Service does, and chatblob has the bytes.
package chathttp
