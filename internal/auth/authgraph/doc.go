// Package authgraph is auth's part of the GraphQL schema: schema.graphql and
// the resolvers of Query and Mutation. They turn arguments into calls of the
// service and what it returns into nodes; they hold no rules, and errors go
// out as the service returned them.
//
// Start at schema.graphql, then mutation.go. Account is a node without a root
// field: the composed schema hangs it under the viewer.
package authgraph
