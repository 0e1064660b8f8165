// Package chatblob keeps the bytes of files in a directory: what is being
// uploaded in "incoming", what is complete in a folder for the last two
// characters of its id, with its thumbnail beside it.
//
// Words. To take in a file is to tell its type from its content, to strip an
// image of what tells where and by whom it was made, to make its thumbnail,
// and to have all of it on the disk. What an image says of itself is believed
// only as far as its size: no image is decoded that would need more pixels
// than may be at work.
//
// Where to start reading: store.go, then strip.go.
//
// It decides nothing and knows nothing of users: chat.Service does. Any number
// of nodes may share the directory.
package chatblob
