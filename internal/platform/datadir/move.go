package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Move is what a marker tells of a copy of the embedded store to another one,
// which takes its place: the directory is not served from meanwhile, or ever
// after, so that the two do not go apart.
type Move struct {
	Copy   string    `json:"copy"` // the identifier of the copy
	To     string    `json:"to"`   // for people's eyes
	Begun  time.Time `json:"begun,omitzero"`
	Target string    `json:"target,omitempty"` // the identifier of the target, once Done
	Done   time.Time `json:"done,omitzero"`
}

func (m *Move) done() bool { return m != nil && !m.Done.IsZero() }

// OpenStopped locks a data directory with an embedded store, which must be
// there and which no chatd may use. It may have been marked by SetMove.
func OpenStopped(path string) (*Dir, error) {
	d, err := embedded(path)
	if err != nil {
		return nil, err
	}
	if err := d.checkRestored(); err != nil {
		return nil, err
	}
	if err := d.takeLock(); err != nil {
		_ = d.Close()
		return nil, err
	}
	if err := d.readMarker(); err != nil { // it may have been written since
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// OpenBeside looks at a data directory with an embedded store that another
// chatd may be using, and goes on using. It takes no lock; what is in the
// directory may change at any time, and only the store, which has locks of its
// own, may be written.
func OpenBeside(path string) (*Dir, error) {
	d, err := embedded(path)
	if err != nil {
		return nil, err
	}
	if err := d.checkRestored(); err != nil {
		return nil, err
	}
	return d, d.CheckEmbedded()
}

// Move returns the mark; nil where there is none.
func (d *Dir) Move() *Move { return d.marker.Move }

// HasKey says whether the master key's file belongs to the directory.
func (d *Dir) HasKey() bool { return d.holdsKey() }

// SetMove marks the directory, or with nil takes the mark off.
func (d *Dir) SetMove(m *Move) error {
	marked := d.marker
	marked.Move = m
	if err := d.writeMarker(marked); err != nil {
		return dirError(d.Path, "cannot be written", err)
	}
	return nil
}

// CheckEmbedded refuses to serve from an embedded store that has been copied
// elsewhere, or is being.
func (d *Dir) CheckEmbedded() error {
	m := d.marker.Move
	switch {
	case m == nil:
		return nil
	case m.done():
		return fmt.Errorf("data directory %s: its data was moved to %s on %s; give --postgres-url, or take it back with `chatd migrate-data --undo --from %s`",
			d.Path, m.To, m.Done.Format(time.RFC3339), d.Path)
	}
	return fmt.Errorf("data directory %s: its data is being moved to %s; run `chatd migrate-data` again to the end, or take it back with `chatd migrate-data --undo --from %s`",
		d.Path, m.To, d.Path)
}

// CheckDatabase says whether the embedded store's file is still there.
func (d *Dir) CheckDatabase() error {
	if _, err := os.Stat(d.Database()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data directory %s: %s is not there any more", d.Path, DatabaseFile)
	} else if err != nil {
		return dirError(d.Path, "cannot be read", err)
	}
	return nil
}
