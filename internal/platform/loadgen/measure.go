package loadgen

import (
	"bufio"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// latencies is a histogram that many goroutines fill at once. A bucket is at
// most 1/32 wide of its value, from a nanosecond to hours.
type latencies struct {
	buckets [64 * subBuckets]atomic.Uint64
}

const (
	subBits    = 5
	subBuckets = 1 << subBits
)

func bucketOf(d time.Duration) int {
	v := int64(max(d, 0))
	shift := max(bits.Len64(uint64(v))-subBits-1, 0) //nolint:gosec // not negative
	return shift*subBuckets + int(v>>shift)
}

func (l *latencies) add(d time.Duration) { l.buckets[bucketOf(d)].Add(1) }

func (l *latencies) reset() {
	for i := range l.buckets {
		l.buckets[i].Store(0)
	}
}

// quantiles returns the values below which the given parts of all lie.
func (l *latencies) quantiles(parts ...float64) []time.Duration {
	var total uint64
	for i := range l.buckets {
		total += l.buckets[i].Load()
	}
	found := make([]time.Duration, len(parts))
	for k, part := range parts {
		var seen uint64
		rank := uint64(part*float64(total-min(total, 1))) + 1
		for i := range l.buckets {
			if seen += l.buckets[i].Load(); total > 0 && seen >= rank {
				found[k] = upperEdge(i)
				break
			}
		}
	}
	return found
}

func upperEdge(bucket int) time.Duration {
	if bucket < 2*subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/subBuckets - 1
	return time.Duration(int64(bucket-shift*subBuckets)<<shift | (1<<shift - 1))
}

// server is a local chatd's process, as /proc shows it.
type server struct{ pid int }

// servers are the processes of the nodes in the order of Config.URLs; empty
// when they are not known.
type servers []*server

// findServers returns all nodes' processes, or none.
func findServers(urls []string, pid int) (servers, error) {
	found := make(servers, len(urls))
	for i, u := range urls {
		s, err := findServer(u, pid)
		if err != nil {
			return nil, err
		}
		found[i] = s
	}
	return found, nil
}

// findServer returns the process that listens at the URL's port when the URL
// is of this machine; pid names it where that cannot be seen.
func findServer(rawURL string, pid int) (*server, error) {
	if pid > 0 {
		s := &server{pid}
		_, err := s.cpu()
		return s, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("the server is not local")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, errors.New("the URL names no port")
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeners(table, port, inodes)
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		target, _ := os.Readlink(link)
		if inode, ok := strings.CutPrefix(target, "socket:["); ok && inodes[strings.TrimSuffix(inode, "]")] {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			return &server{pid}, nil
		}
	}
	return nil, fmt.Errorf("no process of ours is seen to listen at port %d; name it by --pid", port)
}

// listeners adds the inodes of sockets that listen at port.
func listeners(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	suffix := fmt.Sprintf(":%04X", port)
	const local, state, inode, listening = 1, 3, 9, "0A"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		columns := strings.Fields(lines.Text())
		if len(columns) > inode && strings.HasSuffix(columns[local], suffix) && columns[state] == listening {
			inodes[columns[inode]] = true
		}
	}
}

// cpu returns the user and system time that the process has used, to 10 ms.
func (s *server) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0, err
	}
	// The name may hold anything; fields are counted after its closing bracket.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0, errors.New("no times in /proc/stat")
	}
	u, uerr := strconv.Atoi(fields[user])
	k, kerr := strconv.Atoi(fields[system])
	return time.Duration(u+k) * tick, errors.Join(uerr, kerr)
}

// rss returns the memory that the process holds now, in bytes.
func (s *server) rss() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	return kib << 10, err
}

// used is the processor time of all nodes; 0 where they are not known.
func (s servers) used() (sum time.Duration) {
	for _, d := range s.usedEach() {
		sum += d
	}
	return sum
}

func (s servers) usedEach() []time.Duration {
	each := make([]time.Duration, len(s))
	for i := range s {
		each[i], _ = s[i].cpu() // gone means that the sends failed, and that is told
	}
	return each
}

// holds is the memory of all nodes; 0 where they are not known.
func (s servers) holds() (sum int64) {
	for _, one := range s {
		sum += one.holds()
	}
	return sum
}

// holds is rss, 0 for a process that is gone.
func (s *server) holds() int64 {
	n, _ := s.rss()
	return n
}
