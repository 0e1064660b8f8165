package chat

import (
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

// Role is a member's standing in one conversation.
type Role string

// The roles. A DIRECT conversation has only members.
const (
	Owner  Role = "OWNER"
	Admin  Role = "ADMIN"
	Plain  Role = "MEMBER"
	nobody Role = ""
)

// Member is one user in one conversation.
type Member struct {
	Conversation ids.Conversation
	User         ids.User
	Role         Role
	JoinedAt     time.Time
	ReadSeq      int64 // read up to this message
	ReadOrd      int64 // the ordinal at ReadSeq
	DeliveredSeq int64 // at least ReadSeq

	// SeenSeq is how far he had read when he marked something unread: for
	// others his position never goes back. 0 when he never did.
	SeenSeq int64
	// JoinedSeq is the newest message before he came in, which he is taken to
	// have read and has not.
	JoinedSeq int64
	Settings  Settings // his own, of this conversation
}

// right is something that a member may do.
type right uint8

const (
	mayRead right = iota
	maySend
	mayAdd
	mayLeave
	mayReact
	mayPin // and take any pin away
	mayDeleteOthers
	mayRemoveOthers // of a lower rank
	maySetRoles     // of others
	mayHandOver     // the ownership
	mayUpdate       // name and description
	mayInvite       // by a code
	mayMentionAll   // by @all, which is plain text from anybody else
)

// rights says at a glance who may do what in which kind of conversation.
// What is not listed is not allowed.
var rights = map[Kind]map[right][]Role{
	Direct: {
		mayRead:  {Plain},
		maySend:  {Plain},
		mayReact: {Plain},
		mayPin:   {Plain},
	},
	Group: {
		mayRead:         {Owner, Admin, Plain},
		maySend:         {Owner, Admin, Plain},
		mayAdd:          {Owner, Admin, Plain},
		mayLeave:        {Owner, Admin, Plain},
		mayReact:        {Owner, Admin, Plain},
		mayPin:          {Owner, Admin, Plain},
		mayDeleteOthers: {Owner, Admin},
		mayRemoveOthers: {Owner, Admin},
		maySetRoles:     {Owner},
		mayHandOver:     {Owner},
		mayUpdate:       {Owner, Admin},
		mayInvite:       {Owner, Admin},
		mayMentionAll:   {Owner, Admin},
	},
	Channel: {
		mayRead:         {Owner, Admin, Plain},
		maySend:         {Owner, Admin, Plain},
		mayAdd:          {Owner, Admin, Plain},
		mayLeave:        {Owner, Admin, Plain},
		mayReact:        {Owner, Admin, Plain},
		mayPin:          {Owner, Admin},
		mayDeleteOthers: {Owner, Admin},
		mayRemoveOthers: {Owner, Admin},
		maySetRoles:     {Owner},
		mayHandOver:     {Owner},
		mayUpdate:       {Owner, Admin},
		mayInvite:       {Owner, Admin},
		mayMentionAll:   {Owner, Admin},
	},
}

// rank orders roles: who removes another must stand above him.
func rank(r Role) int {
	switch r {
	case Owner:
		return 3
	case Admin:
		return 2
	case Plain:
		return 1
	default:
		return 0
	}
}

func mayRemove(v View, target Member) bool {
	return may(v.Kind, v.Viewer.Role, mayRemoveOthers) && rank(v.Viewer.Role) > rank(target.Role)
}

func maySetRole(v View, target Member) bool {
	return may(v.Kind, v.Viewer.Role, maySetRoles) && target.User != v.Viewer.User
}

func mayTransfer(v View, target Member) bool {
	return may(v.Kind, v.Viewer.Role, mayHandOver) && target.User != v.Viewer.User
}

func may(k Kind, role Role, r right) bool {
	for _, allowed := range rights[k][r] {
		if allowed == role && role != nobody {
			return true
		}
	}
	return false
}

// Rights is what a member may do in a conversation.
type Rights struct{ Send, AddMembers, Leave, Update, Invite, MentionAll bool }

// MemberRights is what a member may do about one.
type MemberRights struct{ Remove, SetRole, TransferOwnership bool }

// RightsOver says what the viewer may do about a member.
func RightsOver(v View, m Member) MemberRights {
	return MemberRights{Remove: mayRemove(v, m), SetRole: maySetRole(v, m), TransferOwnership: mayTransfer(v, m)}
}

// ConversationRights says what the viewer may do: what his role on the server and
// his standing in the conversation both allow.
func ConversationRights(who principal.Principal, v View) Rights {
	can := func(r right) bool { return may(v.Kind, v.Viewer.Role, r) }
	return Rights{
		Send: can(maySend) && !v.Alone(), AddMembers: can(mayAdd) && who.May(principal.BringPeople), Leave: can(mayLeave), Update: can(mayUpdate), Invite: can(mayInvite) && who.May(principal.BringPeople),
		MentionAll: can(mayMentionAll),
	}
}

// Change says what happened to a membership.
type Change string

// The changes of a membership.
const (
	Joined  Change = "JOINED"
	Left    Change = "LEFT"
	Removed Change = "REMOVED"
	RoleSet Change = "ROLE"
)

// Updated is what is noted of a conversation's name and description. It is no
// change of a membership.
const Updated Change = "UPDATED"

// Ends says whether the user is a member no longer after this change.
func (c Change) Ends() bool { return c == Left || c == Removed }

// Membership is one change of one membership.
type Membership struct {
	User   ids.User
	Change Change
	Role   Role // after the change; the last one held when it ends
	Actor  ids.User
}

// Receipt is how far one member has read and been delivered to.
type Receipt struct {
	User         ids.User
	ReadSeq      int64
	ReadOrd      int64
	DeliveredSeq int64
	SeenSeq      int64 // see Member.SeenSeq
}

// Typing says that a member has begun or ceased to write.
type Typing struct {
	User   ids.User
	Typing bool
}
