package main

import (
	"strings"
	"testing"

	"gsv/control"
	"gsv/supervise/status"
)

func TestUsage(t *testing.T) {
	s := newSite(t, "web")
	s.Requests = make(chan status.Request, 100)
	for _, tt := range []struct{ line, err string }{
		{"", "usage: gsvctl"},
		{"hup", "hup needs a service, or --all"},
		{"hup all", "hint: gsvctl hup --all"},
		{"restart all", "hint: gsvctl restart --all"},
		{"hup web --all", "either names or --all"},
		{"shutdown web", "hint: to stop a service: gsvctl stop web"},
		{"update", "hint: gsvctl apply\n"},
		{"reread", "hint: gsvctl apply\n"},
		{"daemon-reload", "hint: gsvctl apply\n"},
		{"tail web", "hint: gsvctl logs web\n"},
		{"list", "hint: gsvctl status\n"},
		{"graceful web", "hint: gsvctl hup web\n"},
		{"exit", "hint: gsvctl shutdown\n"},
		{"web hup", "hint: gsvctl hup web\n"},
		{"web restart db", "hint: gsvctl restart web db\n"},
		{"restrat web", "hint: did you mean restart?"},
		{"xyzzy", "hint: gsvctl --help lists them"},
		{"deploy web", "hint: gsvctl hup web\n"},
		{"rolling-restart web", "hint: gsvctl hup web\n"},
		{"phased-restart web", "hint: gsvctl hup web\n"},
		{"swap web db", "hint: gsvctl replace web db\n"},
		{"graceful-upgrade web", "hint: gsvctl replace web\n"},
		{"upgrade web", "hint: it is about gsv itself; a new release of a service: gsvctl hup web\n"},
		{"upgrade", "upgrade: not supported yet\n"},
		{"web replace", "hint: gsvctl replace web\n"},
		{"replcae web", "hint: did you mean replace?"},
		{"replace", "replace needs a service, or --all"},
		{"replace --reset web", "replace takes no --reset"},
		{"replace --force web", "replace takes no --force"},
		{"scale web 3", "scale: not supported yet"},
		{"ps", "ps needs a service, or --all"},
		{"pid", "pid needs a service, or --all"},
		{"why", "why needs a service, or --all"},
		{"history --all web", "either names or --all"},
		{"stop --no-check web", "stop takes no --no-check"},
		{"logs --grep= web", "--grep= needs a value"},
		{"-H app01 hup web", "-H: not supported yet"},
		{"hup --reset web", "hup takes no --reset"},
		{"hup -x web", "hup takes no -x"},
		{"--frob hup web", "hup takes no --frob"},
		{"-- ", "usage: gsvctl"},
		{"hup --timeout", "--timeout needs a value"},
		{"hup --timeout 20 web", "with its unit"},
		{"hup --timeout -1s web", "with its unit"},
		{"hup --no-wait=yes web", "--no-wait takes no value"},
		{"ttin web -n 0", "from 1"},
		{"ttin web -n x", "-n takes a number from 1 to 1000"},
		{"ttin web 3", "hint: how many: -n 3"},
		{"logs -n -1 web", "-n takes a number from 0 to"},
		{"signal", "needs a signal"},
		{"signal web", "there is no signal"},
		{"signal USR1", "needs a service"},
		{"signal FOO web", "there is no signal"},
		{"signal web HUP", "hint: gsvctl signal HUP web"},
		{"wait web", "for what"},
		{"wait web --for lunch", "ready, running or stopped"},
		{"wait --for ready", "needs a service"},
		{"wait --op x web", "--op stands alone"},
		{"completion tcsh", "bash, zsh, fish"},
		{"version web", "takes no name"},
	} {
		s.expect(t, tt.line, 2, "", tt.err)
	}
	if code, _, err := s.call("hup", ""); code != 2 || !strings.Contains(err, "empty") {
		t.Errorf("an empty name: exit %d, %s", code, err)
	}
	if len(s.Requests) > 0 {
		t.Errorf("%+v was done", <-s.Requests)
	}
}

func TestHelp(t *testing.T) {
	s := newSite(t)
	s.expect(t, "--help", 0, "hup, reload", "")
	s.expect(t, "-h", 0, "exit status:", "")
	s.expect(t, "ttin --help", 0, "-n N", "")
	s.expect(t, "help", 0, "exit status:", "")
	s.expect(t, "help ttin", 0, "-n N", "")
	s.expect(t, "help reload", 0, "usage: gsvctl hup", "")
	s.expect(t, "help hpu", 2, "", "hint: did you mean hup?")
	s.expect(t, "help hup web", 2, "", "help takes one verb")
	for _, v := range control.Verbs() {
		s.expect(t, v.Name+" --help", 0, v.Doc, "")
	}
}
