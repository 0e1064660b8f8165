//go:build !linux

package testenv

import (
	"runtime"
	"testing"
)

func mount(t testing.TB, _ int) string {
	t.Helper()
	Missing(t, "mount", "not written for "+runtime.GOOS)
	return ""
}
