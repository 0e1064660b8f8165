package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/internal/platform/testenv"
)

func TestTheCheckTellsOfAllServersAtOnce(t *testing.T) {
	t.Parallel()
	deaf := mute(t)
	var out bytes.Buffer
	args := []string{
		"config", "check", "--data-dir", filepath.Join(t.TempDir(), "data"), "--postgres-url", "postgres://chatd:" + hidden + "@" + deaf + "/chatd",
		"--mongo-url", "mongodb://" + deaf + "/chatd", "--redis-url", "redis://" + deaf, "--kafka-brokers", deaf,
	}
	var err error
	took := testenv.Quickest(15*time.Second, func() time.Duration { // one after the other it would be 25
		out.Reset()
		return testenv.Took(func() { err = run(t.Context(), args, []string{"CHATD_SECRET=" + goodSecret}, &out) })
	})
	t.Logf("after %v: %v", took.Round(time.Millisecond), err)
	if exitCode(err) != 1 || took > 15*time.Second {
		t.Fatalf("after %v: %v", took, err)
	}
	if strings.Contains(out.String()+err.Error(), hidden) {
		t.Error("it tells the secret")
	}
	for _, want := range []string{"--postgres-url", "--mongo-url", "--redis-url", "--kafka-brokers"} {
		if strings.Count(err.Error(), "\n  "+want+" ") != 1 {
			t.Errorf("it does not tell of %s once", want)
		}
	}
}

func TestTheCheckLooksAtTheSettingsAloneWhenItIsAskedTo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := run(t.Context(), []string{"config", "check", "--offline", "--redis-url", "redis://127.0.0.1:1"}, nil, &out)
	if err != nil || !strings.Contains(out.String(), "redis://127.0.0.1:1") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestTheHealthcheckSaysWhetherTheServerIsReady(t *testing.T) {
	t.Parallel()
	ask := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"healthcheck"}, args...), nil, &out)
		return out.String(), err
	}
	p := startProgram(t)
	_, port, _ := strings.Cut(p.addr, ":")
	for _, args := range [][]string{{"--listen", p.addr}, {"--listen", ":" + port}, {"--listen", "127.0.0.1:1", "--ops-listen", "0.0.0.0:" + port}} {
		if out, err := ask(args...); err != nil || !strings.Contains(out, "ready") {
			t.Errorf("%q: %q, %v", args, out, err)
		}
	}
	if _, err := ask("--listen", "127.0.0.1:0"); exitCode(err) != 1 || !strings.Contains(err.Error(), "no port") {
		t.Errorf("of no port: %v", err)
	}
	// One that hangs is not ready. A signal stops its threads one by one.
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	hung := func() (took time.Duration) {
		await(t, 30*time.Second, "it hangs", func() bool {
			begin := time.Now()
			_, err := ask("--listen", p.addr)
			took = time.Since(begin)
			return exitCode(err) == 1
		})
		return took
	}
	if took := testenv.Quickest(2*healthcheckTime, hung); took < healthcheckTime/2 || took > 2*healthcheckTime {
		t.Errorf("one that hangs is told after %v", took)
	}
	p.kill()
	if _, err := ask("--listen", p.addr); exitCode(err) != 1 || !strings.Contains(err.Error(), "is chatd running") {
		t.Errorf("of nobody: %v", err)
	}
}
