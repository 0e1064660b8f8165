// Package usersql keeps profiles in SQLite or PostgreSQL, by one SQL text. The
// tables are those of migrations/user.
//
// Start reading at Store. An update takes the position row first, so that the
// log's positions become visible in their order on any number of nodes. Search
// compares terms by their bytes as a range and never uses a pattern.
package usersql
