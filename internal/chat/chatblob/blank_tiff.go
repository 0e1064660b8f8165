package chatblob

import "encoding/binary"

// Tags of TIFF (TIFF 6.0; Exif, CIPA DC-008; GeoTIFF 1.1).
const (
	tagSubIFDs = 330
	tagExif    = 34665
	tagGPS     = 34853
	tagInterop = 40965
)

// tiffTold are tags whose values tell where a picture was made, or hold what
// may: XMP, IPTC, Photoshop's, descriptions and comments, the places of maps.
var tiffTold = map[uint16]bool{
	270: true, 700: true, 33550: true, 33723: true, 33922: true, 34264: true, 34377: true, 34735: true, 34736: true, 34737: true,
	37510: true, 40092: true, 42112: true, 42113: true,
}

// mostDirectories bounds how many a TIFF may have.
const mostDirectories = 1000

// tiff is one at work.
type tiff struct {
	*blanked
	order binary.ByteOrder
	seen  map[int64]bool
}

// blankTIFF overwrites what a TIFF, or a camera's raw picture that is built
// like one, tells of where it was made. A directory of positions is left
// empty.
func blankTIFF(b *blanked) error {
	t := &tiff{blanked: b, order: binary.LittleEndian, seen: map[int64]bool{}}
	head, err := b.read(0, 8)
	if err != nil {
		return err
	}
	if head[0] == 'M' {
		t.order = binary.BigEndian
	}
	return t.chain(int64(t.order.Uint32(head[4:])))
}

// chain goes through directories, each of which says where the next one is.
func (t *tiff) chain(at int64) error {
	for at != 0 && !t.seen[at] {
		if t.seen[at] = true; len(t.seen) > mostDirectories {
			return errDamaged
		}
		entries, err := t.entries(at)
		if err != nil {
			return err
		}
		end := at + 2 + int64(len(entries))
		for ; len(entries) > 0; entries = entries[12:] {
			if err := t.entry(entries[:12], end-int64(len(entries))); err != nil {
				return err
			}
		}
		next, err := t.read(end, min(4, t.size-end))
		if err != nil || len(next) < 4 { // the last one ends with the file
			return err
		}
		at = int64(t.order.Uint32(next))
	}
	return nil
}

func (t *tiff) entries(at int64) ([]byte, error) {
	n, err := t.read(at, 2)
	if err != nil {
		return nil, err
	}
	return t.read(at+2, 12*int64(t.order.Uint16(n)))
}

// entry sees to one entry, which lies at a place.
func (t *tiff) entry(e []byte, at int64) error {
	if err := t.step(); err != nil {
		return err
	}
	tag := t.order.Uint16(e)
	value, length := t.value(e, at)
	switch tag {
	case tagGPS:
		return t.empty(int64(t.order.Uint32(e[8:])))
	case tagExif, tagInterop, tagSubIFDs:
		if length%4 != 0 || length > 4*mostDirectories {
			return errDamaged
		}
		pointers, err := t.read(value, length)
		for ; err == nil && len(pointers) > 0; pointers = pointers[4:] {
			if err = t.step(); err == nil {
				err = t.chain(int64(t.order.Uint32(pointers)))
			}
		}
		return err
	}
	if tiffTold[tag] {
		return t.zero(value, length)
	}
	return nil
}

// value is where the value of an entry is, and how long.
func (t *tiff) value(e []byte, at int64) (place, length int64) {
	sizes := []int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}
	if kind := int(t.order.Uint16(e[2:])); kind < len(sizes) {
		length = sizes[kind] * int64(t.order.Uint32(e[4:]))
	}
	if length <= 4 {
		return at + 8, length
	}
	return int64(t.order.Uint32(e[8:])), length
}

// empty overwrites a directory with all that it points to.
func (t *tiff) empty(at int64) error {
	if at == 0 || t.seen[at] {
		return nil
	}
	t.seen[at] = true
	entries, err := t.entries(at)
	if err != nil {
		return err
	}
	for rest := entries; len(rest) > 0; rest = rest[12:] {
		value, length := t.value(rest[:12], at+2+int64(len(entries)-len(rest)))
		if err := t.zero(value, length); err != nil {
			return err
		}
	}
	return t.zero(at, 2+int64(len(entries))+4)
}
