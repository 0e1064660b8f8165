package chatgraph

import (
	"context"
	"strconv"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/platform/gqlx"
	"chatd/internal/user/usergraph"
)

// Direct is the way past the executing library for what a chat server does all
// day: sending a message, and showing one to those who listen. It resolves
// like the methods of the nodes; a test holds the bytes of both against each
// other.
func (g *Graph) Direct() gqlx.Direct {
	return gqlx.Direct{
		Mutations: map[string]func(context.Context, gqlx.Args) (any, error){"sendMessage": g.Mutation().sendDirect},
		Types: map[string]gqlx.DirectType{
			"SendMessagePayload": {Objects: map[string]func(any) any{
				"message": func(o any) any { return as[*MessagePayload](o).m },
			}},
			"Message": {Leaves: messageLeaves, Lookups: map[string]func(any) (any, bool){
				"sender": func(o any) (any, bool) {
					u, ok := g.People.Remembered(as[*Message](o).m.Sender)
					return u, ok
				},
			}},
			"User": {Leaves: userLeaves},
		},
	}
}

// sendDirect is SendMessage with arguments as gqlx has them: coerced to the
// schema's types.
func (m *Mutation) sendDirect(ctx context.Context, a gqlx.Args) (any, error) {
	given, _ := a["input"].(map[string]any)
	var in SendMessageInput
	id, _ := given["conversationId"].(string)
	in.ConversationID = graphql.ID(id)
	in.Text, _ = given["text"].(string)
	if s, ok := given["clientId"].(string); ok {
		in.ClientID = &s
	}
	if s, ok := given["replyToId"].(string); ok {
		reply := graphql.ID(s)
		in.ReplyToID = &reply
	}
	in.AttachmentIDs = givenIDs(given["attachmentIds"])
	if s, ok := given["threadRootId"].(string); ok {
		root := graphql.ID(s)
		in.ThreadRootID = &root
	}
	in.Mentions = givenIDs(given["mentions"])
	return m.SendMessage(ctx, struct{ Input SendMessageInput }{in})
}

func as[T any](o any) T { return o.(T) } // the schema says so, and a panic is an INTERNAL error.

type leaves = map[string]func(dst []byte, object any) []byte

var messageLeaves = leaves{ //nolint:gochecknoglobals // A table.
	"id": func(dst []byte, o any) []byte { return appendID(dst, as[*Message](o).m.ID) },
	"conversationId": func(dst []byte, o any) []byte {
		return appendID(dst, as[*Message](o).m.Conversation)
	},
	"seq":  func(dst []byte, o any) []byte { return appendInt(dst, as[*Message](o).Seq()) },
	"rev":  func(dst []byte, o any) []byte { return appendInt(dst, as[*Message](o).Rev()) },
	"kind": func(dst []byte, o any) []byte { return gqlx.AppendString(dst, string(as[*Message](o).Kind())) },
	"text": func(dst []byte, o any) []byte {
		m := as[*Message](o).m
		if m.Deleted() {
			return append(dst, "null"...)
		}
		return gqlx.AppendString(dst, m.Text)
	},
	"createdAt": func(dst []byte, o any) []byte { return gqlx.AppendTime(dst, as[*Message](o).m.CreatedAt) },
	"editedAt":  func(dst []byte, o any) []byte { return gqlx.AppendTime(dst, as[*Message](o).m.EditedAt) },
	"deletedAt": func(dst []byte, o any) []byte { return gqlx.AppendTime(dst, as[*Message](o).m.DeletedAt) },
	"replyToId": func(dst []byte, o any) []byte {
		m := as[*Message](o).m
		if m.ReplyTo.IsZero() {
			return append(dst, "null"...)
		}
		return appendID(dst, m.ReplyTo)
	},
	"threadRootId": func(dst []byte, o any) []byte {
		m := as[*Message](o).m
		if m.ThreadRoot.IsZero() {
			return append(dst, "null"...)
		}
		return appendID(dst, m.ThreadRoot)
	},
}

var userLeaves = leaves{ //nolint:gochecknoglobals // A table.
	"id":       func(dst []byte, o any) []byte { return appendID(dst, as[*usergraph.User](o).UserID()) },
	"username": func(dst []byte, o any) []byte { return gqlx.AppendString(dst, as[*usergraph.User](o).Username()) },
	"displayName": func(dst []byte, o any) []byte {
		return gqlx.AppendString(dst, as[*usergraph.User](o).DisplayName())
	},
	"deleted": func(dst []byte, o any) []byte { return strconv.AppendBool(dst, as[*usergraph.User](o).Deleted()) },
	"bot":     func(dst []byte, o any) []byte { return strconv.AppendBool(dst, as[*usergraph.User](o).Bot()) },
}

func appendInt(dst []byte, n int32) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// appendID appends an identifier, whose characters need no escaping.
func appendID(dst []byte, id interface{ AppendText([]byte) ([]byte, error) }) []byte {
	dst = append(dst, '"')
	dst, _ = id.AppendText(dst)
	return append(dst, '"')
}
