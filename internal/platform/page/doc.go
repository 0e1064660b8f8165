// Package page has the arguments and cursors of lists that grow: Relay's
// first, after, last and before (https://relay.dev/graphql/connections.htm),
// checked in one place, and cursors that only this server can have made.
package page
