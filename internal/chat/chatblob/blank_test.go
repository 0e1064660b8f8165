package chatblob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color/palette"
	"image/gif"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
)

// boxOf makes a box.
func boxOf(typ string, parts ...string) string {
	body := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))) + typ + body
}

func be16(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func be32(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

const still = "this is the picture itself" // which must stay as it is

// heif is a HEIF with a picture, Exif and XMP, in mdat or, when inData, XMP in
// the meta box itself. Version is that of the box of places.
func heif(brand string, version int, inData bool) string {
	ftyp := boxOf("ftyp", brand, be32(0), "mif1", brand)
	info := func(id int, typ string) string {
		return boxOf("infe", "\x02\x00\x00\x00", be16(id), be16(0), typ, "\x00")
	}
	infos := boxOf("iinf", be32(0), be16(3), info(1, "hvc1"), info(2, "Exif"), info(3, "mime"))
	var meta string
	at := 0
	for range 2 { // the second time the place of mdat is known
		item := func(id, method, from, length int) string {
			s := be16(id)
			if version == 2 {
				s = be32(id)
			}
			if version > 0 {
				s += be16(method)
			}
			return s + be16(0) + be16(1) + be32(from) + be32(length)
		}
		places := string([]byte{byte(version), 0, 0, 0, 0x44, 0})
		if version == 2 {
			places += be32(3)
		} else {
			places += be16(3)
		}
		places += item(1, 0, at, len(still)) + item(2, 0, at+len(still), len(secret))
		data := ""
		if inData {
			places += item(3, 1, 2, len(secret))
			data = boxOf("idat", "..", secret)
		} else {
			places += item(3, 0, at+len(still)+len(secret), len(secret))
		}
		meta = boxOf("meta", be32(0), boxOf("hdlr", be32(0), be32(0), "pict", strings.Repeat("\x00", 13)), infos, boxOf("iloc", places), data)
		at = len(ftyp) + len(meta) + 8
	}
	xmp := secret
	if inData {
		xmp = ""
	}
	return ftyp + meta + boxOf("mdat", still, secret, xmp) + boxOf("uuid", strings.Repeat("u", 16), secret)
}

// film has its place where cameras put it.
func film(brand string) string {
	return boxOf("ftyp", brand, be32(0), brand) + boxOf("mdat", still) +
		boxOf("moov", boxOf("mvhd", strings.Repeat("v", 100)), boxOf("udta", boxOf("\xa9xyz", "\x00\x12\x15\xc7", secret)),
			boxOf("meta", boxOf("hdlr", strings.Repeat("h", 24)), boxOf("ilst", secret)),
			boxOf("trak", boxOf("tkhd", strings.Repeat("t", 84)), boxOf("udta", secret), boxOf("mdia", strings.Repeat("m", 40)))) +
		boxOf("uuid", strings.Repeat("u", 16), secret)
}

// tiffOf is a TIFF with a picture, a description, XMP, and a position in its
// own directory and in one below.
func tiffOf(order binary.AppendByteOrder) string {
	var b []byte
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = append(b, "MM\x00*"...)
	} else {
		b = append(b, "II*\x00"...)
	}
	b = order.AppendUint32(b, 8)
	const first, gps, exif, values = 8, 8 + 2 + 5*12 + 4, 8 + 2 + 5*12 + 4 + 2 + 2*12 + 4, 300
	entry := func(tag, kind uint16, count, value uint32) {
		b = order.AppendUint16(order.AppendUint16(b, tag), kind)
		b = order.AppendUint32(order.AppendUint32(b, count), value)
	}
	n := uint32(len(secret))
	b = order.AppendUint16(b, 5)
	entry(270, 2, n, values)           // the description
	entry(273, 4, 1, values+4*n)       // where the picture is
	entry(700, 1, n, values+n)         // XMP
	entry(tagExif, 4, 1, uint32(exif)) // Exif, which has the position once more
	entry(tagGPS, 4, 1, uint32(gps))
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 2)
	entry(1, 2, 2, 0x4e00_4e00)
	entry(2, 5, n/8, values+2*n)
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 1)
	entry(37510, 7, n, values+3*n)
	b = order.AppendUint32(b, 0)
	b = append(b, make([]byte, values-len(b))...)
	return string(b) + strings.Repeat(secret, 4) + still
}

// psd has Exif and XMP among its resources.
func psd() string {
	resource := func(id int, data string) string {
		s := "8BIM" + be16(id) + "\x00\x00" + be32(len(data)) + data
		return s + strings.Repeat("\x00", len(data)%2)
	}
	resources := resource(1005, still) + resource(1058, secret) + resource(1060, secret+"!")
	return "8BPS\x00\x01" + strings.Repeat("\x00", 6) + be16(3) + be32(1) + be32(1) + be16(8) + be16(3) + be32(0) + be32(len(resources)) + resources + be32(0) + be16(0) + "RGB"
}

// What tells where a picture or a film was made does not come back, in formats
// that are not written anew; all else stays in its place.
func TestWhatCannotBeWrittenAnewTellsNoPlaceEither(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, c := range map[string]struct{ in, kind string }{
		"HEIC":             {heif("heic", 0, false), "image/heic"},
		"HEIC of today":    {heif("heic", 1, true), "image/heic"},
		"AVIF":             {heif("avif", 2, false), "image/avif"},
		"MP4":              {film("isom"), "video/mp4"},
		"QuickTime":        {film("qt  "), "video/quicktime"},
		"3GPP":             {film("3gp4"), "video/3gpp"},
		"JPEG 2000":        {boxOf("jP  ", "\r\n\x87\n") + boxOf("ftyp", "jp2 ", be32(0), "jp2 ") + boxOf("uuid", secret) + boxOf("xml ", secret) + boxOf("jp2c", still), "image/jp2"},
		"JPEG XL":          {boxOf("JXL ", "\r\n\x87\n") + boxOf("ftyp", "jxl ", be32(0), "jxl ") + boxOf("Exif", be32(0), secret) + boxOf("brob", "xml ", secret) + boxOf("jxlc", still), "image/jxl"},
		"TIFF":             {tiffOf(binary.LittleEndian), "image/tiff"},
		"TIFF, big-endian": {tiffOf(binary.BigEndian), "image/tiff"},
		"Photoshop":        {psd(), "image/vnd.adobe.photoshop"},
	} {
		f, err := s.TakeIn(t.Context(), s.come(t, []byte(c.in)))
		if err != nil || f.ContentType != c.kind || f.Size != int64(len(c.in)) {
			t.Errorf("%s: %+v, %v", name, f, err)
			continue
		}
		out := string(content(t, s, f.ID, false))
		if !strings.Contains(c.in, secret) || strings.Contains(out, secret) || strings.Contains(out, secret[len(secret)/2:]) {
			t.Errorf("%s tells: %q", name, out)
		}
		if at := strings.Index(c.in, still); at < 0 || strings.Index(out, still) != at || len(out) != len(c.in) {
			t.Errorf("%s has its picture elsewhere: %q", name, out)
		}
		for i := range out { // nothing but zeros, and the names of boxes, is new
			if out[i] != c.in[i] && out[i] != 0 && !strings.Contains(out[max(0, i-3):min(len(out), i+4)], "free") {
				t.Errorf("%s has %q at %d", name, out[i], i)
			}
		}
		again, err := s.TakeIn(t.Context(), f) // nobody wrote it down
		if err != nil || again != f || string(content(t, s, f.ID, false)) != out {
			t.Errorf("%s again: %+v %v", name, again, err)
		}
	}
}

// Parts that are there many times over cost neither time nor writing.
func TestAPictureOfEndlessPartsIsRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	infos := boxOf("iinf", be32(0), be16(1), boxOf("infe", "\x02\x00\x00\x00", be16(2), be16(0), "Exif", "\x00"))
	nothing := strings.Repeat(be16(1)+be16(0)+"\xff\xff", 60_000) // items of 65,535 extents of no bytes
	everything := strings.Repeat(be32(0)+be32(1<<19), 1000)       // one of 1,000 extents, each the whole file
	rooms := ""
	for range 30 {
		rooms += "\x4a\x01\x04\x00\xe8\x03\x00\x00\x08\x00\x00\x00" // 1,000 directories below, at 8
	}
	for name, in := range map[string]string{
		"nothing":     boxOf("ftyp", "heic", be32(0), "heic") + boxOf("meta", be32(0), infos, boxOf("iloc", be32(0), "\x00\x00", be16(60_000), nothing)),
		"everything":  boxOf("ftyp", "heic", be32(0), "heic") + boxOf("meta", be32(0), infos, boxOf("iloc", be32(0), "\x44\x00", be16(1), be16(2), be16(0), be16(1000), everything)) + strings.Repeat("x", 1<<19),
		"boxes":       boxOf("ftyp", "heic", be32(0), "heic") + strings.Repeat(boxOf("skip"), 1<<18),
		"items":       boxOf("ftyp", "heic", be32(0), "heic") + boxOf("meta", be32(0), infos, boxOf("iloc", "\x02\x00\x00\x00\x00\x00\xff\xff\xff\xff")),
		"directories": "II*\x00\x08\x00\x00\x00" + "\xff\xff" + strings.Repeat(rooms, 2200),
	} {
		begun := time.Now()
		if _, err := s.TakeIn(t.Context(), s.come(t, []byte(in))); !errors.Is(err, chat.ErrFileDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestAPictureThatPointsOutsideItselfIsRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	long := heif("heic", 1, false)
	places := strings.Index(long, "iloc")
	many := tiffOf(binary.LittleEndian)
	for name, in := range map[string]string{
		"a HEIC that is cut in its meta box":         long[:places+10],
		"a HEIC without the length of an extent":     strings.ReplaceAll(long, be32(len(secret)), be32(0)),
		"a box that is smaller than itself":          boxOf("ftyp", "heic", be32(0)) + be32(3) + "meta",
		"a TIFF that begins beyond its end":          "II*\x00\xff\xff\xff\x7f" + strings.Repeat("\x00", 20),
		"a TIFF that is cut in its directory":        many[:30],
		"a TIFF of directories below without an end": "II*\x00\x08\x00\x00\x00\x01\x00" + "\x4a\x01\x04\x00" + "\xff\xff\xff\x7f" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00",
		"a TIFF of more than 4 GiB":                  "II+\x00\x08\x00\x00\x00" + strings.Repeat("\x00", 20),
		"a Photoshop file that is cut":               psd()[:60],
	} {
		f := s.come(t, []byte(in))
		if _, err := s.TakeIn(t.Context(), f); !errors.Is(err, chat.ErrFileDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A GIF keeps its frames and how often they are shown, and loses the rest.
func TestAGIFLosesWhatItTells(t *testing.T) {
	t.Parallel()
	anim := &gif.GIF{LoopCount: 3}
	for i := range 3 {
		img := image.NewPaletted(image.Rect(0, 0, 5, 4), palette.Plan9)
		img.Pix[i] = uint8(7 * i)
		anim.Image, anim.Delay = append(anim.Image, img), append(anim.Delay, 10+i)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, anim); err != nil {
		t.Fatal(err)
	}
	plain := b.Bytes()
	at := 13 // behind the header; the encoder writes colours with each frame
	told := "\x21\xfe\x05there\x00" + "\x21\xff\x0bXMP DataXMP" + string([]byte{byte(len(secret))}) + secret + "\x00"
	in := append(append(bytes.Clone(plain[:at]), told...), plain[at:]...)
	out := stripped(t, stripGIF, append(in, secret...))
	if !bytes.Equal(out, plain) {
		t.Errorf("%q, want %q", out, plain)
	}
	back, err := gif.DecodeAll(bytes.NewReader(out))
	if err != nil || back.LoopCount != 3 || len(back.Image) != 3 || back.Delay[2] != 12 {
		t.Errorf("%+v %v", back, err)
	}
	if got := stripped(t, stripGIF, in[:len(in)-10]); len(got) != len(plain)-10 {
		t.Errorf("cut off: %d bytes", len(got))
	}
}

// What strangers send breaks nothing, and stays as long as it was.
func FuzzBlank(f *testing.F) {
	for _, in := range []string{heif("heic", 1, true), heif("avif", 2, false), film("qt  "), tiffOf(binary.BigEndian), psd()} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		do := blankerOf("image/x", in[:min(len(in), 12)])
		if do == nil {
			return
		}
		out := memory(bytes.Clone(in))
		size := int64(len(in))
		if err := do(&blanked{f: out, size: size, left: 2 * size}); err != nil && !errors.Is(err, errDamaged) {
			t.Error(err)
		}
	})
}

// memory is a file that does not grow.
type memory []byte

func (m memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m).ReadAt(p, at)
}

func (m memory) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(m)) {
		return 0, errors.New("it grows")
	}
	return copy(m[at:], p), nil
}
