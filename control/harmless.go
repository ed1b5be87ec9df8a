package control

import (
	"strings"

	"gsv/supervise/terminal"
)

// Harmless is text of others as it may stand on a terminal.
func Harmless(text string) string { return terminal.Harmless(text) }

// OneLine is text on one line: a verdict, or a row of a table, stands for one thing, whatever is told in it.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, text)
}
