package datadir

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncFiles returns when files in a directory are on the disk. It has the whole
// file system written, which for many small files is one wait (syncfs(2); since
// Linux 5.8 it tells of what could not be written).
func syncFiles(dir string, of []string) error {
	if len(of) == 0 {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = unix.Syncfs(int(f.Fd())); err != nil {
		err = fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(err, f.Close())
}
