package wsgql

import (
	"errors"
	"slices"
	"sync"
	"time"

	"chatd/internal/platform/ids"
)

var (
	errDraining    = errors.New("draining")
	errDuplicate   = errors.New("the id is taken")
	errNetworkFull = errors.New("too many sockets of one network")
	errUserFull    = errors.New("too many sockets of one user")
	errEnded       = errors.New("the session has ended")
	errChanged     = errors.New("what the user may do has changed")
)

// registry knows the sockets by user, session and network. Its lock is taken
// when sockets come, sign in and go, never for a message.
type registry struct {
	mu       sync.Mutex
	all      map[*socket]struct{}
	networks map[string]int // sockets that nobody has signed in on
	users    map[ids.User]int
	sessions map[ids.Session][]*socket
	draining bool
	empty    chan struct{} // closed when draining and the last socket is gone

	// A session may end while its token is being checked: what ended lately is
	// kept as long as checks are under way, a minute at most.
	checks int
	ended  map[ids.Session]time.Time
	// changed is the same of users of whom a token may have told an older role.
	changed map[ids.User]time.Time
}

func (r *registry) init() {
	r.all = map[*socket]struct{}{}
	r.networks = map[string]int{}
	r.users = map[ids.User]int{}
	r.sessions = map[ids.Session][]*socket{}
	r.ended = map[ids.Session]time.Time{}
	r.changed = map[ids.User]time.Time{}
	r.empty = make(chan struct{})
}

// add takes a socket in; perNetwork 0 is no limit.
func (r *registry) add(s *socket, perNetwork int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return errDraining
	}
	if s.network != "" {
		if perNetwork > 0 && r.networks[s.network] >= perNetwork {
			return errNetworkFull
		}
		r.networks[s.network]++
	}
	r.all[s] = struct{}{}
	return nil
}

// checking is called before a token is checked, and the returned function once
// the socket is signed in or has failed to.
func (r *registry) checking() (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.checks--; r.checks == 0 {
			clear(r.ended)
			clear(r.changed)
		}
	}
}

// signIn files s under its user and session; perUser 0 is no limit.
func (r *registry) signIn(s *socket, user ids.User, session ids.Session, perUser int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ended[session]; ok {
		return errEnded
	}
	if _, ok := r.changed[user]; ok {
		return errChanged
	}
	if perUser > 0 && r.users[user] >= perUser {
		return errUserFull
	}
	r.users[user]++
	r.sessions[session] = append(r.sessions[session], s)
	s.user, s.session = user, session
	r.leaveNetwork(s)
	return nil
}

func (r *registry) leaveNetwork(s *socket) {
	if s.network == "" {
		return
	}
	if r.networks[s.network]--; r.networks[s.network] == 0 {
		delete(r.networks, s.network)
	}
	s.network = ""
}

// remove forgets a socket that is gone.
func (r *registry) remove(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, s)
	r.leaveNetwork(s)
	if !s.session.IsZero() {
		if r.users[s.user]--; r.users[s.user] == 0 {
			delete(r.users, s.user)
		}
		left := slices.DeleteFunc(r.sessions[s.session], func(x *socket) bool { return x == s })
		if len(left) == 0 {
			delete(r.sessions, s.session)
		} else {
			r.sessions[s.session] = left
		}
	}
	if r.draining && len(r.all) == 0 {
		close(r.empty)
	}
}

// end returns the sockets of sessions that have ended.
func (r *registry) end(sessions []ids.Session) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*socket
	now := time.Now()
	for _, id := range sessions {
		out = append(out, r.sessions[id]...)
		if r.checks > 0 {
			r.ended[id] = now
		}
	}
	if len(r.ended) > 1024 {
		for id, at := range r.ended {
			if now.Sub(at) > time.Minute {
				delete(r.ended, id)
			}
		}
	}
	return out
}

// drain refuses new sockets from now on and returns those that are there.
// empty is closed when the last is gone.
func (r *registry) drain() (sockets []*socket, empty <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.all {
		sockets = append(sockets, s)
	}
	if !r.draining {
		r.draining = true
		if len(r.all) == 0 {
			close(r.empty)
		}
	}
	return sockets, r.empty
}

// size returns how many sockets there are.
func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// change returns the sockets of users whose role has changed.
func (r *registry) change(users []ids.User) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*socket
	now := time.Now()
	for _, id := range users {
		if r.checks > 0 {
			r.changed[id] = now
		}
		if r.users[id] == 0 {
			continue
		}
		for s := range r.all { // roles change seldom
			if s.user == id {
				out = append(out, s)
			}
		}
	}
	if len(r.changed) > 1024 {
		for id, at := range r.changed {
			if now.Sub(at) > time.Minute {
				delete(r.changed, id)
			}
		}
	}
	return out
}

// Reconnect closes the sockets of users whose role has changed with 1012, at
// once: nothing that is still waiting for them is sent, and a client that
// comes back goes on where it was, with the rights that it has now. A socket
// whose token was being checked meanwhile is closed too.
func (s *Server) Reconnect(users ...ids.User) {
	for _, sock := range s.registry.change(users) {
		sock.shut(codeRestart, roleChanged, true)
	}
}

const roleChanged = "Your role has changed; connect again."

// EndSessions closes the sockets of sessions that have ended with 4403, at
// once: nothing that is still waiting for them is sent. A socket whose token
// was being checked meanwhile is closed too.
func (s *Server) EndSessions(sessions ...ids.Session) {
	for _, sock := range s.registry.end(sessions) {
		sock.shut(codeForbidden, "The session has ended.", true)
	}
}
