// Package sqlmove copies the tables of one SQL database into another that has
// the same schema, of whatever engine, and compares the two.
//
// Words. A set is what is migrated together: its tables are those whose names
// begin with the set's and an underscore. The claim is the one row by which a
// target knows which copy is being made into it. A sum is what a table's rows
// come to, the same on every engine.
//
// Tables are found in the migrated schema, not listed here: a table or column
// that a later migration adds is copied without a word more. Only those whose
// names begin with derived_ are not: their owner makes them anew out of others. Rows go in the
// order of their key, and each batch is one commit, so that what there is in
// the target is always the beginning of the table: a copy that was killed goes
// on behind the target's last key.
//
// Start reading at Tables, then Copy and Compare; claim.go is about the target.
// It deliberately does not know what the tables hold, and takes for granted
// that nobody writes to the source meanwhile: its caller sees to that.
package sqlmove
