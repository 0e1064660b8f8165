package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestABenchWithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"fanout", "send", "rooms", "idle"} {
		var out bytes.Buffer
		err := run(t.Context(), []string{"bench", scenario, "--url", "http://127.0.0.1:1"}, []string{"CHATD_CONFIG=/not/looked/at"}, &out)
		if exitCode(err) != 1 || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("%s: exit status %d, %v", scenario, exitCode(err), err)
		}
	}
}
