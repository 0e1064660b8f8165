package chatmongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/ids"
)

// job is one caller's write on its way through a group.
type job struct {
	// What the plan needs to see.
	room    ids.Conversation
	members []memberID
	message ids.Message
	invite  ids.GroupInvite
	files   []ids.Attachment
	reactor []byte // the key of what a user has reacted with; nil for none
	pins    bool   // the plan needs to see how many pins there are
	key     []byte // of which there is one; nil for none

	// plan returns the commit that the job is on what c knows; nil when there
	// is nothing to write. It may be called several times: only the last
	// answer counts.
	plan func(c *commit) (*entry, error)
	// repeated is called instead when the key is another commit's.
	repeated func(of *entry) error

	doubtful bool      // its key may be taken
	since    time.Time // when its caller's time began; the limit counts from it
	err      error
	state    atomic.Int32
	done     chan struct{}
}

const (
	jobWaits int32 = iota
	jobTaken
	jobAbandoned
)

var errWaited = fmt.Errorf("chatmongo: waited for too long: %w", errs.ErrUnavailable)

// do has a job written. Whoever waits leads a group of all that wait, unless
// somebody else does; so there is no goroutine to start or to stop.
func (s *Store) do(ctx context.Context, j *job) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	j.done, j.since = make(chan struct{}), s.since(ctx)
	select {
	case s.queue <- j:
	case <-ctx.Done():
		return gaveUp(ctx)
	}
	for {
		select {
		case <-j.done:
			return j.err
		case s.turn <- struct{}{}:
			s.lead(ctx)
			<-s.turn
		case <-ctx.Done():
			if j.state.CompareAndSwap(jobWaits, jobAbandoned) {
				return gaveUp(ctx)
			}
			<-j.done // It is being written, within a time limit.
			return j.err
		}
	}
}

// since is when the time of a job began whose caller has ctx: now, or earlier
// when he has done other things in the same time and has most of it left. Who
// has less from the start stops waiting by himself, and shortens nobody's time.
func (s *Store) since(ctx context.Context) time.Time {
	now := time.Now()
	end, _ := ctx.Deadline()
	if began := end.Add(-s.cfg.Timeout); began.Before(now) && now.Sub(began) <= s.cfg.Timeout/2 {
		return began
	}
	return now
}

// gaveUp is the error of what was not begun when ctx ended.
func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return errWaited
}

// lead writes one group. It does not end with its leader's caller: others'
// jobs are in it. The time of the one who has the least is that of all; who has
// waited for so long that it would cut the others short is sent away.
func (s *Store) lead(ctx context.Context) {
	var jobs []*job
	for len(jobs) < s.cfg.Group {
		select {
		case j := <-s.queue:
			switch {
			case !j.state.CompareAndSwap(jobWaits, jobTaken):
			case time.Since(j.since) > s.cfg.Timeout/2:
				j.finish(errWaited)
			default:
				jobs = append(jobs, j)
			}
			continue
		default:
		}
		break
	}
	if len(jobs) == 0 {
		return
	}
	first := slices.MinFunc(jobs, func(a, b *job) int { return a.since.Compare(b.since) })
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), first.since.Add(s.cfg.Timeout))
	defer cancel()
	s.write(ctx, jobs)
}

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

// write runs a group until each job is answered.
func (s *Store) write(ctx context.Context, jobs []*job) {
	g := &group{s: s, jobs: jobs}
	for len(g.jobs) > 0 {
		err := ctx.Err()
		if err != nil {
			err = fmt.Errorf("commit: %w: %w", errs.ErrUnavailable, err)
		} else {
			err = g.round(ctx)
		}
		if err != nil {
			s.forget()
			for _, j := range g.jobs {
				j.finish(err)
			}
			return
		}
	}
}

// forget has the position found out again: what was sent may or may not have
// been written.
func (s *Store) forget() {
	s.at = -1
	s.heads.Purge()
}

// tell hands the events of commits to who listens.
func (s *Store) tell(of []*entry) {
	var events []*chat.Event
	for _, e := range of {
		events = append(events, e.events()...)
	}
	s.told(events)
}
