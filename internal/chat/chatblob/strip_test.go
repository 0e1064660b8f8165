package chatblob

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"
)

// secret stands for what nobody shall learn from a picture.
const secret = "N 52.5163 E 13.3777"

func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(2 * x), uint8(3 * y), uint8(x * y), 255})
		}
	}
	return img
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func segment(m byte, data string) []byte {
	b := []byte{0xff, m}
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)+2))
	return append(b, data...)
}

// exif is TIFF data as a telephone writes it: orientation, and where it was.
func exif(order binary.AppendByteOrder, o uint16) string {
	mark := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		mark = "MM\x00*"
	}
	b := order.AppendUint32([]byte(mark), 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(order.AppendUint16(b, tagOrientation), 3)
	b = order.AppendUint32(b, 1)
	b = append(order.AppendUint16(b, o), 0, 0)
	b = order.AppendUint16(order.AppendUint16(b, 0x8825), 2) // the place
	b = order.AppendUint32(order.AppendUint32(b, uint32(len(secret))), 38)
	b = order.AppendUint32(b, 0)
	return "Exif\x00\x00" + string(b) + secret
}

// withSegments puts segments behind the first marker.
func withSegments(in []byte, segments ...[]byte) []byte {
	return append(append(bytes.Clone(in[:2]), bytes.Join(segments, nil)...), in[2:]...)
}

func stripped(t testing.TB, strip stripper, in []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := strip(&out, bytes.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func samePicture(t testing.TB, a, b []byte) {
	t.Helper()
	x, _, err := image.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	y, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if x.Bounds() != y.Bounds() {
		t.Fatal(x.Bounds(), y.Bounds())
	}
	for i := x.Bounds().Min.Y; i < x.Bounds().Max.Y; i++ {
		for j := x.Bounds().Min.X; j < x.Bounds().Max.X; j++ {
			if x.At(j, i) != y.At(j, i) {
				t.Fatalf("a pixel differs at %d, %d", j, i)
			}
		}
	}
}

func TestAJPEGLosesWhereItWasMadeAndKeepsThePicture(t *testing.T) {
	t.Parallel()
	plain := jpegOf(t, picture(60, 40))
	profile := segment(0xe2, "ICC_PROFILE\x00\x01\x01colours")
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := withSegments(plain,
				segment(0xe0, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x01\x01"+secret), segment(0xe1, exif(order, 6)),
				segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00<gps>"+secret), segment(0xe1, exif(order, 3)),
				segment(0xe2, "MPF\x00"+secret), profile, segment(0xed, "Photoshop 3.0\x00"+secret), segment(0xfe, secret),
				segment(0xef, secret))
			in = append(append(in, segment(0xe1, exif(order, 1))...), plain...) // a second picture
			out := stripped(t, stripJPEG, in)
			if bytes.Contains(out, []byte(secret)) {
				t.Error("it still tells where it was made")
			}
			if !bytes.Contains(out, profile) {
				t.Error("its colours are gone")
			}
			if n := bytes.Count(out, []byte("Exif\x00\x00")); n != 1 || len(out) > len(plain)+len(profile)+100 {
				t.Errorf("%d Exif segments, %d bytes of %d", n, len(out), len(plain))
			}
			_, tiff, _ := bytes.Cut(out, []byte("Exif\x00\x00"))
			if o := orientation(tiff); o != 6 {
				t.Errorf("it lies as %d", o)
			}
			samePicture(t, plain, out)
			if again := stripped(t, stripJPEG, out); !bytes.Equal(again, out) {
				t.Error("stripped again it is another")
			}
		})
	}
	if out := stripped(t, stripJPEG, plain); !bytes.Equal(out, plain) {
		t.Error("a plain one has been changed")
	}
	upright := stripped(t, stripJPEG, withSegments(plain, segment(0xe1, exif(binary.LittleEndian, 1))))
	if bytes.Contains(upright, []byte("Exif")) {
		t.Error("an upright one has Exif")
	}
	// A cut one is what many programs write: what is there is shown.
	cut := stripped(t, stripJPEG, withSegments(plain[:len(plain)-20], segment(0xe1, exif(binary.LittleEndian, 1))))
	if bytes.Contains(cut, []byte(secret)) || !bytes.HasSuffix(cut, []byte{0xff, 0xd9}) {
		t.Error("a cut one")
	}
}

func chunk(kind, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func TestAPNGLosesWhatItTells(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := png.Encode(&b, picture(30, 20)); err != nil {
		t.Fatal(err)
	}
	plain := b.Bytes()
	head := 8 + 25
	in := bytes.Clone(plain[:head])
	gamma := chunk("gAMA", "\x00\x00\xb1\x8f")
	in = append(in, gamma...)
	for _, kind := range []string{"eXIf", "tEXt", "zTXt", "iTXt", "tIME", "caBX"} {
		in = append(in, chunk(kind, secret)...)
	}
	in = append(append(in, plain[head:]...), secret...)
	out := stripped(t, stripPNG, in)
	if bytes.Contains(out, []byte(secret)) || !bytes.Contains(out, gamma) || len(out) != len(plain)+len(gamma) {
		t.Errorf("%d bytes of %d", len(out), len(plain))
	}
	samePicture(t, plain, out)
}

// webp is one pixel, lossless.
var webp = []byte("VP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

func riff(chunks ...[]byte) []byte {
	all := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(all))), all...)
}

func riffChunk(kind, data string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
	b = append(b, data...)
	if len(data)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func TestAWebPLosesWhatItTells(t *testing.T) {
	t.Parallel()
	in := riff(riffChunk("VP8X", "\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00"), webp, riffChunk("EXIF", secret), riffChunk("XMP ", secret), riffChunk("????", secret))
	want := riff(riffChunk("VP8X", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), webp)
	if out := stripped(t, stripWebP, append(in, secret...)); !bytes.Equal(out, want) {
		t.Errorf("%q", out)
	}
	samePicture(t, in, want)
	if w, h, ok := webpFrame(want); w != 1 || h != 1 || !ok {
		t.Errorf("%d by %d, %v", w, h, ok)
	}
}

func TestWhatIsNoWholeImageIsDamaged(t *testing.T) {
	t.Parallel()
	var g bytes.Buffer
	if err := gif.Encode(&g, picture(3, 3), nil); err != nil {
		t.Fatal(err)
	}
	if out := stripped(t, strippers["image/gif"], g.Bytes()); !bytes.Equal(out, g.Bytes()) {
		t.Error("a GIF has been changed")
	}
	jpg := jpegOf(t, picture(10, 10))
	for name, c := range map[string]struct {
		strip stripper
		in    []byte
	}{
		"nothing": {stripJPEG, nil}, "a JPEG without a picture": {stripJPEG, jpg[:20]}, "a short segment": {stripJPEG, []byte{0xff, 0xd8, 0xff, 0xe1, 0, 1}},
		"a JPEG in a JPEG": {stripJPEG, append([]byte{0xff, 0xd8}, jpg...)}, "no PNG": {stripPNG, jpg},
		"a PNG without an end": {stripPNG, []byte(pngSignature + "\x00\x00\x00\x01IDATx")}, "an endless chunk": {stripPNG, []byte(pngSignature + "\xff\xff\xff\xffIDATx")},
		"no WebP": {stripWebP, jpg}, "a WebP of more than there is": {stripWebP, riff(webp)[:20]}, "a chunk beyond": {stripWebP, riff([]byte("VP8L\xff\xff\xff\x00"))},
	} {
		var out bytes.Buffer
		if err := c.strip(&out, bytes.NewReader(c.in)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// What strangers send breaks nothing, and never comes through with its secret.
func FuzzStrip(f *testing.F) {
	jpg := jpegOf(f, picture(8, 8))
	f.Add(withSegments(jpg, segment(0xe1, exif(binary.LittleEndian, 6))))
	f.Add(riff(webp, riffChunk("EXIF", secret)))
	f.Add([]byte(pngSignature + "\x00\x00\x00\x01eXIfx\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, strip := range strippers {
			var out bytes.Buffer
			if strip(&out, bytes.NewReader(in)) != nil {
				continue
			}
			if out.Len() > len(in)+2 {
				t.Fatalf("%d bytes became %d", len(in), out.Len())
			}
		}
		orientation(in)
		webpFrame(in)
	})
}
