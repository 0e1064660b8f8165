package chat

import (
	"encoding/json"
	"errors"
	"fmt"

	"chatd/internal/chat/chatv1"
	"chatd/internal/platform/bus"
	"chatd/internal/platform/ids"
)

var errNotOurs = errors.New("chat: no event of this kind is known")

// published is an event as other programs hear of it, without an ID and a
// time. node is where a signal comes from.
func published(e *Event, node string) bus.Envelope {
	change := chatv1.Change{ConversationID: e.Conversation, Rev: e.Rev, LastOrd: e.LastOrd}
	var name string
	var event any
	switch e.Kind {
	case MessageAdded:
		name, event = chatv1.MessageAddedName, chatv1.MessageAdded{Change: change, Message: publishedMessage(e.Message)}
	case MessageChanged:
		name, event = chatv1.MessageChangedName, chatv1.MessageChanged{Change: change, Message: publishedMessage(e.Message)}
	case MembershipChanged:
		m := e.Membership
		name, event = chatv1.MembershipChangedName, chatv1.MembershipChanged{
			Change: change, UserID: m.User, What: string(m.Change), Role: string(m.Role), ActorID: m.Actor,
		}
	case ConversationChanged:
		name, event = chatv1.ConversationChangedName, publishedConversation(change, e)
	case ReceiptChanged:
		r := e.Receipt
		name, event = chatv1.ReceiptChangedName, chatv1.ReceiptChanged{
			Change: change, UserID: r.User, ReadSeq: r.ReadSeq, ReadOrd: r.ReadOrd, DeliveredSeq: r.DeliveredSeq, SeenSeq: r.SeenSeq,
		}
	case SettingsChanged:
		name, event = chatv1.SettingsChangedName, publishedSettings(change, e.Settings)
	case TypingChanged:
		name, event = chatv1.TypingChangedName, chatv1.TypingChanged{
			Change: change, UserID: e.Typing.User, Typing: e.Typing.Typing, Node: node,
		}
	}
	payload, err := json.Marshal(event)
	if err != nil {
		panic(err) // ids, numbers, texts and times only
	}
	return bus.Envelope{Name: name, Topic: chatv1.Topic, Key: e.Conversation.String(), Pos: e.Pos, Payload: payload}
}

func publishedConversation(change chatv1.Change, e *Event) chatv1.ConversationChanged {
	out := chatv1.ConversationChanged{Change: change, Joined: e.Joined}
	if e.About != nil {
		out.Name, out.Description = &e.About.Name, &e.About.Description
	}
	return out
}

func publishedMessage(m *Message) chatv1.Message {
	out := chatv1.Message{
		ID: m.ID, Seq: m.Seq, Rev: m.Rev, Ord: m.Ord, Pos: m.Pos, Kind: string(m.Kind), SenderID: m.Sender,
		Text: m.Text, ClientID: m.ClientID, ReplyTo: m.ReplyTo, ThreadRoot: m.ThreadRoot,
		CreatedAt: m.CreatedAt, EditedAt: m.EditedAt, DeletedAt: m.DeletedAt,
	}
	for _, a := range m.Attachments {
		out.Attachments = append(out.Attachments, chatv1.Attachment(a))
	}
	if m.Note != nil {
		out.Note = &chatv1.Note{
			Change: string(m.Note.Change), Users: m.Note.Users, Role: string(m.Note.Role),
			Name: m.Note.Name, Description: m.Note.Description,
		}
	}
	if t := m.Thread; t != nil {
		out.Thread = &chatv1.Thread{Replies: t.Replies, LastSeq: t.LastSeq, LastAt: t.LastAt, People: t.People}
	}
	if to := m.Mentions; to != nil {
		out.Mentions = &chatv1.Mentions{Users: to.Users, All: to.All}
	}
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, chatv1.Reaction(r))
	}
	if m.Pin != nil {
		out.Pin = &chatv1.Pin{Rev: m.Pin.Rev, At: m.Pin.At, ByID: m.Pin.By}
	}
	return out
}

// heard is the event of which another node has told, and for a signal the node.
func heard(in bus.Envelope) (e *Event, node string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("decode %s: %w", in.Name, err)
		}
	}()
	switch in.Name {
	case chatv1.MessageAddedName:
		v, err := decoded[chatv1.MessageAdded](in)
		e = about(MessageAdded, in, v.Change)
		e.Message = messageOf(v.Message, e.Conversation)
		return e, "", err
	case chatv1.MessageChangedName:
		v, err := decoded[chatv1.MessageChanged](in)
		e = about(MessageChanged, in, v.Change)
		e.Message = messageOf(v.Message, e.Conversation)
		return e, "", err
	case chatv1.MembershipChangedName:
		v, err := decoded[chatv1.MembershipChanged](in)
		e = about(MembershipChanged, in, v.Change)
		e.Membership = &Membership{User: v.UserID, Change: Change(v.What), Role: Role(v.Role), Actor: v.ActorID}
		return e, "", err
	case chatv1.ConversationChangedName:
		v, err := decoded[chatv1.ConversationChanged](in)
		e = about(ConversationChanged, in, v.Change)
		e.Joined = v.Joined
		if v.Name != nil && v.Description != nil {
			e.About = &About{*v.Name, *v.Description}
		}
		return e, "", err
	case chatv1.ReceiptChangedName:
		v, err := decoded[chatv1.ReceiptChanged](in)
		e = about(ReceiptChanged, in, v.Change)
		e.Receipt = &Receipt{
			User: v.UserID, ReadSeq: v.ReadSeq, ReadOrd: v.ReadOrd, DeliveredSeq: v.DeliveredSeq, SeenSeq: v.SeenSeq,
		}
		return e, "", err
	case chatv1.SettingsChangedName:
		v, err := decoded[chatv1.SettingsChanged](in)
		e = about(SettingsChanged, in, v.Change)
		e.Settings = settingsOf(v)
		return e, "", err
	case chatv1.TypingChangedName:
		v, err := decoded[chatv1.TypingChanged](in)
		e = about(TypingChanged, in, v.Change)
		e.Typing = &Typing{User: v.UserID, Typing: v.Typing}
		return e, v.Node, err
	default:
		return nil, "", errNotOurs
	}
}

// sketched is an event whose payload is not read before it must be: most nodes
// have nobody who listens. False where that cannot wait.
func sketched(in bus.Envelope) (*Event, bool) {
	e := &Event{Pos: in.Pos, told: &in}
	switch in.Name {
	case chatv1.MessageAddedName:
		e.Kind = MessageAdded
	case chatv1.MessageChangedName:
		e.Kind = MessageChanged
	case chatv1.ReceiptChangedName:
		e.Kind = ReceiptChanged
	default:
		return nil, false
	}
	var ok bool
	e.Conversation, ok = ids.ParseConversation(in.Key)
	return e, ok
}

func decoded[T any](in bus.Envelope) (v T, err error) {
	err = json.Unmarshal(in.Payload, &v)
	return v, err
}

func about(kind EventKind, in bus.Envelope, c chatv1.Change) *Event {
	return &Event{Kind: kind, Conversation: c.ConversationID, Pos: in.Pos, Rev: c.Rev, LastOrd: c.LastOrd}
}

func messageOf(m chatv1.Message, in ids.Conversation) *Message {
	out := &Message{
		ID: m.ID, Conversation: in, Seq: m.Seq, Rev: m.Rev, Ord: m.Ord, Pos: m.Pos, Kind: MessageKind(m.Kind),
		Sender: m.SenderID, Text: m.Text, ClientID: m.ClientID, ReplyTo: m.ReplyTo, ThreadRoot: m.ThreadRoot,
		CreatedAt: m.CreatedAt, EditedAt: m.EditedAt, DeletedAt: m.DeletedAt,
	}
	for _, a := range m.Attachments {
		out.Attachments = append(out.Attachments, Attachment(a))
	}
	if m.Note != nil {
		out.Note = &Note{
			Change: Change(m.Note.Change), Users: m.Note.Users, Role: Role(m.Note.Role),
			Name: m.Note.Name, Description: m.Note.Description,
		}
	}
	if t := m.Thread; t != nil {
		out.Thread = &Thread{Replies: t.Replies, LastSeq: t.LastSeq, LastAt: t.LastAt, People: t.People}
	}
	if to := m.Mentions; to != nil {
		out.Mentions = &Mentions{Users: to.Users, All: to.All}
	}
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, Reaction(r))
	}
	if m.Pin != nil {
		out.Pin = &Pin{Rev: m.Pin.Rev, At: m.Pin.At, By: m.Pin.ByID}
	}
	return out
}
