package main

import (
	"context"
	"errors"
	"io"
)

type benchCmd struct {
	Fanout struct{} `cmd:"" help:"x"`
}

func (b *benchCmd) run(context.Context, string, io.Writer) error { return errors.New("later") }
