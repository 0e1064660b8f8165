package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxy is the way from chatd to a server, where something may happen.
type proxy struct{ *toxiproxy.Proxy }

// fault is what may happen on the way. Connections that were reset or silent
// stay lost when it is over; new ones work.
type fault string

const (
	isReset  fault = "reset"     // connections are reset at the next word
	isSilent fault = "half-open" // connections stay, and nothing comes through
	isSlow   fault = "slow"      // 5 s there and back
	isFar    fault = "far away"  // 100 ms there and back
	isDown   fault = "down"      // nobody listens
)

// toxic is toxiproxy's name of a fault, with its attributes.
func (f fault) toxic() (name string, attributes map[string]any) {
	switch f {
	case isReset:
		return "reset_peer", vars("timeout", 0)
	case isSilent:
		return "timeout", vars("timeout", 0)
	case isSlow:
		return "latency", vars("latency", 2500)
	case isFar:
		return "latency", vars("latency", 50)
	case isDown: // which is no toxic
	}
	panic("no toxic: " + string(f))
}

var bothWays = []string{"upstream", "downstream"}

// proxies listen on an address of loopback that nothing else of the tests
// does, so that the port of one that is down stays free.
const proxies = "127.0.0.2"

// newProxy returns a way to a TCP address, whole until the test does something
// to it.
func newProxy(t testing.TB, upstream string) proxy {
	t.Helper()
	return newProxyAt(t, net.JoinHostPort(proxies, "0"), upstream)
}

func newProxyAt(t testing.TB, listen, upstream string) proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := proxy{toxiproxy.NewProxy(server, t.Name(), listen, upstream)}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// before puts the proxy in the place of the host of an address.
func (p proxy) before(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Listen
	return u.String()
}

// suffer begins a fault, in both directions.
func (p proxy) suffer(t testing.TB, f fault) {
	t.Helper()
	if f == isDown {
		p.Stop()
		return
	}
	toxic, attributes := f.toxic()
	for _, way := range bothWays {
		p.add(t, toxic, string(f)+" "+way, way, attributes)
	}
}

func (p proxy) add(t testing.TB, toxic, name, way string, attributes map[string]any) {
	t.Helper()
	b, err := json.Marshal(vars("name", name, "type", toxic, "stream", way, "attributes", attributes))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(b)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// heal ends a fault.
func (p proxy) heal(t testing.TB, f fault) {
	t.Helper()
	if f == isDown {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, way := range bothWays {
		if err := p.Toxics.RemoveToxic(t.Context(), string(f)+" "+way); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
}

// What the tests of faults show rests on the faults' being what they say.
func TestAFaultOfTheWayIsWhatItSays(t *testing.T) {
	t.Parallel()
	p := newProxy(t, echoes(t))
	dial := func() (net.Conn, error) { return net.DialTimeout("tcp", p.Listen, 10*time.Second) }
	// echo says a word and waits so long for it to come back.
	echo := func(c net.Conn, within time.Duration) (time.Duration, error) {
		begin := time.Now()
		_ = c.SetDeadline(begin.Add(within))
		_, err := c.Write([]byte("a"))
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		return time.Since(begin), err
	}
	for f, shows := range map[fault]func(took time.Duration, err error) bool{
		isReset:  func(_ time.Duration, err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) },
		isSilent: func(_ time.Duration, err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) },
		isSlow:   func(_ time.Duration, err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) },
		isFar:    func(took time.Duration, err error) bool { return err == nil && took >= 100*time.Millisecond },
		isDown:   func(_ time.Duration, err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) },
	} {
		before, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := echo(before, 10*time.Second); err != nil {
			t.Fatalf("before %s: %v", f, err)
		}
		p.suffer(t, f)
		within := 10 * time.Second // in which something is to happen
		if f == isSilent || f == isSlow {
			within = 300 * time.Millisecond // in which nothing may
		}
		if took, err := echo(before, within); !shows(took, err) {
			t.Errorf("%s: a connection from before: %v after %v", f, err, took)
		}
		c, err := dial()
		var took time.Duration
		if err == nil {
			took, err = echo(c, within)
			_ = c.Close()
		}
		if !shows(took, err) {
			t.Errorf("%s: a new connection: %v after %v", f, err, took)
		}
		p.heal(t, f)
		_ = before.Close()
	}
}

// echoes is the address of a server that says what it hears.
func echoes(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { _ = l.Close() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	})
	return l.Addr().String()
}
