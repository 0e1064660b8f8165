package authoidc

import (
	"errors"
	"net/url"
	"strings"
)

const maxReturnURL = 1024

// returns knows where a browser may be sent after a sign-in: to pages of this
// server, and to addresses that the configuration has, exactly as it has them.
type returns struct {
	origin string // scheme://host of this server
	others map[string]bool
}

func newReturns(publicURL string, others []string) returns {
	r := returns{origin: strings.TrimSuffix(publicURL, "/"), others: make(map[string]bool, len(others))}
	for _, o := range others {
		r.others[o] = true
	}
	return r
}

// CheckReturnURL says what is wrong with an address of the configuration: it
// must be absolute, without a user and without a fragment. Apps may have a
// scheme of their own, as in org.example.app:/signed-in.
func CheckReturnURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || !plain(raw) || u.String() != raw:
		return errors.New("is no URL")
	case u.User != nil || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return errors.New("must have no user and no fragment")
	case u.Scheme == "https" && u.Hostname() != "", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case strings.Contains(u.Scheme, "."): // RFC 8252 section 7.1
		return nil
	}
	return errors.New("must be https (http on this machine), or of an app's own scheme, as org.example.app:/signed-in")
}

// allow says whether a browser may be sent to an address. What is not written
// as it would be read is not: nobody's parser takes it for another place.
func (r returns) allow(raw string) bool {
	if r.others[raw] {
		return true
	}
	if !plain(raw) || r.origin == "" {
		return false
	}
	rest, ours := strings.CutPrefix(raw, r.origin)
	if !ours || rest != "" && !strings.HasPrefix(rest, "/") {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil || u.String() != raw || u.User != nil || u.Opaque != "" || u.Scheme+"://"+u.Host != r.origin {
		return false
	}
	lower := strings.ToLower(u.EscapedPath())
	for _, trick := range []string{"//", "/.", "%2f", "%5c", "%2e", "%00", "%0d", "%0a"} {
		if strings.Contains(lower, trick) {
			return false
		}
	}
	return !strings.HasPrefix(u.Path, Path) // no rounds
}

// plain says whether a text has only what may stand in an address, and no
// fragment, which would hide what is put behind it.
func plain(raw string) bool {
	if raw == "" || len(raw) > maxReturnURL {
		return false
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\\#<>\"`{}|^", c) >= 0 {
			return false
		}
	}
	return true
}

// with adds a parameter to an address that is allowed.
func with(raw, name, value string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw // it was parsed before
	}
	more := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	if u.RawQuery != "" {
		more = u.RawQuery + "&" + more
	}
	u.RawQuery = more
	return u.String()
}
