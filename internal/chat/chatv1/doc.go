// Package chatv1 has the events that chat publishes, version 1. Their names,
// fields and JSON are a promise: fields may be added, never renamed or
// removed. They carry what members of the conversation may read, so whoever
// hands them on must know who that is.
package chatv1
