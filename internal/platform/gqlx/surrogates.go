package gqlx

import (
	"bytes"
	"strconv"
)

// Paired says whether every escaped surrogate in a JSON text has its other
// half. Those that have not are no text: encoding/json would make the same
// character of all of them, and two inputs equal that are not.
func Paired(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 >= len(text) {
			return true
		}
		text = text[at:]
		switch half := surrogate(text); {
		case half == 0:
			text = text[2:]
		case half >= 0xdc00:
			return false
		case surrogate(text[6:]) < 0xdc00:
			return false
		default:
			text = text[12:]
		}
	}
}

// surrogate returns the half of a pair that the text begins with as an escape;
// 0 when it begins with something else.
func surrogate(text []byte) uint64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	v, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil || v < 0xd800 || v > 0xdfff {
		return 0
	}
	return v
}
