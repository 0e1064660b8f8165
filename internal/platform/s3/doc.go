// Package s3 keeps objects in a bucket of a server that speaks S3's protocol:
// Amazon's, or one of those that many other makers have.
//
// Words. A bucket is named by one URL with its keys, https://KEY:SECRET@host/bucket.
// An object has a key, which the URL's prefix goes before, and is written whole
// or not at all.
//
// Where to start reading: bucket.go. refused.go says of a server that cannot be
// used what is wrong and what to do.
//
// It retries what the network has lost, within the time of a call. A server
// that does not answer is errs.ErrUnavailable.
package s3
