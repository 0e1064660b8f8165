// Package userv1 has the events that user publishes, version 1. Their names,
// fields and JSON are a promise: fields may be added, never renamed or
// removed. They carry what everybody may see of a profile, and
// what is for one user alone where they say so.
package userv1
