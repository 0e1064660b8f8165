// Package authhttp serves what auth has for browsers. The two pages that links
// in mails lead to, /reset-password and /verify-email: to open one spends
// nothing, however often a mail scanner does; its button posts to the same path,
// and works without a script. Neither page loads anything or is kept by a cache.
// And the archives of exports, by signed links alone: a link is bound to the
// user to whom it was given, and works only while he may sign in.
//
// Start at pages.go, and exports.go. What a link is good for is auth's to say.
package authhttp
