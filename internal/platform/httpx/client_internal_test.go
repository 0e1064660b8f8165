package httpx

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Whatever stands in X-Forwarded-For: a stranger's word counts nothing; behind
// a trusted proxy nothing that stands left of the client changes who he is,
// and what is found is the peer or one of the hops.
func FuzzForwardedFor(f *testing.F) {
	front := &Front{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, seed := range []string{
		"", ",", ",,,", " , ", "198.51.100.1", "198.51.100.1, 10.0.0.7", "[2001:db8::5]:443", "[2001:db8::5", "::ffff:10.0.0.7", "fe80::1%eth0", "unknown", "_hidden",
		"for=1.2.3.4", "1.2.3.4:99999", "0x7f.1", "0177.0.0.1", "1.2.3.4\r\nX: y", "10.0.0.1,10.0.0.2,10.0.0.3", "2001:db8::5, fd00::9", strings.Repeat("10.0.0.1,", 1000),
	} {
		f.Add(seed, "203.0.113.9:4711")
		f.Add(seed, "10.0.0.1:80")
		f.Add(seed, "[fd00::1]:80")
	}
	f.Add("1.2.3.4", "pipe")
	f.Fuzz(func(t *testing.T, header, remote string) {
		ask := func(values ...string) (client, peer netip.Addr) {
			r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": values}}
			peer = peerAddress(r)
			return front.client(r, peer), peer
		}
		client, peer := ask(header)
		if !front.trusts(peer) {
			if client != peer {
				t.Fatalf("%q made %v of the stranger %v", header, client, peer)
			}
			return
		}
		if !client.IsValid() || client.Zone() != "" || client.Is4In6() {
			t.Fatalf("%q: %v", header, client)
		}
		if client != peer && !hops(header)[client] {
			t.Fatalf("%q: %v is none of the hops", header, client)
		}
		const own = "198.51.100.1"
		for _, values := range [][]string{{header + "," + own}, {header, own}, {header + ", " + own + ", 10.9.9.9"}, {header, own, "fd00::7 "}} {
			if got, _ := ask(values...); got.String() != own {
				t.Fatalf("%q: %v is not the client", values, got)
			}
		}
	})
}

// hops are all addresses of a header.
func hops(header string) map[netip.Addr]bool {
	found := map[netip.Addr]bool{}
	for hop := range strings.SplitSeq(header, ",") {
		if a, ok := parseHop(strings.TrimSpace(hop)); ok {
			found[a] = true
		}
	}
	return found
}
