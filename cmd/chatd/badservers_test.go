package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hidden is in every URL of these tests, and in nothing that is printed.
const hidden = "s3same-0pen"

// A badServer is what one setting names and no chatd can work on.
type badServer struct {
	url   string
	args  []string
	says  []string // beside the setting's name
	start bool     // a check, which writes nothing, cannot know
}

// few are the programs that run at once: most of them wait.
var few = make(chan struct{}, 10)

// mustBeRefused has each tried by the start and by `chatd config check`: both
// say in one line what is wrong, within 10 s, and end with 1.
func mustBeRefused(t *testing.T, flag string, rows map[string]badServer) {
	t.Helper()
	type trial struct {
		name, dir string
		row       badServer
		check     bool
		args      []string
		end       ending
	}
	var trials []*trial
	var wg sync.WaitGroup
	for name, row := range rows {
		for _, command := range [][]string{{"serve", "--log-level", "error"}, {"config", "check"}} {
			try := &trial{name: name + "/" + command[0], dir: filepath.Join(t.TempDir(), "data"), row: row, check: command[0] == "config"}
			if try.check && row.start {
				continue
			}
			trials = append(trials, try)
			try.args = append(append(command, "--listen", freeAddr(t), "--data-dir", try.dir, "--"+flag, row.url), row.args...)
			wg.Go(func() {
				few <- struct{}{}
				defer func() { <-few }()
				try.end = runToItsEnd(t.Context(), try.args...)
			})
		}
	}
	wg.Wait()
	for _, try := range trials {
		t.Run(try.name, func(t *testing.T) {
			end := try.end
			for n := 0; n < 4 && end.took > 10*time.Second; n++ { // among the others; alone it counts
				end = runToItsEnd(t.Context(), try.args...)
			}
			t.Logf("after %v: %s", end.took.Round(time.Millisecond), end.err)
			line, whole := strings.CutSuffix(end.err, "\n")
			if end.status != 1 || !whole || !strings.HasPrefix(line, "chatd: ") || strings.Contains(line, "\n") {
				t.Errorf("it ended with %d and said %q", end.status, end.err)
			}
			if end.took > 10*time.Second {
				t.Error("it took too long")
			}
			for _, want := range append([]string{"--" + flag + " (" + envName(flag) + "): "}, try.row.says...) {
				if !strings.Contains(line, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if strings.Contains(end.out+end.err, hidden) {
				t.Error("it tells the secret")
			}
			if _, err := os.Stat(try.dir); try.check && err == nil {
				t.Error("the check has made a directory")
			}
		})
	}
}

// ending is how a program ended.
type ending struct {
	status   int
	out, err string // what it said
	took     time.Duration
}

func runToItsEnd(ctx context.Context, args ...string) ending {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	begin := time.Now()
	_ = cmd.Run() // its end is in the state
	return ending{cmd.ProcessState.ExitCode(), out.String(), said.String(), time.Since(begin)}
}

// mustPassCheck returns what `chatd config check` says of a server.
func mustPassCheck(t testing.TB, args ...string) string {
	t.Helper()
	end := runToItsEnd(t.Context(), append([]string{"config", "check"}, args...)...)
	if end.status != 0 || strings.Contains(end.out+end.err, hidden) {
		t.Fatalf("%+v", end)
	}
	return end.out
}

// mute takes connections and never answers.
func mute(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // the system answers for it
}

// between leads to a server and changes what it answers: from is replaced by
// to, of the same length. cert, if given, is shown to clients, who must speak
// TLS then.
func between(t testing.TB, network, address, from, to string, cert *tls.Certificate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if len(from) != len(to) {
		t.Fatalf("%q is not as long as %q", to, from)
	}
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}})
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial(network, address)
				if err != nil {
					return
				}
				defer far.Close()
				go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
				b := make([]byte, 32<<10)
				for {
					n, err := far.Read(b)
					if err != nil {
						return
					}
					answer := b[:n]
					if from != "" {
						answer = bytes.ReplaceAll(answer, []byte(from), []byte(to))
					}
					if _, err := near.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// certificate is one for a host, of an authority that nobody knows: itself.
func certificate(t testing.TB, host string) (cert tls.Certificate, crt, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	crt = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	if cert, err = tls.X509KeyPair([]byte(crt), []byte(key)); err != nil {
		t.Fatal(err)
	}
	return cert, crt, key
}

func inFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// greeter speaks first, as mail servers do, and is none that chatd can use.
func greeter(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, "220 mail.example.org ESMTP\r\n")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}
