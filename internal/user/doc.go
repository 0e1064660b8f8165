// Package user is who somebody is to others: the profile, which everybody who
// is signed in may see, the search over profiles, and presence, which those may
// see who share a conversation.
//
// Words. A profile has the id of its account and is made with it: auth asks
// for it before register answers, and the event of the account repairs it when
// a crash came between. A username is lower case, unique, and auth's to give;
// everything else of a profile is its user's to change. A term is a folded
// word of a name, or the rest of one from a place where a reader would begin.
// Somebody's presence is his availability as his sockets, his activity and his
// choice make it; a sighting is what is stored of it. Companions hear of each
// other without asking. Nodes report to each other by crying over the bus, and
// by notices on a board that they share.
//
// Start reading at Service, then profile.go (what is allowed), update.go,
// search.go, find.go and names.go (who is found, by what). Profiles that were
// looked at are kept in a bounded cache (cache.go), so that showing the sender
// of a message costs no read; tail.go hears what other nodes change of them,
// and what they have read may lie on a shelf that they share. For presence start at PresenceService
// (presences.go), then person.go (who is there), audience.go (who is told) and
// wire.go (other nodes).
//
// What two users are to each other is a pair of relationships (relationship.go
// has the rules, relations.go the use cases); who is kept apart by a block is in
// memory (blocks.go), and viewers are told of theirs by follow.go.
//
// It holds no e-mail address, password or role: those are auth's.
package user
