package kafkabus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// liveRetention is what brokers keep of live news, which nobody reads later.
	liveRetention = 10 * time.Minute
	// settleFor is what a start may take beyond Config.Reach.
	settleFor = 1500 * time.Millisecond
	// askFor is how long one broker may take to say what it speaks.
	askFor = 3 * time.Second
)

// Probe finds out whether Start would find the brokers as they must be, and
// says what is wrong in one line. It makes no topic, commits nothing and joins
// no group. It may be called before Start only, when all groups are known.
func (b *Bus) Probe(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return errRunning
	}
	return b.settle(ctx, kadm.NewClient(b.out), true)
}

// settle waits for the brokers, and checks that they are as they must be:
// reached at their own addresses, new enough, with all topics and the rights
// on them. Missing topics are made if they may be; dry asks only whether they
// could. It returns in little more than Config.Reach.
func (b *Bus) settle(ctx context.Context, admin *kadm.Client, dry bool) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Reach+settleFor)
	defer cancel()
	b.quiet.Store(true) // what is wrong is told once, in the end
	defer b.quiet.Store(false)
	if err := b.reach(ctx); err != nil {
		return err
	}
	if err := b.checkBrokers(ctx, admin); err != nil {
		return err
	}
	if err := b.settleTopics(ctx, admin, dry); err != nil {
		return err
	}
	return b.checkGroups(ctx)
}

func (c Config) addresses() string { return strings.Join(c.Brokers, ", ") }

// reach waits until a broker answers, for no longer than Config.Reach.
func (b *Bus) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Reach)
	defer cancel()
	last, told := errors.New("connected, and waiting"), false // the last that tells more than that the time was up
	for {
		err := b.ping(ctx)
		if err == nil {
			return nil
		}
		if refused := b.cfg.refusal(err); refused != nil {
			return refused
		}
		if late, ok := errors.AsType[net.Error](err); ctx.Err() == nil && (!told || !ok || !late.Timeout()) {
			last, told = err, true
		}
		pause(ctx, breath)
		if ctx.Err() != nil {
			return b.cfg.unreached(last)
		}
	}
}

// refusal tells an answer of the brokers that will not change by itself; nil
// for any other error.
func (c Config) refusal(err error) error {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("kafka: the brokers at %s refuse SASL %s as %q; check mechanism, user and password: %w",
			c.addresses(), c.SASL.Mechanism, c.SASL.User, err)
	case errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("kafka: the brokers at %s take no SASL there; turn it off, or name a port that takes it: %w", c.addresses(), err)
	case strings.Contains(err.Error(), "tls alert record"): // the client has no name for it
		return fmt.Errorf("kafka: the brokers at %s want TLS; turn it on, or name a port without", c.addresses())
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("kafka: the certificate of the brokers at %s is not trusted; name the authority that signed it, or reach them by a name that it bears: %w",
			c.addresses(), err)
	}
	return nil
}

// unreached tells that no broker has answered in time.
func (c Config) unreached(last error) error {
	switch _, plain := errors.AsType[tls.RecordHeaderError](last); {
	case plain, errors.Is(last, io.EOF) && strings.Contains(last.Error(), "after a dial"): // the client has no name for it
		return fmt.Errorf("kafka: no broker answers at %s within %s: they end the connection when TLS begins; turn TLS off, or name a port that has it",
			c.addresses(), c.Reach)
	case errors.Is(last, io.EOF) && c.SASL.Mechanism == "":
		return fmt.Errorf("kafka: no broker answers at %s within %s: they end the connection; they may want SASL: name mechanism and user",
			c.addresses(), c.Reach)
	case errors.Is(last, io.EOF):
		return fmt.Errorf("kafka: no broker answers at %s within %s: they end the connection; check SASL %s, and whether they want TLS",
			c.addresses(), c.Reach, c.SASL.Mechanism)
	default:
		return fmt.Errorf("kafka: no broker answers at %s within %s; check the addresses, and that Kafka runs: %w", c.addresses(), c.Reach, last)
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

// oldest are the requests that tell Kafka 2.1 from all before it, which
// Apache's own clients of today refuse too. Records with headers, their zstd
// and the detection of lost ends came until then.
var oldest = map[kmsg.Key]int16{kmsg.Produce: 7, kmsg.Fetch: 10}

// checkBrokers asks each broker, at the address that it advertises, what it
// speaks. One that does not answer may be down; if none does, nobody here can
// publish or read.
func (b *Bus) checkBrokers(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	all, err := admin.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("kafka: look for brokers: %w", err)
	}
	silent := 0
	for _, broker := range all.Sorted() {
		if broker.Err != nil {
			silent, err = silent+1, broker.Err
			continue
		}
		for key, version := range oldest {
			if newest, ok := broker.KeyMaxVersion(key.Int16()); !ok || newest < version {
				return fmt.Errorf("kafka: broker %d is too old (%s): chatd needs Kafka 2.1 or later", broker.NodeID, broker.VersionGuess())
			}
		}
	}
	if silent == len(all) {
		return fmt.Errorf("kafka: the brokers at %s answer there, but none at the address that it gives to clients; check advertised.listeners, and that this machine reaches them: %w",
			b.cfg.addresses(), err)
	}
	return nil
}

// wanted is a topic that must be there.
type wanted struct {
	name       string
	partitions int
	exact      bool // any other number of partitions would break the order of keys
	retention  time.Duration
	rights     []kmsg.ACLOperation // beside that to see it
}

func (b *Bus) wantedTopics() []wanted {
	write := []kmsg.ACLOperation{kmsg.ACLOperationWrite}
	both := []kmsg.ACLOperation{kmsg.ACLOperationWrite, kmsg.ACLOperationRead}
	all := []wanted{{b.cfg.deadTopic(), 1, false, b.cfg.DeadRetention, write}}
	for _, t := range b.heard() {
		all = append(all, wanted{b.cfg.Prefix + t, b.cfg.Partitions, true, b.cfg.Retention, both})
	}
	for _, t := range b.liveTopics() {
		all = append(all, wanted{b.cfg.liveTopic(t), b.cfg.Partitions, false, liveRetention, both})
	}
	return all
}

// settleTopics checks the topics, and makes what is missing if it may.
func (b *Bus) settleTopics(ctx context.Context, admin *kadm.Client, dry bool) error {
	missing, err := b.checkTopics(ctx, admin)
	if err != nil || len(missing) == 0 {
		return err
	}
	if !b.cfg.CreateTopics {
		return b.howTo(missing)
	}
	for _, w := range missing {
		if err := b.create(ctx, admin, w, dry); err != nil {
			return err
		}
	}
	for !dry { // a new topic is not known to all brokers at once
		missing, err = b.checkTopics(ctx, admin)
		switch {
		case err != nil || len(missing) == 0:
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("kafka: topic %s was made and is not there yet; start again: %w", missing[0].name, ctx.Err())
		}
		pause(ctx, breath)
	}
	return nil
}

func (b *Bus) checkTopics(ctx context.Context, admin *kadm.Client) (missing []wanted, err error) {
	all := b.wantedTopics()
	found, err := admin.ListTopics(kadm.WithAuthorizedOps(ctx), names(all)...)
	if err != nil {
		return nil, b.explain("look for topics", err)
	}
	for _, w := range all {
		t, n := found[w.name], len(found[w.name].Partitions)
		switch {
		case !found.Has(w.name), errors.Is(t.Err, kerr.UnknownTopicOrPartition), errors.Is(t.Err, kerr.LeaderNotAvailable):
			missing = append(missing, w)
			continue
		case t.Err != nil:
			return nil, b.explain("use topic "+w.name, t.Err)
		case w.exact && n != w.partitions:
			return nil, fmt.Errorf("kafka: topic %s has %d partitions and must have %d, as configured: another number would break the order of its keys; use another prefix, or make the topic anew when nothing in it is needed",
				w.name, n, w.partitions)
		}
		for _, right := range w.rights {
			if len(t.AuthorizedOperations) > 0 && !slices.Contains(t.AuthorizedOperations, right) {
				return nil, b.explain(strings.ToLower(right.String())+" topic "+w.name, kerr.TopicAuthorizationFailed)
			}
		}
	}
	return missing, nil
}

func names(all []wanted) []string {
	names := make([]string, len(all))
	for i, w := range all {
		names[i] = w.name
	}
	return names
}

// checkGroups asks for each group whether this client may be in it, by a sign
// of life of somebody who is not.
func (b *Bus) checkGroups(ctx context.Context) error {
	for _, g := range b.groups {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID = b.cfg.Prefix+g.name, "nobody"
		resp, err := req.RequestWith(ctx, b.out)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		switch {
		case err == nil, errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.GroupIDNotFound), errors.Is(err, kerr.RebalanceInProgress):
		case errors.Is(err, kerr.GroupAuthorizationFailed):
			return b.explain("read as group "+req.Group, err)
		case ctx.Err() != nil, errors.Is(err, kerr.CoordinatorNotAvailable):
			return fmt.Errorf("kafka: the brokers have nobody to coordinate group %s; check that they can make __consumer_offsets (offsets.topic.replication.factor is no more than there are brokers): %w",
				req.Group, err)
		default:
			return fmt.Errorf("kafka: group %s: %w", req.Group, err)
		}
	}
	return nil
}

// explain tells an error of what was tried, and how rights are given where
// they are missing.
func (b *Bus) explain(tried string, err error) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
	default:
		return fmt.Errorf("kafka: %s: %w", tried, err)
	}
	who := cmp.Or(b.cfg.SASL.User, "ANONYMOUS")
	return fmt.Errorf("kafka: user %q may not %s; allow it: kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s --producer --consumer --topic %s --group %s --resource-pattern-type prefixed: %w",
		who, tried, b.cfg.Brokers[0], who, b.cfg.Prefix, b.cfg.Prefix, err)
}

func (w wanted) config() map[string]string {
	return map[string]string{
		"cleanup.policy": "delete",
		"retention.ms":   strconv.FormatInt(w.retention.Milliseconds(), 10),
	}
}

// create makes a topic; dry asks only whether it could be made.
func (b *Bus) create(ctx context.Context, admin *kadm.Client, w wanted, dry bool) error {
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
	create := admin.CreateTopics
	if dry {
		create = admin.ValidateCreateTopics
	}
	made, err := create(ctx, int32(w.partitions), int16(replicas), configs, w.name) //nolint:gosec // bounded by withDefaults
	if err == nil {
		t := made[w.name]
		if err = t.Err; err != nil && t.ErrMessage != "" {
			err = fmt.Errorf("%w (%s)", err, strings.Join(strings.Fields(t.ErrMessage), " "))
		}
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return b.explain("make topic "+w.name, err)
	}
	if err == nil && !dry {
		b.log.Info().Str("topic", w.name).Int("partitions", w.partitions).Msg("a topic was made")
	}
	return nil
}

// howTo says which topics are missing and how they are made.
func (b *Bus) howTo(missing []wanted) error {
	commands := make([]string, len(missing))
	for i, w := range missing {
		commands[i] = fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --config retention.ms=%s",
			b.cfg.Brokers[0], w.name, w.partitions, w.config()["retention.ms"])
	}
	return fmt.Errorf("kafka: missing topics: %s; let chatd make them, or run: %s",
		strings.Join(names(missing), ", "), strings.Join(commands, "; "))
}
