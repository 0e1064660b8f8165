// Package migrations carries the SQL that brings each context's tables up to
// what this program expects. It holds files and nothing else: sqldb applies
// them.
//
// A set is a folder of its own with NNNN_name.sql for every engine, and
// NNNN_name.postgres.sql (or .sqlite.sql) where one engine needs other text
// for the same step. A step that has been released is never changed.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed all:auth all:user all:chat all:notify all:logging all:relay
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
