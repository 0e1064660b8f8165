package gqlx_test

import (
	"testing"

	"chatd/internal/platform/gqlx"
)

func TestHalvesOfPairsAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"plain é 🙂"`:               true,
		`"\ud83d\ude42 and \u00e9"`: true,
		`"\uD83D\uDE42"`:            true,
		`"a\\ud800 written out"`:    true,
		`"\\\ud83d\ude42"`:          true,
		`"\n\t\"\\"`:                true,
		`"\ud800"`:                  false,
		`"\ud800x"`:                 false,
		`"\ud800\n"`:                false,
		`"\ud800\u0041"`:            false,
		`"\ud800\ud800"`:            false,
		`"\udc00"`:                  false,
		`"\ud83d\ude42\ude42"`:      false,
		`"\\\ud800"`:                false,
		`\`:                         true,
		`"\ud8`:                     true, // no JSON, which others find
		`"\ud83d\ude4`:              false,
	} {
		if got := gqlx.Paired([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
