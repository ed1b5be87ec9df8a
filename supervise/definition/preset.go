package definition

import (
	"path"
	"strings"
	"syscall"
	"time"
)

// A preset is what gsv knows of one server: one row.
type preset struct {
	name      string
	supported bool
	stop      []StopStep // its stop sequence; nil = TERM, stop-timeout, KILL
	signals   PresetSignals
}

// stopTimeout is what the first step of a stop waits unless stop-timeout says otherwise.
const stopTimeout = 30 * time.Second

var presets = []preset{
	{name: "none", supported: true, signals: PresetSignals{
		Reload: syscall.SIGHUP, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU}},
	// Starman's QUIT lets busy workers finish, TERM cuts their requests (Starman::Server,
	// Net::Server::PreFork).
	{name: "starman", supported: true,
		stop: []StopStep{{syscall.SIGQUIT, stopTimeout}, {syscall.SIGTERM, 5 * time.Second}, {Signal: syscall.SIGKILL}},
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT,
			ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU}},
	{name: "start_server"}, {name: "unicorn"}, {name: "gunicorn"}, {name: "puma"}, {name: "uwsgi"},
	{name: "php-fpm"}, {name: "nginx"}, {name: "apache"},
}

func presetByName(name string) preset {
	for _, p := range presets {
		if p.name == name {
			return p
		}
	}
	return presets[0]
}

// detect tells the preset of a command, as far as it is plain: the server itself, or behind
// a wrapper that becomes it by exec. "none" for all others, and for servers without a
// supported preset.
func detect(argv []string) string {
	for len(argv) > 0 {
		base := path.Base(argv[0])
		for _, p := range presets {
			if p.supported && p.name == base {
				return p.name
			}
		}
		argv = unwrap(base, argv[1:])
	}
	return presets[0].name
}

// unwrap gives the command that a wrapper becomes, or nil if it is none that is known.
func unwrap(wrapper string, args []string) []string {
	switch wrapper {
	case "env", "exec":
		for len(args) > 0 && assignment(args[0]) {
			args = args[1:]
		}
	case "carton": // Perl's bundle exec
		if len(args) == 0 || args[0] != "exec" {
			return nil
		}
		args = args[1:]
		if len(args) > 0 && args[0] == "--" {
			args = args[1:]
		}
	case "perl":
		for len(args) > 0 && strings.HasPrefix(args[0], "-I") && len(args[0]) > 2 || len(args) > 0 && args[0] == "-S" {
			args = args[1:]
		}
	case "sh", "bash", "dash":
		if len(args) < 2 || args[0] != "-c" {
			return nil
		}
		words, fault := SplitCommand(args[1])
		if fault != nil || len(words) == 0 || words[0] != "exec" {
			return nil
		}
		return words
	default:
		return nil
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return nil // an option whose meaning is not known here
	}
	return args
}
