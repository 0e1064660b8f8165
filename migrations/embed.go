package migrations

import (
	"embed"
	"io/fs"
)

//go:embed all:auth all:user all:chat all:notify all:logging all:relay all:move
var files embed.FS

// FS returns the files of one set, at its root. A set that is not embedded
// gives a file system in which nothing is found.
func FS(set string) fs.FS {
	sub, err := fs.Sub(files, set)
	if err != nil { // only for a name that is no path
		return embed.FS{}
	}
	return sub
}
