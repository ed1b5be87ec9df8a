package definition

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// foreground warns of a server that would go into the background, where gsv would see it end.
func (d *draft) foreground() {
	i := invoked(d.Command, d.Preset)
	if !i.plain || d.Type == Oneshot || !d.has("command") {
		return
	}
	if d.Type == Forking {
		d.background(i)
		return
	}
	for ; ; i = *i.inner {
		given := i.preset == "nginx" && len(d.Listen) > 0 // see generations
		if b := presetByName(i.preset).background; b != nil && !given {
			leave, add, sure := b(i)
			unless := ""
			if !sure {
				unless = unlessConfigured
			}
			text := fmt.Sprintf("%s goes into the background%s, and gsv would see it end", i.base(), unless)
			switch {
			case leave != "":
				d.set["command"].warn("leave "+leave+" out", "%s", text)
			case add != "":
				d.set["command"].warn("add "+add, "%s", text)
			}
		}
		if i.inner == nil {
			return
		}
	}
}

// background warns of a server that would not go into the background, though gsv is told to wait for that.
func (d *draft) background(i invocation) {
	if i.preset == "uwsgi" || i.preset == "gunicorn" {
		return // their configuration may say it
	}
	leave, add, sure := "", "", true
	if b := presetByName(i.preset).background; b != nil {
		leave, add, sure = b(i)
	}
	if leave == "" && add == "" && sure {
		d.set["type"].warn("leave it out", "%s stays in the foreground, and gsv would wait for its end", i.base())
	}
}

// unlessConfigured is in warnings of what only a configuration file could settle.
const unlessConfigured = ", unless its configuration says otherwise"

func unsettled(p Problem) bool { return strings.Contains(p.Text, unlessConfigured) }

// daemonOff is the directive, which only counts outside of all blocks; it is an error inside.
var daemonOff = regexp.MustCompile(`(?m)^\s*daemon\s+off\s*;`)

// nginxStays says if the file of -c, below the directory of -p, has daemon off. What it includes is not looked at.
func nginxStays(i invocation) bool {
	o := nginxGrammar.read(i.args)
	path := o.last("c")
	if path != "" && !filepath.IsAbs(path) {
		path = filepath.Join(o.last("p"), path)
	}
	if !filepath.IsAbs(path) {
		return false
	}
	src, err := readRegular(path, 1<<20)
	return err == nil && daemonOff.Match(src)
}

// leaveOut is a server that goes into the background if one of the options is given.
func leaveOut(g grammar, names ...string) func(invocation) (leave, add string, sure bool) {
	return func(i invocation) (string, string, bool) {
		for _, given := range g.read(i.args).given {
			if slices.Contains(names, given.name) {
				return dashed(given.name), "", true
			}
		}
		return "", "", true
	}
}

func dashed(option string) string {
	if len(option) == 1 {
		return "-" + option
	}
	return "--" + option
}

// fpmBackground: of -D and -F the command line's word counts more than the configuration's
// daemonize, which is yes if it is not there (php-fpm.conf).
func fpmBackground(i invocation) (leave, add string, sure bool) {
	o := fpmGrammar.read(i.args)
	switch {
	case o.has("F", "nodaemonize"):
		return "", "", true
	case o.has("D", "daemonize"):
		return "-D", "", true
	}
	return "", "-F", false
}

var daemonWord = regexp.MustCompile(`\bdaemon\s+(on|off)\b`)

// nginxBackground: daemon is on if nothing says otherwise (ngx_core_module). A second one, in -g
// and in the configuration, would be an error.
func nginxBackground(i invocation) (leave, add string, sure bool) {
	switch m := daemonWord.FindStringSubmatch(nginxGrammar.read(i.args).last("g")); {
	case m == nil:
	case m[1] == "on":
		return `"daemon on;"`, "", true
	default:
		return "", "", true
	}
	return "", `-g "daemon off;", but not if its configuration has it: twice is an error`, false
}

// apacheBackground: httpd detaches unless it is told to on its command line.
func apacheBackground(i invocation) (leave, add string, sure bool) {
	o := apacheGrammar.read(i.args)
	for _, g := range o.given {
		if g.name == "X" || g.name == "D" && slices.Contains([]string{"FOREGROUND", "NO_DETACH", "ONE_PROCESS", "DEBUG"}, g.value) {
			return "", "", true
		}
	}
	return "", "-D FOREGROUND", true
}
