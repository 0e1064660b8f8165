// Package authv1 has the events that auth publishes, version 1. Their names,
// fields and JSON are a promise: fields may be added, never renamed or
// removed. They carry ids and values, no secrets and no addresses.
package authv1
