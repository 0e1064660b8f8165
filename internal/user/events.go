package user

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
	"chatd/internal/user/userv1"
)

// Updated is the event of a profile that has been changed to p. Stores put it
// into their log and give it its position.
func Updated(p Profile) bus.Envelope {
	event := userv1.ProfileUpdated{
		UserID: p.ID, Username: p.Username, DisplayName: p.DisplayName, Bio: p.Bio,
		StatusText: p.Status.Text, StatusEmoji: p.Status.Emoji,
		TimeZone: p.TimeZone, Locale: p.Locale, At: p.UpdatedAt,
	}
	if !p.Avatar.IsZero() {
		event.AvatarID = &p.Avatar
	}
	if !p.Status.ExpiresAt.IsZero() {
		event.StatusExpiresAt = &p.Status.ExpiresAt
	}
	payload, err := json.Marshal(event)
	if err != nil {
		panic(err) // texts and times only
	}
	return bus.Envelope{
		Name: userv1.ProfileUpdatedName, Topic: userv1.Topic, Key: p.ID.String(), Time: p.UpdatedAt, Payload: payload,
	}
}

// Chosen is the event of somebody who has chosen how he wants to be seen.
// Stores put it into their log and give it its position.
func Chosen(of ids.User, at time.Time) bus.Envelope {
	payload, err := json.Marshal(userv1.PresenceChosen{UserID: of, At: at})
	if err != nil {
		panic(err) // an id and a time
	}
	return bus.Envelope{
		Name: userv1.PresenceChosenName, Topic: userv1.Topic, Key: of.String(), Time: at, Payload: payload,
	}
}

// SettingsChanged is the event of somebody's settings, without an ID and a
// position.
func SettingsChanged(of ids.User, at time.Time) bus.Envelope {
	payload, err := json.Marshal(userv1.SettingsChanged{UserID: of, At: at})
	if err != nil {
		panic(err) // an id and a time
	}
	return bus.Envelope{
		Name: userv1.SettingsChangedName, Topic: userv1.Topic, Key: of.String(), Time: at, Payload: payload,
	}
}

// Related is the event of what another is to a viewer from now on, without an
// ID and a position.
func Related(viewer, other ids.User, is Relationship, at time.Time) bus.Envelope {
	payload, err := json.Marshal(userv1.RelationshipChanged{UserID: viewer, OtherID: other, State: string(is), At: at})
	if err != nil {
		panic(err) // ids, a word and a time
	}
	return bus.Envelope{
		Name: userv1.RelationshipChangedName, Topic: userv1.Topic, Key: viewer.String(), Time: at, Payload: payload,
	}
}

// AllRelated returns the events of what two users have become to each other,
// of each to whom it shows.
func AllRelated(actor, other ids.User, before, after Pair, at time.Time) (all []bus.Envelope) {
	was, is := before.Shown(), after.Shown()
	if was.Mine != is.Mine {
		all = append(all, Related(actor, other, is.Mine, at))
	}
	if was.Theirs != is.Theirs {
		all = append(all, Related(other, actor, is.Theirs, at))
	}
	return all
}

// At returns an event of the log as it stands at its position.
func At(pos int64, e bus.Envelope) bus.Envelope {
	e.Pos = pos
	e.ID = e.Topic + "-" + strconv.FormatInt(pos, 10)
	return e
}

// Topics are what Handle wants to hear.
func Topics() []string { return []string{authv1.Topic} }

// Handle takes the events of other contexts, more than once if need be.
func (s *Service) Handle(ctx context.Context, e bus.Envelope) error {
	return s.handle(ctx, e)
}

// accountRegistered repairs an account whose profile was not made, because the
// program ended in between.
func (s *Service) accountRegistered(ctx context.Context, _ bus.Envelope, e authv1.AccountRegistered) error {
	return s.Create(ctx, NewProfile{
		User: e.UserID, Username: e.Username, DisplayName: e.DisplayName, CreatedAt: e.At, Bot: e.Role == principal.Bot,
	})
}

// usernameChanged repairs a profile that was not renamed, for the same reason;
// one that has another name since is left alone, and one that is gone is no
// error.
func (s *Service) usernameChanged(ctx context.Context, _ bus.Envelope, e authv1.UsernameChanged) error {
	if err := s.Rename(ctx, e.UserID, e.Was, e.Username); !errors.Is(err, ErrNoUser) {
		return err
	}
	return nil
}
