package definition

import (
	"bytes"
	"fmt"
	"strings"
)

// A variable is NAME=VALUE.
type variable struct{ name, value string }

// parseEnvFile reads systemd's EnvironmentFile syntax (systemd.exec(5), and parse_env_file in
// src/basic/env-file.c): NAME=VALUE lines; empty lines and those that begin with # or ; are
// skipped. An unquoted value ends at the line's end less trailing white space, a backslash
// takes the next character as it is, before a newline it continues the line. 'single quotes'
// keep everything, newlines too; in "double quotes" a backslash quotes only " \ ` $ and the
// newline. Quotes count only where the value begins, or after closing ones. Nothing is
// expanded. "export " before a name is skipped. Other than in systemd, a line that is no
// assignment is an error: what is ignored without a word is searched for long.
func parseEnvFile(src []byte) ([]variable, error) {
	p := envParser{src: bytes.TrimPrefix(src, []byte("\ufeff")), line: 1}
	if bytes.IndexByte(p.src, 0) >= 0 {
		return nil, fmt.Errorf("it contains a zero byte")
	}
	var vars []variable
	for p.skip() {
		line := p.line
		name, ok := p.name()
		if !ok {
			return nil, fmt.Errorf("line %d: want NAME=VALUE", line)
		}
		value, ok := p.value()
		if !ok {
			return nil, fmt.Errorf("line %d: a quote is never closed", line)
		}
		vars = append(vars, variable{name, value})
	}
	return vars, nil
}

type envParser struct {
	src  []byte
	pos  int
	line int // of pos, from 1
}

// take gives the next byte, or false at the end.
func (p *envParser) take() (byte, bool) {
	if p.pos == len(p.src) {
		return 0, false
	}
	c := p.src[p.pos]
	p.pos++
	if c == '\n' {
		p.line++
	}
	return c, true
}

func (p *envParser) peek() byte {
	if p.pos == len(p.src) {
		return '\n'
	}
	return p.src[p.pos]
}

// skip goes to the next assignment, or tells that there is none.
func (p *envParser) skip() bool {
	for p.pos < len(p.src) {
		switch c := p.peek(); {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			p.take()
		case c == '#' || c == ';':
			for p.peek() != '\n' {
				p.take()
			}
		default:
			return true
		}
	}
	return false
}

func (p *envParser) name() (string, bool) {
	start := p.pos
	for p.peek() != '=' {
		if p.peek() == '\n' {
			return "", false
		}
		p.take()
	}
	name := strings.TrimRight(string(p.src[start:p.pos]), " \t")
	if rest, ok := strings.CutPrefix(name, "export"); ok && rest != strings.TrimLeft(rest, " \t") {
		name = strings.TrimLeft(rest, " \t")
	}
	p.take()
	return name, variableName(name)
}

// value reads up to the end of the line that ends the value.
func (p *envParser) value() (string, bool) {
	var b strings.Builder
	quotable := true // at the begin of the value, or after closing quotes
	keep := 0        // up to where white space is not trailing
	for {
		c, ok := p.take()
		switch {
		case !ok || c == '\n':
			return b.String()[:keep], true
		case c == '\\':
			if c, ok = p.take(); ok && c == '\r' && p.peek() == '\n' {
				c, ok = p.take()
			}
			if ok && c != '\n' {
				b.WriteByte(c)
				quotable = false
				keep = b.Len()
			}
		case quotable && (c == '\'' || c == '"'):
			if !p.quoted(&b, c) {
				return "", false
			}
			keep = b.Len()
		case strings.IndexByte(" \t\r", c) >= 0:
			if !quotable {
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
			quotable = false
			keep = b.Len()
		}
	}
}

// quoted reads up to the closing quote.
func (p *envParser) quoted(b *strings.Builder, quote byte) bool {
	for {
		c, ok := p.take()
		switch {
		case !ok:
			return false
		case c == quote:
			return true
		case quote == '"' && c == '\\':
			next := p.peek()
			if p.pos < len(p.src) && strings.IndexByte("\"\\`$\n", next) >= 0 {
				p.take()
				if next != '\n' {
					b.WriteByte(next)
				}
				continue
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
}
