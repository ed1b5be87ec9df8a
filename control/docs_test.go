package control

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/verbs.md anew")

// TestDocs: docs/verbs.md is the table. A difference is mended with `go test ./control -run Docs -update`.
func TestDocs(t *testing.T) {
	const path = "../docs/verbs.md"
	want := docs()
	if *update {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/verbs.md is not what the table says; go test ./control -run Docs -update")
	}
}

// docs is docs/verbs.md.
func docs() string {
	var b strings.Builder
	b.WriteString(`# The verbs of gsvctl

Written from the table in control/verbs.go by ` + "`go test ./control -run Docs -update`" + `.

` + "`gsvctl [flags] VERB [NAME…]`" + `. NAME is a service, a glob (` + "`'web*'`" + `) or a group (` + "`@jobs`" + `); ` + "`--all`" + ` is every service. Names and permissions of all are checked
before anything is done. A verb that changes something waits until it is done and verified, says what happened in one line that names service and
host, and its exit status is true. "May" is what a user other than root and gsv's own needs in the service's ` + "`[allow]`" + ` table: the verb by name, or
the role. ` + "`--force`" + ` needs the role all; who may ` + "`hup`" + `, ` + "`replace`" + `, ` + "`start`" + ` or ` + "`restart`" + ` may do so with ` + "`--no-check`" + ` too, and who may ` + "`hup`" + ` or
` + "`replace`" + ` sees the log lines of a failed one. ` + "`hup`" + ` does not bring ` + "`replace`" + ` along; the hup of a service whose file says ` + "`reload = \"replace\"`" + ` needs ` + "`hup`" + ` alone.

| verb | does | done when | may |
|---|---|---|---|
`)
	for _, v := range verbs {
		if v.Later {
			continue
		}
		name := "`" + strings.TrimRight(v.Name+" "+strings.ReplaceAll(Operands(&v), "|", "\\|"), " ") + "`"
		for _, alias := range v.Aliases {
			name += ", `" + alias + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, v.Doc, v.Done, may(&v))
	}
	b.WriteString("\nKnown and not supported yet: ")
	var later []string
	for _, v := range verbs {
		if v.Later {
			later = append(later, "`"+v.Name+"`")
		}
	}
	b.WriteString(strings.Join(later, " ") + ".\n\n## Flags\n\n| flag | means | taken by |\n|---|---|---|\n")
	for _, f := range flags {
		if f.Later {
			continue
		}
		var by []string
		for _, v := range verbs {
			if !v.Later && HasFlag(&v, f.Name) {
				by = append(by, v.Name)
			}
		}
		takers := strings.Join(by, " ")
		if HasFlag(nil, f.Name) {
			takers = "every verb"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Usage(), f.Doc, takers)
	}
	b.WriteString("\n## Habits of other tools\n\nEach is answered with a hint, and exit status 2: ")
	var words []string
	for _, h := range habits {
		words = append(words, "`"+h.Word+"` → `"+h.Use+"`")
	}
	b.WriteString(strings.Join(words, ", ") + ", `web hup` → `hup web`, `restart all` → `restart --all`. `kill -HUP web`, `kill -s HUP web` do what they say.\n")
	b.WriteString(`
## What is told

` + "`status`" + ` has a line a service: name, state, pid, how long it has been so, restarts that nobody asked for since an operator's last start, and a note:
what there is to say besides, most urgent first (NOT READY, why, the last exit, the next start, a failed reload, stale, pending changes, release).
Of replacements it says what serves and what does not: ` + "`serving 6, trying 7`" + ` while generation 7 is to prove itself, ` + "`serving 7, 6 leaving`" + ` until nothing of 6 is left,
` + "`serving 6, 7 failed 3 min ago`" + ` until a good reload, replace, restart or start. A head line stands above only on a terminal. The states:

| state | means |
|---|---|
| waiting | wanted up, held back by a service it comes after |
| starting | the main process is there, readiness is not proven yet |
| running | ready, or was and only lost its readiness (NOT READY) |
| reloading | running, with a reload in progress |
| stopping | the stop sequence is under way |
| stopped | nothing of it is left, and nothing is wanted |
| backoff | ended, will be started again |
| exited | ended for good by its restart policy; a oneshot that has done its work |
| fatal | given up: start-limit was reached |
| invalid | its file is bad and no earlier definition is known |

` + "`status NAME`" + ` has a row for each generation beside the one that serves (` + "`trying`" + ` or ` + "`leaving`" + `: pid, workers, since when, what it waits for) and for each held socket:
connections that wait to be accepted and how many may (of UDP: bytes that wait to be read), and how many found no room since it was bound.
What is wrong with its log stands in the last column and in a row of its own: output that is dropped, or that waits because gsv's stdout is read slowly. Of
a service that writes to gsv's stdout the last 64 KiB are kept, in memory, for ` + "`logs`, `status`" + ` and the reports of failures.

` + "`ps`" + ` has a line a process: service, ` + "`main` or `worker`" + `, or ` + "`trying` or `leaving`" + ` for the main process of such a generation,
pid, age, RSS, PSS, generation, state as in ps(1), working directory, and the command line as it is now. ` + "`history`" + ` has a line an operation that has ended: when it was asked for, service, verb (in brackets what was done in its place), who asked, how long it
took, result, id, and what came of it; ` + "`--json`" + ` has the pids of workers and the log lines of failures too. ` + "`events`" + ` has a line an event: when, service, what, and
more words. What there is not is "-"; columns are parted by two blanks or more, and the last may have single ones. A verdict is one line whatever is
told in it, and on a terminal nobody's control characters reach it.

` + "`logs NAME`" + ` is what the service wrote, byte for byte where it is piped; rotated files, compressed or not, and the one that is written are one log. Of several
services, and of none named all, lines come merged by when they were written, each behind its service's name. When a line was written, and by which
run, is known to about 100 ms from gsv's index beside the file; of a file without one its name or its own time tells. A line ends where the next run begins too,
and one of more than 1 MiB comes in pieces. With ` + "`-f`" + ` it goes on over rotations and over the death of gsv's supervisor, with each line once.
` + "`--op ID`" + ` is what the service wrote from the operation's begin to its end, and all of a generation that a failed ` + "`replace`" + ` had tried; with ` + "`-f`" + ` it goes on until the operation has ended. Only lines with an end are followed by ` + "`--since`" + `, ` + "`--grep`" + `,
` + "`--op`" + `, ` + "`--json`" + ` and of several services. Of what goes to gsv's stdout (` + "`output = \"stdout\"`" + `) the last 64 KiB of each are there.

How deployed files are watched ([watch.md](watch.md)) is a row of ` + "`status NAME`" + `, too: watching, polling, paused (how long still, and by whom), stopped (the service
itself changes what is watched), off (it is down), what is wrong with watching, and what is under way. What a watch asks for is in ` + "`history`" + ` and ` + "`events`" + ` as any
operation, by ` + "`watch`" + ` and with what has changed: ` + "`137 files under /srv/app, first lib/App.pm`" + `.

Events and operations are kept in LOG-DIR, over the ends of gsv: JSON lines in ` + "`gsv.events`" + `, which is renamed ` + "`gsv.events.1`" + ` when it has grown to 1 MiB, so 2 MiB
at most; only gsv's own user can read them. The last 1000 of each are told. A disk that is full, or hangs, holds up nothing: it is said, and they are
in memory alone. Those of ` + "`gsv -- COMMAND`" + ` end with it.

## In scripts

Rely on the exit status. ` + "`-q`" + ` prints nothing when all went well; but with ` + "`--no-wait`" + ` it prints the operation's id, alone on a line for each service:

    id=$(gsvctl hup web --no-wait -q) && gsvctl wait --op "$id"

` + "`--json`" + ` prints a document a line: of a verb that changes something the operation when it has ended (with ` + "`--no-wait`" + `: as it was accepted; ` + "`.id`" + `,
` + "`.result`" + ` "ok" or "failed", ` + "`.error`" + `, ` + "`.log`" + `), of ` + "`status`" + `, ` + "`ps`" + ` and ` + "`why`" + ` ` + "`{\"services\":[…]}`" + `, of ` + "`history`" + ` ` + "`{\"operations\":[…]}`" + `, of ` + "`events`" + ` one each,
of ` + "`logs`" + ` ` + "`{\"time\",\"service\",\"run\",\"stream\",\"line\"}`" + ` (and, where that is not UTF-8, ` + "`bytes`" + ` in base64; ` + "`part`" + `: the line goes on in the next one),
of ` + "`apply`" + ` its steps, settings, problems and warnings. Errors are documents too, with their ` + "`exit_code`" + `. Fields are only ever added.

## Exit status

| status | means |
|---|---|
| 0 | done and verified, or already so |
| 1 | failed |
| 2 | usage; not supported yet |
| 3 | ` + "`status NAME`" + ` of one that is not running or not ready |
| 4 | no such service |
| 5 | the ` + "`--timeout`" + ` passed; the operation goes on |
| 6 | gsv cannot be reached |
| 7 | not permitted |
| 8 | invalid configuration |
| 9 | ` + "`status NAME`" + ` of one that serves, but whose last reload failed or which is stale |
| 130 | detached by Ctrl-C; the operation goes on |

Of several services: the first of 7 4 8 1 5 3 9 that occurs. Never 255, which is ssh's own.

## On the socket

Every verb that changes a service is ` + "`POST /v1/services/NAME/VERB`" + `; the others:

    GET  /v1                                     what gsv is
    GET  /v1/services                            every service that the caller may see; as text/plain: a table
    GET  /v1/services/NAME                       one, with its processes and held sockets; command lines and directories for who may read it
    POST /v1/services                            {"verb":"hup","names":["web*","@jobs"]} or "all":true: one verb on several, all checked before anything
                                                 is done; answered with lines of {"operation":…} or {"problem":…}, each operation again as it goes on
    GET  /v1/services/NAME/wait?for=ready        answers when it is ready, running or stopped; timeout=20s bounds it
    GET  /v1/services/NAME/logs                  what it wrote, as it wrote it; follow=true lines=10 since=10m (or a time) grep=RE op=ID
    GET  /v1/logs?name=web&name=api              the same of several, merged by time; without name= of all that the caller may read, or of the operation's
    GET  /v1/operations/ID?wait=true             as the verb itself would be answered
    GET  /v1/events?follow=true                  lines of events
    GET  /v1/history?service=NAME                {"operations":[…]}, those that have ended, oldest first, a thousand at most; of all without service=
    POST /v1/apply                               {"names":[],"dry_run":false,"restart":false,"force":false}
    POST /v1/shutdown                            answered at once, with the pid whose end is gsv's

The body of a verb: ` + "`{\"id\":\"…\",\"count\":1,\"signal\":\"USR1\",\"reset\":false,\"force\":false,\"or_start\":false,\"no_check\":false,\"action\":\"pause\",\"for\":\"10m\",\"wait\":true,\"timeout\":\"60s\"}`" + `, all of it optional; what a verb
does not take is an error. The same id attaches to that operation instead of beginning a second one. Errors are application/problem+json with the
exit_code that gsvctl ends with; a failed operation is 409, one still going on when its timeout passes or with "wait":false is 202.
With ` + "`Accept: application/x-ndjson`" + ` a verb's progress comes as lines, the ended operation last, and logs as a line of JSON each; with cursors=true each has a
` + "`cursor`" + `, and from=NAME:CURSOR goes on behind it, whatever the file is called by then. A log as it is begins at the cursor in the head Gsv-Cursor; CURSOR+N is N bytes on.
With grep= and matches=true each line has ` + "`matches`" + `, where in it the pattern matches: from and to in bytes.
`)
	return b.String()
}

// may is what a verb asks for.
func may(v *Verb) string {
	switch {
	case v.Class == Local:
		return "anyone"
	case v.Class == Whole && v.Role == Anyone:
		return "anyone"
	case v.Class == Whole:
		return "root and gsv's own user"
	}
	return [...]string{Anyone: "anything at all", Reader: "read", Operator: "operate", All: "all"}[v.Role]
}
