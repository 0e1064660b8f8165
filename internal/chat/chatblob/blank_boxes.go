package chatblob

import (
	"encoding/binary"
	"errors"
)

// Files of boxes are ISO base media (ISO/IEC 14496-12: HEIF, AVIF, MP4, 3GPP),
// QuickTime, JPEG 2000 and JPEG XL.

// quickTime are the boxes that a film of before "ftyp" begins with.
var quickTime = map[string]bool{"moov": true, "mdat": true, "wide": true, "skip": true, "pnot": true, "free": true}

// told are boxes that tell of more than the picture or the film, wherever they
// are: user data and metadata, Exif and XMP of JPEG XL (also compressed) and
// JPEG 2000, provenance.
var told = map[string]bool{"udta": true, "uuid": true, "xml ": true, "Exif": true, "brob": true, "jumb": true, "asoc": true}

// mostMeta bounds the box that says where the parts of a HEIF are.
const mostMeta = 4 << 20

// box is one of a file.
type box struct {
	typ           string
	at, body, end int64
}

// boxes calls f for each box from at to end. The last one may be cut off, as in
// a recording that was not ended.
func (b *blanked) boxes(at, end int64, f func(box) error) error {
	for end-at >= 8 {
		head, err := b.read(at, 8)
		if err == nil {
			err = b.step()
		}
		if err != nil {
			return err
		}
		x := box{typ: string(head[4:]), at: at, body: at + 8}
		size := int64(binary.BigEndian.Uint32(head))
		switch size {
		case 0:
			size = end - at
		case 1:
			long, err := b.read(at+8, 8)
			if err != nil {
				return err
			}
			x.body += 8
			size = int64(min(binary.BigEndian.Uint64(long), 1<<62))
		}
		if size < x.body-at {
			return errDamaged
		}
		x.end = at + min(size, end-at)
		if err := f(x); err != nil {
			return err
		}
		at = x.end
	}
	return nil
}

// free makes a box one that says nothing.
func (b *blanked) free(x box) error {
	if _, err := b.f.WriteAt([]byte("free"), x.at+4); err != nil {
		return err
	}
	return b.zero(x.body, x.end-x.body)
}

func blankBoxes(b *blanked) error {
	return b.boxes(0, b.size, func(x box) error {
		switch {
		case told[x.typ]:
			return b.free(x)
		case x.typ == "meta":
			return b.blankMeta(x)
		case x.typ == "moov":
			return b.blankMovie(x)
		}
		return nil
	})
}

// blankMovie frees what a film and its tracks tell of themselves.
func (b *blanked) blankMovie(movie box) error {
	return b.boxes(movie.body, movie.end, func(x box) error {
		switch {
		case told[x.typ], x.typ == "meta":
			return b.free(x)
		case x.typ == "trak":
			return b.blankMovie(x)
		}
		return nil
	})
}

// blankMeta overwrites the items of a HEIF (ISO/IEC 23008-12) that are no
// pictures: Exif, XMP and others of a media type. A meta box that has no items
// is a film's, and says nothing that it needs.
func (b *blanked) blankMeta(meta box) error {
	if meta.end-meta.body > mostMeta || meta.end-meta.body < 4 {
		return errDamaged
	}
	var infos, places, data box
	err := b.boxes(meta.body+4, meta.end, func(x box) error { // behind version and flags
		switch x.typ {
		case "iinf":
			infos = x
		case "iloc":
			places = x
		case "idat":
			data = x
		}
		if told[x.typ] {
			return b.free(x)
		}
		return nil
	})
	if places.typ == "" || infos.typ == "" {
		if errors.Is(err, errDamaged) { // QuickTime's has no version, so it was read as something else
			err = nil
		}
		if err == nil {
			err = b.free(meta)
		}
		return err
	}
	if err != nil {
		return err
	}
	tell, err := b.itemsThatTell(infos)
	if err != nil || len(tell) == 0 {
		return err
	}
	raw, err := b.read(places.body, places.end-places.body)
	if err != nil {
		return err
	}
	found, err := b.places(&fields{raw: raw}, tell)
	if err != nil {
		return err
	}
	for _, p := range found {
		at := p.at
		if p.inData {
			at += data.body
		}
		if err := b.zero(at, p.length); err != nil {
			return err
		}
	}
	return nil
}

// itemsThatTell are the items that are no pictures, by their ids.
func (b *blanked) itemsThatTell(infos box) (map[uint64]bool, error) {
	head, err := b.read(infos.body, min(8, infos.end-infos.body))
	if err != nil {
		return nil, err
	}
	r := &fields{raw: head}
	counted := int64(2)
	if r.version() > 0 {
		counted = 4
	}
	out := map[uint64]bool{}
	err = b.boxes(infos.body+4+counted, infos.end, func(x box) error {
		raw, err := b.read(x.body, min(20, x.end-x.body))
		if err != nil {
			return err
		}
		r := &fields{raw: raw}
		var id uint64
		switch r.version() {
		case 2:
			id = r.number(2)
		case 3:
			id = r.number(4)
		default:
			return errDamaged // versions of before HEIF, which say no type
		}
		r.number(2) // its protection
		switch r.text(4) {
		case "Exif", "mime", "uri ", "jumb":
			out[id] = true
		}
		return r.err
	})
	return out, err
}

// place is where a part of an item is.
type place struct {
	inData     bool // in the idat box, not the file
	at, length int64
}

// places reads an iloc box (ISO/IEC 14496-12, 8.11.3).
func (b *blanked) places(r *fields, of map[uint64]bool) (out []place, err error) {
	version := r.version()
	sizes := r.number(2)
	offsetSize, lengthSize, baseSize, indexSize := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	idSize := 2
	if version == 2 {
		idSize = 4
	}
	for range r.number(idSize) {
		id, method := r.number(idSize), uint64(0)
		if version > 0 {
			method = r.number(2) & 15
		} else {
			indexSize = 0
		}
		elsewhere := r.number(2) != 0 // in another file
		base := r.number(baseSize)
		if r.err != nil {
			return nil, r.err
		}
		for range r.number(2) {
			r.number(indexSize)
			at, length := base+r.number(offsetSize), r.number(lengthSize)
			if err := errors.Join(r.err, b.step()); err != nil {
				return nil, err
			}
			if !of[id] || elsewhere {
				continue
			}
			if method > 1 || length == 0 || at > 1<<62 || length > 1<<62 {
				return nil, errDamaged // such items are of pictures
			}
			out = append(out, place{method == 1, int64(at), int64(length)})
		}
	}
	return out, r.err
}

// fields reads numbers one after the other; once there are none left, err is
// errDamaged and all are zero.
type fields struct {
	raw []byte
	err error
}

func (r *fields) number(size int) (n uint64) {
	for _, c := range []byte(r.text(size)) {
		n = n<<8 | uint64(c)
	}
	return n
}

func (r *fields) text(size int) string {
	if size > len(r.raw) {
		r.err, r.raw = errDamaged, nil
		return ""
	}
	s := string(r.raw[:size])
	r.raw = r.raw[size:]
	return s
}

// version reads the version and the flags of a box.
func (r *fields) version() uint64 { return r.number(4) >> 24 }
