package user

import (
	"context"
	"time"
)

const (
	indexBatch = 200
	indexRetry = 500 * time.Millisecond
	// indexPause lets others write between two batches.
	indexPause = 5 * time.Millisecond
	// indexStart is how long a start may take for it: ten thousand users, about.
	indexStart = 2 * time.Second
)

// StartIndex brings the index of names up to the profiles, as far as a moment
// goes: Index does the rest.
func (s *Service) StartIndex(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < indexStart; {
		if done, err := s.Store.IndexNames(ctx, indexBatch); done || err != nil {
			return nil //nolint:nilerr // Index tries again, and tells what is wrong.
		}
	}
	return nil
}

// Index brings the index of names up to the profiles, a few at a time: after
// that whoever writes a profile keeps it so. It ends with ctx. There is something
// to do after an upgrade, and on a store into which profiles were copied; until
// it is done a search may not find everybody.
func (s *Service) Index(ctx context.Context) error {
	failing := false
	for done := false; ; {
		wait := indexPause
		if done {
			<-ctx.Done()
			return nil
		}
		var err error
		if done, err = s.Store.IndexNames(ctx, indexBatch); err != nil {
			if wait, done = indexRetry, false; !failing && ctx.Err() == nil {
				s.Log.Warn().Err(err).Msg("names could not be indexed for the search; it is tried until it goes")
			}
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
