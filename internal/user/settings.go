package user

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user/userv1"
)

// Settings is how somebody wants to have things. They are his alone to know.
type Settings struct {
	// ShareReadReceipts lets others see how far he has read, and him see how
	// far they have.
	ShareReadReceipts bool
}

// DefaultSettings are those of whoever has changed nothing.
func DefaultSettings() Settings { return Settings{ShareReadReceipts: true} }

// SettingsPatch is a change of settings: nil leaves one as it is.
type SettingsPatch struct {
	ShareReadReceipts *bool
}

func (p SettingsPatch) apply(s *Settings) {
	if p.ShareReadReceipts != nil {
		s.ShareReadReceipts = *p.ShareReadReceipts
	}
}

// Settings returns the viewer's settings.
func (s *Service) Settings(ctx context.Context, viewer ids.User) (Settings, error) {
	found, err := s.Store.Settings(ctx, []ids.User{viewer})
	if err != nil {
		return Settings{}, fmt.Errorf("read the settings of %s: %w", viewer, err)
	}
	return found[viewer], nil
}

// UpdateSettings changes the viewer's settings and returns them as they are
// now. This node goes by them once it returns, others within a second.
func (s *Service) UpdateSettings(ctx context.Context, viewer ids.User, p SettingsPatch) (Settings, error) {
	s.hiding.changing.Lock()
	defer s.hiding.changing.Unlock()
	now, err := s.Store.UpdateSettings(ctx, viewer, p.apply)
	if err != nil {
		return Settings{}, fmt.Errorf("update the settings of %s: %w", viewer, err)
	}
	s.hiding.set(viewer, now)
	return now, nil
}

// HidesReads says whether a user does not share read receipts. It is answered
// from memory: Start has read who does not.
func (s *Service) HidesReads(user ids.User) bool {
	s.hiding.mu.RLock()
	defer s.hiding.mu.RUnlock()
	_, hides := s.hiding.who[user]
	return hides
}

// hiding is who does not share read receipts: all of them, some 50 bytes each,
// since they are few and every receipt is delivered by it.
type hiding struct {
	mu  sync.RWMutex
	who map[ids.User]struct{}

	// changing is held from a write or read of the store until set, so that
	// the newest is set last.
	changing sync.Mutex
}

func (h *hiding) set(user ids.User, to Settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to.ShareReadReceipts {
		delete(h.who, user)
		return
	}
	if h.who == nil {
		h.who = make(map[ids.User]struct{})
	}
	h.who[user] = struct{}{}
}

// hidingPage is how many of those who hide are read at once.
const hidingPage = 1000

// readHiding reads who does not share read receipts.
func (s *Service) readHiding(ctx context.Context) error {
	s.hiding.changing.Lock()
	defer s.hiding.changing.Unlock()
	for after := (ids.User{}); ; {
		page, err := s.Store.HidingReads(ctx, after, hidingPage)
		if err != nil {
			return fmt.Errorf("who does not share read receipts: %w", err)
		}
		for _, u := range page {
			after = u
			s.hiding.set(u, Settings{})
		}
		if len(page) < hidingPage {
			return nil
		}
	}
}

// rereadSettings reads the settings that have changed by some events of the
// log.
func (s *Service) rereadSettings(ctx context.Context, events []bus.Envelope) error {
	var of []ids.User
	for _, e := range events {
		var v userv1.SettingsChanged
		if e.Name == userv1.SettingsChangedName && json.Unmarshal(e.Payload, &v) == nil {
			of = append(of, v.UserID)
		}
	}
	if len(of) == 0 {
		return nil
	}
	s.hiding.changing.Lock()
	defer s.hiding.changing.Unlock()
	found, err := s.Store.Settings(ctx, of)
	if err != nil {
		return fmt.Errorf("settings that have changed: %w", err)
	}
	for u, now := range found {
		s.hiding.set(u, now)
	}
	return nil
}
