// Package sqldbtest gives tests a fresh database of every engine: Each runs a
// test on SQLite always and on PostgreSQL where there is one.
//
// PostgreSQL is the server that CHATD_TEST_POSTGRES_URL names, else one that
// this package starts from the binaries installed on the machine, once per test
// binary, in a temporary directory; it ends with the binary, however that ends.
// Without either the test is skipped as testenv says for "postgres". Every test
// has a schema of its own, so that tests may run at once.
package sqldbtest
