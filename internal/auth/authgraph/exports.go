package authgraph

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"chatd/internal/auth"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

// Exports signs links to exports.
type Exports func(of ids.User, id ids.Export) string

// Exports resolves Query.exports.
func (q *Query) Exports(ctx context.Context) ([]*Export, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := q.service.Exports(ctx, viewer)
	if err != nil {
		return nil, err
	}
	nodes := make([]*Export, len(list))
	for i := range list {
		nodes[i] = &Export{list[i], q.exports}
	}
	return nodes, nil
}

// RequestExport resolves Mutation.requestExport.
func (m *Mutation) RequestExport(ctx context.Context) (*RequestExportPayload, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	e, err := m.service.RequestExport(ctx, viewer)
	if err != nil {
		return nil, err
	}
	return &RequestExportPayload{Export{e, m.exports}}, nil
}

// RequestExportPayload has the export that was asked for.
type RequestExportPayload struct{ export Export }

// Export resolves RequestExportPayload.export.
func (p *RequestExportPayload) Export() *Export { return &p.export }

// Export is the node of an export.
type Export struct {
	e     auth.Export
	links Exports
}

// ID resolves Export.id.
func (e *Export) ID() graphql.ID { return graphql.ID(e.e.ID.String()) }

// State resolves Export.state.
func (e *Export) State() string { return string(e.e.State) }

// CreatedAt resolves Export.createdAt.
func (e *Export) CreatedAt() gqlx.Time { return gqlx.TimeOf(e.e.CreatedAt) }

// ExpiresAt resolves Export.expiresAt.
func (e *Export) ExpiresAt() *gqlx.Time { return gqlx.TimePtr(e.e.ExpiresAt) }

// Size resolves Export.size, which an Int would not hold.
func (e *Export) Size() *float64 {
	if e.e.State != auth.ExportReady {
		return nil
	}
	size := float64(e.e.Size)
	return &size
}

// URL resolves Export.url.
func (e *Export) URL() *string {
	if e.e.State != auth.ExportReady {
		return nil
	}
	link := e.links(e.e.User, e.e.ID)
	return &link
}
