package main

import (
	"context"
	"errors"
	"io"
)

func serve(context.Context, Config, io.Writer) error { return errors.New("serve is not here yet") }

func migrate(context.Context, Config, io.Writer) error { return errors.New("migrate is not here yet") }
