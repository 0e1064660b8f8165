// Package s3test gives tests a bucket of an S3 server.
//
// The server is the one whose bucket CHATD_TEST_S3_URL names, as --s3-url does:
// each test then has a prefix of its own in it. Else, where CHATD_TEST_REQUIRE
// names s3, it is Versity's gateway on a directory, which is built once from
// the module in versitygw/ and started once per test binary; it ends with the
// binary, however that ends. Else the test is skipped as testenv says for "s3".
// Start gives a test such a gateway of its own, to kill.
//
// The gateway checks signatures and rights as S3 does.
package s3test
