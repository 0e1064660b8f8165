// Package kafkabustest has Kafka brokers for tests. Brokers are kfake within
// the test's process, which keeps to the protocol and to nothing on disk. Apache
// is Apache Kafka, which all tests of the binary share. Start gives a test one
// of its own, to be killed and started again.
//
// The broker is a process of its own, from the jars in the directory that
// CHATD_TEST_KAFKA_HOME names (.ci/kafka fetches them) and the machine's java,
// in a temporary directory on free ports of loopback; it ends with the test
// binary, however that ends. CHATD_TEST_KAFKA_BROKERS names running brokers
// that Apache returns instead. Without either, tests are skipped as testenv
// says for "kafka".
package kafkabustest
