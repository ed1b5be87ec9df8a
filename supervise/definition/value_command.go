package definition

import (
	"strconv"
	"strings"
	"syscall"
)

// The values that are commands, and signals for them.

// command takes what the service runs.
func (v value) command(p *[]string) {
	if v.argv(p); staysShell(*p) {
		v.warn(`begin its last command with exec: "exec …"`, "the shell stays as main process and gets the signals in the command's place")
	}
}

// check takes a command, or [] for none.
func (v value) check(p *[]string, off *bool) {
	if elems, ok := v.raw.([]any); ok && len(elems) == 0 {
		*off = true
		return
	}
	v.argv(p)
}

// argv takes any command.
func (v value) argv(p *[]string) {
	switch x := v.raw.(type) {
	case string:
		words, fault := SplitCommand(x)
		switch {
		case fault != nil:
			v.at = v.inside(x, fault.Offset, fault.Len)
			v.fail(fault.Hint, "%s", fault.Text)
			return
		case len(words) == 0 || words[0] == "":
			v.fail("", "want a program to run, not an empty string")
			return
		case strings.Contains(x, "\x00"):
			v.fail("", "a zero byte cannot be passed on")
			return
		}
		*p = words
	case []any:
		elems, _ := v.array("")
		words := make([]string, 0, len(elems))
		for i, e := range elems {
			s, ok := e.raw.(string)
			if !ok {
				hint := ""
				if w := written(e.raw); w != "" {
					hint = "write " + strconv.Quote(w)
				}
				e.fail(hint, "want a string for each word, not %s", kindOf(e.raw))
				continue
			}
			if _, ok := e.str("a string"); ok && i == 0 && s == "" {
				e.fail("", "want a program to run, not an empty string")
			}
			words = append(words, s)
		}
		if len(elems) == 0 {
			v.fail("", "want a program to run, not an empty array")
		}
		if len(words) == 1 && strings.ContainsAny(words[0], " \t\n") {
			v.warn("for a command with arguments write a string, or a string for each word", "the program's name would be %s", quoteAny(words[0]))
		}
		*p = words
	default:
		v.wrong("a string or an array of strings", "")
	}
}

// catchable takes a signal that a process can catch.
func (v value) catchable(p *syscall.Signal) {
	var sig syscall.Signal
	if v.signal(&sig); sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		v.fail("", "no process can catch %s", signalName(sig))
		return
	}
	*p = sig
}

// inside is the span of a part of a string value, as far as what was written and what it
// means are the same; else that of the whole value.
func (v value) inside(s string, offset, length int) span {
	raw := v.r.src[v.at.start:v.at.end]
	for _, q := range []string{`"""`, `'''`, `"`, `'`} {
		if strings.HasPrefix(raw, q) && len(raw) >= 2*len(q) {
			body := raw[len(q) : len(raw)-len(q)]
			start := v.at.start + len(q)
			if len(q) == 3 && strings.HasPrefix(body, "\n") {
				body, start = body[1:], start+1
			}
			if body != s {
				return v.at
			}
			return span{start + offset, start + offset + max(1, length)}
		}
	}
	return v.at
}
