// Package alike says which words could be meant by one that is misspelt, and
// how much they are like it.
//
// Words. A letter is a code point. A slip is a letter that is wrong, missing or
// too many, or two letters that are exchanged; in numbers there is none, since
// another number is another. A word may be found with one slip
// in four letters and with two in eight; with none at all where it stands within
// a longer one. Similarity is 1000 for the word itself, less for each slip, and
// less by half of that for each letter around it.
//
// An index of words need not be read through: whatever is like a word begins as
// it does, ends as it does, or has the middle of it, and is about as long
// (Pieces). The rule asks for these pieces too, so that every index of them
// finds the same. A spelling is a word in letters and digits of ASCII,
// each for one letter of the word, for indexes of trigrams that know no others.
//
// Start reading at Of, then Similarity. It knows neither stores nor who searches;
// what is folded is folded before.
package alike
