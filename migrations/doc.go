// Package migrations carries the SQL that brings each context's tables up to
// what this program expects. It holds files and nothing else: sqldb applies
// them.
//
// A set is a folder of its own with NNNN_name.sql for every engine, and
// NNNN_name.postgres.sql (or .sqlite.sql) where one engine needs other text
// for the same step. A step that has been released is never changed.
// CREATE TABLE, DROP TABLE and RENAME TO stand at the beginning of a line: by
// them sqldb knows which tables a step makes, and misses those that are gone.
//
// What a step makes is copied from engine to engine by `chatd migrate-data`:
// tables begin with their set's name, have a primary key, and their columns
// are numbers, texts and bytes.
package migrations
