package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	// FileName is the secret's file in the data directory.
	FileName = "secret.key"
	// MinSecret is the least length of a given secret, in bytes.
	MinSecret = 32

	keyLen = 32
)

// ErrUnseal is what Unseal returns for what was not sealed with this secret
// for this purpose, or was changed since.
var ErrUnseal = errors.New("sealed with another secret or for another purpose, or damaged")

// Ring makes and uses the keys of a master secret. It is immutable.
type Ring struct{ master []byte }

// OfFile begins a given secret that is the text of a secret.key: with it the
// Ring is the one that the file makes, on machines that do not have the file.
const OfFile = FileName + ":"

// Check says what is wrong with a given secret.
func Check(secret string) error {
	_, err := given(secret)
	return err
}

func given(secret string) (master []byte, err error) {
	if text, ok := strings.CutPrefix(secret, OfFile); ok {
		if master, err = parse(text); err != nil {
			return nil, fmt.Errorf("the secret begins with %s but is not the text of that file: want %d hexadecimal digits", OfFile, 2*keyLen)
		}
		return master, nil
	}
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret is shorter than %d characters", MinSecret)
	}
	return []byte(secret), nil
}

func parse(text string) ([]byte, error) {
	master, err := hex.DecodeString(strings.TrimSuffix(text, "\n"))
	if err == nil && len(master) != keyLen {
		err = hex.ErrLength
	}
	return master, err
}

// Open takes the given secret, of at least MinSecret bytes, or OfFile and the
// text of a file. When it is empty the secret is that of the file secret.key
// in dir, which is made (mode 0600, whole or not at all) if there is none. A
// file that others may read, or that is not as it was written, is an error
// that names it.
func Open(dir, secret string) (*Ring, error) {
	if secret != "" {
		master, err := given(secret)
		if err != nil {
			return nil, err
		}
		return &Ring{master: master}, nil
	}
	path := filepath.Join(dir, FileName)
	master, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
		master, err = read(path)
	}
	if err != nil {
		return nil, err
	}
	return &Ring{master: master}, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the master secret: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the master secret: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 2*keyLen+2))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	master, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: want %d hexadecimal digits; put back a copy of it", path, 2*keyLen)
	}
	return master, nil
}

// create writes a fresh secret beside path and links it into place, so that
// of two that start at once one wins and a crash leaves no half file.
func create(path string) error {
	master := make([]byte, keyLen)
	_, _ = rand.Read(master)                                   // never fails, crypto/rand says
	f, err := os.CreateTemp(filepath.Dir(path), FileName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(hex.EncodeToString(master) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Derive returns the 32-byte key for purpose, always the same for the same
// secret (HKDF-SHA256, RFC 5869). Keys of two purposes tell nothing of each
// other.
func (r *Ring) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, r.master, []byte("chatd"), purpose, keyLen)
	if err != nil {
		panic(err) // for lengths beyond 8,160 bytes only
	}
	return key
}

// Seal encrypts and authenticates plain for purpose (AES-256-GCM, a random
// nonce in front).
func (r *Ring) Seal(purpose string, plain []byte) []byte {
	return r.aead(purpose).Seal(nil, nil, plain, []byte(purpose)) //nolint:gosec // It makes its own nonce.
}

// Unseal returns what Seal was given for the same purpose, else ErrUnseal.
func (r *Ring) Unseal(purpose string, sealed []byte) ([]byte, error) {
	plain, err := r.aead(purpose).Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, ErrUnseal
	}
	return plain, nil
}

func (r *Ring) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(r.Derive("seal/" + purpose))
	if err != nil {
		panic(err) // for other key lengths only
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // for other block sizes only
	}
	return a
}

// Random returns n bytes that nobody guesses.
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, crypto/rand says
	return b
}
