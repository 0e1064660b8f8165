// Package folding makes alike what a reader takes for the same: upper and lower
// case, letters with and without accents, and the compatibility forms of
// Unicode (full width, ligatures). Searches of names and of texts fold by it, so
// that what one finds the other does too.
//
// It has no state, and knows neither words nor what is searched.
package folding
