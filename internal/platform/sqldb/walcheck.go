package sqldb

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Sizes in the log: https://www.sqlite.org/fileformat.html#the_write_ahead_log
const (
	walHeader   = 32
	frameHeader = 24
)

// checkLog finds what SQLite passes over in silence: it takes the log up to
// the first frame whose checksum or salts are wrong, as if the rest had never
// been committed. With synchronous=FULL a power cut can spoil only the last
// commit, since each is on the disk before the next one is written. So a frame
// that continues what comes before it, after the end of the commit with the
// wrong frame, was acknowledged: ErrCorrupt. Frames from before the log began
// anew have other salts and do not count. A log that was cut off cannot be
// told from a shorter one, nor a damaged last commit from one that a power cut
// spoilt.
func checkLog(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer f.Close() //nolint:errcheck // Only read.
	in := bufio.NewReaderSize(f, 1<<18)
	var head [walHeader]byte
	if _, err := io.ReadFull(in, head[:]); err != nil || head == [walHeader]byte{} {
		return nil // it holds no commit
	}
	page, order := int(binary.BigEndian.Uint32(head[8:])), byteOrder(head[:])
	if page < 512 || page > 65536 || page&(page-1) != 0 {
		return fmt.Errorf("%w: the header of %s", ErrCorrupt, path)
	}
	var (
		stored    = readSum(head[24:])          // of the frame before
		right     = sum{}.add(order, head[:24]) // what it should be
		wrong     = stored != right             // something was
		ended     bool                          // the commit in which it was has
		frame     = make([]byte, frameHeader+page)
		continues = func(s sum) (sum, bool) {
			s = s.add(order, frame[:8]).add(order, frame[frameHeader:])
			return s, s == readSum(frame[16:])
		}
	)
	for n := 1; ; n++ {
		if _, err := io.ReadFull(in, frame); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("reading %s: %w", path, err)
		}
		next, links := continues(stored)
		if !links && wrong {
			next, links = continues(right)
		}
		ours := bytes.Equal(frame[8:16], head[16:24])
		switch {
		case links && wrong && n == 1, // the header
			links && !wrong && !ours, // the salts of this frame
			links && wrong && ours && ended:
			return fmt.Errorf("%w: %s, at or before its frame %d", ErrCorrupt, path, n)
		case !links:
			wrong, ended = true, false
		}
		if wrong && binary.BigEndian.Uint32(frame[4:]) != 0 {
			ended = true
		}
		stored, right = readSum(frame[16:]), next
	}
}

func byteOrder(head []byte) binary.ByteOrder {
	if binary.BigEndian.Uint32(head) == 0x377f0683 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// sum is the log's running checksum; each continues the one before it.
type sum [2]uint32

func readSum(p []byte) sum {
	return sum{binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])}
}

func (s sum) add(order binary.ByteOrder, p []byte) sum {
	for ; len(p) >= 8; p = p[8:] {
		s[0] += order.Uint32(p) + s[1]
		s[1] += order.Uint32(p[4:]) + s[0]
	}
	return s
}
