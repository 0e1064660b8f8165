package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authtest"
	"chatd/internal/platform/mail"
	"chatd/internal/platform/mail/mailtest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func withMail(s mail.Sender) authtest.Setup {
	return func(d *auth.Deps, _ *auth.Config) { d.Mail = s }
}

// A mail server that takes nothing for a while and is then killed again and
// again in the middle of messages loses none, and doubles no more than that.
func TestNoMailIsLostAndFewAreDoubledByABadServer(t *testing.T) {
	t.Parallel()
	const mails, busy, every = 60, 40, 9
	var kills atomic.Int64
	s := mailtest.Start(t, mailtest.Config{
		Refuse: func(n int, _ string) int {
			if n <= busy {
				return 451
			}
			return 0
		},
		Cut: func(n int) mailtest.Cut {
			if n%every != 0 {
				return mailtest.Whole
			}
			kills.Add(1)
			if n%(2*every) == 0 {
				return mailtest.Taken // the answer is lost
			}
			return mailtest.Lost
		},
	})
	smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: s.URL(), From: "chat@example.net"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var mu sync.Mutex
	h := house(t, withMail(smtp), func(d *auth.Deps, _ *auth.Config) { d.Log = zerolog.New(&locked{mu: &mu, w: &log}) })
	wanted := map[string]int{}
	for range mails {
		a := h.Register(t).Account
		wanted[a.Email] = 0
		if err := h.RequestPasswordReset(t.Context(), a.Email); err != nil {
			t.Fatal(err)
		}
	}
	rounds := 0
	for done := false; !done && rounds < 100; rounds++ {
		if err := h.DeliverMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Clock.Add(30 * time.Second)
		done = waiting(t, h) == 0
	}
	took := s.Took()
	newest := map[string]string{}
	for _, m := range took {
		wanted[m.To[0]]++
		newest[m.To[0]] = m.Text
	}
	doubles := 0
	for to, n := range wanted {
		if n == 0 {
			t.Errorf("%s got none", to)
		}
		doubles += max(0, n-1)
	}
	if int64(doubles) > kills.Load() || kills.Load() < 4 || len(wanted) != mails {
		t.Errorf("%d mails to %d, %d doubled by %d kills", len(took), len(wanted), doubles, kills.Load())
	}
	t.Logf("%d mails in %d rounds: %d refused, %d kills, %d doubled", mails, rounds, busy, kills.Load(), doubles)
	for _, text := range newest { // what came last is good
		token := authtest.Token(mail.Message{Text: text, HTML: text})
		if err := h.ResetByLink(t.Context(), token, nextPassword); err != nil {
			t.Errorf("the newest link: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if text := log.String(); strings.Contains(text, "@example.org") || strings.Contains(text, "token=") || !strings.Contains(text, "a mail was not taken") {
		t.Errorf("the log says %.2000s", text)
	}
}

// locked is written to by several.
type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// waiting is how much mail is promised. To count it makes all of it due.
func waiting(t *testing.T, h *authtest.House) int {
	t.Helper()
	jobs, err := h.Store.ClaimMail(t.Context(), h.Clock.Now().Add(1000*time.Hour), h.Clock.Now(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}

func TestTriesOfAMailGrowApartAndEndAfterADay(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := house(t, func(d *auth.Deps, _ *auth.Config) { d.Log = zerolog.New(&log) })
	a := h.Register(t).Account
	begun := h.Clock.Now()
	var tries []time.Duration
	h.Mail.Refuse = func(mail.Message) error {
		tries = append(tries, h.Clock.Now().Sub(begun))
		return errors.New("not now")
	}
	if err := h.RequestPasswordReset(t.Context(), a.Email); err != nil {
		t.Fatal(err)
	}
	for h.Clock.Now().Sub(begun) < 26*time.Hour {
		if err := h.DeliverMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Clock.Add(10 * time.Second)
	}
	if len(tries) < 8 || len(tries) > 40 {
		t.Fatalf("%d tries: %v", len(tries), tries)
	}
	for i, want := range []time.Duration{0, 10, 30, 70, 150, 310, 630, 1270, 2550} {
		if tries[i] != want*time.Second {
			t.Errorf("try %d after %v, not %v", i, tries[i], want*time.Second)
		}
	}
	for i := 10; i < len(tries); i++ {
		if tries[i]-tries[i-1] != time.Hour {
			t.Errorf("try %d comes %v after the last", i, tries[i]-tries[i-1])
		}
	}
	if last := tries[len(tries)-1]; last < 24*time.Hour || last > 25*time.Hour {
		t.Errorf("the last after %v", last)
	}
	if text := log.String(); !strings.Contains(text, "a mail was given up") || strings.Contains(text, a.Email) {
		t.Errorf("the log says %s", text)
	}

	tries = nil
	h.Mail.Refuse = func(mail.Message) error { tries = append(tries, 0); return fmt.Errorf("%w: 550", mail.ErrRefused) }
	if err := h.RequestPasswordReset(t.Context(), a.Email); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := h.DeliverMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Clock.Add(time.Hour)
	}
	if len(tries) != 1 || !strings.Contains(log.String(), "refused for good") {
		t.Errorf("%d tries of what is refused for good", len(tries))
	}
}

// hanging takes messages and does not answer.
type hanging struct{ begun chan struct{} }

func (s *hanging) Send(ctx context.Context, _ mail.Message) error {
	close(s.begun)
	<-ctx.Done()
	return ctx.Err()
}

// Nodes on one store share the work: each mail goes out once, and one that a
// node has begun is no other's.
func TestNodesShareTheMail(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		store := open(t, db)
		nodes := []*authtest.House{authtest.New(t, store), authtest.New(t, store), authtest.New(t, store)}
		const mails = 50
		for range mails {
			if err := nodes[0].RequestPasswordReset(t.Context(), nodes[0].Register(t).Account.Email); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range nodes {
			n.Clock.Add(time.Second)
		}
		var work sync.WaitGroup
		for _, n := range nodes {
			work.Go(func() {
				if err := n.DeliverMail(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		seen := map[string]bool{}
		for _, n := range nodes {
			for _, m := range n.Mail.Take() {
				if seen[m.ID] {
					t.Errorf("%s went out twice", m.ID)
				}
				seen[m.ID] = true
			}
		}
		if len(seen) != mails {
			t.Errorf("%d mails", len(seen))
		}
		slow := &hanging{begun: make(chan struct{})}
		busy := authtest.New(t, store, withMail(slow))
		busy.Clock.Add(time.Second)
		if err := busy.RequestPasswordReset(t.Context(), nodes[0].Register(t).Account.Email); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		work.Go(func() {
			if err := busy.DeliverMail(ctx); err != nil {
				t.Error(err)
			}
		})
		<-slow.begun
		nodes[1].Clock.Add(90 * time.Second)
		if all := delivered(t, nodes[1]); len(all) != 0 {
			t.Errorf("what is at work elsewhere went out: %+v", all)
		}
		cancel() // as when the node stops
		work.Wait()
		nodes[1].Clock.Add(time.Minute)
		if all := delivered(t, nodes[1]); len(all) != 1 {
			t.Errorf("%d mails after the other node gave it back", len(all))
		}
	})
}

func TestMailIsSentWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	h := house(t, config(func(c *auth.Config) { c.MailEvery = 20 * time.Millisecond }))
	sent := make(chan struct{}, 1)
	h.Mail.Refuse = func(mail.Message) error { sent <- struct{}{}; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := h.RequestPasswordReset(t.Context(), h.Register(t).Account.Email); err != nil {
		t.Fatal(err)
	}
	select {
	case <-sent:
	case <-time.After(20 * time.Second):
		t.Fatal("no mail")
	}
}

func TestMailIsBoundedByAddressAndNetworkAndNobodyIsTold(t *testing.T) {
	t.Parallel()
	h := setup(t, authtest.WithLimits)
	in := func(i int) context.Context { return authtest.From(t.Context(), fmt.Sprintf("198.51.%d.1", i)) }
	a, b := h.Register(t).Account, h.Register(t).Account
	for i := range 200 { // from everywhere, in all spellings
		email := a.Email
		if i%2 == 0 {
			email = strings.ToUpper(email)
		}
		if err := h.RequestPasswordReset(in(i), email); err != nil {
			t.Fatal(err)
		}
	}
	if all := delivered(t, h); len(all) != 3 {
		t.Errorf("%d mails to one address", len(all))
	}
	for i := range 200 { // from one network, to everybody
		if err := h.RequestPasswordReset(in(250), fmt.Sprintf("nobody%d@example.org", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.RequestPasswordReset(in(250), b.Email); err != nil {
		t.Fatal(err)
	}
	if all := delivered(t, h); len(all) != 0 {
		t.Errorf("%d mails beyond the network's ten", len(all))
	}
	if err := h.RequestPasswordReset(in(251), b.Email); err != nil {
		t.Fatal(err)
	}
	if all := delivered(t, h); len(all) != 1 {
		t.Errorf("%d mails from elsewhere", len(all))
	}
}

// What an answer costs is the same for an address that has an account and one
// that has none: the same statements, no hash, about the same time.
func TestAResetCostsTheSameWhetherThereIsAnAccount(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		h := authtest.New(t, open(t, db))
		a := h.Register(t).Account
		cost := func(ask func()) (reads, jobs, hashes int64) {
			before, hashed := db.Stats(), h.HashRuns()
			ask()
			after := db.Stats()
			return int64(after.Reads - before.Reads), int64(after.Jobs - before.Jobs), h.HashRuns() - hashed
		}
		request := func(email string) func() {
			return func() {
				if err := h.RequestPasswordReset(t.Context(), email); err != nil {
					t.Error(err)
				}
			}
		}
		known, unknown := request(a.Email), request("x"+a.Email)
		kr, kj, kh := cost(known)
		ur, uj, uh := cost(unknown)
		if kr != ur || kj != uj || kh != 0 || uh != 0 || kj != 1 {
			t.Errorf("known: %d reads, %d writes, %d hashes; unknown: %d, %d, %d", kr, kj, kh, ur, uj, uh)
		}
		var took [2][]time.Duration
		for range 100 {
			for i, ask := range []func(){known, unknown} {
				begun := time.Now()
				ask()
				took[i] = append(took[i], time.Since(begun))
			}
		}
		one, other := middle(took[0]), middle(took[1])
		t.Logf("known %v, unknown %v", one, other)
		if one > 4*other+10*time.Millisecond || other > 4*one+10*time.Millisecond {
			t.Errorf("known takes %v, unknown %v", one, other)
		}
	})
}
