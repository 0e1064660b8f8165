package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"chatd/internal/platform/bus"
)

// fresh is how long live news waits for brokers. By then who missed it has
// read it from the store.
const fresh = 2 * time.Second

// PublishLossy implements bus.Bus. Handlers of this process are told at once,
// with or without brokers; other nodes only from the start on, and only of
// topics that handlers or groups here hear or Config.Publishes has.
func (b *Bus) PublishLossy(ctx context.Context, e bus.Envelope) {
	b.tell(e)
	client := b.live.Load()
	if client == nil || !b.isLive(e.Topic) || b.stopping() {
		return
	}
	r := record(b.cfg.liveTopic(e.Topic), e)
	r.Headers = append(r.Headers, header(headerNode, b.node))
	client.TryProduce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) {
		if err != nil {
			b.metrics.lost.Inc()
		}
	})
}

// tell hands e to the handlers of this process.
func (b *Bus) tell(e bus.Envelope) {
	for _, h := range b.hearers {
		if !h.Offer(e) {
			b.metrics.lost.Inc()
		}
	}
}

func (b *Bus) isLive(topic string) bool {
	return slices.Contains(b.cfg.Publishes, topic) ||
		slices.ContainsFunc(b.hearers, func(h *bus.Hearer) bool { return slices.Contains(h.Topics, topic) })
}

// liveTopics returns the contexts whose live topics are needed here.
func (b *Bus) liveTopics() []string {
	all := slices.Clone(b.cfg.Publishes)
	for _, h := range b.hearers {
		all = append(all, h.Topics...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// startLive begins to hear the live topics from their ends as they are now.
func (b *Bus) startLive(ctx context.Context, admin *kadm.Client) error {
	client, err := kgo.NewClient(b.with(
		kgo.DisableIdempotentWrite(),
		kgo.RequiredAcks(kgo.LeaderAck()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.RecordDeliveryTimeout(fresh),
		kgo.MaxBufferedRecords(b.cfg.Lossy),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchMaxWait(time.Second),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: live client: %w", err)
	}
	b.live.Store(client)
	var heard []string
	for _, h := range b.hearers {
		for _, t := range h.Topics {
			heard = append(heard, b.cfg.liveTopic(t))
		}
		b.running.Go(func() { h.Work(b.quit) })
	}
	if len(heard) == 0 {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, b.cfg.Reach)
	defer cancel()
	ends, err := admin.ListEndOffsets(ask, heard...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("kafka: ends of the live topics: %w", err)
	}
	client.AddConsumePartitions(ends.KOffsets())
	b.running.Go(func() { b.hear(ctx, client) })
	return nil
}

func (b *Bus) hear(ctx context.Context, client *kgo.Client) {
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		failed := false
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() != nil || errors.Is(err, kgo.ErrClientClosed) {
				return
			}
			failed = true
			b.metrics.errors.WithLabelValues("live").Inc()
			b.log.Warn().Err(err).Str("topic", topic).Int32("partition", partition).
				Msg("live news was interrupted")
		})
		fetches.EachRecord(func(r *kgo.Record) {
			if headerOf(r, headerNode) == b.node {
				return // told already
			}
			if e, err := envelope(r); err == nil {
				b.tell(e)
			} else {
				b.metrics.lost.Inc()
			}
		})
		if failed {
			pause(ctx, breath)
		}
	}
}
