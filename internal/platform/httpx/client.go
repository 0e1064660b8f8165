package httpx

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const maxDevice = 200 // bytes, see principal.Client

// peerAddress is the other end of the connection.
func peerAddress(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func (f *Front) trusts(a netip.Addr) bool {
	for _, p := range f.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client is who asks: the peer, or when that is a trusted proxy the rightmost
// hop of X-Forwarded-For that is not one. Anything further left was written by
// the client itself. A hop that is no address ends the walk at the last proxy.
func (f *Front) client(r *http.Request, peer netip.Addr) netip.Addr {
	if len(f.trusted) == 0 || !f.trusts(peer) {
		return peer
	}
	client := peer
	for _, rest := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for rest != "" {
			hop := rest
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				hop, rest = rest[at+1:], rest[:at]
			} else {
				rest = ""
			}
			a, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return client
			}
			if client = a; !f.trusts(a) {
				return client
			}
		}
	}
	return client
}

// parseHop reads an address with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

func device(r *http.Request) string {
	return strings.ToValidUTF8(clip(r.UserAgent(), maxDevice), "")
}
