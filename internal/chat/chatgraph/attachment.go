package chatgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/chat"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// files finds what was uploaded.
type files interface {
	Attachments(ctx context.Context, viewer ids.User, of []ids.Attachment) ([]chat.Attachment, error)
}

// Attachment is the node of a file.
type Attachment struct {
	a *chat.Attachment
	g *Graph
}

// ID resolves id.
func (a *Attachment) ID() graphql.ID { return graphql.ID(a.a.ID.String()) }

// Name resolves name.
func (a *Attachment) Name() string { return a.a.Name }

// ContentType resolves contentType.
func (a *Attachment) ContentType() string { return a.a.ContentType }

// Size resolves size.
func (a *Attachment) Size() int32 { return int32Of(a.a.Size) }

// Width resolves width.
func (a *Attachment) Width() *int32 { return pixels(a.a.Width) }

// Height resolves height.
func (a *Attachment) Height() *int32 { return pixels(a.a.Height) }

func pixels(n int) *int32 {
	if n == 0 {
		return nil
	}
	v := int32Of(int64(n))
	return &v
}

// URL resolves url.
func (a *Attachment) URL(ctx context.Context) (string, error) {
	return gqlx.Link(ctx, a.g.Links, chat.FilePath(a.a.ID, false))
}

// ThumbnailURL resolves thumbnailUrl.
func (a *Attachment) ThumbnailURL(ctx context.Context) (*string, error) {
	if !a.a.Thumbnail {
		return nil, nil //nolint:nilnil // There is none.
	}
	link, err := gqlx.Link(ctx, a.g.Links, chat.FilePath(a.a.ID, true))
	return &link, err
}

// Attachments resolves attachments.
func (m *Message) Attachments() []*Attachment {
	all := make([]*Attachment, len(m.m.Attachments))
	for i := range all {
		all[i] = &Attachment{&m.m.Attachments[i], m.near.g}
	}
	return all
}

// AttachmentsByID returns the nodes of those of the files that the viewer may
// read, in a constant number of reads.
func (g *Graph) AttachmentsByID(ctx context.Context, of []ids.Attachment) ([]*Attachment, error) {
	who, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	found, err := g.Chat.Attachments(ctx, who, of)
	if err != nil {
		return nil, err
	}
	all := make([]*Attachment, len(found))
	for i := range found {
		all[i] = &Attachment{&found[i], g}
	}
	return all, nil
}

// attachmentIDs reads the ids of an input; what is none names no upload.
func attachmentIDs(given *[]graphql.ID) ([]ids.Attachment, error) {
	if given == nil || len(*given) == 0 {
		return nil, nil
	}
	all := make([]ids.Attachment, len(*given))
	for i, id := range *given {
		var ok bool
		if all[i], ok = ids.ParseAttachment(string(id)); !ok {
			return nil, chat.ErrAttachments
		}
	}
	return all, nil
}

// givenIDs is a list of ids as gqlx has it.
func givenIDs(v any) *[]graphql.ID {
	given, ok := v.([]any)
	if !ok {
		return nil
	}
	all := make([]graphql.ID, len(given))
	for i := range given {
		id, _ := given[i].(string)
		all[i] = graphql.ID(id)
	}
	return &all
}
