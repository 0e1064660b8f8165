// Package notify owns who should hear of something when they are not looking:
// which events of the other contexts concern whom, the inbox of notifications
// with what has been read of it, and the ways out of the program: mail, web
// push, and webhooks.
//
// Words. A notification is one entry of somebody's inbox. A channel is a way
// to reach them (in the application, by mail, by push); a preference says which
// kind goes by which channel, and quiet hours when none does. A digest gathers
// what was missed into one mail. A delivery is one attempt series of one
// channel, retried until it succeeds or is given up in sight of its owner.
//
// It learns everything from events, at least once and in order per key, and
// asks the others nothing while it decides: a slow mail server is nobody
// else's delay. It comes last but one in the order auth, user, chat, notify,
// logging, and none of the earlier ones knows of it. The server sends no
// notifications yet.
package notify
