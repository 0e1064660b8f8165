package chatblob

import (
	"bufio"
	"errors"
	"io"
)

// gifKept are the applications whose extensions belong to the picture: how
// often it is repeated, and its colours.
var gifKept = map[string]bool{"NETSCAPE2.0": true, "ANIMEXTS1.0": true, "ICCRGBG1012": true}

// stripGIF leaves out comments, XMP and all other extensions of applications,
// and what follows the end (GIF89a). One that is cut off, but of which there is
// something to see, stays so.
func stripGIF(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	head := make([]byte, 13)
	if _, err := io.ReadFull(in, head); err != nil {
		return damaged(err)
	}
	if s := string(head[:6]); s != "GIF87a" && s != "GIF89a" {
		return errDamaged
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	if err := copyColours(w, in, head[10]); err != nil {
		return damaged(err)
	}
	for seen := false; ; {
		err := gifBlock(w, in, &seen)
		switch {
		case errors.Is(err, errGIFEnd):
			return nil
		case err != nil && seen && errors.Is(damaged(err), errDamaged) && !errors.Is(err, errDamaged):
			return nil // it ends in the midst of it
		case err != nil:
			return damaged(err)
		}
	}
}

var errGIFEnd = errors.New("chatblob: the end of a GIF")

// gifBlock copies one block of the picture, or leaves it out.
func gifBlock(w io.Writer, in *bufio.Reader, seen *bool) error {
	kind, err := in.ReadByte()
	if err != nil {
		return err
	}
	switch kind {
	case 0x3b: // the trailer
		if _, err := w.Write([]byte{kind}); err != nil {
			return err
		}
		return errGIFEnd
	case 0x2c: // an image
		*seen = true
		head := make([]byte, 10)
		head[0] = kind
		if _, err := io.ReadFull(in, head[1:]); err != nil {
			return err
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		if err := copyColours(w, in, head[9]); err != nil {
			return err
		}
		if _, err := io.CopyN(w, in, 1); err != nil { // the size of codes
			return err
		}
		return copyBlocks(w, in)
	case 0x21: // an extension
		return gifExtension(w, in)
	}
	return errDamaged
}

func gifExtension(w io.Writer, in *bufio.Reader) error {
	label, err := in.ReadByte()
	if err != nil {
		return err
	}
	switch label {
	case 0xfe: // a comment
		w = io.Discard
	case 0xff: // of an application, which says its name
		name, err := in.Peek(12)
		if err != nil {
			return err
		}
		if name[0] != 11 || !gifKept[string(name[1:])] {
			w = io.Discard
		}
	}
	if _, err := w.Write([]byte{0x21, label}); err != nil {
		return err
	}
	return copyBlocks(w, in)
}

// copyColours copies the table of colours that a descriptor announces.
func copyColours(w io.Writer, in io.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := io.CopyN(w, in, 3<<(flags&7+1))
	return err
}

// copyBlocks copies data up to the block that ends it.
func copyBlocks(w io.Writer, in *bufio.Reader) error {
	for {
		n, err := in.ReadByte()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte{n}); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if _, err := io.CopyN(w, in, int64(n)); err != nil {
			return err
		}
	}
}
