package testenv

import "time"

// quickestTries is how often Quickest measures at most.
const quickestTries = 5

// Quickest is for promises of time, which only a machine that has time for the
// test can show: it measures until something took no longer than limit, five
// times at most, and returns the least. What other programs take away adds to
// a time and never makes it less, so that the least says the most of ours; what
// is too slow by itself is so each time. once must bring about all that it
// measures anew, and fails the test itself when anything but the time is wrong.
func Quickest(limit time.Duration, once func() time.Duration) time.Duration {
	least := once()
	for n := 1; n < quickestTries && least > limit; n++ {
		least = min(least, once())
	}
	return least
}

// Took is how long do takes.
func Took(do func()) time.Duration {
	begin := time.Now()
	do()
	return time.Since(begin)
}
