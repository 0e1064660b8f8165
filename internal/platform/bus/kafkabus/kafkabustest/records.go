package kafkabustest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one record of a topic.
type Record struct {
	Key, Value string
	Headers    map[string]string
	Partition  int32 // as it was read
}

// Read returns what a topic has now, in the order of each partition; nothing
// when there is no such topic.
func Read(t testing.TB, brokers []string, topic string) (all []Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) { left += int(max(0, o.Offset)) })
	for len(all) < left {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			one := Record{Key: string(r.Key), Value: string(r.Value), Headers: map[string]string{}, Partition: r.Partition}
			for _, h := range r.Headers {
				one.Headers[h.Key] = string(h.Value)
			}
			all = append(all, one)
		})
	}
	return all
}

// Write puts a record into a topic, past all rules of the bus.
func Write(t testing.TB, brokers []string, topic string, r Record) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	record := &kgo.Record{Topic: topic, Key: []byte(r.Key), Value: []byte(r.Value)}
	for k, v := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
	}
	if err := c.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
