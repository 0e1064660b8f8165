package kafkabustest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Listener is one of a broker's ways in.
type Listener int

// Those without SASL let everybody do everything.
const (
	Plain Listener = iota
	TLS            // the certificate is its own authority, in CAFile
	SASL           // PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, for the users below
	SASLTLS
	Astray // advertises an address where nobody is
	controller
	listeners
)

// User may come in by SASL.
type User struct{ Name, Password string }

// The users of every broker.
var (
	// Known may do everything.
	Known = User{"chatd", "password-of-chatd"}
	// Guest may do what a test allows by ACLs: nothing at first.
	Guest = User{"guest", "password-of-guest"}
)

// Address is host:port of a listener.
func (s *Server) Address(l Listener) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports[l]))
}

// CAFile has the authority of the broker's certificate.
func (s *Server) CAFile() string { return s.file("ca.pem") }

// properties are those of a server of one node; %s are, in turn, its listeners and
// what it says of them, its controller's address, its data and its certificate. All else is as Kafka has
// it, topics that are made by asking for them among it.
const properties = `
process.roles=broker,controller
node.id=1
listeners=%s
advertised.listeners=%s
controller.quorum.voters=1@%s
log.dirs=%s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL,ASTRAY:PLAINTEXT,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.certificate.chain=%s
ssl.keystore.key=%s
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:chatd

# of a cluster of one
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# a machine may stand still for seconds: a broker that is fenced then refuses to make
# topics; one that was killed is back only after this time
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=500

# small and quick
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
`

const logging = `
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=INFO
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
`

// configure writes the broker's files.
func (s *Server) configure() error {
	chain, key, err := certificate()
	if err != nil {
		return err
	}
	var all, advertised []string
	for l, name := range map[Listener]string{Plain: "PLAIN", TLS: "TLS", SASL: "SASL", SASLTLS: "SASLTLS", Astray: "ASTRAY", controller: "CONTROLLER"} {
		all = append(all, name+"://"+s.Address(l))
		switch l {
		case controller:
		case Astray:
			advertised = append(advertised, name+"://127.0.0.1:1")
		default:
			advertised = append(advertised, name+"://"+s.Address(l))
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, properties, strings.Join(all, ","), strings.Join(advertised, ","), s.Address(controller), s.file("data"), escaped(chain), escaped(key))
	for _, l := range []string{"sasl", "sasltls"} {
		fmt.Fprintf(&text, "listener.name.%s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q user_%s=%q;\n",
			l, Known.Name, Known.Password, Guest.Name, Guest.Password)
		for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
			fmt.Fprintf(&text, "listener.name.%s.%s.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n", l, mechanism)
		}
	}
	for name, content := range map[string]string{
		"server.properties": text.String(), "log4j2.properties": logging, "ca.pem": chain,
	} {
		if err := os.WriteFile(s.file(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// escaped is text as one line of properties.
func escaped(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// certificate makes one for 127.0.0.1 that is its own authority.
func certificate() (chain, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Kafka of a test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	text, err := x509.CreateCertificate(rand.Reader, plan, plan, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), nil
}
