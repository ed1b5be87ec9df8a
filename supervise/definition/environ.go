package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ownVariables are set by gsv itself, last.
var ownVariables = []string{"GSV_SERVICE", "GSV_INSTANCE", "GSV_INSTANCES", "GSV_GENERATION"}

// ownPrefixes are those of variables that gsv sets where it hands on sockets, in the words of each kind of server.
var ownPrefixes = []string{"LISTEN_", "SERVER_STARTER_", "EINHORN_"}

// owns says if gsv itself tells the service what the variable says.
func (d *Definition) owns(name string) bool {
	switch {
	case name == "NOTIFY_SOCKET":
		return d.Ready.Notify
	case name == "NGINX" || name == "FPM_SOCKETS":
		return len(d.Listen) > 0
	}
	return len(d.Listen) > 0 && slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// ownEnvironment notes variables that gsv sets itself.
func (d *draft) ownEnvironment() {
	for _, name := range sortedKeys(d.Environment) {
		if v := d.set["environment"]; d.owns(name) {
			v.r.value(v.row, v.name+"."+name, v.where+pathSep+name, d.Environment[name]).fail("leave it out", "gsv sets it itself")
		}
	}
}

// maxEnvFile is the longest environment file, in bytes; the kernel would refuse one of this
// size anyway (MAX_ARG_STRINGS, a quarter of the stack's limit).
const maxEnvFile = 4 << 20

// Environ makes the environment of one start of the service: NAME=VALUE, each name once.
// inherited is gsv's own environment, gen the number of the run. Later ones win: what
// [Inherit] lets through; HOME, USER, LOGNAME and SHELL, if User is set; PWD, if WorkingDirectory is:
// that path, with its links as they are; EnvironmentFiles, which are read now; Environment; GSV_SERVICE, GSV_INSTANCE (0), GSV_INSTANCES (1), GSV_GENERATION.
//
// It reads files and the user database, so it may block where they are on a network.
func (d *Definition) Environ(inherited []string, gen int) ([]string, error) {
	env := environ{at: map[string]int{}}
	for _, kv := range inherited {
		if name, value, ok := strings.Cut(kv, "="); ok && d.Inherit.match(name) && !env.has(name) {
			env.set(name, value)
		}
	}
	if d.User != "" {
		who, err := d.account()
		if err != nil {
			return nil, err
		}
		for _, v := range []variable{{"HOME", who.Home}, {"USER", who.Name}, {"LOGNAME", who.Name}, {"SHELL", who.Shell}} {
			if v.value != "" {
				env.set(v.name, v.value)
			} else {
				env.unset(v.name) // gsv's own would be a lie
			}
		}
	}
	if d.WorkingDirectory != "" {
		env.set("PWD", d.here())
	}
	for _, f := range d.EnvironmentFiles {
		vars, err := d.readEnvFile(f)
		if err != nil {
			return nil, err
		}
		for _, v := range vars {
			env.set(v.name, v.value)
		}
	}
	for _, name := range sortedKeys(d.Environment) {
		env.set(name, d.Environment[name])
	}
	for _, v := range env.vars {
		if d.owns(v.name) {
			env.unset(v.name)
		}
	}
	for i, value := range []string{d.Name, "0", "1", strconv.Itoa(gen)} {
		env.set(ownVariables[i], value)
	}
	return env.list(), nil
}

func (d *Definition) readEnvFile(f EnvironmentFile) ([]variable, error) {
	path := f.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.WorkingDirectory, path)
	}
	src, err := readRegular(path, maxEnvFile)
	if f.Optional && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		return nil, nil
	}
	if err == nil {
		var vars []variable
		if vars, err = parseEnvFile(src); err == nil {
			return vars, nil
		}
	}
	return nil, fmt.Errorf("cannot read the environment file %s of %s: %w", path, d.Name, unwrapPath(err))
}

// unwrapPath drops the operation and the path that the caller names itself.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// match says if a variable of gsv's own environment is passed on.
func (in Inherit) match(name string) bool {
	if name == "" || name == "NOTIFY_SOCKET" || strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_") || strings.HasPrefix(name, "SERVER_STARTER_") {
		return false
	}
	if in.All {
		return true
	}
	for _, pattern := range in.Names {
		if glob(pattern, name) {
			return true
		}
	}
	return false
}

// glob matches s against a pattern in which * stands for any characters.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, last)
}

// An environ is an environment in the making.
type environ struct {
	vars []variable
	at   map[string]int // index in vars
}

func (e *environ) has(name string) bool { _, ok := e.at[name]; return ok }

func (e *environ) set(name, value string) {
	if i, ok := e.at[name]; ok {
		e.vars[i].value = value
		return
	}
	e.at[name] = len(e.vars)
	e.vars = append(e.vars, variable{name, value})
}

// unset keeps the place, which list leaves out.
func (e *environ) unset(name string) {
	if i, ok := e.at[name]; ok {
		e.vars[i].name = ""
		delete(e.at, name)
	}
}

func (e *environ) list() []string {
	env := make([]string, 0, len(e.vars))
	for _, v := range e.vars {
		if v.name != "" {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}
