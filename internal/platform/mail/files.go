package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
)

// Files is a Sender that writes each message as a file: ID.eml. It is for
// servers without a mail server; whoever may read the directory may use the
// links in it, so nobody else may. Files are never removed.
type Files struct {
	dir  string
	from string
	log  zerolog.Logger
}

// NewFiles makes a Sender that writes to dir, which is made (mode 0700) with
// the first message.
func NewFiles(dir, from string, log zerolog.Logger) *Files {
	return &Files{dir: dir, from: from, log: log}
}

// Send implements Sender: the file is there, whole and synced, when it
// returns, and a log line says where.
func (f *Files) Send(_ context.Context, m Message) error {
	msg, err := build(f.from, m)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := msg.WriteTo(&text); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	path := filepath.Join(f.dir, m.ID+".eml")
	if err := f.write(path, text.Bytes()); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	f.log.Info().Str("file", path).Msg("there is no mail server: a mail was written to a file")
	return nil
}

// write puts a file in place at once and for good.
func (f *Files) write(path string, text []byte) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(f.dir, ".mail-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
