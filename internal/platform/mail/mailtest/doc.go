// Package mailtest is a mail server within a test: SMTP with STARTTLS, TLS and
// sign-in, which refuses or hangs when it is told to, and shows what it took.
package mailtest
