package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"chatd/internal/platform/loadgen"
)

// benchCmd is the command line of `chatd bench`; internal/platform/loadgen
// does the work and has the bounds.
type benchCmd struct {
	URLs       []string      `name:"url" default:"http://127.0.0.1:4000" help:"The chatd to put load on; start it with --rate-limits off. Several nodes of one: with commas."`
	PID        int           `name:"pid" help:"Its process, to measure CPU and memory; found by the port when it runs here."`
	JSON       bool          `name:"json" help:"Print one line of JSON instead of a table."`
	Timeout    time.Duration `default:"10m" help:"End the run after that, with what there is."`
	Warmup     int           `default:"20" help:"Messages before the measured ones."`
	TextSize   int           `default:"100" help:"Characters of a message."`
	PerAccount int           `default:"20" help:"Sockets of each account."`

	Fanout struct {
		Subscribers int  `default:"1000" help:"Sockets that receive."`
		Messages    int  `default:"300" help:"Messages to each of them."`
		Window      int  `default:"1" help:"Messages that may be on their way at once."`
		Events      bool `help:"Subscribe to events instead of messageAdded."`
	} `cmd:"" help:"One conversation with many subscribers: deliveries."`
	Send struct {
		Senders  int `default:"64" help:"Senders at once, each waiting for its acknowledgement."`
		Rooms    int `default:"16" help:"Conversations that they are spread over."`
		Messages int `default:"20000" help:"Messages in all."`
	} `cmd:"" help:"Many senders: durable acknowledgements."`
	Rooms struct {
		Rooms    int     `default:"400" help:"Conversations."`
		Size     int     `default:"5" help:"Subscribers of each."`
		Messages int     `default:"20000" help:"Messages in all."`
		Rate     float64 `default:"4000" help:"Messages a second in all; 0 sends as fast as it is acknowledged."`
	} `cmd:"" help:"Many small conversations at a steady rate."`
	Idle struct {
		Sockets int           `default:"10000" help:"Subscribed sockets."`
		Hold    time.Duration `default:"10s" help:"How long they hold before one message must reach them all."`
	} `cmd:"" help:"Many sockets at rest: memory and CPU."`
}

// scenario is what the command asks for.
func (b *benchCmd) scenario(command string) loadgen.Scenario {
	switch command {
	case "bench fanout":
		return loadgen.Fanout(b.Fanout.Subscribers, b.Fanout.Messages, b.Fanout.Window, b.Fanout.Events)
	case "bench send":
		return loadgen.Send(b.Send.Senders, b.Send.Rooms, b.Send.Messages)
	case "bench rooms":
		return loadgen.Rooms(b.Rooms.Rooms, b.Rooms.Size, b.Rooms.Messages, b.Rooms.Rate)
	default:
		return loadgen.Idle(b.Idle.Sockets, b.Idle.Hold)
	}
}

// run plays the scenario. What was lost, doubled, reordered or refused is an
// error after the report is out.
func (b *benchCmd) run(ctx context.Context, command string, out io.Writer) error {
	ctx, stop := context.WithTimeout(ctx, b.Timeout)
	defer stop()
	cfg := loadgen.Config{URLs: b.URLs, PID: b.PID, PerAccount: b.PerAccount, TextSize: b.TextSize, Warmup: b.Warmup}
	if command == "bench idle" {
		cfg.Warmup = 0 // the first message comes after the hold
	}
	if !b.JSON {
		cfg.Progress = func(what string) { fmt.Fprintln(out, "… "+what) }
	}
	report, err := loadgen.Run(ctx, cfg, b.scenario(command))
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	write := report.WriteTable
	if b.JSON {
		write = report.WriteJSON
	}
	if err := write(out); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.Good() {
		return fmt.Errorf("bench: the server was not faithful: %d lost, %d doubled, %d reordered, %d failed",
			report.Lost, report.Doubled, report.Reordered, report.Failed)
	}
	return nil
}
