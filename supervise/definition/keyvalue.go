package definition

import (
	"errors"
	"net"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The values that only one key has.

func (v value) path(p *string) {
	if s, ok := v.pathname("a path"); ok {
		*p = s
	}
}

func (v value) groups(p *[]string) {
	elems, ok := v.array("an array of names")
	if !ok {
		return
	}
	groups := []string{}
	for _, e := range elems {
		s, ok := e.str("a name")
		switch {
		case !ok:
		case strings.HasPrefix(s, "@"):
			e.fail("write "+strconv.Quote(s[1:]), "the @ only stands before a group's name on the command line")
		case !validWord(s):
			e.fail("", "%s is not a name: a letter a-z, then letters, digits, _ . -", quoteAny(s))
		case !slices.Contains(groups, s):
			groups = append(groups, s)
		}
	}
	*p = groups
}

func (v value) environment(p *map[string]string) {
	entries, ok := v.table("a table of strings")
	if !ok {
		return
	}
	env := map[string]string{}
	for _, e := range entries {
		name := e.last()
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			e.fail("", "%s cannot be a variable's name", quoteAny(name))
			continue
		case slices.Contains(ownVariables, name):
			e.fail("leave it out", "gsv sets it itself")
			continue
		}
		if s, ok := e.str("a string"); ok {
			env[name] = s
		}
	}
	*p = env
}

func (v value) environmentFiles(p *[]EnvironmentFile) {
	elems, ok := v.array("an array of paths")
	if !ok {
		return
	}
	files := []EnvironmentFile{}
	for _, e := range elems {
		s, ok := e.str("a path")
		if !ok {
			continue
		}
		path, optional := strings.CutPrefix(s, "-")
		e.raw = path
		if path, ok = e.pathname("a path"); ok {
			files = append(files, EnvironmentFile{path, optional})
		}
	}
	*p = files
}

func (v value) inherit(p *Inherit) {
	if all, ok := v.raw.(bool); ok {
		*p = Inherit{All: all}
		return
	}
	elems, ok := v.array("true, false or an array of names")
	if !ok {
		return
	}
	in := Inherit{Names: []string{}}
	for _, e := range elems {
		s, ok := e.str("a variable's name")
		switch {
		case !ok:
		case s == "" || strings.Contains(s, "="):
			e.fail("a value is set below [environment]", "%s cannot be a variable's name", quoteAny(s))
		default:
			in.Names = append(in.Names, s)
		}
	}
	*p = in
}

// account takes the name or number of a user or group.
func (v value) account(p *string) {
	if n, ok := v.raw.(int64); ok {
		v.raw = strconv.FormatInt(n, 10)
	}
	s, ok := v.str("a name or a number")
	if !ok {
		return
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		// 2^32-1 means "leave it as it is" to setresuid(2).
		if n, err := strconv.ParseUint(s, 10, 32); err != nil || n == 1<<32-1 {
			v.fail("", "%s cannot be an id", s)
			return
		}
	} else if s == "" || strings.ContainsAny(s, ":/, \t\n") || s[0] == '-' || s[0] == '@' || s[0] == '%' {
		v.fail("", "%s cannot be a name", quoteAny(s))
		return
	}
	*p = s
}

func (v value) accounts(p *[]string) {
	elems, ok := v.array("an array of names or numbers")
	if !ok {
		return
	}
	names := []string{}
	for _, e := range elems {
		var s string
		if e.account(&s); s != "" {
			names = append(names, s)
		}
	}
	*p = names
}

// allow takes who may do what. Nobody has to exist.
func (v value) allow(p *map[string][]string, verbs []string) {
	entries, ok := v.table("a table of arrays")
	if !ok {
		return
	}
	allow := map[string][]string{}
	for _, e := range entries {
		verb := e.last()
		if known := append([]string{"read", "operate", "all"}, verbs...); verbs != nil && !slices.Contains(known, verb) {
			e.at = e.r.keyAt(e.where)
			hint := "see gsvctl help for the verbs"
			if near := closest(verb, known); near != "" {
				hint = "did you mean " + strconv.Quote(near) + "?"
			}
			e.r.note(e.at, false, "allow: "+quoteAny(verb)+` is no verb, nor "read", "operate" or "all"`, hint)
			continue
		}
		const want = `an array of users and "@groups"`
		if s, isString := e.raw.(string); isString {
			e.wrong(want, "write "+verb+" = ["+tomlString(s)+"]") // as it stands below [allow]
			continue
		}
		elems, ok := e.array(want)
		if !ok {
			continue
		}
		who := []string{}
		for _, u := range elems {
			s, ok := u.str(`a user, or "@" and a group`)
			if !ok {
				continue
			}
			u.raw = strings.TrimPrefix(s, "@")
			var name string
			if u.account(&name); name != "" {
				who = append(who, s)
				u.mustExist(name, strings.HasPrefix(s, "@"))
			}
		}
		allow[verb] = who
	}
	*p = allow
}

func (v value) mustExist(name string, group bool) {
	if _, err := strconv.Atoi(name); err == nil {
		return
	}
	var err error
	what := "user"
	if group {
		what = "group"
		_, err = user.LookupGroup(name)
	} else {
		_, err = user.Lookup(name)
	}
	// Other errors tell nothing: a directory service may be down.
	var noUser user.UnknownUserError
	var noGroup user.UnknownGroupError
	if errors.As(err, &noUser) || errors.As(err, &noGroup) {
		v.warn("", "there is no %s %q on this machine", what, name)
	}
}

func (v value) tcp(p *string) {
	s, ok := v.str(`an address, such as "127.0.0.1:5000"`)
	if !ok {
		return
	}
	host, port, err := net.SplitHostPort(s)
	n, numErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err == nil && numErr == nil && n > 0 && !strings.ContainsAny(host, "/ \t\n"):
		*p = s
	case strings.Contains(s, "://"):
		v.fail("leave the scheme and the path out", `want an address, such as "127.0.0.1:5000", not %s`, quoteAny(s))
	case err != nil && s != "" && strings.Trim(s, "0123456789") == "":
		v.fail(v.write(strconv.Quote("127.0.0.1:"+s)), `want an address, such as "127.0.0.1:5000", not %s`, quoteAny(s))
	case err == nil:
		v.fail("", "%s is no port: want a number from 1 to 65535", quoteAny(port))
	default:
		v.fail(`an IPv6 address stands in brackets: "[::1]:5000"`, `want an address, such as "127.0.0.1:5000", not %s`, quoteAny(s))
	}
}

// unixPathMax is the size of sun_path in struct sockaddr_un (unix(7)), less its last zero byte.
const unixPathMax = 107

func (v value) unix(p *string) {
	s, ok := v.pathname("a path")
	switch {
	case !ok:
	case !path.IsAbs(s) && s[0] != '@':
		v.fail("", "want an absolute path, or @ and an abstract name, not %s", quoteAny(s))
	case len(s) > unixPathMax:
		v.fail("", "%d bytes are too many for a socket's path: the kernel takes %d", len(s), unixPathMax)
	default:
		*p = s
	}
}

// restart takes systemd's and supervisord's bools too, in its hints.
func (v value) restart(p *Restart) { pick(v, p, Always, OnFailure, No) }

func (v value) exits(p *[]ExitMatch) {
	elems, ok := v.array("an array of exit statuses and signal names")
	if !ok {
		return
	}
	exits := []ExitMatch{}
	for _, e := range elems {
		var m ExitMatch
		if _, isName := e.raw.(string); isName {
			e.signal(&m.Signal)
		} else {
			m.Code = -1
			e.integer(&m.Code, 0, 255)
		}
		if good := m.Signal > 0 || m.Code > 0 || e.raw == int64(0); good && !slices.Contains(exits, m) {
			exits = append(exits, m)
		}
	}
	*p = exits
}

// stopSequence takes signals with waits between them, and sees to it that KILL is the end.
func (v value) stopSequence(p *[]StopStep) {
	elems, ok := v.array(`an array such as ["QUIT", "20s", "TERM", "5s", "KILL"]`)
	if !ok {
		return
	}
	if len(elems) == 0 {
		v.fail(`write ["KILL"] to kill at once`, "want at least one signal")
		return
	}
	var steps []StopStep
	for i, e := range elems {
		if n := len(steps); n > 0 && steps[n-1].Signal == syscall.SIGKILL {
			e.fail("leave the rest out", "nothing outlives KILL")
			return
		}
		if i%2 == 1 {
			wait := time.Duration(-1)
			if e.duration(&wait, zero); wait < 0 {
				return
			}
			steps[len(steps)-1].Wait = wait
			continue
		}
		var sig syscall.Signal
		if e.signal(&sig); sig == 0 {
			return
		}
		steps = append(steps, StopStep{Signal: sig})
	}
	last := steps[len(steps)-1]
	switch {
	case last.Signal == syscall.SIGKILL:
	case len(elems)%2 == 1:
		elems[len(elems)-1].fail(`end with a duration, after which KILL comes, or with "KILL"`, "how long to wait after %s is missing", signalName(last.Signal))
		return
	default:
		steps = append(steps, StopStep{Signal: syscall.SIGKILL})
	}
	*p = steps
}
