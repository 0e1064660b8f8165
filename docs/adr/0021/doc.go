// Command 0021 counts how many nodes hear of each message under four ways of
// telling them, for ADR 21. It is a model: nothing of chatd runs in it.
//
//	go run ./docs/adr/0021
//
// A world is people in conversations; a placing puts them on nodes; counting
// is exact, only the world is random, the same each time. Start reading in
// run. It does not measure: what hearing costs is measured in internal/chat.
package main
