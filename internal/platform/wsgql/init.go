package wsgql

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
)

// initPayload is what connection_init may carry; other entries are ignored.
// encoding/json finds the names in any case.
type initPayload struct {
	Authorization string          `json:"authorization"`
	Token         string          `json:"token"`
	AuthToken     string          `json:"authToken"`
	Resume        json.RawMessage `json:"resume"`
}

func (p *initPayload) token() string {
	for _, t := range []string{bearer(p.Authorization), p.Token, p.AuthToken} {
		if t != "" {
			return t
		}
	}
	return ""
}

// resume reads a cursor, or {cursor, seq, rev}.
func (p *initPayload) resume() (r feed.Resume, err error) {
	switch {
	case len(p.Resume) == 0 || string(p.Resume) == "null":
	case p.Resume[0] == '"':
		if err = json.Unmarshal(p.Resume, &r.Cursor); r.Cursor == "" {
			r.Cursor = feed.Garbled
		}
	default:
		var o struct {
			Cursor string           `json:"cursor"`
			Seq    map[string]int64 `json:"seq"`
			Rev    map[string]int64 `json:"rev"`
		}
		err = json.Unmarshal(p.Resume, &o)
		r = feed.Resume{Cursor: o.Cursor, Seq: o.Seq, Rev: o.Rev}
	}
	return r, err
}

// ackPayload is what connection_ack carries.
type ackPayload struct {
	Server           string          `json:"server"`
	Version          string          `json:"version"`
	SchemaVersion    string          `json:"schemaVersion"`
	Capabilities     json.RawMessage `json:"capabilities"`
	SessionExpiresAt *string         `json:"sessionExpiresAt"`
}

// initialise answers connection_init: it signs the caller in, or lets him be
// anonymous when he brings no token.
func (s *socket) initialise(payload []byte) {
	if s.acked {
		s.shut(codeTooManyInits, "Too many initialisation requests", false)
		return
	}
	var p initPayload
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &p); err != nil {
			s.shut(codeBadRequest, "Invalid payload of connection_init", false)
			return
		}
	}
	resume, err := p.resume()
	if err != nil {
		s.shut(codeBadRequest, "Invalid resume in connection_init", false)
		return
	}
	s.acked = true
	s.mu.Lock()
	s.times.init = time.Time{}
	if resume.Cursor != "" || resume.Seq != nil || resume.Rev != nil {
		s.base = feed.WithResume(s.base, resume)
		s.ctx = s.base
	}
	s.mu.Unlock()
	ack := ackPayload{
		Server: s.srv.cfg.Server, Version: s.srv.cfg.Version, SchemaVersion: s.srv.cfg.SchemaVersion,
		Capabilities: s.srv.capabilities,
	}
	if token := p.token(); token != "" {
		expires, ok := s.signIn(token)
		if !ok {
			return
		}
		if !expires.IsZero() {
			at := expires.UTC().Format("2006-01-02T15:04:05.000Z07:00")
			ack.SessionExpiresAt = &at
		}
	}
	s.ws.SetReadLimit(s.srv.cfg.MessageBytes)
	enc, err := json.Marshal(ack)
	if err != nil {
		panic(err) // strings, and JSON that New has made
	}
	s.send(nil, appendText(nil, []byte(`{"type":"connection_ack","payload":`), enc, endPart))
}

// signIn checks a token and makes its owner the caller. If that fails it
// closes the socket.
func (s *socket) signIn(token string) (expires time.Time, ok bool) {
	done := s.srv.registry.checking()
	defer done()
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.cfg.InitTimeout)
	defer cancel()
	p, err := s.srv.Auth.Authenticate(ctx, token)
	if err != nil {
		s.refuseToken(err)
		return time.Time{}, false
	}
	perUser := s.srv.cfg.SocketsPerUser
	if s.srv.cfg.Unlimited {
		perUser = 0
	}
	switch err := s.srv.registry.signIn(s, p.User, p.Session, perUser); {
	case errors.Is(err, errUserFull):
		s.shut(codeTryLater, "Too many connections of this user", false)
		return time.Time{}, false
	case errors.Is(err, errChanged):
		s.shut(codeRestart, roleChanged, true)
		return time.Time{}, false
	case err != nil:
		s.shut(codeForbidden, "The session has ended.", true)
		return time.Time{}, false
	}
	if s.srv.cfg.Attend != nil {
		s.attends = s.srv.cfg.Attend(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signedIn(p)
	return p.Expires, true
}

// refuseToken closes the socket of somebody who could not be signed in: for
// good if the token is to blame, so that he comes back if we are.
func (s *socket) refuseToken(err error) {
	kind := errs.KindOf(err)
	switch kind {
	case errs.Internal:
		if s.ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			s.srv.Log.Error().Err(err).Str("socket", s.id).Msg("token could not be checked")
		}
		s.shut(codeTryLater, "The token cannot be checked now. Try again.", false)
	case errs.Unavailable, errs.RateLimited:
		s.shut(codeTryLater, "The token cannot be checked now. Try again.", false)
	default:
		s.shut(codeForbidden, "Forbidden", false)
	}
}
