package chatblob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Some formats tell where their parts are by their places in the file, so that
// nothing can be taken out without moving all of it. In these, what tells where
// something was made is overwritten with zeros, in its place.

// A blanker does that. What is not built as its format says is errDamaged.
type blanker func(f *blanked) error

// blankerOf is the blanker of what begins with that; nil when there is none.
// What begins as many files do must be of a type that has pictures or sounds.
func blankerOf(contentType string, head []byte) blanker {
	kind, _, _ := strings.Cut(contentType, "/")
	media := kind == "image" || kind == "video" || kind == "audio"
	if len(head) < 12 {
		return nil
	}
	begins := string(head[4:8])
	switch {
	case begins == "ftyp" || begins == "jP  " || begins == "JXL ", media && quickTime[begins]:
		return blankBoxes
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")), media && bytes.HasPrefix(head, []byte("II\xbc")):
		return blankTIFF
	case bytes.HasPrefix(head, []byte("II+\x00\x08\x00")), bytes.HasPrefix(head, []byte("MM\x00+\x00\x08")):
		return func(*blanked) error { return errDamaged } // BigTIFF, for what is beyond 4 GiB
	case bytes.HasPrefix(head, []byte("8BPS\x00\x01")):
		return blankPSD
	}
	return nil
}

// blank overwrites what a file tells of where it was made.
func blank(path, contentType string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // What was written is synced below.
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, 12)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	do := blankerOf(contentType, head[:n])
	if do == nil {
		return nil
	}
	if err := do(&blanked{f: f, size: info.Size(), left: 2 * info.Size()}); err != nil {
		return err
	}
	return f.Sync()
}

// blanked is a file in which something is overwritten.
type blanked struct {
	f interface {
		io.ReaderAt
		io.WriterAt
	}
	size int64
	left int64 // how much may be overwritten yet: parts that overlap a thousandfold are no file's
	done int   // parts looked at
}

// mostParts bounds how many parts of a file are looked at, for the same reason.
const mostParts = 1 << 18

// step counts one.
func (b *blanked) step() error {
	if b.done++; b.done > mostParts {
		return fmt.Errorf("%w: it has too many parts", errDamaged)
	}
	return nil
}

// read returns bytes of the file; what is beyond its end is errDamaged.
func (b *blanked) read(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > b.size || n > b.size-at {
		return nil, fmt.Errorf("%w: it points beyond its end", errDamaged)
	}
	out := make([]byte, n)
	if _, err := b.f.ReadAt(out, at); err != nil {
		return nil, damaged(err)
	}
	return out, nil
}

// zero overwrites bytes, as far as the file goes.
func (b *blanked) zero(at, n int64) error {
	if at < 0 || n <= 0 || at >= b.size {
		return nil
	}
	n = min(n, b.size-at)
	if b.left -= n; b.left < 0 {
		return fmt.Errorf("%w: its parts overlap", errDamaged)
	}
	var zeros [32 << 10]byte
	for n > 0 {
		part := min(n, int64(len(zeros)))
		if _, err := b.f.WriteAt(zeros[:part], at); err != nil {
			return err
		}
		at, n = at+part, n-part
	}
	return nil
}

// blankPSD overwrites the image resources of Photoshop that tell of more than
// the picture: IPTC, Exif and XMP (Adobe Photoshop File Formats, "Image
// Resource IDs").
func blankPSD(b *blanked) error {
	at := int64(26) // behind the header
	length := func() (n int64, err error) {
		raw, err := b.read(at, 4)
		if err == nil {
			n = int64(raw[0])<<24 | int64(raw[1])<<16 | int64(raw[2])<<8 | int64(raw[3])
			at += 4
		}
		return n, err
	}
	colours, err := length()
	if err != nil {
		return err
	}
	at += colours
	resources, err := length()
	if err != nil {
		return err
	}
	end := at + resources
	if end > b.size {
		return errDamaged
	}
	for at+12 <= end {
		head, err := b.read(at, 7)
		if err == nil {
			err = b.step()
		}
		if err != nil {
			return err
		}
		if string(head[:4]) != "8BIM" {
			return errDamaged
		}
		id, name := int(head[4])<<8|int(head[5]), int64(head[6])
		at += 6 + (1+name+1)&^1 // the name with its length, padded
		n, err := length()
		if err != nil {
			return err
		}
		switch id {
		case 0x0404, 0x0422, 0x0423, 0x0424:
			if err := b.zero(at, min(n, end-at)); err != nil {
				return err
			}
		}
		at += (n + 1) &^ 1
	}
	return nil
}
