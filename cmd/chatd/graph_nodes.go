package main

import (
	"context"
	"fmt"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth/authgraph"
	"chatd/internal/chat/chatgraph"
	"chatd/internal/platform/errs"
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
		g.loadPeople, g.loadConversations, g.loadMessages, g.loadSessions, g.loadTokens, g.loadInvites, g.loadReports, g.loadAttachments,
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
	got, err := g.people.Many(ctx, w.people)
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

// loadTokens reads one by one: nobody has a use for many.
func (g *graph) loadTokens(ctx context.Context, w wanted, found func(object)) error {
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

// ToReport tells whether it is a report.
func (n *Node) ToReport() (*chatgraph.Report, bool) { return is[*chatgraph.Report](n.object) }

// ToAttachment tells whether it is a file.
func (n *Node) ToAttachment() (*chatgraph.Attachment, bool) {
	return is[*chatgraph.Attachment](n.object)
}
