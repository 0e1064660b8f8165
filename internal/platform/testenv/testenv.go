package testenv

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Variable is the environment variable that lists what must be there.
const Variable = "CHATD_TEST_REQUIRE"

// Required says whether name must be there on this machine.
func Required(name string) bool {
	for part := range strings.SplitSeq(os.Getenv(Variable), ",") {
		if part = strings.TrimSpace(part); part == name || part == "all" {
			return true
		}
	}
	return false
}

// Missing ends the test because name is not there: a skip, or a failure where
// name is required. why says what was looked for.
func Missing(t testing.TB, name, why string) {
	t.Helper()
	if Required(name) {
		t.Fatalf("%s=%s demands %s: %s", Variable, os.Getenv(Variable), name, why)
	}
	t.Skipf("needs %s (%s): set %s=%s to fail instead", name, why, Variable, name)
}

// Tool returns the path of a program; the test ends as by Missing when it is
// neither in PATH nor in one of dirs.
func Tool(t testing.TB, name string, dirs ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range slices.Backward(dirs) {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path
		}
	}
	Missing(t, name, "no such program in PATH")
	return ""
}

// SmallDisk mounts a file system of the given size in memory and returns its
// directory, for tests of what happens when the disk is full. It needs the
// right to mount; without it the test ends as by Missing("mount"). It is
// unmounted when the test ends, so that all files in it must be closed before.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	return mount(t, bytes)
}
