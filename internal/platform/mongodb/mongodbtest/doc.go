// Package mongodbtest gives tests a fresh database of MongoDB.
//
// The server is the one that CHATD_TEST_MONGO_URL names. Else, where
// CHATD_TEST_REQUIRE names mongo, it is FerretDB with SQLite behind it, which
// is built once from the module in ferretdb/ and started once per test binary,
// in a temporary directory; it ends with the binary, however that ends. Else
// the test is skipped as testenv says for "mongo". Start gives a test such a
// FerretDB of its own, to kill.
//
// FerretDB answers as MongoDB does, but no index serves its queries: each reads
// its whole collection. Scans tells tests that have to know.
package mongodbtest
