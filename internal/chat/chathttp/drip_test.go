package chathttp

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// drips is a body that never ends: a byte each second.
type drips struct{}

func (drips) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	p[0] = 'x'
	return 1, nil
}

func (drips) Close() error { return nil }

// A request that brings a byte now and then, so that it is never silent, ends
// all the same, and what came is kept.
func TestAnUploadThatDripsIsEndedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		longest := Config{}.withDefaults().Longest
		begun := time.Now()
		n, err := io.Copy(io.Discard, &bounded{ReadCloser: drips{}, end: begun.Add(longest)})
		took := time.Since(begun)
		if !errors.Is(err, io.ErrUnexpectedEOF) || n == 0 || took > longest+2*time.Second || longest != 15*time.Minute {
			t.Errorf("%d bytes in %v of %v: %v", n, took, longest, err)
		}
	})
}
