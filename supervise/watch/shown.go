package watch

import (
	"strings"
	"unicode/utf8"

	"gsv/supervise/terminal"
)

// shownMax is how much of a name is told, in bytes: a path may have 4096.
const shownMax = 240

// shown is a name that anybody may have given, as it may stand in a line: without
// what would end the line or control a terminal, and no longer than can be read.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return utf8.RuneError
		}
		return r
	}, terminal.Harmless(name))
	if len(name) <= shownMax {
		return name
	}
	head, tail := shownMax/2, len(name)-shownMax/2
	for !utf8.RuneStart(name[head]) {
		head--
	}
	for !utf8.RuneStart(name[tail]) {
		tail++
	}
	return name[:head] + "…" + name[tail:]
}
