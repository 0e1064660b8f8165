package wsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// Kind is the type of a message for an operation.
type Kind uint8

// The kinds.
const (
	Next Kind = iota + 1
	Error
	Complete
	Lost // the connection has ended; see Conn.Err
)

// Event is what happened to an operation. Payload is valid during the call
// of the handler only: of Next a GraphQL response, of Error a list of errors.
type Event struct {
	Kind    Kind
	Payload []byte
}

// Handler is called by the connection's reading goroutine, in order. It must
// not wait for an answer on the same connection.
type Handler func(Event)

// ErrorsError is an answer with GraphQL errors.
type ErrorsError struct {
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	}
}

// Error tells the first message and code.
func (e *ErrorsError) Error() string {
	if len(e.Errors) == 0 {
		return "graphql: error without errors"
	}
	return fmt.Sprintf("graphql: %s (%s)", e.Errors[0].Message, e.Code())
}

// Code returns extensions.code of the first error.
func (e *ErrorsError) Code() string {
	if len(e.Errors) == 0 {
		return ""
	}
	code, _ := e.Errors[0].Extensions["code"].(string)
	return code
}

// Conn is an acknowledged connection. Its methods may be called at once.
type Conn struct {
	*Socket
	ack  json.RawMessage
	done chan struct{}
	ids  atomic.Uint64

	mu  sync.Mutex
	ops map[string]Handler
	err error
}

// Dial connects, sends connection_init with the given payload (nil for none)
// and waits for connection_ack. ctx bounds that, not the connection.
func Dial(ctx context.Context, url string, init any) (*Conn, error) {
	return DialWith(ctx, url, init, Options{})
}

// DialWith is Dial with options.
func DialWith(ctx context.Context, url string, init any, o Options) (*Conn, error) {
	s, err := Open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	c := &Conn{Socket: s, done: make(chan struct{}), ops: map[string]Handler{}}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	err = c.initialise(init)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *Conn) initialise(init any) error {
	msg, err := json.Marshal(struct {
		Type    string `json:"type"`
		Payload any    `json:"payload,omitempty"`
	}{"connection_init", init})
	if err != nil {
		return fmt.Errorf("connection_init: %w", err)
	}
	if err := c.WriteText(msg); err != nil {
		return err
	}
	for {
		p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		var m struct {
			Type    string          `json:"type"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(p, &m); err != nil {
			return fmt.Errorf("connection_ack: %w", err)
		}
		if m.Type == "connection_ack" {
			c.ack = m.Payload
			return nil
		}
	}
}

// Ack is the payload of connection_ack.
func (c *Conn) Ack() json.RawMessage { return c.ack }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, a *CloseError if the server said so; nil
// while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection with 1000 and waits until reading has ended.
func (c *Conn) Close() error {
	_ = c.WriteFrame(OpClose, []byte{1000 >> 8, 1000 & 0xff})
	err := c.Socket.Close()
	<-c.done
	return err
}

// Subscribe starts an operation of any kind under an id that is free.
// variables may be anything that encodes to a JSON object, or nil.
func (c *Conn) Subscribe(id, query string, variables any, h Handler) error {
	msg, err := Request(id, query, variables)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	if _, ok := c.ops[id]; ok {
		c.mu.Unlock()
		return fmt.Errorf("id %q is taken", id)
	}
	c.ops[id] = h
	c.mu.Unlock()
	if err := c.WriteText(msg); err != nil {
		c.forget(id)
		return err
	}
	return nil
}

// Request encodes a subscribe message, to be sent with WriteText or with
// Subscribe's own.
func Request(id, query string, variables any) ([]byte, error) {
	type payload struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitempty"`
	}
	msg, err := json.Marshal(struct {
		ID      string  `json:"id"`
		Type    string  `json:"type"`
		Payload payload `json:"payload"`
	}{id, "subscribe", payload{query, variables}})
	if err != nil {
		return nil, fmt.Errorf("encode operation: %w", err)
	}
	return msg, nil
}

// Complete ends an operation; its handler is not called any more.
func (c *Conn) Complete(id string) error {
	c.forget(id)
	msg, _ := json.Marshal(map[string]string{"id": id, "type": "complete"})
	return c.WriteText(msg)
}

// Query runs a query or mutation and returns its data. Errors in the answer
// are an *ErrorsError, beside the data if there is any.
func (c *Conn) Query(ctx context.Context, query string, variables any) (json.RawMessage, error) {
	id := "q" + strconv.FormatUint(c.ids.Add(1), 36)
	answer := make(chan Event, 1)
	err := c.Subscribe(id, query, variables, func(e Event) {
		if e.Kind != Complete {
			answer <- Event{e.Kind, bytes.Clone(e.Payload)}
			c.forget(id)
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case e := <-answer:
		return result(e, c)
	case <-ctx.Done():
		_ = c.Complete(id)
		return nil, ctx.Err()
	}
}

func result(e Event, c *Conn) (json.RawMessage, error) {
	failed := &ErrorsError{}
	switch e.Kind {
	case Lost:
		return nil, c.Err()
	case Error:
		if err := json.Unmarshal(e.Payload, &failed.Errors); err != nil {
			return nil, fmt.Errorf("decode errors: %w", err)
		}
		return nil, failed
	case Next, Complete:
	}
	var r struct {
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(e.Payload, &r); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	if len(r.Errors) == 0 {
		return r.Data, nil
	}
	if err := json.Unmarshal(r.Errors, &failed.Errors); err != nil {
		return nil, fmt.Errorf("decode errors: %w", err)
	}
	return r.Data, failed
}

func (c *Conn) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ops, id)
}

func (c *Conn) read() {
	defer close(c.done)
	var err error
	for err == nil {
		var p []byte
		if p, err = c.ReadMessage(); err == nil {
			err = c.dispatch(p)
		}
	}
	_ = c.Socket.Close()
	c.mu.Lock()
	c.err = err
	ops := c.ops
	c.ops = nil
	c.mu.Unlock()
	for _, h := range ops {
		h(Event{Kind: Lost})
	}
}

var (
	prefix   = []byte(`{"id":"`)
	nextPart = []byte(`","type":"next","payload":`)
)

// dispatch calls the handler of a message. The form that chatd's server gives
// to `next` is taken apart without decoding it.
func (c *Conn) dispatch(p []byte) error {
	if rest, ok := bytes.CutPrefix(p, prefix); ok {
		if i := bytes.IndexByte(rest, '"'); i >= 0 && !bytes.ContainsRune(rest[:i], '\\') {
			if payload, ok := bytes.CutPrefix(rest[i:], nextPart); ok && len(payload) > 0 {
				c.call(rest[:i], Event{Next, payload[:len(payload)-1]})
				return nil
			}
		}
	}
	var m struct {
		ID      string          `json:"id"`
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(p, &m); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	switch m.Type {
	case "next":
		c.call([]byte(m.ID), Event{Next, m.Payload})
	case "error":
		c.call([]byte(m.ID), Event{Error, m.Payload})
	case "complete":
		c.call([]byte(m.ID), Event{Kind: Complete})
	case "ping":
		return c.WriteText([]byte(`{"type":"pong"}`))
	case "pong":
	default:
		return errors.New("unknown message of type " + strconv.Quote(m.Type))
	}
	return nil
}

func (c *Conn) call(id []byte, e Event) {
	c.mu.Lock()
	h := c.ops[string(id)]
	if e.Kind != Next {
		delete(c.ops, string(id))
	}
	c.mu.Unlock()
	if h != nil {
		h(e)
	}
}
