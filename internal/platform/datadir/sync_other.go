//go:build !linux

package datadir

// syncFiles returns when files in a directory are on the disk.
func syncFiles(_ string, of []string) error {
	for _, path := range of {
		if err := syncFile(path); err != nil {
			return err
		}
	}
	return nil
}
