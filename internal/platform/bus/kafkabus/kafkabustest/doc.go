// Package kafkabustest has Kafka brokers for tests of whole programs: kfake
// within the test's process, which keeps to the protocol and to nothing on
// disk.
package kafkabustest
