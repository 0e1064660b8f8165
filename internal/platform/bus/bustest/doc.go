// Package bustest is the bus contract as tests: Run holds an implementation of
// bus.Bus to what package bus promises. Start reading at Run.
//
// It uses real time and real goroutines, because a bus may be another program;
// what must not happen is looked for where something later proves that it
// would have happened by then, never by waiting a while.
package bustest
