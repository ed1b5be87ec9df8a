package definition

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The reference page is written from the key table, so neither can say what the other does not.
func TestReferencePage(t *testing.T) {
	golden(t, "../../docs/service-files.md", reference())
}

const intro = `# Service files

<!-- Written by go test ./supervise/definition -run TestReferencePage -update, from the key table. -->

One file is one service: ` + "`services.d/NAME.toml`" + `. NAME is the service's name: a letter a-z, then letters a-z, digits, ` + "`_ . -`" + `, at most %d of them;
not ` + "`all`" + `, and not ending in ` + "`.DIGITS` or `.err`" + `. Files whose names begin with a dot or do not end in ` + "`.toml`" + ` are not looked at. Of several service
directories the later one wins, name by name. A file has at most %d KiB.

    # services.d/web.toml
    command           = "starman --workers 8 --listen 127.0.0.1:5000 /srv/shop/current/app.psgi"
    working-directory = "/srv/shop/current"
    user              = "shop"
    environment-files = ["/srv/shop/shared/env"]

    [allow]
    hup = ["deploy"]

The language is [TOML](https://toml.io). Durations are strings with a unit: ` + "`\"500ms\" \"10s\" \"1m30s\" \"2h\" \"1d\"`" + `. Sizes are ` + "`\"512KB\" \"50MB\" \"1GB\"`" + `,
each unit 1024 of the one before, or a number of bytes. Octal numbers are strings: ` + "`\"022\"`" + `.
Signals are named with or without SIG. Keys at the top of the file stand above every ` + "`[header]`" + `; a key of a table can be written as
` + "`ready.tcp = …`" + ` too.

## What is wrong is said at once

Reading is strict: an unknown key, a wrong type or unit, a contradiction is an error, and all problems of a file come together:

%s
Names that systemd, supervisord, Pebble and others use lead to the right one. ` + "`gsv check`" + ` says the same without touching anything. A bad file
touches no other service, nor the running instance of its own. Warnings do not keep a file from being used.

As root, gsv refuses a service directory or file, or what its symbolic link leads to, that a user other than root could change: it must be
root's and not writable for group or others, and so must each directory on the way (one with the sticky bit, such as /tmp, may be).

## Keys

"Live" keys can be changed without a restart: ` + "`gsvctl apply`" + ` takes them at once.

`

const sample = `command = "starman app.psgi | tee log"
stopwaitsecs = 10
stop-timout = "10s"
start-timeout = 10
`

func reference() string {
	var b strings.Builder
	_, problems := Parse("web", "web.toml", []byte(sample), Defaults{})
	shown := ""
	for line := range strings.Lines(problems.String()) {
		shown += "    " + line
	}
	fmt.Fprintf(&b, intro, nameMax, maxSource>>10, shown)
	for _, group := range []struct {
		title string
		keys  []Key
	}{{"What runs", whatKeys}, {"Who runs it, where, and with what", whoKeys}, {"Where its output goes", logKeys}, {"What gsv holds for it", listenKeys}, {"What proves that it is ready", readyKeys}, {"When it is started, and started again", whenKeys}, {"How it is stopped", howKeys}, {"How it is reloaded", reloadKeys}, {"When it is reloaded by itself", watchKeys}} {
		fmt.Fprintf(&b, "### %s\n\n", group.title)
		for _, k := range group.keys {
			fmt.Fprintf(&b, "- **`%s`**: %s%s", k.Name, k.Type, values(k))
			if k.Default != "" {
				fmt.Fprintf(&b, "; default %s", k.Default)
			}
			if k.Live {
				b.WriteString("; live")
			}
			fmt.Fprintf(&b, ".\n  %s\n", k.Doc)
		}
		b.WriteString("\n")
	}
	b.WriteString(commands + heldSockets + probesPage)
	presetPage(&b)
	b.WriteString(settingsPage)
	for _, k := range settings {
		fmt.Fprintf(&b, "- **`%s`**: %s; default %s.\n  %s\n", k.Name, k.Type, k.Default, k.Doc)
	}
	b.WriteString(elsewhere)
	for _, k := range Keys() {
		if k.Systemd+k.Supervisord+k.Pebble != "" {
			fmt.Fprintf(&b, "| `%s`%s | %s | %s | %s |\n", k.Name, later(k), spaced(k.Systemd), spaced(k.Supervisord), spaced(k.Pebble))
		}
	}
	b.WriteString("\n## Not supported yet\n\nUsing one of these is an error that says so.\n\n")
	for _, k := range laterKeys {
		fmt.Fprintf(&b, "- `%s`: %s\n", k.Name, k.Doc)
	}
	return b.String()
}

// presetPage writes what gsv knows of each server.
func presetPage(b *strings.Builder) {
	b.WriteString(presetIntro)
	for _, p := range presets {
		d, _ := Parse("web", "web.toml", []byte("command = 'x'\npreset = '"+p.name+"'\n"), Defaults{})
		quit := name(p.signals.Graceful)
		if p.signals.Graceful == 0 {
			quit = "as stop"
		}
		scale := "–"
		if p.signals.ScaleUp != 0 {
			scale = name(p.signals.ScaleUp) + " " + name(p.signals.ScaleDown)
		}
		var stop, exits []string
		for _, step := range d.StopSequence {
			stop = append(stop, name(step.Signal))
			if step.Wait > 0 {
				stop = append(stop, short(step.Wait))
			}
		}
		for _, e := range d.SuccessExit {
			if e.Signal != 0 {
				exits = append(exits, name(e.Signal))
			} else {
				exits = append(exits, strconv.Itoa(e.Code))
			}
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", p.name, name(p.signals.Reload), quit, strings.Join(stop, " "), scale, name(p.signals.Reopen), name(p.signals.Upgrade), strings.Join(exits, " "))
	}
	b.WriteString(presetProof)
	for _, p := range presets[1:] {
		i := invocation{preset: p.name, program: p.name, inner: &invocation{preset: "starman", program: "starman"}}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", p.name, shown(p, workersOf(i)), checked[p.name])
	}
	b.WriteString(presetKnown)
	for _, p := range presets[1:] {
		fmt.Fprintf(b, "- **%s**\n", p.name)
		for _, k := range p.known {
			fmt.Fprintf(b, "  - %s\n", k)
		}
	}
	b.WriteString("\n")
}

func name(sig syscall.Signal) string {
	if sig == 0 {
		return "–"
	}
	return signalName(sig)
}

// shown says in words what a worker shows.
func shown(p preset, w Workers) string {
	s := w.Sign
	var is []string
	if s.Title != "" {
		is = append(is, fmt.Sprintf("its title begins with `%s`", s.Title))
	}
	if s.Thread != "" {
		is = append(is, fmt.Sprintf("it has a thread `%s`", s.Thread))
	}
	if s.Heartbeat != "" {
		is = append(is, "it beats on its heartbeat file")
	}
	if s.Catches != 0 {
		is = append(is, "it catches "+name(s.Catches))
	}
	if s.Defaults != 0 {
		is = append(is, "not "+name(s.Defaults))
	}
	if p.wraps {
		return "what the workers of the server behind it show"
	}
	if is == nil {
		return "nothing: it has lived for min-uptime"
	}
	return strings.Join(is, ", ")
}

// checked says in words what each preset's check is.
var checked = map[string]string{
	"starman":      "the application is loaded as a worker loads it, with the same -I, -M and PLACK_ENV",
	"start_server": "that of the server behind it, in --dir",
	"unicorn":      "the configuration is read and the rackup file evaluated, with the same RACK_ENV",
	"gunicorn":     "`gunicorn --check-config`, which loads the application",
	"puma":         "puma reads its configuration and loads the application, without listening",
	"uwsgi":        "none",
	"php-fpm":      "`php-fpm -t`", "nginx": "`nginx -t`", "apache": "`apache2 -t`",
}

const presetIntro = `## Presets

A preset is what gsv knows of a server. It is seen in the command where that is plain: the server by its name (` + "`starman`, `/usr/sbin/php-fpm8.2`, `plackup -s Starman`" + `), also
behind ` + "`env NAME=value`, `exec`, `carton exec`, `bundle exec`, `perl -S`, `ruby -S`, `python -m gunicorn` and `sh -c \"exec …\"`" + `. ` + "`gsvctl status NAME`" + ` says which
it is; ` + "`preset`" + ` sets another one, for a wrapper script of your own. Every key of a service file wins over its preset. A server must stay in the foreground.

| preset | hup sends | quit | stop | ttin ttou | reopens its logs on | usr2 | success exits |
|---|---|---|---|---|---|---|---|
`

const presetProof = `
A worker has *settled* when it shows that it has loaded its code, and has lived for min-uptime after that. A hup is done when all workers that were there before are
gone and the new ones have settled. The check runs before an operator's start, restart and hup; where the command is not understood for certain there is none,
and check-command can name one.

| preset | what a worker shows | check |
|---|---|---|
`

const presetKnown = `
What is known not to work, with any supervisor:

`

const commands = `## Commands

A string is split as a shell does, but nothing in it is expanded and no shell runs it. White space separates words, a newline too; quotes and the
backslash quote as in sh(1). ` + "`| & ; < > ( ) $ ` * ? [`" + `, a leading ` + "`# ~`" + ` and a leading ` + "`NAME=value`" + ` are errors unless quoted; ` + "`%`" + ` is an ordinary
character. Where a shell is wanted, write ` + "`[\"sh\", \"-c\", \"cd /srv && exec ./server\"]`" + `: without the exec the shell stays as main process and
gets the signals in the server's place, which is warned of. Each word of an array is taken as it is.

`

const elsewhere = `
## Names elsewhere

| here | systemd | supervisord | Pebble |
|---|---|---|---|
`

func values(k Key) string {
	var on []string
	for _, e := range k.Enum {
		if e.Supported {
			on = append(on, fmt.Sprintf("`%q`", e.Name))
		}
	}
	if on == nil {
		return ""
	}
	return " " + strings.Join(on, ", ")
}

func later(k Key) string {
	if k.Supported {
		return ""
	}
	return " (not yet)"
}

func spaced(names string) string { return strings.Join(strings.Fields(names), ", ") }
