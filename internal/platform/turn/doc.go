// Package turn lets things that must take effect in order overlap all the
// same. Who runs them one after the other gives each a context with its turn
// (With); what they call tells, as soon as their place in the order is fixed,
// that the next may begin (Pass): a writer does so when its job has been
// queued, and need not have been committed.
//
// It orders nothing itself, and a turn that nobody passes ends with its work.
package turn
