package definition

import (
	"fmt"
	"strings"
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
    command           = "starman --workers 8 --listen 127.0.0.1:5000 app.psgi"
    working-directory = "/srv/shop/current"
    user              = "shop"
    environment-files = ["/srv/shop/shared/env"]

    [ready]
    tcp = "127.0.0.1:5000"

    [allow]
    hup = ["deploy"]

The language is [TOML](https://toml.io). Durations are strings with a unit: ` + "`\"500ms\" \"10s\" \"1m30s\" \"2h\" \"1d\"`" + `. Octal numbers are strings: ` + "`\"022\"`" + `.
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
	}{{"What runs", whatKeys}, {"Who runs it, where, and with what", whoKeys}, {"When it is ready, and when it is started again", whenKeys}, {"How it is stopped", howKeys}, {"How it is reloaded", reloadKeys}} {
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
	b.WriteString(commands + elsewhere)
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

const commands = `## Commands

A string is split as a shell does, but nothing in it is expanded and no shell runs it. White space separates words, a newline too; quotes and the
backslash quote as in sh(1). ` + "`| & ; < > ( ) $ ` * ? [`" + `, a leading ` + "`# ~`" + ` and a leading ` + "`NAME=value`" + ` are errors unless quoted; ` + "`%`" + ` is an ordinary
character. Where a shell is wanted, write ` + "`[\"sh\", \"-c\", \"cd /srv && exec ./server\"]`" + `: without the exec the shell stays as main process and
gets the signals in the server's place, which is warned of. Each word of an array is taken as it is.

`

const elsewhere = `## Names elsewhere

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
