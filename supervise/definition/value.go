package definition

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A value is one value of the file, on its way into a draft. Its methods put it where they
// are told, or note what is wrong with it.
type value struct {
	r     *reader
	row   *Key
	name  string // for messages: "stop-timeout", "environment.PORT"
	where string // its path in reader.places
	raw   any    // as the TOML decoder gave it
	at    span
	el    []place // of an array
	item  bool    // it is an element of an array
}

func (v value) fail(hint, format string, args ...any) {
	if v.row != nil {
		v.r.failed[v.row.Name], v.r.failed[v.name] = true, true
	}
	v.r.note(v.at, false, v.name+": "+fmt.Sprintf(format, args...), hint)
}

func (v value) warn(hint, format string, args ...any) {
	v.r.note(v.at, true, v.name+": "+fmt.Sprintf(format, args...), hint)
}

// wrong notes that the value is of another type than wanted.
func (v value) wrong(want, hint string) {
	v.fail(hint, "want %s, not %s", want, kindOf(v.raw))
}

// write is the hint to write the key with this value, which is in TOML.
func (v value) write(toml string) string {
	switch {
	case v.item:
		return "write " + toml
	case v.row != nil && v.row.named(): // as it stands below [listen.http]
		return "write " + v.row.In() + " = " + toml
	}
	return "write " + v.name + " = " + toml
}

func kindOf(raw any) string {
	switch x := raw.(type) {
	case string:
		return "a string"
	case bool:
		return "the bool " + strconv.FormatBool(x)
	case int64:
		return "the number " + strconv.FormatInt(x, 10)
	case float64:
		return "the number " + strconv.FormatFloat(x, 'g', -1, 64)
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	default:
		return "an array"
	}
}

// written gives back what was written for a number or bool, "" for all else.
func written(raw any) string {
	switch x := raw.(type) {
	case bool, int64:
		return fmt.Sprint(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return ""
}

// str takes a string that can be handed to the kernel: one without a zero byte.
func (v value) str(want string) (string, bool) {
	s, ok := v.raw.(string)
	if !ok {
		hint := ""
		if w := written(v.raw); w != "" {
			hint = v.write(strconv.Quote(w))
		}
		v.wrong(want, hint)
		return "", false
	}
	if strings.Contains(s, "\x00") {
		v.fail("", "a zero byte cannot be passed on")
		return "", false
	}
	return s, true
}

// array takes an array, whose elements are values of their own.
func (v value) array(want string) ([]value, bool) {
	raw, ok := v.raw.([]any)
	if !ok {
		hint := ""
		if s, isString := v.raw.(string); isString {
			hint = v.write("[" + tomlString(s) + "]")
		} else if w := written(v.raw); w != "" {
			hint = v.write("[" + w + "]")
		}
		v.wrong(want, hint)
		return nil, false
	}
	elems := make([]value, len(raw))
	for i, x := range raw {
		e := v
		e.raw, e.el, e.item = x, nil, true
		if i < len(v.el) {
			e.at, e.el = v.el[i].val, v.el[i].elems
		}
		elems[i] = e
	}
	return elems, true
}

// table takes a table, whose entries come sorted by name.
func (v value) table(want string) ([]value, bool) {
	raw, ok := v.raw.(map[string]any)
	if !ok {
		v.wrong(want, "write it below a header ["+v.name+"], a line for each")
		return nil, false
	}
	var entries []value
	for _, name := range sortedKeys(raw) {
		entries = append(entries, v.r.value(v.row, v.name+"."+name, v.where+pathSep+name, raw[name]))
	}
	return entries, true
}

// last is the name of a table's entry.
func (v value) last() string { return v.where[strings.LastIndex(v.where, pathSep)+1:] }

func (v value) boolean(p *bool) {
	switch x := v.raw.(type) {
	case bool:
		*p = x
	case string:
		hint := "write true or false, without quotes"
		if word := switchWord(x); word != "" {
			hint = v.write(word)
		}
		v.wrong("true or false", hint)
	default:
		v.wrong("true or false", "")
	}
}

// line takes a string of one line without control characters.
func (v value) line(p *string) {
	s, ok := v.str("a string")
	switch {
	case !ok:
	case s != visible(s) && !strings.Contains(s, "\t") || strings.Contains(s, "\n"):
		v.fail("write one line", "line breaks and control characters are not shown to people")
	default:
		*p = s
	}
}

func (v value) pathname(want string) (string, bool) {
	s, ok := v.str(want)
	if ok && s == "" {
		v.fail("leave the key out for the default", "want %s, not an empty string", want)
		return "", false
	}
	if ok && (strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$") || strings.HasPrefix(s, "%(")) {
		v.fail("write the path itself", "%q is not expanded", s)
		return "", false
	}
	return s, ok
}

const (
	zero  = false // "0s" is a value like any other
	above = true  // "0s" would make no sense
)

func (v value) duration(p *time.Duration, positive bool) {
	s, ok := v.raw.(string)
	if !ok {
		hint := ""
		if n := written(v.raw); n != "" && n != "true" && n != "false" {
			hint = v.write(strconv.Quote(n + "s"))
		}
		v.wrong(`a duration with a unit, such as "10s"`, hint)
		return
	}
	d, hint, err := parseDuration(s)
	switch {
	case err != nil && strings.HasPrefix(hint, `"`) && !strings.Contains(hint, " "):
		v.fail(v.write(hint), `want a duration with a unit, such as "10s": %v`, err)
	case err != nil:
		v.fail(hint, `want a duration with a unit, such as "10s": %v`, err)
	case d == 0 && positive:
		v.fail("", "must be more than 0")
	default:
		*p = d
	}
}

func (v value) integer(p *int, least, most int64) {
	n, ok := v.raw.(int64)
	switch {
	case !ok:
		hint := ""
		if s, isString := v.raw.(string); isString {
			if _, err := strconv.ParseInt(s, 10, 64); err == nil {
				hint = v.write(s)
			}
		}
		v.wrong("a whole number", hint)
	case n < least || n > most:
		v.fail("", "want a number from %d to %d, not %d", least, most, n)
	default:
		*p = int(n)
	}
}

func (v value) number(p *float64, least, most float64) {
	var n float64
	switch x := v.raw.(type) {
	case int64:
		n = float64(x)
	case float64:
		n = x
	default:
		hint := ""
		if s, isString := v.raw.(string); isString {
			if _, err := strconv.ParseFloat(s, 64); err == nil {
				hint = v.write(s)
			}
		}
		v.wrong("a number", hint)
		return
	}
	if math.IsNaN(n) || n < least || n > most {
		v.fail("", "want a number from %g to %g, not %g", least, most, n)
		return
	}
	*p = n
}

func (v value) octal(p *int) {
	s, ok := v.raw.(string)
	if !ok {
		hint := `octal numbers are strings: ` + v.name + ` = "022"`
		if n, isInt := v.raw.(int64); isInt && n >= 0 && n <= 777 {
			hint = v.write(fmt.Sprintf("%q", fmt.Sprintf("%03d", n)))
		}
		v.wrong(`an octal string, such as "022"`, hint)
		return
	}
	n, err := parseOctal(s)
	if err != nil {
		v.fail("", `want an octal string, such as "022": %v`, err)
		return
	}
	*p = n
}

func (v value) signal(p *syscall.Signal) {
	s, ok := v.raw.(string)
	if !ok {
		hint := ""
		if n, isInt := v.raw.(int64); isInt && n > 0 && n < 65 && signalName(syscall.Signal(n)) != "" {
			hint = v.write(strconv.Quote(signalName(syscall.Signal(n))))
		}
		v.wrong(`a signal's name, such as "TERM"`, hint)
		return
	}
	sig, hint, err := parseSignal(s)
	if err != nil {
		if hint != "" {
			hint = "did you mean " + strconv.Quote(hint) + "?"
		}
		v.fail(hint, `%v, such as "TERM"`, err)
		return
	}
	*p = sig
}

// enumWords are other tools' words for a value, by key.
var enumWords = map[string]map[string]string{
	"restart": {"unexpected": "on-failure", "unless-stopped": "always", "true": "always", "false": "no",
		"never": "no", "yes": "always", "on-abnormal": "on-failure", "on-abort": "on-failure", "restart": "always", "ignore": "no"},
	"type":         {"exec": "simple", "fork": "forking", "process": "simple", "scripted": "oneshot"},
	"kill-mode":    {"control-group": "group", "process": "mixed", "process-group": "group"},
	"log.output":   {"inherit": "stdout", "null": "none", "/dev/null": "none", "/dev/stdout": "stdout", "auto": "file", "false": "none"},
	"log.format":   {"plain": "raw", "text": "prefix", "logfmt": "json", "none": "raw"},
	"log.stderr":   {"merged": "merge", "stdout": "merge", "inherit": "merge", "split": "separate", "file": "separate"},
	"log.compress": {"gz": "gzip", "true": "gzip", "yes": "gzip", "on": "gzip", "false": "none", "no": "none", "off": "none"},
	"log.on-full":  {"discard": "drop", "wait": "block"},
	"on-end":       {"exit": "shutdown", "none": "nothing", "ignore": "nothing"},
	"reload":       {"hup": "signal", "graceful": "signal", "no": "none", "false": "none", "exec": "command"},
}

// enum takes one of the row's values.
func (v value) enum(p *string) bool {
	s, ok := v.raw.(string)
	if !ok {
		hint := ""
		if ours := enumWords[v.row.Name][written(v.raw)]; ours != "" {
			hint = v.write(strconv.Quote(ours))
		}
		v.wrong("one of "+v.words(true), hint)
		return false
	}
	var names []string
	for _, e := range v.row.Enum {
		names = append(names, e.Name)
		switch {
		case e.Name != s:
		case !e.Supported:
			v.fail("supported are "+v.words(false), "%q is not supported yet", s)
			return false
		default:
			*p = s
			return true
		}
	}
	hint := ""
	lower := strings.ToLower(s)
	if ours := enumWords[v.row.Name][lower]; ours != "" {
		hint = "here it is " + strconv.Quote(ours)
	} else if near := closest(lower, names); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	v.fail(hint, "%s is none of %s", quoteAny(s), v.words(true))
	return false
}

// words lists the values of the row.
func (v value) words(all bool) string {
	var w []string
	for _, e := range v.row.Enum {
		if all || e.Supported {
			w = append(w, strconv.Quote(e.Name))
		}
	}
	return strings.Join(w, ", ")
}

// quoteAny quotes a string of any length for a message.
func quoteAny(s string) string {
	if len(s) > 60 {
		return strconv.Quote(strings.ToValidUTF8(s[:60], "")) + "…"
	}
	return strconv.Quote(s)
}

// pick takes the i-th of values for the i-th value of the row.
func pick[T any](v value, p *T, values ...T) {
	var name string
	if v.enum(&name) {
		i := slices.IndexFunc(v.row.Enum, func(e Enum) bool { return e.Name == name })
		*p = values[i]
	}
}
