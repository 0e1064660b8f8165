package usergraph

import (
	"context"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user"
)

// Settings is how the viewer wants to have things.
type Settings struct{ s user.Settings }

// ShareReadReceipts resolves Settings.shareReadReceipts.
func (s *Settings) ShareReadReceipts() bool { return s.s.ShareReadReceipts }

// Settings returns the settings of a user, who must be the viewer.
func (l *Users) Settings(ctx context.Context, viewer ids.User) (*Settings, error) {
	s, err := l.service.Settings(ctx, viewer)
	if err != nil {
		return nil, err
	}
	return &Settings{s}, nil
}

type updateSettingsInput struct{ ShareReadReceipts *bool }

// UpdateSettings resolves Mutation.updateSettings.
func (m *Mutation) UpdateSettings(
	ctx context.Context, args struct{ Input updateSettingsInput },
) (*UpdateSettingsPayload, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, errs.ErrUnauthenticated
	}
	s, err := m.service.UpdateSettings(ctx, viewer.User, user.SettingsPatch{ShareReadReceipts: args.Input.ShareReadReceipts})
	if err != nil {
		return nil, err
	}
	return &UpdateSettingsPayload{&Settings{s}}, nil
}

// UpdateSettingsPayload is the changed settings.
type UpdateSettingsPayload struct{ settings *Settings }

// Settings resolves UpdateSettingsPayload.settings.
func (p *UpdateSettingsPayload) Settings() *Settings { return p.settings }
