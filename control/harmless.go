package control

import "strings"

// Harmless is text of others as it may stand on a terminal: without control characters, which could rewrite what is there. Line ends and tabs stay.
func Harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 { // C0, DEL and C1 (ECMA-48, 5.2 and 5.3)
			return '\ufffd'
		}
		return r
	}, text)
}

// OneLine is text on one line: a verdict, or a row of a table, stands for one thing, whatever is told in it.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, text)
}
