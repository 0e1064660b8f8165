// Package testenv says what a test does when something outside the program is
// not there: a server, a tool, a right of the system. It skips, naming what is
// missing, unless CHATD_TEST_REQUIRE (a comma-separated list, or "all") says
// that this machine must have it: then the test fails. So a skip on a
// developer's laptop is a failure where it would otherwise go unseen. Time of
// the machine is such a thing too: Quickest measures what others use as well.
//
// Only tests import it. It starts nothing by itself; servers belong to the
// test package of the adapter that speaks to them (sqldbtest).
package testenv
