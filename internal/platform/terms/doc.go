// Package terms folds texts into what an index keeps of them, and queries into
// what they ask of it, so that every store finds the same.
//
// Words. A token is a word, or one character of those that are written without
// spaces between words (Chinese, Japanese, Thai, …) or are signs (emoji). A term
// is what is indexed: the folded word, or two such characters that stand
// together. Folding makes alike what a reader takes for the same: upper and
// lower case, accents, compatibility forms. A query is of parts, set off by
// spaces; each must be there, its tokens one after the other, and the last of
// them may be the beginning of a word. No character of a query has a meaning of
// its own.
//
// An index answers with a few texts too many, since it knows nothing of what
// stands beside what: Query.Find looks at each, and says where.
//
// Start reading at Of and Parse. It does not know where terms are kept, nor how
// an engine is asked.
package terms
