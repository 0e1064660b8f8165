package main

import (
	"context"
	_ "embed" // the SDL of the federation
	"fmt"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth/authgraph"
	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
	"chatd/internal/user/usergraph"
)

// maxNodes is how many nodes may be asked for at once.
const maxNodes = 100

// Node resolves node.
func (q *Query) Node(ctx context.Context, args struct{ ID graphql.ID }) (*Node, error) {
	found, err := q.g.nodes(ctx, []graphql.ID{args.ID})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// Nodes resolves nodes.
func (q *Query) Nodes(ctx context.Context, args struct{ IDs []graphql.ID }) ([]*Node, error) {
	if len(args.IDs) > maxNodes {
		return nil, errs.ErrBadInput.With(errs.Field("ids")).Saying("Ask for at most 100 nodes at once.")
	}
	return q.g.nodes(ctx, args.IDs)
}

// nodes loads objects of any type, those of one type at once; nil for what is
// not there or not the viewer's to know of.
func (g *graph) nodes(ctx context.Context, of []graphql.ID) ([]*Node, error) {
	var w wanted
	for _, id := range of {
		w.add(string(id))
	}
	found := make(map[graphql.ID]*Node, len(of))
	for _, load := range []func(context.Context, wanted, func(object)) error{
		g.loadPeople, g.loadConversations, g.loadMessages, g.loadSessions, g.loadTokens, g.loadAdministered, g.loadInvites, g.loadReports, g.loadAttachments,
	} {
		if err := load(ctx, w, func(o object) { found[o.ID()] = &Node{o} }); err != nil {
			return nil, fmt.Errorf("load nodes: %w", err)
		}
	}
	out := make([]*Node, len(of))
	for i, id := range of {
		out[i] = found[id]
	}
	return out, nil
}

// wanted are ids by what they name.
type wanted struct {
	people        []ids.User
	conversations []ids.Conversation
	messages      []ids.Message
	sessions      []ids.Session
	tokens        []ids.PersonalToken
	toServer      []ids.Invite
	audit         []ids.Audit
	identities    []ids.Identity
	invites       []ids.GroupInvite
	reports       []ids.Report
	attachments   []ids.Attachment
}

// add sorts an id in; what is no id names nothing.
func (w *wanted) add(id string) {
	if v, ok := ids.ParseUser(id); ok {
		w.people = append(w.people, v)
	} else if v, ok := ids.ParseConversation(id); ok {
		w.conversations = append(w.conversations, v)
	} else if v, ok := ids.ParseMessage(id); ok {
		w.messages = append(w.messages, v)
	} else if v, ok := ids.ParseSession(id); ok {
		w.sessions = append(w.sessions, v)
	} else if v, ok := ids.ParsePersonalToken(id); ok {
		w.tokens = append(w.tokens, v)
	} else if v, ok := ids.ParseInvite(id); ok {
		w.toServer = append(w.toServer, v)
	} else if v, ok := ids.ParseAudit(id); ok {
		w.audit = append(w.audit, v)
	} else if v, ok := ids.ParseIdentity(id); ok {
		w.identities = append(w.identities, v)
	} else if v, ok := ids.ParseGroupInvite(id); ok {
		w.invites = append(w.invites, v)
	} else if v, ok := ids.ParseReport(id); ok {
		w.reports = append(w.reports, v)
	} else if v, ok := ids.ParseAttachment(id); ok {
		w.attachments = append(w.attachments, v)
	}
}

func (g *graph) loadPeople(ctx context.Context, w wanted, found func(object)) error {
	if len(w.people) == 0 {
		return nil
	}
	got, err := g.people.See(ctx, w.people)
	for _, u := range got {
		if u != nil {
			found(u)
		}
	}
	return err
}

func (g *graph) loadConversations(ctx context.Context, w wanted, found func(object)) error {
	if len(w.conversations) == 0 {
		return nil
	}
	got, err := g.chat.ConversationsByID(ctx, w.conversations)
	for _, c := range got {
		found(c)
	}
	return err
}

func (g *graph) loadMessages(ctx context.Context, w wanted, found func(object)) error {
	if len(w.messages) == 0 {
		return nil
	}
	got, err := g.chat.MessagesByID(ctx, w.messages)
	for _, m := range got {
		found(m)
	}
	return err
}

func (g *graph) loadReports(ctx context.Context, w wanted, found func(object)) error {
	if len(w.reports) == 0 {
		return nil
	}
	got, err := g.chat.ReportsByID(ctx, w.reports)
	for _, r := range got {
		found(r)
	}
	return err
}

func (g *graph) loadAttachments(ctx context.Context, w wanted, found func(object)) error {
	if len(w.attachments) == 0 {
		return nil
	}
	got, err := g.chat.AttachmentsByID(ctx, w.attachments)
	for _, a := range got {
		found(a)
	}
	return err
}

// loadSessions reads one by one: nobody has a use for many.
func (g *graph) loadSessions(ctx context.Context, w wanted, found func(object)) error {
	for _, id := range w.sessions {
		s, err := g.accounts.Session(ctx, id)
		switch {
		case err == nil:
			found(s)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
	}
	return nil
}

// loadTokens reads one by one, and identities too: nobody has a use for many.
func (g *graph) loadTokens(ctx context.Context, w wanted, found func(object)) error {
	for _, id := range w.identities {
		i, err := g.accounts.Identity(ctx, id)
		switch {
		case err == nil:
			found(i)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
	}
	for _, id := range w.tokens {
		t, err := g.accounts.PersonalToken(ctx, id)
		switch {
		case err == nil:
			found(t)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
	}
	return nil
}

// loadAdministered reads one by one what administrators alone find.
func (g *graph) loadAdministered(ctx context.Context, w wanted, found func(object)) error {
	for _, id := range w.toServer {
		i, err := g.accounts.Invite(ctx, id)
		switch {
		case err == nil:
			found(i)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
	}
	for _, id := range w.audit {
		e, err := g.accounts.AuditEntry(ctx, id)
		switch {
		case err == nil:
			found(e)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
	}
	return nil
}

// loadInvites reads one by one: nobody has a use for many.
func (g *graph) loadInvites(ctx context.Context, w wanted, found func(object)) error {
	for _, id := range w.invites {
		i, err := g.chat.GroupInvite(ctx, id)
		switch {
		case err == nil:
			found(i)
		case errs.KindOf(err) != errs.NotFound && errs.KindOf(err) != errs.Forbidden:
			return err
		}
	}
	return nil
}

// object is a node of any context.
type object interface{ ID() graphql.ID }

// Node is an object of any type.
type Node struct{ object }

// ToUser tells whether it is a user.
func (n *Node) ToUser() (*usergraph.User, bool) { return is[*usergraph.User](n.object) }

// ToConversation tells whether it is a conversation.
func (n *Node) ToConversation() (*chatgraph.Conversation, bool) {
	return is[*chatgraph.Conversation](n.object)
}

// ToMessage tells whether it is a message.
func (n *Node) ToMessage() (*chatgraph.Message, bool) { return is[*chatgraph.Message](n.object) }

// ToGroupInvite tells whether it is an invitation into a group.
func (n *Node) ToGroupInvite() (*chatgraph.GroupInvite, bool) {
	return is[*chatgraph.GroupInvite](n.object)
}

// ToSession tells whether it is a session.
func (n *Node) ToSession() (*authgraph.Session, bool) { return is[*authgraph.Session](n.object) }

// ToPersonalToken tells whether it is a personal token.
func (n *Node) ToPersonalToken() (*authgraph.PersonalToken, bool) {
	return is[*authgraph.PersonalToken](n.object)
}

// ToIdentity tells whether it is an identity.
func (n *Node) ToIdentity() (*authgraph.Identity, bool) { return is[*authgraph.Identity](n.object) }

// ToInvite tells whether it is an invitation to the server.
func (n *Node) ToInvite() (*authgraph.Invite, bool) { return is[*authgraph.Invite](n.object) }

// ToAuditEntry tells whether it is an entry of the audit log.
func (n *Node) ToAuditEntry() (*authgraph.AuditEntry, bool) {
	return is[*authgraph.AuditEntry](n.object)
}

// ToReport tells whether it is a report.
func (n *Node) ToReport() (*chatgraph.Report, bool) { return is[*chatgraph.Report](n.object) }

// ToAttachment tells whether it is a file.
func (n *Node) ToAttachment() (*chatgraph.Attachment, bool) {
	return is[*chatgraph.Attachment](n.object)
}

//go:embed federation.graphql
var federationSDL string

// maxEntities is how many objects a router may ask for at once: as many as the
// limit of complexity lets through.
const maxEntities = 1000

var errNoSchema = errs.New(errs.Forbidden, "graph.no_schema", "Introspection is off on this server.")

// subgraphOf makes the SDL for a federation when it is asked for, once.
func subgraphOf(e *gqlx.Engine, introspection bool) func() (string, error) {
	if !introspection {
		return func() (string, error) { return "", errNoSchema }
	}
	return sync.OnceValues(e.SubgraphSDL)
}

// Subgraph is this server as a subgraph of a federation.
type Subgraph struct{ sdl string }

// SDL resolves sdl.
func (s *Subgraph) SDL() string { return s.sdl }

// Service resolves _service.
func (q *Query) Service() (*Subgraph, error) {
	sdl, err := q.g.subgraph()
	if err != nil {
		return nil, err
	}
	return &Subgraph{sdl}, nil
}

// Entities resolves _entities.
func (q *Query) Entities(ctx context.Context, args struct{ Representations []Representation }) ([]*Node, error) {
	if len(args.Representations) > maxEntities {
		return nil, errs.ErrBadInput.With(errs.Field("representations")).Saying("Ask for at most 1,000 objects at once.")
	}
	named := make([]graphql.ID, len(args.Representations))
	for i, r := range args.Representations {
		names := entities[r.typ]
		if r.id == "" || names == nil {
			return nil, errs.ErrBadInput.With(errs.Field("representations")).Saying("Each has __typename, of a type with a @key, and id.")
		}
		if names(r.id) {
			named[i] = graphql.ID(r.id)
		}
	}
	return q.g.nodes(ctx, named)
}

// entities are the types of the union _Entity, and what says whether an id is
// of one of them.
var entities = map[string]func(id string) bool{
	"User":         func(id string) bool { _, ok := ids.ParseUser(id); return ok },
	"Conversation": func(id string) bool { _, ok := ids.ParseConversation(id); return ok },
	"Message":      func(id string) bool { _, ok := ids.ParseMessage(id); return ok },
	"Attachment":   func(id string) bool { _, ok := ids.ParseAttachment(id); return ok },
}

// Representation is the scalar _Any: an object as a router names it. What is
// none has an empty id.
type Representation struct{ typ, id string }

// ImplementsGraphQLType ties the type to the scalar of its name.
func (Representation) ImplementsGraphQLType(name string) bool { return name == "_Any" }

// UnmarshalGraphQL reads __typename and id; further fields are for others.
func (r *Representation) UnmarshalGraphQL(input any) error {
	fields, _ := input.(map[string]any)
	r.typ, _ = fields["__typename"].(string)
	r.id, _ = fields["id"].(string)
	return nil
}
