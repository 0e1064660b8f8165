package chatblob

import (
	"encoding/binary"
	"io"
)

// The flags of a WebP's VP8X chunk that say that there is Exif, or XMP
// (https://developers.google.com/speed/webp/docs/riff_container).
const webpTold = 0x08 | 0x04

// mostWebP bounds a WebP: it is rewritten in memory, since its head has its
// size.
const mostWebP = 64 << 20

// stripWebP leaves out Exif, XMP, chunks that the format does not know, and
// what follows the end.
func stripWebP(w io.Writer, r io.Reader) error {
	all, err := io.ReadAll(io.LimitReader(r, mostWebP))
	if err != nil {
		return err
	}
	if len(all) < 12 || string(all[:4]) != "RIFF" || string(all[8:12]) != "WEBP" {
		return errDamaged
	}
	size := uint64(binary.LittleEndian.Uint32(all[4:])) + 8
	if size > uint64(len(all)) || size < 12 {
		return errDamaged
	}
	out := append(make([]byte, 0, size), all[:12]...)
	for chunks := all[12:size]; len(chunks) > 0; {
		if len(chunks) < 8 {
			return errDamaged
		}
		n := 8 + uint64(binary.LittleEndian.Uint32(chunks[4:]))
		n += n & 1 // chunks are padded
		if n > uint64(len(chunks)) {
			return errDamaged
		}
		switch string(chunks[:4]) {
		case "VP8X":
			if n < 18 {
				return errDamaged
			}
			chunks[8] &^= webpTold
			fallthrough
		case "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP":
			out = append(out, chunks[:n]...)
		}
		chunks = chunks[n:]
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8)) //nolint:gosec // Not more than was read.
	_, err = w.Write(out)
	return err
}

// webpFrame is the size of the picture in a WebP, whatever its canvas says;
// false when there is none, or several.
func webpFrame(all []byte) (width, height int, ok bool) {
	if len(all) < 12 {
		return 0, 0, false
	}
	for chunks := all[12:]; len(chunks) >= 8; {
		n := 8 + uint64(binary.LittleEndian.Uint32(chunks[4:]))
		n += n & 1
		if n > uint64(len(chunks)) {
			return 0, 0, false
		}
		switch data := chunks[8:n]; {
		case string(chunks[:4]) == "VP8 " && len(data) >= 10:
			return int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff), true
		case string(chunks[:4]) == "VP8L" && len(data) >= 5:
			bits := binary.LittleEndian.Uint32(data[1:])
			return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, true
		}
		chunks = chunks[n:]
	}
	return 0, 0, false
}
