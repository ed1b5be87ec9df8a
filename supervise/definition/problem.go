package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Problem is one thing that is wrong with a service file, and where.
type Problem struct {
	Path     string // of the file
	Line     int    // from 1; 0 = the file as a whole
	Col      int    // in characters from 1; 0 where Line is 0
	Width    int    // of what is wrong, in characters; at least 1 where Line is not 0
	Text     string // what is wrong, in one line
	Hint     string // what to do; may be empty
	LineText string // the source line
	Warning  bool   // the file can be used nevertheless
}

// Problems are the problems of one file, in the order of its lines.
type Problems []Problem

// A Bad is a service file that cannot be used.
type Bad struct {
	Name     string // of the service it would be; may be no valid name
	Path     string
	Problems Problems // at least one error; warnings may be among them
}

// Errors says if any problem is more than a warning.
func (ps Problems) Errors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// String shows every problem with its source line, a caret and the hint, each line ended by
// a newline. It is safe for a terminal, whatever the file contains.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// String shows the problem in up to three lines, without a newline at the end:
//
//	web.toml:4:1: unknown key "stopwaitsecs"
//	    4 | stopwaitsecs = 10
//	      | ^^^^^^^^^^^^ that is supervisord's name; here it is "stop-timeout"
func (p Problem) String() string {
	text := visible(p.Text)
	if p.Warning {
		text = "warning: " + text
	}
	if p.Line == 0 {
		if p.Hint != "" {
			text += "\n    " + visible(p.Hint)
		}
		return fmt.Sprintf("%s: %s", visible(p.Path), text)
	}
	before, at := p.window()
	hint := visible(p.Hint)
	if hint != "" {
		hint = " " + hint
	}
	return fmt.Sprintf("%s:%d:%d: %s\n%5d | %s\n      | %s%s%s", visible(p.Path), p.Line, p.Col, text,
		p.Line, before+at.line, strings.Repeat(" ", utf8.RuneCountInString(before)+at.pad), strings.Repeat("^", at.carets), hint)
}

// excerpt is the part of a line that is shown.
type excerpt struct {
	line        string
	pad, carets int // in characters
}

// window cuts a long line down to what surrounds the problem, and says where in it the
// carets belong. A tab counts and is shown as one space, so that they stay below their word.
func (p Problem) window() (before string, e excerpt) {
	const around, most = 60, 120
	line := []rune(visible(p.LineText))
	from := min(max(p.Col-1, 0), len(line))
	start := 0
	if len(line) > most && from > around {
		start, before = from-around, "… "
	}
	end := min(len(line), start+most)
	e.line = string(line[start:end])
	if end < len(line) {
		e.line += " …"
	}
	e.pad = from - start
	e.carets = max(1, min(p.Width, end-from))
	return before, e
}

// visible replaces each character that would move a terminal's cursor or colour by one that
// does not, and keeps their number.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ':
			return 0x2400 + r // ␀ ␁ …, the control pictures
		case r == 0x7f:
			return 0x2421
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
}
