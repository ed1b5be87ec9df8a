package definition

import (
	"path"
	"slices"
	"strings"
)

// An invocation is a command taken apart, as far as it is plain: the server itself, or behind
// wrappers that become it by exec.
type invocation struct {
	preset  string      // "none" if the program is no server that is known
	plain   bool        // the program is the server's own, by its name
	prefix  []string    // the wrappers in front, which may be put in front of another program too
	interp  []string    // the interpreter that is told to run the program, with its options; nil = the one that its first line names
	program string      // as it was written
	args    []string    // of the program
	inner   *invocation // what start_server starts; nil for all others
}

// base is the program's name.
func (i invocation) base() string { return path.Base(i.program) }

// invoked takes the command of a service of that preset apart; "" is the preset that the
// command itself shows.
func invoked(argv []string, preset string) invocation {
	i := dissect(argv)
	if preset != "" && preset != i.preset && len(argv) > 0 {
		return invocation{preset: preset, program: argv[0], args: argv[1:]}
	}
	return i
}

func dissect(argv []string) invocation {
	var prefix, interp []string
	for rest := argv; len(rest) > 0; {
		i := invocation{prefix: prefix, interp: interp, program: rest[0], args: rest[1:]}
		if i.preset = server(i.base(), i.args); i.preset != "" {
			i.plain = true
			if i.preset == "start_server" {
				i.inner = started(i.args)
			}
			return i
		}
		words, after := unwrap(rest)
		if interp = nil; len(words) > 0 && slices.Contains(interpreters, unversioned(path.Base(words[0]))) {
			interp = words
		} else {
			prefix = append(slices.Clip(prefix), words...)
		}
		rest = after
	}
	i := invocation{preset: presets[0].name}
	if len(argv) > 0 {
		i.program, i.args = argv[0], argv[1:]
	}
	return i
}

// server tells the preset of a program by its name, which may end in a version ("php-fpm8.2"),
// or "" if it is none.
func server(base string, args []string) string {
	name := unversioned(base)
	switch name {
	case "starman", "start_server", "unicorn", "gunicorn", "puma", "uwsgi", "php-fpm", "nginx":
		return name
	case "unicorn_rails":
		return "unicorn"
	case "httpd":
		return "apache"
	case "uwsgi-core":
		return "uwsgi"
	case "plackup":
		return plackupServer(args)
	}
	switch {
	case base == "apache2" || base == "apache":
		return "apache"
	case strings.HasPrefix(name, "uwsgi_"): // Debian's uwsgi_python3 is uwsgi with a plugin loaded
		return "uwsgi"
	}
	return ""
}

// unversioned is a program's name without the version that distributions append.
func unversioned(base string) string {
	name := strings.TrimRight(base, "0123456789.")
	if name != base {
		name = strings.TrimSuffix(name, "-")
	}
	return name
}

// plackupServer: `plackup -s Starman` is Starman; with -r or -R the process that gsv starts is
// not the server but one that watches files. The options are those of Plack::Runner.
func plackupServer(args []string) string {
	o := plackGrammar.read(args)
	if o.last("s", "server") != "Starman" || o.has("r", "reload", "R", "Reload") {
		return ""
	}
	return "starman"
}

// started is the command behind start_server's own options.
func started(args []string) *invocation {
	if words := starterGrammar.read(args).words; len(words) > 0 {
		inner := dissect(words)
		return &inner
	}
	return nil
}

// interpreters run a program that is a file of theirs.
var interpreters = []string{"perl", "ruby", "python"}

// unwrap parts a wrapper that becomes the command behind it by exec from that command. words
// may stand before another command as well. after is nil if it is no such wrapper.
func unwrap(argv []string) (words, after []string) {
	args := argv[1:]
	switch base := path.Base(argv[0]); unversioned(base) {
	case "env":
		for len(args) > 0 && assignment(args[0]) {
			args = args[1:]
		}
	case "exec":
		if argv[0] != "exec" {
			return nil, nil
		}
		return nil, noOption(args)
	case "carton", "bundle", "bundler": // Perl's and Ruby's way to a project's own libraries
		if len(args) == 0 || args[0] != "exec" {
			return nil, nil
		}
		args = args[1:]
		if len(args) > 0 && args[0] == "--" && base == "carton" {
			args = args[1:]
		}
	case "perl", "ruby":
		for len(args) > 0 && (strings.HasPrefix(args[0], "-I") && len(args[0]) > 2 || args[0] == "-S") {
			args = args[1:]
		}
	case "python":
		if len(args) >= 2 && args[0] == "-m" && args[1] == "gunicorn" {
			return argv[:2], args[1:]
		}
	case "sh", "bash", "dash":
		if len(args) != 2 || args[0] != "-c" {
			return nil, nil
		}
		script, fault := SplitCommand(args[1])
		if fault != nil || len(script) == 0 || script[0] != "exec" {
			return nil, nil
		}
		return nil, script
	default:
		return nil, nil
	}
	return argv[:len(argv)-len(args)], noOption(args)
}

// noOption is the command, or nil if it begins with an option, whose meaning is not known here.
func noOption(args []string) []string {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return nil
	}
	return args
}
