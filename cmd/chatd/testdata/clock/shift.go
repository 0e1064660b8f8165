package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// init has the wall clock stand wrong by as many seconds as the file says that
// CHATD_TEST_CLOCK names, and follows the file. It is part of no build but the
// one of clock_test.go, whose package time has Shift.
func init() {
	file := os.Getenv("CHATD_TEST_CLOCK")
	if file == "" {
		return
	}
	follow := func() {
		text, err := os.ReadFile(file)
		if err != nil {
			return
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			time.Shift(time.Duration(n) * time.Second)
		}
	}
	follow()
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			follow()
		}
	}()
}
