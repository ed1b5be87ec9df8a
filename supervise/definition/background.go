package definition

import (
	"fmt"
	"slices"
	"strings"
)

// foreground warns of a server that would go into the background, where gsv would see it end.
func (d *draft) foreground() {
	i := invoked(d.Command, d.Preset)
	if !i.plain || d.Type == Oneshot || !d.has("command") {
		return
	}
	for ; ; i = *i.inner {
		if b := presetByName(i.preset).background; b != nil {
			leave, add, sure := b(i)
			unless := ""
			if !sure {
				unless = ", unless its configuration says otherwise"
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

// nginxBackground: daemon is on if nothing says otherwise (ngx_core_module). A second one, in -g
// and in the configuration, would be an error.
func nginxBackground(i invocation) (leave, add string, sure bool) {
	if strings.Contains(nginxGrammar.read(i.args).last("g"), "daemon") {
		return "", "", true
	}
	return "", `-g "daemon off;"`, false
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
