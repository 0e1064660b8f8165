package user

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user/userv1"
)

const (
	// tailPage is how many events are read at once.
	tailPage = 500
	// tailBacklog is how many events before the start are looked at, so that
	// what other nodes have kept before it is of use.
	tailBacklog = 2_000
)

// Start finds where Run begins, and reads who does not share read receipts and
// who has blocked whom.
// What has been read before it returned is forgotten.
func (s *Service) Start(ctx context.Context) error {
	newest, err := s.Store.LastChange(ctx)
	if err != nil {
		return fmt.Errorf("the log of users: %w", err)
	}
	s.cache.begin(max(newest-tailBacklog, 0))
	if err := s.readHiding(ctx); err != nil {
		return err
	}
	if err := s.readBlocks(ctx); err != nil {
		return err
	}
	return s.catchUp(ctx)
}

// Run reads what nodes have changed until ctx ends, twice a second and when
// woken: this node remembers nothing that is older than a second, with or
// without a bus. It tells those who follow what others are to them.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case put := <-s.puts:
			s.Shelf.Put(ctx, put)
			continue
		case <-tick.C:
		case <-s.news:
		}
		err := s.catchUp(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.Warn().Err(err).Msg("changes of users wait for the store")
		}
		failing = err != nil
	}
}

// Wake has Run read the log at once.
func (s *Service) Wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// catchUp reads the log to its end.
func (s *Service) catchUp(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	began := time.Now()
	for {
		after := s.cache.position()
		events, reached, err := s.Store.Read(within, after, tailPage)
		if err != nil {
			return fmt.Errorf("the log of users: %w", err)
		}
		for _, e := range events {
			s.heed(e)
		}
		if err := s.rereadSettings(within, events); err != nil {
			return err
		}
		if err := s.heedRelations(within, events); err != nil {
			return err
		}
		s.cache.reach(reached)
		if len(events) < tailPage {
			s.fresh.Store(int64(began.Sub(s.began)))
			return nil
		}
	}
}

// heed takes one event of the log.
func (s *Service) heed(e bus.Envelope) {
	switch e.Name {
	case userv1.ProfileUpdatedName:
		var v userv1.ProfileUpdated
		if json.Unmarshal(e.Payload, &v) == nil {
			s.cache.hear(e.Pos, v.UserID, v.At)
		}
	case userv1.PresenceChosenName:
		var v userv1.PresenceChosen
		if json.Unmarshal(e.Payload, &v) == nil && s.Chosen != nil {
			s.Chosen(v.UserID)
		}
	}
}

// staleAfter is how old the last reading of the log may be for the shelf to be
// used.
const staleAfter = time.Second

// onShelf returns those of the profiles that the shelf has, and that are not
// older than what this node knows.
func (s *Service) onShelf(ctx context.Context, of []ids.User) []Profile {
	if s.Shelf == nil || time.Since(s.began)-time.Duration(s.fresh.Load()) > staleAfter {
		return nil
	}
	return s.cache.fit(s.Shelf.Take(ctx, of))
}

// shelve has profiles put on the shelf that were read from the store after the
// changes up to stamp, without waiting for it.
func (s *Service) shelve(read []Profile, stamp int64) {
	if s.Shelf == nil || len(read) == 0 {
		return
	}
	put := make([]Kept, len(read))
	for i, p := range read {
		put[i] = Kept{p, stamp}
	}
	select {
	case s.puts <- put:
	default: // it is a cache
	}
}
