// Package dial connects to the servers that chatd needs, by TCP, so that a
// connection whose other end has gone without a word is noticed in bounded
// time: a host that lost power, a cable, a firewall that has forgotten.
//
// Two clocks of the kernel do it. What was sent must be acknowledged by the
// other host within Silence (TCP_USER_TIMEOUT, RFC 5482; Linux alone), and a
// connection on which nothing is said is probed every few seconds. A server
// whose host answers while the server itself does not is not noticed here:
// against that, callers have time limits of their own.
package dial
