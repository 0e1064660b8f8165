package signing

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/keys"
)

// Key is a key as a Store keeps it.
type Key struct {
	ID       ids.Key
	Public   []byte
	Sealed   []byte // the private key, sealed
	UsedFrom time.Time
}

// Store keeps the keys of all nodes, oldest first.
type Store interface {
	SigningKeys(ctx context.Context) ([]Key, error)
	// AddSigningKey stores k unless there is one whose UsedFrom is after
	// unlessAfter: of two nodes that would both add one, one does.
	AddSigningKey(ctx context.Context, k Key, unlessAfter time.Time) error
	// DropSigningKeys forgets keys; unknown ones are ignored.
	DropSigningKeys(ctx context.Context, keys []ids.Key) error
}

const (
	sealPurpose = "auth/signing"
	// announced is how long a new key is in the JWKS before it signs, so that
	// those who keep a copy of the document have it in time.
	announced = 15 * time.Minute
	// RotateEvery is how often Rotate is to be called at least, so that no key
	// is renewed late.
	RotateEvery = 10 * time.Minute
	// jwksMaxAge is how long others may keep a copy.
	jwksMaxAge = 5 * time.Minute
	// reloadEvery is how often unknown key ids may make the store be read.
	reloadEvery = time.Second
)

// signer is an opened signing key.
type signer struct {
	id       ids.Key
	private  ed25519.PrivateKey
	usedFrom time.Time
}

// Keys holds the signing keys of this server, oldest first. Its methods may be
// called at once by any number of goroutines.
type Keys struct {
	store Store
	ring  *keys.Ring
	every time.Duration // a new key each
	keep  time.Duration // how long a replaced key still verifies

	set    atomic.Pointer[[]signer]
	mu     sync.Mutex // one load at a time
	loaded time.Time
}

// NewKeys makes Keys without any: Rotate before they are used. There is a new
// key each every; one that was replaced verifies for longest, the longest life
// of a token, and what clocks may differ by.
func NewKeys(store Store, ring *keys.Ring, every, longest time.Duration) *Keys {
	return &Keys{store: store, ring: ring, every: every, keep: longest + clockSkew}
}

// load reads the keys of the store.
func (k *Keys) load(ctx context.Context) error {
	stored, err := k.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	set := make([]signer, 0, len(stored))
	for _, s := range stored {
		seed, err := k.ring.Unseal(sealPurpose, s.Sealed)
		if errors.Is(err, keys.ErrUnseal) || err == nil && len(seed) != ed25519.SeedSize {
			return fmt.Errorf("signing key %s: was CHATD_SECRET or %s changed? %w", s.ID, keys.FileName, keys.ErrUnseal)
		}
		if err != nil {
			return fmt.Errorf("signing key %s: %w", s.ID, err)
		}
		set = append(set, signer{id: s.ID, private: ed25519.NewKeyFromSeed(seed), usedFrom: s.UsedFrom})
	}
	k.set.Store(&set)
	return nil
}

// Rotate loads the keys, drops those whose last token has ended, and adds one
// when the newest is old enough. Any number of nodes may do it at once. Keys
// that were sealed with another secret are keys.ErrUnseal.
func (k *Keys) Rotate(ctx context.Context, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(ctx); err != nil {
		return err
	}
	set := *k.set.Load()
	if len(set) > 0 && now.Sub(set[len(set)-1].usedFrom) < k.every-announced {
		return k.drop(ctx, set, now)
	}
	fresh := signer{id: ids.New[ids.Key](), private: ed25519.NewKeyFromSeed(keys.Random(ed25519.SeedSize)), usedFrom: now}
	if len(set) > 0 {
		fresh.usedFrom = now.Add(announced)
	}
	err := k.store.AddSigningKey(ctx, Key{
		ID:       fresh.id,
		Public:   fresh.private.Public().(ed25519.PublicKey),
		Sealed:   k.ring.Seal(sealPurpose, fresh.private.Seed()),
		UsedFrom: fresh.usedFrom,
	}, now.Add(-(k.every - announced)))
	if err != nil {
		return fmt.Errorf("add a signing key: %w", err)
	}
	return k.load(ctx)
}

// drop forgets keys that were replaced longer ago than any token lives.
func (k *Keys) drop(ctx context.Context, set []signer, now time.Time) error {
	var old []ids.Key
	for i := range len(set) - 1 {
		if now.Sub(set[i+1].usedFrom) > k.keep {
			old = append(old, set[i].id)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := k.store.DropSigningKeys(ctx, old); err != nil {
		return fmt.Errorf("drop signing keys: %w", err)
	}
	return k.load(ctx)
}

// current returns the key to sign with: the newest in use, or the oldest when
// another node made it by a clock that is ahead of ours.
func (k *Keys) current(now time.Time) (signer, error) {
	all := k.all()
	for _, s := range slices.Backward(all) {
		if !s.usedFrom.After(now) {
			return s, nil
		}
	}
	if len(all) == 0 {
		return signer{}, errors.New("there is no signing key before the start")
	}
	return all[0], nil
}

// Current returns the key that signs at a time.
func (k *Keys) Current(now time.Time) (ids.Key, ed25519.PrivateKey, error) {
	s, err := k.current(now)
	return s.id, s.private, err
}

func (k *Keys) all() []signer {
	if set := k.set.Load(); set != nil {
		return *set
	}
	return nil
}

// find returns the key of an id, asking the store about one that another
// node may have made, at most once each reloadEvery.
func (k *Keys) find(ctx context.Context, id ids.Key, now time.Time) (ed25519.PublicKey, error) {
	if pub, ok := k.known(id); ok {
		return pub, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.loaded) >= reloadEvery {
		if err := k.load(ctx); err != nil {
			return nil, err
		}
		k.loaded = now
	}
	if pub, ok := k.known(id); ok {
		return pub, nil
	}
	return nil, ErrForeign
}

func (k *Keys) known(id ids.Key) (ed25519.PublicKey, bool) {
	for _, s := range k.all() {
		if s.id == id {
			return s.private.Public().(ed25519.PublicKey), true
		}
	}
	return nil, false
}

type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	Alg   string `json:"alg"`
	Use   string `json:"use"`
	ID    string `json:"kid"`
	X     string `json:"x"`
}

// JWKS returns the public keys of access tokens, those that are announced but
// do not sign yet too, as a JSON Web Key Set (RFC 7517, RFC 8037).
func (k *Keys) JWKS() []byte {
	doc := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, s := range k.all() {
		doc.Keys = append(doc.Keys, jwk{
			Type: "OKP", Curve: "Ed25519", Alg: "EdDSA", Use: "sig", ID: s.id.String(),
			X: base64.RawURLEncoding.EncodeToString(s.private.Public().(ed25519.PublicKey)),
		})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // strings only
	}
	return b
}

// ServeHTTP answers with the JWKS.
func (k *Keys) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksMaxAge.Seconds())))
	_, _ = w.Write(k.JWKS()) // the client may have gone
}
