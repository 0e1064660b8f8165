package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"chatd/internal/platform/wsgql/wsclient"
)

// The operations that a run needs.
const (
	registerDoc = `mutation($i: RegisterInput!) { register(input: $i) { user { id } accessToken } }`
	groupDoc    = `mutation($i: CreateGroupInput!) { createGroup(input: $i) { conversation { id } } }`
	sendDoc     = `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id seq } } }`
	addedDoc    = `subscription($c: ID!) { messageAdded(conversationId: $c) { id seq text sender { id } createdAt } }`
	eventsDoc   = `subscription { events { __typename cursor ... on MessageAdded { unreadCount message { id conversationId seq text sender { id } createdAt } } } }`
)

// How many set-up requests are under way at once. Registering costs the
// server a password hash each.
const (
	registerAtOnce = 4
	connectAtOnce  = 32
)

// account is a registered user of the run.
type account struct{ id, token string }

// setUp registers accounts, makes rooms and connects all sockets. When it
// returns, every subscription is in force.
func (p *play) setUp(ctx context.Context, procs servers) error {
	s := p.scenario
	accounts := make([]account, (s.sockets()+p.cfg.PerAccount-1)/p.cfg.PerAccount)
	p.say(fmt.Sprintf("registering %d accounts", len(accounts)))
	err := atOnce(ctx, registerAtOnce, len(accounts), func(ctx context.Context, i int) (err error) {
		accounts[i], err = p.register(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	p.say(fmt.Sprintf("making %d conversations", len(p.rooms)))
	err = atOnce(ctx, connectAtOnce, len(p.rooms), func(ctx context.Context, i int) error {
		return p.makeRoom(ctx, i, accounts)
	})
	if err != nil {
		return err
	}
	p.say(fmt.Sprintf("connecting %d sockets", s.sockets()))
	// What hashing passwords has left behind in the server's heap is used up by
	// the first sockets; what a socket costs is seen on the rest.
	first := s.sockets() / 4
	if err := p.connect(ctx, 0, first, accounts); err != nil {
		return err
	}
	p.rssBefore, p.socketsBefore = procs.holds(), first
	return p.connect(ctx, first, s.sockets(), accounts)
}

// connect connects the sockets with numbers from begin to end.
func (p *play) connect(ctx context.Context, begin, end int, accounts []account) error {
	s := p.scenario
	return atOnce(ctx, connectAtOnce, end-begin, func(ctx context.Context, i int) error {
		k := begin + i
		each := s.Receivers + s.Streams
		room := p.rooms[k/each]
		who := accounts[k%len(accounts)]
		j, node := k%each, (k+k/each)%len(p.cfg.URLs) // or all senders would be at one
		if j < s.Receivers {
			room.receivers[j].node = node
			return p.connectReceiver(ctx, room.receivers[j], who)
		}
		return p.connectStream(ctx, room.streams[j-s.Receivers], node, who)
	})
}

// atOnce calls f with 0 to n-1, some at a time, until one fails.
func atOnce(ctx context.Context, some, n int, f func(context.Context, int) error) error {
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(some)
	for i := range n {
		if each.Err() != nil {
			break
		}
		g.Go(func() error { return f(each, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (p *play) register(ctx context.Context, i int) (account, error) {
	name := fmt.Sprintf("bench-%s-%d", strconv.FormatInt(p.run, 36), i)
	var data struct {
		Register struct {
			User        struct{ ID string }
			AccessToken string
		}
	}
	err := p.post(ctx, "", registerDoc, map[string]any{
		"username": name, "email": name + "@bench.invalid", "displayName": name, "password": "a password of " + name,
	}, &data)
	if err != nil {
		return account{}, fmt.Errorf("register %s: %w", name, err)
	}
	return account{data.Register.User.ID, data.Register.AccessToken}, nil
}

// makeRoom makes the conversation whose sockets are the accounts' in turn; the
// first one's account owns it.
func (p *play) makeRoom(ctx context.Context, i int, accounts []account) error {
	each := p.scenario.Receivers + p.scenario.Streams
	var members []string
	for k := range min(each, len(accounts)) {
		members = append(members, accounts[(i*each+k)%len(accounts)].id)
	}
	var data struct {
		CreateGroup struct{ Conversation struct{ ID string } }
	}
	owner := accounts[i*each%len(accounts)]
	err := p.post(ctx, owner.token, groupDoc, map[string]any{"name": fmt.Sprintf("bench %d", i), "memberIds": members[1:]}, &data)
	if err != nil {
		return fmt.Errorf("create group %d: %w", i, err)
	}
	p.rooms[i].id = data.CreateGroup.Conversation.ID
	return nil
}

// post runs an operation whose one variable is its input, over HTTP.
func (p *play) post(ctx context.Context, token, document string, input map[string]any, data any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"i": input}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.URLs[0]+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return err
	}
	var result struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return fmt.Errorf("%s, not GraphQL: %w", answer.Status, err)
	}
	if len(result.Errors) > 0 {
		return hinted(result.Errors[0].Extensions.Code, result.Errors[0].Message)
	}
	return json.Unmarshal(result.Data, data)
}

// hinted says what to do about a refusal that a bench often meets.
func hinted(code, message string) error {
	if code == "RATE_LIMITED" {
		return fmt.Errorf("%s: %s (start the server with --rate-limits off)", code, message)
	}
	return fmt.Errorf("%s: %s", code, message)
}

func (p *play) dial(ctx context.Context, node int, who account) (*wsclient.Conn, error) {
	address := "ws" + strings.TrimPrefix(p.cfg.URLs[node], "http") + "/graphql"
	c, err := wsclient.Dial(ctx, address, map[string]string{"authorization": "Bearer " + who.token})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

// connectReceiver subscribes; the query behind it is answered only once the
// subscription is in force.
func (p *play) connectReceiver(ctx context.Context, r *receiver, who account) error {
	c, err := p.dial(ctx, r.node, who)
	if err != nil {
		return err
	}
	r.conn = c
	document, variables := addedDoc, map[string]any{"c": r.room.id}
	if p.scenario.Events {
		document, variables = eventsDoc, nil
	}
	if err := c.Subscribe("s", document, variables, r.handle); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := c.Query(ctx, `{ __typename }`, nil); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func (p *play) connectStream(ctx context.Context, s *stream, node int, who account) error {
	c, err := p.dial(ctx, node, who)
	s.conn = c
	return err
}
