package dial_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/internal/platform/dial"
)

func TestAConnectionIsLostWhenTheOtherHostIsSilent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dial.Dialer(time.Second).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[int]int{
		unix.TCP_USER_TIMEOUT: int(dial.Silence.Milliseconds()),
		unix.TCP_KEEPIDLE:     15, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 3,
	} {
		var got int
		var failed error
		if err := raw.Control(func(fd uintptr) { got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name) }); err != nil {
			t.Fatal(err)
		}
		if failed != nil || got != want {
			t.Errorf("option %d is %d, want %d (%v)", name, got, want, failed)
		}
	}
}

func TestASocketOfTheMachineItselfIsReachedToo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dial.Dialer(time.Second).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
