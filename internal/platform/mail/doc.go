// Package mail renders messages and hands them to a mail server, or writes
// them as files where there is none.
//
// Words. A Content is what a message says; Render makes a Message of it, in
// plain text and HTML, by the templates in templates/. A Sender delivers one.
// An error that is ErrRefused is final: the same message will not be taken
// later either; every other error may pass.
//
// Start at mail.go; smtp.go and files.go are the two Senders. It keeps no
// queue and tries nothing twice: whoever promised a message does. It never
// logs what a message says or to whom it goes.
package mail
