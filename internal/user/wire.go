package user

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
	"chatd/internal/user/userv1"
)

// standing is what is reported of a user.
type standing struct {
	user   ids.User
	status Availability // empty: not here any more
	idle   time.Duration
}

// reportAtOnce is how many people one report names.
const reportAtOnce = 1000

// Broadcasts are the topics of which Hear wants to be told.
func Broadcasts() []string { return []string{userv1.Topic} }

// report tells the other nodes of people.
func (s *PresenceService) report(ctx context.Context, of []standing) {
	if s.deps.Crier == nil {
		return
	}
	for part := range slices.Chunk(of, reportAtOnce) {
		s.send(ctx, userv1.PresenceReported{People: named(part)})
	}
}

// tellChosen has the nodes where somebody is read his choice.
func (s *PresenceService) tellChosen(ctx context.Context, who ids.User) {
	if s.deps.Crier != nil {
		s.send(ctx, userv1.PresenceReported{Chosen: []ids.User{who}})
	}
}

func named(of []standing) []userv1.PersonPresent {
	out := make([]userv1.PersonPresent, len(of))
	for i, st := range of {
		out[i] = userv1.PersonPresent{UserID: st.user, Status: string(st.status), IdleMS: max(st.idle.Milliseconds(), 0)}
	}
	return out
}

func (s *PresenceService) send(ctx context.Context, r userv1.PresenceReported) {
	s.deps.Crier.PublishLossy(ctx, bus.Envelope{
		Name: userv1.PresenceReportedName, Topic: userv1.Topic, Key: s.node, Payload: s.signed(r),
	})
}

// signed is a report of this node as it is sent.
func (s *PresenceService) signed(r userv1.PresenceReported) []byte {
	s.mu.Lock()
	s.reports++
	r.Node, r.Seq = s.node, s.reports
	s.mu.Unlock()
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // ids, texts and numbers
	}
	return b
}

// beat tells the other nodes of everybody here, so that they are not
// forgotten: by the board, and by crying where that is away for this node or,
// as it seems, for another.
func (s *PresenceService) beat(ctx context.Context) {
	if s.deps.Crier == nil {
		return
	}
	s.mu.Lock()
	now := s.now()
	var all []standing
	for u, p := range s.people {
		if here := p.here(now, s.cfg.AwayAfter); here != "" && here != Offline {
			all = append(all, standing{u, here, now - time.Duration(p.active.Load())})
		}
	}
	cries := len(s.beating) > 0
	s.mu.Unlock()
	alone := s.deps.Board == nil || !s.exchange(ctx, all)
	if !alone && !cries {
		return
	}
	whole := len(all) <= reportAtOnce
	for first := true; first || len(all) > 0; first = false { // also of nobody, to be answered
		some := all[:min(len(all), reportAtOnce)]
		all = all[len(some):]
		s.send(ctx, userv1.PresenceReported{Beat: true, Whole: whole, Alone: alone, People: named(some)})
	}
}

// exchange leaves the report on the board and takes those of the others; false
// when the board is away.
func (s *PresenceService) exchange(ctx context.Context, all []standing) bool {
	mine := s.signed(userv1.PresenceReported{Whole: true, People: named(all)})
	notices, err := s.deps.Board.Exchange(ctx, s.node, mine, s.cfg.Lasts)
	if err != nil {
		return false
	}
	for _, n := range notices {
		var r userv1.PresenceReported
		if json.Unmarshal(n.Report, &r) == nil {
			s.heard(r, n.Age)
		}
	}
	return true
}

// leave says that this node stops, and stores what is to be stored.
func (s *PresenceService) leave(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, storeWait/2)
	defer cancel()
	for range 20 { // rounds of readAtOnce
		s.mu.Lock()
		left := len(s.unsaved)
		s.mu.Unlock()
		if left == 0 || within.Err() != nil {
			break
		}
		s.save(within)
	}
	if s.deps.Crier == nil {
		return
	}
	if s.deps.Board != nil {
		_, _ = s.deps.Board.Exchange(within, s.node, nil, 0) // else it ends by itself
	}
	s.send(within, userv1.PresenceReported{Left: true})
}

// Hear takes what a node tells all nodes, this one included. It does not
// block; what it does not understand comes from a newer version.
func (s *PresenceService) Hear(in bus.Envelope) {
	var r userv1.PresenceReported
	if in.Name != userv1.PresenceReportedName || json.Unmarshal(in.Payload, &r) != nil || r.Node == s.node || r.Node == "" {
		return
	}
	s.heard(r, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Left:
		delete(s.beating, r.Node)
		s.forget(r.Node, r.Seq)
	case r.Beat && r.Alone:
		if _, known := s.beating[r.Node]; !known { // it must not wait for us, either
			s.answer = true
			s.wake()
		}
		s.beating[r.Node] = s.now()
	}
	for _, u := range r.Chosen {
		if p := s.people[u]; p != nil && p.sockets > 0 {
			s.unread[u] = struct{}{}
			s.wake()
		}
	}
}

// heard takes what another node has said of people some time ago.
func (s *PresenceService) heard(r userv1.PresenceReported, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.now() - age
	for _, said := range r.People {
		status := Availability(said.Status)
		if status != "" && !status.valid() {
			continue
		}
		p := s.people[said.UserID]
		if p == nil {
			if status == "" || status == Offline {
				continue
			}
			p = s.person(said.UserID)
		}
		if old, ok := p.there[r.Node]; ok && old.seq > r.Seq {
			continue // it was told later than this
		}
		active := at - time.Duration(said.IdleMS)*time.Millisecond
		if status == Offline {
			p.last = max(p.last, active)
			p.hide()
			s.mark(said.UserID)
			continue
		}
		if status == "" {
			p.last = max(p.last, active)
		}
		was := p.there[r.Node].status
		p.there[r.Node] = report{status: status, active: active, heard: at, seq: r.Seq}
		if was != status {
			s.mark(said.UserID)
		}
	}
	if r.Whole {
		s.forget(r.Node, r.Seq)
	}
}

// forget drops what a node has said before a report. s.mu is held.
func (s *PresenceService) forget(node string, before uint64) {
	for u, p := range s.people {
		if r, ok := p.there[node]; ok && r.seq < before {
			p.last = max(p.last, r.active)
			delete(p.there, node)
			s.mark(u)
		}
	}
}
