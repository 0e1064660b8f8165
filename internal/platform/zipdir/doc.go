// Package zipdir makes zip archives of JSON documents and files in a directory,
// a piece at a time: what an archive holds is never in memory as a whole.
//
// Words. An archive is there whole and on the disk, or not at all: until then it
// has another name, and what a crash has left of it is overwritten by the next
// try, or removed with it.
//
// Where to start reading: zipdir.go. Any number of nodes may share the
// directory; that only one makes an archive of a name at a time is for the
// caller to see to.
package zipdir
