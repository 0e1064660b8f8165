package principal

import "slices"

// Right is something that a role may do on the whole server. What a member may
// do within a conversation is chat's to say; both must allow it.
type Right uint8

// The rights.
const (
	// Administer: roles, suspensions, invitations to the server, the audit
	// log, reports; others' addresses.
	Administer Right = iota
	// MakeGroups: make groups and channels.
	MakeGroups
	// FindChannels: list the public channels, and join them by oneself.
	FindChannels
	// BringPeople: add members to groups and channels, and make invitations
	// into them.
	BringPeople
	// FindPeople: look up, search for and write to people with whom one is in
	// no conversation.
	FindPeople
)

// rights says at a glance which role may do what. What is not listed is not
// allowed; a role that is not known may do nothing of it. A guest is where he
// was brought in, with those who are there, as in Mattermost: he reads and
// writes, reacts, uploads, and comes in by a code that he was given.
var rights = map[Right][]Role{
	Administer:   {Admin},
	MakeGroups:   {Admin, Member, Bot},
	FindChannels: {Admin, Member, Bot},
	BringPeople:  {Admin, Member, Bot},
	FindPeople:   {Admin, Member, Bot},
}

// May says whether the role has a right.
func (r Role) May(right Right) bool { return slices.Contains(rights[right], r) }

// May says whether the user has a right on this server.
func (p Principal) May(right Right) bool { return p.Role.May(right) }

// IsAdmin says whether the user administers this server.
func (p Principal) IsAdmin() bool { return p.May(Administer) }

// Known says whether there is such a role.
func (r Role) Known() bool { return slices.Contains([]Role{Admin, Member, Guest, Bot}, r) }
