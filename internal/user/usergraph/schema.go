package usergraph

import _ "embed"

//go:embed schema.graphql
var sdl string

//go:embed relations.graphql
var relations string

// SDL returns this part of the schema.
func SDL() string { return sdl + "\n" + relations }
