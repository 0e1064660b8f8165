package chatblob

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errDamaged says that something is not the image that it begins as.
var errDamaged = errors.New("chatblob: not a whole image")

// A stripper copies an image without what it tells beside its picture: where
// and when it was made, by what and by whom. The picture is not encoded anew.
// What is not built as its format says is errDamaged.
type stripper func(w io.Writer, r io.Reader) error

var strippers = map[string]stripper{
	"image/jpeg": stripJPEG,
	"image/png":  stripPNG,
	"image/apng": stripPNG,
	"image/webp": stripWebP,
	"image/gif":  stripGIF,
}

// damaged makes the end of the file in the wrong place errDamaged.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", errDamaged)
	}
	return err
}

// The markers of JPEG (ITU T.81, B.1.1.3).
const (
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
	jpegRST0 = 0xd0
	jpegRST7 = 0xd7
	jpegTEM  = 0x01
	jpegAPP0 = 0xe0
	jpegAPPF = 0xef
	jpegCOM  = 0xfe
)

// stripJPEG leaves out all application segments but JFIF, colour profiles and
// Adobe's, comments, and what follows the end, as cameras' second pictures do.
// Of Exif only the orientation stays, without which the picture would lie on
// its side.
func stripJPEG(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var mark [2]byte
	if _, err := io.ReadFull(in, mark[:]); err != nil {
		return damaged(err)
	}
	if mark != [2]byte{0xff, jpegSOI} {
		return errDamaged
	}
	if _, err := w.Write(mark[:]); err != nil {
		return err
	}
	turned, pending := false, byte(0)
	for {
		m, err := pending, error(nil)
		if pending = 0; m == 0 {
			m, err = nextMarker(in)
		}
		if err != nil {
			return err
		}
		switch {
		case m == jpegEOI:
			_, err := w.Write([]byte{0xff, jpegEOI})
			return err
		case m == jpegSOI:
			return errDamaged
		case m >= jpegRST0 && m <= jpegRST7, m == jpegTEM:
			if _, err := w.Write([]byte{0xff, m}); err != nil {
				return err
			}
			continue
		}
		segment, err := readSegment(in)
		if err != nil {
			return err
		}
		if keep := jpegSegment(m, segment, &turned); keep != nil {
			head := []byte{0xff, m, 0, 0}
			binary.BigEndian.PutUint16(head[2:], uint16(len(keep)+2)) //nolint:gosec // It was read of such a length, or is short.
			if _, err := w.Write(append(head, keep...)); err != nil {
				return err
			}
		}
		if m == jpegSOS {
			next, err := copyScan(w, in)
			if errors.Is(err, io.EOF) { // cut off, but there is something to see
				next, err = jpegEOI, nil
			}
			if err != nil {
				return err
			}
			pending = next
		}
	}
}

// nextMarker reads a marker; what is none before it is skipped, as decoders do.
func nextMarker(in *bufio.Reader) (byte, error) {
	for {
		b, err := in.ReadByte()
		filled := false
		for err == nil && b == 0xff {
			b, err = in.ReadByte()
			filled = true
		}
		if err != nil {
			return 0, damaged(err)
		}
		if filled && b != 0 {
			return b, nil
		}
	}
}

func readSegment(in *bufio.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(in, n[:]); err != nil {
		return nil, damaged(err)
	}
	size := int(binary.BigEndian.Uint16(n[:]))
	if size < 2 {
		return nil, errDamaged
	}
	segment := make([]byte, size-2)
	if _, err := io.ReadFull(in, segment); err != nil {
		return nil, damaged(err)
	}
	return segment, nil
}

// jpegSegment is what stays of a segment; nil for nothing.
func jpegSegment(m byte, segment []byte, turned *bool) []byte {
	begins := func(with string) bool { return len(segment) >= len(with) && string(segment[:len(with)]) == with }
	switch {
	case m == jpegCOM:
		return nil
	case m < jpegAPP0 || m > jpegAPPF:
		return segment
	case m == jpegAPP0 && begins("JFIF\x00"):
		if len(segment) >= 14 {
			segment[12], segment[13] = 0, 0 // the thumbnail in it, which may be of the uncropped picture
			return segment[:14]
		}
		return nil
	case m == jpegAPP0+2 && begins("ICC_PROFILE\x00"), m == jpegAPP0+14 && begins("Adobe"):
		return segment
	case m == jpegAPP0+1 && begins("Exif\x00\x00") && !*turned:
		if o := orientation(segment[6:]); o > 1 {
			*turned = true
			return exifOf(o)
		}
	}
	return nil
}

// copyScan copies entropy-coded data up to the next marker, which it returns;
// io.EOF where there is none.
func copyScan(w io.Writer, in *bufio.Reader) (marker byte, err error) {
	for {
		data, err := in.ReadSlice(0xff)
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
		if err != nil {
			_, _ = w.Write(data)
			return 0, err
		}
		data = bytes.TrimSuffix(data, []byte{0xff})
		if _, err := w.Write(data); err != nil {
			return 0, err
		}
		if len(data) == in.Size() { // as much as there is room for, without one
			continue
		}
		m, err := in.ReadByte()
		for err == nil && m == 0xff {
			m, err = in.ReadByte()
		}
		if err != nil {
			return 0, err
		}
		if m != 0 && (m < jpegRST0 || m > jpegRST7) {
			return m, nil
		}
		if _, err := w.Write([]byte{0xff, m}); err != nil {
			return 0, err
		}
	}
}

// tagOrientation is Exif's (CIPA DC-008, 4.6.4); 1 to 8.
const tagOrientation = 0x0112

// orientation reads it out of the first directory of TIFF data; 0 when it is
// not there.
func orientation(tiff []byte) uint16 {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(tiff[:2]) == "MM" {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == tagOrientation {
			if o := order.Uint16(entries[8:]); o <= 8 {
				return o
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// exifOf is an Exif segment that says the orientation and nothing else.
func exifOf(o uint16) []byte {
	b := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01")
	b = binary.BigEndian.AppendUint16(b, tagOrientation)
	b = append(b, 0, 3, 0, 0, 0, 1) // one SHORT
	b = binary.BigEndian.AppendUint16(b, o)
	return append(b, 0, 0, 0, 0, 0, 0) // padding; no next directory
}

// pngSignature begins every PNG (ISO/IEC 15948, 5.2).
const pngSignature = "\x89PNG\r\n\x1a\n"

// pngTold are the chunks that tell of more than the picture.
var pngTold = map[string]bool{"eXIf": true, "tEXt": true, "zTXt": true, "iTXt": true, "tIME": true}

// stripPNG leaves out Exif, texts (XMP is one), the time, chunks of other
// programs, and what follows the end.
func stripPNG(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	head := make([]byte, 8)
	if _, err := io.ReadFull(in, head); err != nil {
		return damaged(err)
	}
	if string(head) != pngSignature {
		return errDamaged
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return damaged(err)
		}
		rest := int64(binary.BigEndian.Uint32(head)) + 4 // and its checksum
		kind := string(head[4:])
		private := kind[0]&0x20 != 0 && kind[1]&0x20 != 0
		if rest > 1<<31 {
			return errDamaged
		}
		to := w
		if pngTold[kind] || private {
			to = io.Discard
		}
		if _, err := to.Write(head); err != nil {
			return err
		}
		if _, err := io.CopyN(to, in, rest); err != nil {
			return damaged(err)
		}
		if kind == "IEND" {
			return nil
		}
	}
}
