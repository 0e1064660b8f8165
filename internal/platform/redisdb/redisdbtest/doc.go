// Package redisdbtest gives tests a Redis: Open one that all tests of the
// binary share, each under a prefix of its own, and Start one that the test
// may stop, pause and empty.
//
// The shared one is the server that CHATD_TEST_REDIS_URL names, else one that
// this package starts from the redis-server installed on the machine, in a
// temporary directory on a free port of loopback; it ends with the binary,
// however that ends. Without either the test is skipped as testenv says for
// "redis".
package redisdbtest
