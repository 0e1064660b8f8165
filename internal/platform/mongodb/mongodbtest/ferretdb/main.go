// Ferretdb serves MongoDB's protocol out of SQLite, for tests on machines
// without a mongod. It is a module of its own, so that nothing of FerretDB
// gets into chatd's.
//
//	ferretdb directory
//
// It writes its address to its output, serves until its input ends, and
// removes the directory. Killed, it leaves it for another to go on with.
//
// FerretDB reads and writes a document in two steps, between which another
// client's write is lost. MongoDB does not, so one command runs at a time here.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb directory")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	socket := filepath.Join(dir, "socket")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return err
	}
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + data + "/?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=busy_timeout(10000)",
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = f.Run(ctx) }()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(front.Addr())
	go serve(front, socket)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// serve hands each client's commands on, one of all clients at a time.
func serve(front net.Listener, socket string) {
	var turn sync.Mutex
	for {
		client, err := front.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer server.Close()
			for exchange(client, server, &turn) == nil {
			}
		}()
	}
}

// exchange passes one command on and its answer back.
func exchange(client, server net.Conn, turn *sync.Mutex) error {
	command, err := message(client)
	if err != nil {
		return err
	}
	turn.Lock()
	_, err = server.Write(command)
	var answer []byte
	if err == nil {
		answer, err = message(server)
	}
	turn.Unlock()
	if err == nil {
		_, err = client.Write(answer)
	}
	return err
}

// message reads one message of the wire protocol, whose first four bytes are
// its length.
func message(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 || n > 64<<20 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	all := make([]byte, n)
	copy(all, head[:])
	_, err := io.ReadFull(r, all[4:])
	return all, err
}
