// Package names says what a name is found by, whatever its script, case and
// accents: its words, folded. A search keeps the terms of each name, compared
// by their bytes, and looks for those that begin with each word of a query.
//
// It has no state and knows neither stores nor who searches. It is for names,
// not for whole texts.
package names
