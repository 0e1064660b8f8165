// Package emoji knows what one emoji is: a sequence that Unicode recommends for
// general interchange (RGI, https://www.unicode.org/reports/tr51/, version 17.0):
// single characters, keycaps, flags of countries, England, Scotland and Wales,
// skin tones, and sequences with zero-width joiners. Names like :shipit: are
// none, and neither is a sequence that only some vendor draws.
//
// Words. A sequence is qualified when it has the variation selectors that make
// it look like an emoji everywhere; keyboards leave them out.
//
// rgi.txt is the property RGI_Emoji of Unicode's data files (emoji-sequences.txt
// and emoji-zwj-sequences.txt), a sequence a line, sorted by bytes. Where to
// start reading: emoji.go, which is all. It draws nothing and names nothing.
package emoji
