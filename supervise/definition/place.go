package definition

import (
	"strings"
	"unicode/utf8"
)

// A span is a part of the source, in bytes.
type span struct{ start, end int }

// A place is where a key and its value stand.
type place struct {
	key, val span
	elems    []place // of an array: of each only val is set
	table    bool    // made by a [header] or as the first part of a dotted key
	again    *span   // a second assignment of the same key, which TOML forbids
}

// pathSep joins the parts of a dotted key in places; it cannot stand in one.
const pathSep = "\x00"

// element stands in a path for the elements of an array, which share it.
const element = "[]"

// Bounds on what is read at all: the decoder takes time and memory that grow with the
// square of a key's length and of the depth.
const (
	maxDepth = 8   // of tables, arrays, and parts of a dotted key
	maxKey   = 256 // bytes of a key's part
)

// A locator finds where keys and values stand in valid TOML: the decoder tells positions
// only in its errors. On invalid TOML it finds something or nothing, but always ends.
type locator struct {
	src    string
	pos    int
	depth  int
	places map[string]*place // by path, its parts joined with pathSep
	beyond *span             // where maxDepth or maxKey is exceeded; nothing behind it was read
}

// locate looks through the whole source.
func locate(src string) *locator {
	l := &locator{src: src, places: map[string]*place{}}
	table := ""
	for {
		l.blank(true)
		if l.pos >= len(src) {
			return l
		}
		from := l.pos
		if src[l.pos] == '[' {
			table = l.header()
		} else {
			l.assignment(table)
		}
		if l.pos == from {
			l.pos++ // not TOML: never stand still
		}
	}
}

// blank skips white space and comments.
func (l *locator) blank(newlines bool) {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r' || newlines && c == '\n':
			l.pos++
		case c == '#':
			l.pos = lineEnd(l.src, l.pos)
		default:
			return
		}
	}
}

// header reads [name] or [[name]] and returns the path prefix of the keys below it.
func (l *locator) header() string {
	several := strings.HasPrefix(l.src[l.pos:], "[[")
	for l.pos < len(l.src) && (l.src[l.pos] == '[' || l.src[l.pos] == ' ') {
		l.pos++
	}
	path, at := l.key("")
	p := l.places[path]
	if p == nil {
		p = &place{}
		l.places[path] = p
	}
	// A later header of the same name, of an array of tables, tells nothing new.
	if p.key == (span{}) || p.val == (span{}) {
		p.key, p.val, p.table = at, at, true
	}
	l.pos = lineEnd(l.src, l.pos)
	if several {
		path += pathSep + element
	}
	return path + pathSep
}

func (l *locator) assignment(table string) {
	path, at := l.key(table)
	l.blank(false)
	if l.pos < len(l.src) && l.src[l.pos] == '=' {
		l.pos++
	}
	l.blank(false)
	p := l.places[path]
	switch {
	case p == nil:
		p = &place{key: at}
		l.places[path] = p
	default:
		p.again = &at
		p = &place{}
	}
	l.value(path, p)
}

// key reads a dotted key and notes the tables that its first parts name.
func (l *locator) key(prefix string) (path string, at span) {
	at.start = l.pos
	path = prefix
	for parts := 1; ; parts++ {
		part := l.keyPart()
		at.end = l.pos
		if parts > maxDepth || len(part) > maxKey {
			l.giveUp(at)
			return path, at
		}
		path += part
		l.blank(false)
		if l.pos >= len(l.src) || l.src[l.pos] != '.' {
			return path, at
		}
		if l.places[path] == nil {
			l.places[path] = &place{key: at, val: at, table: true}
		}
		l.pos++
		l.blank(false)
		path += pathSep
	}
}

func (l *locator) keyPart() string {
	start := l.pos
	if l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') {
		l.quoted()
		return unquoteKey(l.src[start:l.pos])
	}
	for l.pos < len(l.src) && !strings.ContainsRune(" \t\r\n.=[]{},#\"'", rune(l.src[l.pos])) {
		l.pos++
	}
	return l.src[start:l.pos]
}

// giveUp notes what is beyond the bounds and ends the reading.
func (l *locator) giveUp(at span) {
	if l.beyond == nil {
		l.beyond = &at
	}
	l.pos = len(l.src)
}

// value reads a value and, in an array or an inline table, those in it.
func (l *locator) value(path string, p *place) {
	p.val.start = l.pos
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > maxDepth {
		l.giveUp(span{l.pos, l.pos + 1})
	}
	if l.pos < len(l.src) {
		switch l.src[l.pos] {
		case '"', '\'':
			l.quoted()
		case '[':
			l.array(path, p)
		case '{':
			l.inline(path)
		default:
			for l.pos < len(l.src) && !strings.ContainsRune(",]}#\n", rune(l.src[l.pos])) {
				l.pos++
			}
		}
	}
	p.val.end = p.val.start + len(strings.TrimRight(l.src[p.val.start:l.pos], " \t\r"))
}

func (l *locator) array(path string, p *place) {
	l.pos++
	for {
		l.blank(true)
		if l.pos >= len(l.src) || l.src[l.pos] == ']' {
			l.pos = min(l.pos+1, len(l.src))
			return
		}
		from := l.pos
		if l.src[l.pos] == ',' {
			l.pos++
			continue
		}
		e := place{}
		l.value(path+pathSep+element, &e)
		p.elems = append(p.elems, e)
		if l.pos == from {
			return
		}
	}
}

func (l *locator) inline(path string) {
	l.pos++
	for {
		l.blank(true)
		if l.pos >= len(l.src) || l.src[l.pos] == '}' {
			l.pos = min(l.pos+1, len(l.src))
			return
		}
		from := l.pos
		if l.src[l.pos] == ',' {
			l.pos++
			continue
		}
		l.assignment(path + pathSep)
		if l.pos == from {
			return
		}
	}
}

// quoted skips a string of any of TOML's four kinds.
func (l *locator) quoted() {
	q := l.src[l.pos : l.pos+1]
	if long := strings.Repeat(q, 3); strings.HasPrefix(l.src[l.pos:], long) {
		q = long
	}
	l.pos += len(q)
	for l.pos < len(l.src) {
		switch {
		case q[0] == '"' && l.src[l.pos] == '\\':
			l.pos = min(l.pos+2, len(l.src))
		case strings.HasPrefix(l.src[l.pos:], q):
			l.pos += len(q)
			for len(q) == 3 && l.pos < len(l.src) && l.src[l.pos] == q[0] {
				l.pos++ // up to two quotes may stand just before the closing three
			}
			return
		case len(q) == 1 && l.src[l.pos] == '\n':
			return
		default:
			l.pos++
		}
	}
}

// lineEnd is the offset of the newline that ends the line of pos, or the end of s.
func lineEnd(s string, pos int) int {
	if i := strings.IndexByte(s[pos:], '\n'); i >= 0 {
		return pos + i
	}
	return len(s)
}

// lineStart is the offset of the first byte of the line of pos.
func lineStart(s string, pos int) int { return strings.LastIndexByte(s[:pos], '\n') + 1 }

// show turns a span of src into a Problem's line, column, width and line text.
func show(src string, at span) (line, col, width int, text string) {
	at.start = max(0, min(at.start, len(src)))
	at.end = max(at.start, min(at.end, len(src)))
	from, to := lineStart(src, at.start), lineEnd(src, at.start)
	text = strings.TrimSuffix(src[from:to], "\r")
	at.end = max(at.start, min(at.end, from+len(text)))
	line = 1 + strings.Count(src[:at.start], "\n")
	col = 1 + utf8.RuneCountInString(src[from:at.start])
	width = max(1, utf8.RuneCountInString(src[at.start:at.end]))
	return line, col, width, text
}
