package loadgen

import (
	"fmt"
	"time"
)

// Scenario is the shape of a run. Use one of the functions below.
type Scenario struct {
	Name      string
	Rooms     int           // conversations
	Receivers int           // subscribed sockets of each room
	Streams   int           // senders of each room, a socket each
	Messages  int           // of all streams together
	Rate      float64       // messages a second of all streams together; 0 sends as fast as it is acknowledged
	Lockstep  bool          // a stream's next message waits until the last has reached every receiver
	Events    bool          // receivers hold `events` instead of `messageAdded`
	Hold      time.Duration // sockets only hold for that long before the first message
}

// Fanout is one conversation with many subscribers. The window is how many
// messages may be on their way to them at once.
func Fanout(subscribers, messages, window int, events bool) Scenario {
	return Scenario{Name: "fanout", Rooms: 1, Receivers: subscribers, Streams: window, Messages: messages, Lockstep: true, Events: events}
}

// Send is many senders at once, spread over rooms with one subscriber each
// that checks what was acknowledged.
func Send(senders, rooms, messages int) Scenario {
	rooms = max(min(rooms, senders), 1)
	return Scenario{Name: "send", Rooms: rooms, Receivers: 1, Streams: (senders + rooms - 1) / rooms, Messages: messages}
}

// Rooms is many small conversations, one sender in each.
func Rooms(rooms, size, messages int, rate float64) Scenario {
	return Scenario{Name: "rooms", Rooms: rooms, Receivers: size, Streams: 1, Messages: messages, Rate: rate}
}

// Idle is many subscribed sockets that hold; at the end one message must
// reach them all.
func Idle(sockets int, hold time.Duration) Scenario {
	return Scenario{Name: "idle", Rooms: 1, Receivers: sockets, Streams: 1, Messages: 1, Lockstep: true, Hold: hold}
}

func (s *Scenario) window() int {
	if s.Lockstep {
		return s.Streams
	}
	return 0
}

func (s *Scenario) sockets() int { return s.Rooms * (s.Receivers + s.Streams) }

func (s *Scenario) check() error {
	switch {
	case s.Rooms < 1 || s.Receivers < 1 || s.Streams < 1 || s.Messages < 1 || s.Rate < 0 || s.Hold < 0:
		return fmt.Errorf("every number must be at least 1")
	case s.Rooms > MaxSockets || s.Receivers > MaxSockets || s.Streams > MaxSockets || s.sockets() > MaxSockets:
		return fmt.Errorf("more than %d sockets", MaxSockets)
	case s.Messages > MaxMessages:
		return fmt.Errorf("more than %d messages", MaxMessages)
	}
	return nil
}
