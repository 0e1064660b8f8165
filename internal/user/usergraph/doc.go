// Package usergraph is user's part of the GraphQL schema: arguments in, nodes
// out, no rules. User is the node for people in the whole schema; other graph
// packages return it and load it by Users.
//
// Start reading at schema.graphql.
package usergraph
