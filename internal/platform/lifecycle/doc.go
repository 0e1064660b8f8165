// Package lifecycle starts the parts of a program in order and stops them in
// reverse, each within its limit, and ends all of them when one dies. What the
// parts are, and which signals end a program, is known to cmd alone.
//
// Start reading at Group.Run.
package lifecycle
