// Package authhttp serves the two pages that links in mails lead to:
// /reset-password and /verify-email. To open one spends nothing, however often
// a mail scanner does; its button posts to the same path, and works without a
// script. Neither page loads anything or is kept by a cache.
//
// Start at pages.go. What a link is good for is auth's to say.
package authhttp
