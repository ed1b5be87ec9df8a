package definition

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A CommandError is what keeps a string from being a command.
type CommandError struct {
	Offset int    // in the string, in bytes
	Len    int    // of what is wrong, in bytes; 0 where something is missing at the end
	Text   string // what is wrong
	Hint   string // what to write instead; may be empty
}

func (e *CommandError) Error() string { return "cannot split the command: " + e.Text }

// SplitCommand splits a string into words as a POSIX shell does, but expands nothing: white
// space separates (a newline too), single quotes keep everything, double quotes and the
// backslash quote as in sh(1). What a shell would act on (an unquoted metacharacter, a
// variable, a leading assignment) is an error, for nobody would act on it here; the hint
// shows how to run a shell. "%" means nothing special. An empty string gives no words.
func SplitCommand(s string) ([]string, *CommandError) {
	p := splitter{s: s}
	for p.pos < len(s) {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	p.end()
	return p.words, nil
}

type splitter struct {
	s      string
	pos    int
	start  int // of the word, where inWord
	inWord bool
	quoted bool // something of the word was quoted
	word   strings.Builder
	words  []string
}

func (p *splitter) next() *CommandError {
	c := p.s[p.pos]
	if !p.inWord && !strings.ContainsRune(" \t\r\n", rune(c)) {
		p.inWord, p.start, p.quoted = true, p.pos, false
		if c == '#' {
			return p.meta(1, "begins a comment in a shell")
		}
		if c == '~' {
			return p.meta(1, "is a home directory in a shell")
		}
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		p.end()
		p.pos++
	case '\'':
		return p.single()
	case '"':
		return p.double()
	case '\\':
		return p.backslash()
	case '$', '`':
		return p.meta(1, "would be expanded by a shell")
	case '*', '?', '[':
		return p.meta(1, "would be matched against file names by a shell")
	case '|', '&', ';', '<', '>', '(', ')':
		n := 1
		if p.pos+1 < len(p.s) && p.s[p.pos+1] == c && strings.IndexByte("|&;<>", c) >= 0 {
			n = 2
		}
		return p.meta(n, "needs a shell")
	case '=':
		if len(p.words) == 0 && !p.quoted && assignment(p.s[p.start:p.pos]+"=") {
			return &CommandError{Offset: p.start, Len: p.pos + 1 - p.start,
				Text: fmt.Sprintf("%q sets a variable, which needs a shell", p.s[p.start:p.pos+1]),
				Hint: "set it below [environment]: " + p.s[p.start:p.pos] + ` = "…"`}
		}
		fallthrough
	default:
		p.word.WriteByte(c)
		p.pos++
	}
	return nil
}

func (p *splitter) end() {
	if p.inWord {
		p.words = append(p.words, p.word.String())
		p.word.Reset()
		p.inWord = false
	}
}

func (p *splitter) single() *CommandError {
	end := strings.IndexByte(p.s[p.pos+1:], '\'')
	if end < 0 {
		return p.open("'")
	}
	p.word.WriteString(p.s[p.pos+1 : p.pos+1+end])
	p.pos += end + 2
	p.quoted = true
	return nil
}

func (p *splitter) double() *CommandError {
	for i := p.pos + 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.pos = i + 1
			p.quoted = true
			return nil
		case c == '\\' && i+1 < len(p.s) && p.s[i+1] == '\n':
			i++ // a continued line
		case c == '\\' && i+1 < len(p.s) && strings.IndexByte("\"\\$`", p.s[i+1]) >= 0:
			i++
			p.word.WriteByte(p.s[i])
		case c == '$' || c == '`':
			p.pos = i
			return p.meta(1, "would be expanded by a shell, even between double quotes")
		default:
			p.word.WriteByte(c)
		}
	}
	return p.open(`"`)
}

func (p *splitter) backslash() *CommandError {
	if p.pos+1 == len(p.s) {
		return &CommandError{Offset: p.pos, Len: 1, Text: "nothing follows the last backslash", Hint: `write \\ for a backslash`}
	}
	if c := p.s[p.pos+1]; c != '\n' {
		p.word.WriteByte(c)
	} else if p.word.Len() == 0 && !p.quoted {
		p.inWord = false // only a continued line, no word
	}
	p.pos += 2
	return nil
}

func (p *splitter) open(quote string) *CommandError {
	return &CommandError{Offset: p.pos, Len: len(p.s) - p.pos, Text: "the quote " + quote + " is never closed",
		Hint: `close it, or write \` + quote + " for the character itself"}
}

func (p *splitter) meta(n int, why string) *CommandError {
	what := p.s[p.pos : p.pos+n]
	e := &CommandError{Offset: p.pos, Len: n, Text: fmt.Sprintf("%q %s, and no shell runs the command", what, why)}
	if strings.HasPrefix(p.s[max(0, p.pos-1):], "%(") {
		e.Hint = "supervisord's %(…)s is not expanded here; write the value itself, or set it below [environment]"
		return e
	}
	e.Hint = "write " + viaShell(p.s) + ", or quote it if the character itself is meant"
	return e
}

// viaShell shows the command line as an array that runs it through a shell, which then gives
// way to the command where it can: with a pipe it cannot.
func viaShell(line string) string {
	line = strings.Join(strings.Fields(line), " ")
	last := 0
	for _, op := range []string{"&&", "||", ";"} {
		if i := strings.LastIndex(line, op); i >= 0 {
			last = max(last, i+len(op))
		}
	}
	head, tail := line[:last], line[last:]
	switch rest := strings.TrimLeft(tail, " "); {
	case strings.Contains(rest, "|"), rest == "", strings.HasPrefix(rest, "exec "):
	default:
		tail = tail[:len(tail)-len(rest)] + "exec " + rest
	}
	return `["sh", "-c", ` + tomlString(head+tail) + "]"
}

// tomlString writes s as a TOML string, in the form that needs the fewest backslashes.
func tomlString(s string) string {
	if strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") && s == visible(s) {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// assignment says if a shell would take the word for NAME=VALUE.
func assignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && variableName(name)
}

// variableName says if a shell would take s for the name of a variable.
func variableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// shells are the programs whose -c takes a script.
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"}

// staysShell says if the command is a shell script that does not end in an exec, so that the
// shell and not the server gets the signals.
func staysShell(argv []string) bool {
	if len(argv) < 3 || !slices.Contains(shells, path.Base(argv[0])) {
		return false
	}
	for i, arg := range argv[1 : len(argv)-1] {
		if !strings.HasPrefix(arg, "-") || arg == "--" {
			return false
		}
		if !strings.HasPrefix(arg, "--") && strings.Contains(arg, "c") {
			script := argv[i+2]
			return !slices.Contains(strings.FieldsFunc(script, func(r rune) bool {
				return strings.ContainsRune(" \t\n;&|(){}", r)
			}), "exec")
		}
	}
	return false
}
