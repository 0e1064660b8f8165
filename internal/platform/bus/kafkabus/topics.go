package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// liveRetention is what brokers keep of live news, which nobody reads later.
const liveRetention = 10 * time.Minute

// reach waits until a broker answers, for no longer than Config.Reach.
func (b *Bus) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Reach)
	defer cancel()
	addresses := strings.Join(b.cfg.Brokers, ", ")
	last := errors.New("connected, and waiting")
	for {
		switch err := b.ping(ctx); {
		case err == nil:
			return nil
		case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
			return fmt.Errorf("kafka: the brokers at %s refuse SASL %s as %q: %w",
				addresses, b.cfg.SASL.Mechanism, b.cfg.SASL.User, err)
		case errors.Is(err, io.EOF):
			last = fmt.Errorf("they close the connection; check TLS and SASL: %w", err)
		case ctx.Err() == nil:
			last = err
		}
		pause(ctx, breath)
		if ctx.Err() != nil {
			return fmt.Errorf("kafka: no broker answers at %s within %s: %w", addresses, b.cfg.Reach, last)
		}
	}
}

// ping asks any broker. It returns when ctx ends, which the client does not
// while a broker takes its connection and says nothing.
func (b *Bus) ping(ctx context.Context) error {
	answer := make(chan error, 1)
	b.running.Go(func() { answer <- b.out.Ping(ctx) })
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wanted is a topic that must be there.
type wanted struct {
	name       string
	partitions int
	exact      bool // any other number of partitions would break the order of keys
	retention  time.Duration
}

func (b *Bus) wantedTopics() []wanted {
	all := []wanted{{name: b.cfg.deadTopic(), partitions: 1, retention: b.cfg.DeadRetention}}
	for _, t := range b.heard() {
		all = append(all, wanted{b.cfg.Prefix + t, b.cfg.Partitions, true, b.cfg.Retention})
	}
	for _, t := range b.liveTopics() {
		all = append(all, wanted{b.cfg.liveTopic(t), b.cfg.Partitions, false, liveRetention})
	}
	return all
}

// settleTopics checks the topics, and makes what is missing if it may.
func (b *Bus) settleTopics(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*b.cfg.Reach)
	defer cancel()
	missing, err := b.checkTopics(ctx, admin)
	if err != nil || len(missing) == 0 {
		return err
	}
	if !b.cfg.CreateTopics {
		return b.howTo(missing)
	}
	for _, w := range missing {
		if err := b.create(ctx, admin, w); err != nil {
			return err
		}
	}
	for { // a new topic is not known to all brokers at once
		missing, err = b.checkTopics(ctx, admin)
		if err != nil || len(missing) == 0 {
			return err
		}
		pause(ctx, breath)
	}
}

func (b *Bus) checkTopics(ctx context.Context, admin *kadm.Client) (missing []wanted, err error) {
	all := b.wantedTopics()
	names := make([]string, len(all))
	for i, w := range all {
		names[i] = w.name
	}
	found, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("kafka: look for topics: %w", err)
	}
	for _, w := range all {
		t, n := found[w.name], len(found[w.name].Partitions)
		switch {
		case !found.Has(w.name), errors.Is(t.Err, kerr.UnknownTopicOrPartition), errors.Is(t.Err, kerr.LeaderNotAvailable):
			missing = append(missing, w)
		case t.Err != nil:
			return nil, fmt.Errorf("kafka: topic %s: %w", w.name, t.Err)
		case w.exact && n != w.partitions:
			return nil, fmt.Errorf("kafka: topic %s has %d partitions and must have %d, as configured: another number would break the order of its keys",
				w.name, n, w.partitions)
		}
	}
	return missing, nil
}

func (w wanted) config() map[string]string {
	return map[string]string{
		"cleanup.policy": "delete",
		"retention.ms":   strconv.FormatInt(w.retention.Milliseconds(), 10),
	}
}

func (b *Bus) create(ctx context.Context, admin *kadm.Client, w wanted) error {
	configs := map[string]*string{}
	for k, v := range w.config() {
		configs[k] = new(v)
	}
	replicas := -1 // as the brokers are set
	if b.cfg.Replication > 0 {
		replicas = b.cfg.Replication
	}
	if replicas >= 3 {
		configs["min.insync.replicas"] = new("2") // else one broker's word would do
	}
	_, err := admin.CreateTopic(ctx, int32(w.partitions), int16(replicas), configs, w.name) //nolint:gosec // bounded by withDefaults
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("kafka: make topic %s: %w", w.name, err)
	}
	if err == nil {
		b.log.Info().Str("topic", w.name).Int("partitions", w.partitions).Msg("a topic was made")
	}
	return nil
}

// howTo says which topics are missing and how they are made.
func (b *Bus) howTo(missing []wanted) error {
	names, commands := make([]string, len(missing)), make([]string, len(missing))
	for i, w := range missing {
		names[i] = w.name
		commands[i] = fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --config retention.ms=%s",
			b.cfg.Brokers[0], w.name, w.partitions, w.config()["retention.ms"])
	}
	return fmt.Errorf("kafka: missing topics: %s; let chatd make them, or run: %s",
		strings.Join(names, ", "), strings.Join(commands, "; "))
}
