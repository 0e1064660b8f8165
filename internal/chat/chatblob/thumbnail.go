package chatblob

import (
	"bufio"
	"context"
	"fmt"
	"image"
	_ "image/gif" // the formats that are decoded
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // as above
)

// thumbnailSide bounds both sides of a thumbnail, in pixels.
const thumbnailSide = 400

// shown is what an image looks like; sizes as it is shown, that is turned.
type shown struct {
	width, height int
	thumbnail     bool
}

// thumbnail makes that of an image that was stripped. One that is too large to
// be decoded, or cannot be, has none; one without a size is a plain file.
func (s *Store) thumbnail(ctx context.Context, path string) (shown, error) {
	f, err := os.Open(path)
	if err != nil {
		return shown{}, err
	}
	defer f.Close() //nolint:errcheck // Only read.
	cfg, format, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil || cfg.Width < 1 || cfg.Height < 1 {
		return shown{}, nil // It is whole as far as stripping goes; nobody need be able to show it.
	}
	turn, err := turnOf(f, format)
	if err != nil {
		return shown{}, err
	}
	out := shown{width: cfg.Width, height: cfg.Height}
	if turn >= 5 {
		out.width, out.height = out.height, out.width
	}
	pixels := int64(cfg.Width) * int64(cfg.Height)
	if pixels > s.cfg.Pixels {
		return shown{}, nil
	}
	if format == "webp" && !sameFrame(f, cfg) {
		return out, nil
	}
	if err := s.pixels.Acquire(ctx, pixels); err != nil {
		return shown{}, fmt.Errorf("wait for other images: %w", err)
	}
	defer s.pixels.Release(pixels)
	small := shrink(f, turn)
	if small == nil {
		return out, nil
	}
	_, err = writeFile(path+thumbnailSuffix, func(w io.Writer) error {
		if small.Opaque() {
			return jpeg.Encode(w, small, &jpeg.Options{Quality: 80})
		}
		return png.Encode(w, small)
	})
	out.thumbnail = err == nil
	return out, err
}

// sameFrame says whether a WebP's picture is no larger than it was said to be.
func sameFrame(f *os.File, cfg image.Config) bool {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false
	}
	all, err := io.ReadAll(io.LimitReader(f, mostWebP))
	if err != nil {
		return false
	}
	width, height, ok := webpFrame(all)
	return ok && width <= cfg.Width && height <= cfg.Height
}

// turnOf is how an image lies, as Exif says it; 1 upright.
func turnOf(f *os.File, format string) (uint16, error) {
	if format != "jpeg" {
		return 1, nil
	}
	if _, err := f.Seek(2, io.SeekStart); err != nil { // behind SOI
		return 1, err
	}
	in := bufio.NewReader(f)
	for {
		m, err := nextMarker(in)
		if err != nil || m == jpegSOS {
			return 1, nil //nolint:nilerr // It was just written; nothing is said of it.
		}
		segment, err := readSegment(in)
		if err != nil {
			return 1, nil //nolint:nilerr // As above.
		}
		if m == jpegAPP0+1 && len(segment) > 6 {
			return max(orientation(segment[6:]), 1), nil
		}
	}
}

// shrink decodes an image and makes it small and upright; nil when it cannot
// be decoded.
func shrink(f *os.File, turn uint16) (small *image.RGBA) {
	defer func() {
		if recover() != nil { // a decoder's fault, which strangers provoke
			small = nil
		}
	}()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil
	}
	img, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return nil
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if side := max(w, h); side > thumbnailSide {
		w, h = max(w*thumbnailSide/side, 1), max(h*thumbnailSide/side, 1)
	}
	small = image.NewRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
	return upright(small, turn)
}

// upright turns and mirrors a picture that lies as Exif's orientation says.
func upright(in *image.RGBA, turn uint16) *image.RGBA {
	if turn < 2 || turn > 8 {
		return in
	}
	w, h := in.Rect.Dx(), in.Rect.Dy()
	size := image.Rect(0, 0, w, h)
	if turn >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch turn {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			out.SetRGBA(tx, ty, in.RGBAAt(x, y))
		}
	}
	return out
}
