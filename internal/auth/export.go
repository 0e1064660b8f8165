package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/zipdir"
)

// ExportState says how far an export is.
type ExportState string

// The states of an export.
const (
	ExportPending ExportState = "PENDING" // it is being made, or waits for it
	ExportReady   ExportState = "READY"
	ExportFailed  ExportState = "FAILED" // it could not be made
)

// ActExported is in the audit log when a user asks for his data.
const ActExported Action = "EXPORT_REQUESTED"

// Export is a copy of what the server has of a user, for him.
type Export struct {
	ID        ids.Export
	User      ids.User
	State     ExportState
	CreatedAt time.Time // when it was asked for
	ExpiresAt time.Time // zero while it is pending
	Size      int64     // in bytes, once it is ready
}

// Exports keeps what users asked for, but for the bytes.
type Exports interface {
	// AddExport stores a pending export and returns it; where the user has one
	// that is pending already it returns that and false. ErrExportTooSoon when
	// one that has not failed was asked for after since; ErrNoAccount for a user
	// who is not Active. Those before his newest keep end now.
	AddExport(ctx context.Context, e Export, keep int, since time.Time, act Act) (Export, bool, error)
	// UserExports returns a user's that have not expired by now, the newest
	// first.
	UserExports(ctx context.Context, user ids.User, now time.Time) ([]Export, error)
	// Export returns one that has not expired by now, of a user who is Active;
	// ErrNoExport.
	Export(ctx context.Context, id ids.Export, now time.Time) (Export, error)
	// NextExport returns the oldest that is pending and counts a try of it;
	// those that have had so many tries fail. ErrNoExport when there is none.
	NextExport(ctx context.Context, tries int, expires time.Time) (Export, error)
	// EndExport stores e's State, ExpiresAt and Size; false when it is pending
	// no longer, as of an account that was deleted.
	EndExport(ctx context.Context, e Export) (bool, error)
	// ExpiredExports returns exports that expired by now, at most limit.
	ExpiredExports(ctx context.Context, now time.Time, limit int) ([]ids.Export, error)
	// ForgetExports forgets exports whose bytes are gone.
	ForgetExports(ctx context.Context, of []ids.Export) error
}

// Exporter is what auth needs of the other contexts for an export.
type Exporter interface {
	// Export adds what there is of a user, and of nobody else.
	Export(ctx context.Context, user ids.User, to *zipdir.Writer) error
}

const (
	exportEvery = 24 * time.Hour     // between two of one user
	exportLife  = 7 * 24 * time.Hour // from when it is ready
	exportsKept = 5                  // of one user
	exportTries = 5
)

// RequestExport has an export of the caller's data made, and returns it while it
// is pending; where one is pending already, that. ErrExportTooSoon, ErrNoExports.
func (s *Service) RequestExport(ctx context.Context, p principal.Principal) (Export, error) {
	if s.deps.Archives == nil {
		return Export{}, ErrNoExports
	}
	now := s.now()
	e, _, err := s.deps.Exports.AddExport(ctx, Export{ID: ids.New[ids.Export](), User: p.User, State: ExportPending, CreatedAt: now},
		exportsKept, now.Add(-exportEvery), s.act(ctx, ActExported, p.User, p.User).of(p.Session))
	if err != nil {
		return Export{}, fmt.Errorf("request an export: %w", err)
	}
	select {
	case s.export <- struct{}{}:
	default:
	}
	return e, nil
}

// Exports returns the caller's exports, the newest first; at most 5.
func (s *Service) Exports(ctx context.Context, p principal.Principal) ([]Export, error) {
	list, err := s.deps.Exports.UserExports(ctx, p.User, s.now())
	if err != nil {
		return nil, fmt.Errorf("exports: %w", err)
	}
	return list[:min(len(list), exportsKept)], nil
}

// OpenExport opens the bytes of a user's own export, which is ready;
// ErrNoExport for all others.
func (s *Service) OpenExport(ctx context.Context, user ids.User, id ids.Export) (Export, *os.File, error) {
	if s.deps.Archives == nil {
		return Export{}, nil, ErrNoExport
	}
	e, err := s.deps.Exports.Export(ctx, id, s.now())
	if err == nil && (e.User != user || e.State != ExportReady) {
		err = ErrNoExport
	}
	if err != nil {
		return Export{}, nil, fmt.Errorf("open an export: %w", err)
	}
	f, err := s.deps.Archives.Open(archiveOf(id))
	if errors.Is(err, fs.ErrNotExist) { // as after a backup was restored
		err = ErrNoExport
	}
	if err != nil {
		return Export{}, nil, fmt.Errorf("open an export: %w", err)
	}
	return e, f, nil
}

func archiveOf(id ids.Export) string { return id.String() + ".zip" }

// MakeExports makes the exports that are pending and removes those that have
// expired. What a crash interrupts is begun again by the next call. One node at
// a time must be at it.
func (s *Service) MakeExports(ctx context.Context) error {
	for {
		if err := s.removeExports(ctx); err != nil {
			return err
		}
		e, err := s.deps.Exports.NextExport(ctx, exportTries, s.now().Add(exportLife))
		if errors.Is(err, ErrNoExport) {
			return nil
		}
		if err == nil {
			err = s.makeExport(ctx, e)
		}
		if err != nil {
			return fmt.Errorf("make an export: %w", err)
		}
	}
}

func (s *Service) makeExport(ctx context.Context, e Export) error {
	size, err := s.deps.Archives.Make(archiveOf(e.ID), func(to *zipdir.Writer) error {
		if err := s.exportAccount(ctx, e.User, to); err != nil {
			return err
		}
		for _, of := range s.deps.Exporters {
			if err := of.Export(ctx, e.User, to); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	e.State, e.Size, e.ExpiresAt = ExportReady, size, s.now().Add(exportLife)
	still, err := s.deps.Exports.EndExport(ctx, e)
	if err == nil && !still {
		err = s.deps.Archives.Remove(archiveOf(e.ID))
	}
	return err
}

// removeExports removes what has expired, the bytes first.
func (s *Service) removeExports(ctx context.Context) error {
	const page = 100
	for s.deps.Archives != nil {
		old, err := s.deps.Exports.ExpiredExports(ctx, s.now(), page)
		if err != nil || len(old) == 0 {
			return err
		}
		for _, id := range old {
			if err := s.deps.Archives.Remove(archiveOf(id)); err != nil {
				return err
			}
		}
		if err := s.deps.Exports.ForgetExports(ctx, old); err != nil {
			return err
		}
	}
	return nil
}

// WantsExport wakes when an export was asked for on this node.
func (s *Service) WantsExport() <-chan struct{} { return s.export }

// exportAccount adds what auth has: nothing that lets anybody in.
func (s *Service) exportAccount(ctx context.Context, user ids.User, to *zipdir.Writer) error {
	a, err := s.deps.Accounts.Account(ctx, user)
	if err != nil {
		return err
	}
	on, err := s.totpOn(ctx, user)
	if err != nil {
		return err
	}
	err = to.JSON("account.json", map[string]any{
		"id": a.ID, "email": a.Email, "emailVerified": a.EmailVerified, "username": a.Username, "role": a.Role, "state": a.State,
		"createdAt": a.CreatedAt, "secondFactor": on,
	})
	if err != nil {
		return err
	}
	sessions, err := s.deps.Sessions.UserSessions(ctx, user, s.now())
	if err != nil {
		return err
	}
	list := make([]map[string]any, len(sessions))
	for i, at := range sessions {
		list[i] = map[string]any{
			"id": at.ID, "device": at.Device, "address": at.Address, "createdAt": at.CreatedAt, "lastUsedAt": at.LastUsedAt, "expiresAt": at.ExpiresAt,
		}
	}
	if err := to.JSON("sessions.json", list); err != nil {
		return err
	}
	tokens, err := s.deps.Tokens.UserTokens(ctx, user, s.now())
	if err != nil {
		return err
	}
	list = make([]map[string]any, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		list[i] = map[string]any{"id": t.ID, "name": t.Name, "createdAt": t.CreatedAt}
		for name, at := range map[string]time.Time{"expiresAt": t.ExpiresAt, "lastUsedAt": t.LastUsedAt} {
			if !at.IsZero() {
				list[i][name] = at
			}
		}
	}
	return to.JSON("tokens.json", list)
}
