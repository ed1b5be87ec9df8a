package definition

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// syntaxLimit is how many syntax errors of one file are told. Each costs one more decoding.
const syntaxLimit = 20

// statement matches the first line of an assignment or a header.
var statement = regexp.MustCompile(`^[ \t]*(\[|(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*[ \t]*=|[A-Za-z0-9_-]+[ \t]*:[ \t])`)

// bare matches an assignment of one line whose value is written without quotes.
var bare = regexp.MustCompile(`^([ \t]*)([A-Za-z0-9_.-]+)([ \t]*[=:][ \t]*)([^ \t"'\[{#\r\n=][^#\r\n]*?)[ \t]*(#.*)?\r?$`)

// empty matches an assignment without a value.
var empty = regexp.MustCompile(`^[ \t]*([A-Za-z0-9_.-]+)[ \t]*(=)[ \t]*(?:#.*)?\r?$`)

// section matches a header of supervisord, such as [program:web].
var section = regexp.MustCompile(`^[ \t]*\[[ \t]*([A-Za-z_-]+):([^\]]*)\]`)

// decode turns the source into a tree. After a syntax error it leaves out the statement that
// has it and decodes the rest, so that all problems of a file come at once. r.src becomes
// what was decoded, with the statements left out blank: every offset still holds.
func (r *reader) decode() map[string]any {
	for range syntaxLimit {
		if beyond := locate(r.src).beyond; beyond != nil {
			r.broken = true
			r.note(*beyond, false, "nested too deeply, or a key that is too long", fmt.Sprintf("no service needs more than %d levels, or %d bytes", maxDepth, maxKey))
			return nil
		}
		var tree map[string]any
		_, err := toml.Decode(r.src, &tree)
		var parse toml.ParseError
		switch {
		case err == nil:
			return tree
		case !errors.As(err, &parse):
			r.note(span{}, false, "cannot read it as TOML: "+err.Error(), "")
			r.broken = true
			return nil
		}
		r.broken = true
		r.syntax(parse)
	}
	r.note(span{len(r.src), len(r.src)}, false, "too many syntax errors to go on", "mend the ones above first")
	return nil
}

// syntax notes one syntax error and blanks its statement.
func (r *reader) syntax(e toml.ParseError) {
	at := span{e.Position.Start, e.Position.Start + max(1, e.Position.Len)}
	at.start = max(0, min(at.start, len(r.src)))
	at.end = max(at.start, min(at.end, len(r.src)))
	from, to := r.statementAt(at.start)

	if strings.Contains(e.Message, "array terminator") && from == lineStart(r.src, at.start) && from > 0 {
		// The error is seen where the next statement begins, but its cause is the array before.
		from, _ = r.statementAt(from - 1)
		to = lineStart(r.src, at.start)
		r.unclosed(from, to, "the array", `a "]" is missing`)
		return
	}
	if strings.Contains(e.Message, "unexpected EOF") {
		what, missing := "the array or table", `a "]" or "}" is missing`
		if strings.Contains(e.Message, `"`) || strings.Contains(e.Message, "string") {
			what, missing = "the string", "its closing quotes are missing"
		}
		if last := e.LastKey; last != "" {
			from = r.assignmentOf(last, at.start, from)
			if r.noValue(from) {
				return
			}
		}
		r.unclosed(from, len(r.src), what, missing)
		return
	}
	line := r.src[from:lineEnd(r.src, from)]
	oneLine := lineStart(r.src, at.start) == from
	if oneLine && r.noValue(from) {
		return
	}
	if m := section.FindStringSubmatch(line); m != nil && oneLine {
		r.note(span{from, from + len(m[0])}, false, "no such header: "+strings.TrimSpace(m[0]),
			"one file is one service, whose name is the file's: drop this line")
		r.blankOut(from, lineEnd(r.src, from))
		return
	}
	if m := bare.FindStringSubmatchIndex(line); m != nil && oneLine {
		r.unquoted(from, line, m)
		r.blankOut(from, to)
		return
	}
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), "[") && oneLine {
		to = r.nextHeader(to) // or its keys would be taken for the table's before
	}
	if key, ok := twice(e.Message); ok {
		r.secondTime(key, at.start)
		r.blankOut(from, to)
		return
	}
	r.note(at, false, syntaxText(e.Message), syntaxHint(e.Message, r.src[at.start:lineEnd(r.src, at.start)]))
	r.blankOut(from, to)
}

// noValue notes an assignment in the line at from that ends behind its "=", and tells if there is one.
func (r *reader) noValue(from int) bool {
	to := lineEnd(r.src, from)
	m := empty.FindStringSubmatchIndex(r.src[from:to])
	if m == nil {
		return false
	}
	r.note(span{from + m[4], from + m[5]}, false, r.src[from+m[2]:from+m[3]]+`: the value after "=" is missing`, "")
	r.blankOut(from, to)
	return true
}

// unclosed notes what begins at from and is not closed before to.
func (r *reader) unclosed(from, to int, what, missing string) {
	at := span{from, lineEnd(r.src, from)}
	if at.end > from && r.src[at.end-1] == '\r' {
		at.end--
	}
	at.start += len(r.src[from:at.end]) - len(strings.TrimLeft(r.src[from:at.end], " \t"))
	r.note(at, false, what+" that begins here is never closed", missing)
	r.blankOut(from, to)
}

// unquoted notes an assignment whose value has no quotes, or that has a colon for "=". m is
// where bare found its parts in the line.
func (r *reader) unquoted(from int, line string, m []int) {
	key, sign, val := line[m[4]:m[5]], line[m[6]:m[7]], line[m[8]:m[9]]
	k, hint := rows[key], ""
	if k == nil {
		if k = rows[kebab(key)]; k == nil && !strings.Contains(key, ".") {
			k, hint = foreign("", key)
		}
		if hint != "" || k != nil {
			line := rewrite(k, hint, val)
			if k != nil && k.named() && hint != "" {
				line = rewritten(hint) + listenExample(k, "", key, val)
			} else if k != nil && k.Table() == "log" && hint != "" {
				line = hint
				if how := logExample(k, "", key, val); how != "" {
					line = rewritten(hint) + how
				}
			}
			r.note(span{from + m[4], from + m[5]}, false, fmt.Sprintf("unknown key %q", key), line)
			return
		}
		k = &Key{Name: key}
	}
	at, text := span{from + m[8], from + m[9]}, ": a string needs quotes"
	switch {
	case strings.Contains(sign, ":"):
		at, text = span{from + m[6], from + m[7]}, `: a key is followed by "=", not ":"`
		at.start += len(sign) - len(strings.TrimLeft(sign, " \t"))
		at.end = at.start + 1
	case val[0] == '0' && strings.Trim(val, "01234567") == "":
		text = ": an octal number is written as a string"
	case switchWord(val) != "":
		text = ": " + val + " is not true or false"
	}
	r.note(at, false, key+text, rewrite(k, "", val))
}

// rewrite is the hint how to write a bare value with its right key. lead says whose name the
// key was, if it was a foreign one; k may be nil then.
func rewrite(k *Key, lead, val string) string {
	if k == nil || !k.Supported && lead != "" {
		return lead
	}
	lead = rewritten(lead)
	switch word := switchWord(val); {
	case k.free():
		return lead + "write it below a header [" + k.Name + "], a line for each"
	case k.Type == "bool" && word != "":
		val = word
	case strings.Contains(k.Type, "integer") && strings.Trim(val, "0123456789") == "", k.Type == "number":
		if val = strings.TrimLeft(val, "0"); val == "" {
			val = "0"
		}
	case len(k.Enum) > 0:
		if ours := enumWords[k.Name][strings.ToLower(val)]; ours != "" {
			val = ours
		}
		v := value{row: k}
		for _, e := range k.Enum {
			if e.Name == val && e.Supported {
				return lead + fmt.Sprintf("write %s = %q", k.Name, val)
			}
		}
		return lead + fmt.Sprintf("%s is one of %s", k.Name, v.words(false))
	case k.Type == "duration":
		if d, good, err := parseDuration(val); err == nil {
			val = `"` + val + `"`
		} else if val = tomlString(val); d == 0 && strings.HasPrefix(good, `"`) && !strings.Contains(good, " ") {
			val = good
		}
	case k.Type == "size":
		if good := sizeTOML(val); good != "" {
			val = good
		} else {
			val = tomlString(val)
		}
	case k.Type == "" && word != "":
		val = word
	case strings.HasPrefix(k.Type, "array of") || strings.HasPrefix(k.Type, "bool, or"):
		val = "[" + tomlString(strings.Trim(val, `"'[] `)) + "]"
	default:
		val = tomlString(val)
	}
	return lead + fmt.Sprintf("write %s = %s", k.Name, val)
}

// switchWord is the bool that a word of other file formats means, or "".
func switchWord(s string) string {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "enabled":
		return "true"
	case "no", "false", "off", "disabled":
		return "false"
	}
	return ""
}

// twice gives the key that the decoder says is set a second time.
func twice(msg string) (string, bool) {
	key, found := strings.CutPrefix(msg, "Key '")
	key, _, cut := strings.Cut(key, "' has already been defined")
	return key, found && cut
}

// secondTime notes a key that is set again, where the word at begins.
func (r *reader) secondTime(key string, at int) {
	end := at
	for end < len(r.src) && !strings.ContainsRune(" \t\r\n=]", rune(r.src[end])) {
		end++
	}
	hint := "drop one of the two"
	if p := locate(r.src[:lineStart(r.src, at)]).places[strings.ReplaceAll(key, ".", pathSep)]; p != nil {
		line, _, _, _ := show(r.full, p.key)
		hint += fmt.Sprintf("; the first is in line %d", line)
	}
	r.note(span{at, end}, false, fmt.Sprintf("%q is set a second time", key), hint)
}

// syntaxText puts the decoder's message in our form.
func syntaxText(msg string) string {
	msg = strings.TrimSuffix(strings.ReplaceAll(msg, "\n", `\n`), ".")
	r, n := utf8.DecodeRuneInString(msg)
	return "not TOML: " + strings.ToLower(string(r)) + msg[n:]
}

func syntaxHint(msg, rest string) string {
	switch {
	case strings.Contains(msg, "cannot contain newlines"):
		return `close the string with its quote, or use """ for one of several lines`
	case strings.Contains(msg, "invalid escape"):
		return `write \\ for a backslash, or use single quotes, in which it means itself`
	case strings.Contains(msg, "array terminator"):
		return `put a "," between the elements`
	case strings.HasPrefix(msg, "expected value but found \""):
		return "a string needs quotes"
	case strings.Contains(msg, "UTF-8"):
		return "save the file as UTF-8"
	case strings.Contains(msg, "expected '.' or '='") && !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "="):
		return "write KEY = VALUE"
	}
	return ""
}

// statementAt gives the statement that contains the offset: from its first line to the next
// line that begins a statement.
func (r *reader) statementAt(at int) (from, to int) {
	from = lineStart(r.src, at)
	for from > 0 && !statement.MatchString(r.src[from:lineEnd(r.src, from)]) {
		from = lineStart(r.src, from-1)
	}
	if !statement.MatchString(r.src[from:lineEnd(r.src, from)]) {
		from = lineStart(r.src, at)
	}
	to = r.nextLine(lineEnd(r.src, at))
	for to < len(r.src) && !statement.MatchString(r.src[to:lineEnd(r.src, to)]) {
		to = r.nextLine(lineEnd(r.src, to))
	}
	return from, to
}

// nextLine is the offset after the newline at end.
func (r *reader) nextLine(end int) int { return min(end+1, len(r.src)) }

// nextHeader is the offset of the first header from the line at pos on.
func (r *reader) nextHeader(pos int) int {
	for pos < len(r.src) && !strings.HasPrefix(strings.TrimLeft(r.src[pos:lineEnd(r.src, pos)], " \t"), "[") {
		pos = r.nextLine(lineEnd(r.src, pos))
	}
	return pos
}

// assignmentOf finds the last line before an offset that assigns to a dotted key.
func (r *reader) assignmentOf(dotted string, before, otherwise int) int {
	name := dotted[strings.LastIndexByte(dotted, '.')+1:]
	for at := lineStart(r.src, min(before, len(r.src))); ; at = lineStart(r.src, at-1) {
		line := strings.TrimLeft(r.src[at:lineEnd(r.src, at)], " \t\"'")
		if key, _, ok := strings.Cut(line, "="); ok && strings.HasSuffix(strings.TrimRight(key, " \t\"'"), name) {
			return at
		}
		if at == 0 {
			return otherwise
		}
	}
}

// blankOut overwrites a part of the source with spaces, but keeps its lines.
func (r *reader) blankOut(from, to int) {
	b := []byte(r.src)
	for i := from; i < to; i++ {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
	r.src = string(b)
}
