package main

import (
	"strings"
	"testing"
	"time"

	"gsv/supervise/status"
)

func TestWatchVerb(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Requests = make(chan status.Request, 100)
	s.Script = func(r status.Request, op *status.Operation) error {
		op.Result = status.OK
		switch {
		case r.Service == "db":
			return &status.Problem{Detail: "its service file has no [watch] table, so nothing is watched", ExitCode: 1}
		case r.Action == status.Resume:
			op.Already = r.ID == "again"
		case r.For > 0:
			op.Detail = "for " + strings.TrimSuffix(r.For.String(), "0s")
		default:
			op.Detail = "until gsvctl watch resume web"
		}
		return nil
	}
	for _, tt := range []struct {
		line   string
		code   int
		out    string
		err    string
		action string
		length time.Duration
	}{
		{"watch pause web", 0, "web@app01: watch paused, until gsvctl watch resume web\n", "", status.Pause, 0},
		{"watch pause web --for 10m", 0, "web@app01: watch paused, for 10m\n", "", status.Pause, 10 * time.Minute},
		{"watch --for=10m pause web -q", 0, "", "", status.Pause, 10 * time.Minute},
		{"watch resume web", 0, "web@app01: watch resumed\n", "", status.Resume, 0},
		{"watch resume w*", 0, "web@app01: watch resumed\n", "", status.Resume, 0},
		{"watch pause web --json", 0, `"verb":"watch","service":"web","action":"pause"`, "", status.Pause, 0},
		{"watch pause --all", 1, "web@app01: watch paused", "db@app01: its service file has no [watch] table", status.Pause, 0},
	} {
		s.expect(t, tt.line, tt.code, tt.out, tt.err)
		if r := <-s.Requests; r.Verb != "watch" || r.Action != tt.action || r.For != tt.length || r.Service != "web" {
			t.Errorf("%s asked for %+v", tt.line, r)
		}
	}
	for _, tt := range []struct{ line, err string }{
		{"watch", "watch needs pause or resume, and a service\nhint: gsvctl watch pause web --for 10m\n"},
		{"watch web", "not \"web\"\nhint: gsvctl watch pause web\n"},
		{"watch web pause", "hint: gsvctl watch pause web\n"},
		{"watch pause", "watch pause needs a service, or --all"},
		{"watch pause --all web", "either names or --all"},
		{"watch resume web --for 10m", "watch resume takes no --for\nhint: gsvctl watch pause web --for 10m\n"},
		{"watch pause web --for 10", "--for takes a duration with its unit, not \"10\""},
		{"watch pause web --for ready", "--for takes a duration"},
		{"watch pause all", "hint: gsvctl watch pause --all"},
		{"hup --for 10m web", "hup takes no --for"},
	} {
		s.expect(t, tt.line, 2, "", tt.err)
	}
	if len(s.Requests) > 0 {
		t.Errorf("%+v was done", <-s.Requests)
	}
	s.expect(t, "watch --help", 0, "usage: gsvctl watch [flags] pause|resume NAME… | --all", "")
	s.expect(t, "watch --help", 0, "--for D ", "")
	for _, tt := range []struct {
		words string
		want  string
		not   string
	}{
		{"watch|", "pause\t", "web"},
		{"watch|re", "resume\t", "pause"},
		{"watch|pause|", "web\t", "resume"},
		{"watch|pause|web|--f", "--for\t", "--force"},
	} {
		_, out, _ := s.call(append([]string{"__complete"}, strings.Split(tt.words, "|")...)...)
		if !strings.Contains(out, tt.want) || strings.Contains(out, tt.not) {
			t.Errorf("%s: %q", tt.words, out)
		}
	}
	if _, out, _ := s.call("__complete", "watch", "pause", "web", "--for", ""); out != "" {
		t.Errorf("a duration is completed by %q", out)
	}
}

// What a watch has done, and how it is, is told wherever the service is.
func TestWatchIsTold(t *testing.T) {
	s := newSite(t, "db", "web")
	at := time.Now()
	const reason = "137 files under /srv/app, first lib/App.pm"
	s.Past = []status.Operation{
		{ID: "1", Verb: "watch", Action: "pause", Service: "web", By: status.Caller{User: "deploy"}, Started: at, Ended: at, Result: status.OK, Detail: "for 10m"},
		{ID: "2", Verb: "hup", Service: "web", By: status.Caller{User: "watch"}, Reason: reason, Started: at, Ended: at, Result: status.Failed, Error: "check-command exited 255", Hint: "mend it and run this again"},
		{ID: "3", Verb: "hup", Service: "db", By: status.Caller{User: "watch"}, Reason: reason, Started: at, Ended: at, Result: status.OK, Detail: "6 workers new"},
	}
	s.expect(t, "history", 0, "  web  watch(pause)  deploy  0ms  ok      1  for 10m\n", "")
	s.expect(t, "history", 0, "  2  check-command exited 255 ("+reason+")\n", "")
	s.expect(t, "history db", 0, "  6 workers new ("+reason+")\n", "")
	s.Set("web", func(v *status.Service) {
		v.LastReload = &status.Reload{Operation: "2", Result: status.Failed, At: at, By: "watch", Reason: reason, Error: "check-command exited 255"}
		until := at.Add(4*time.Minute + 30*time.Second)
		v.Watch = &status.Watch{State: status.Paused, By: "deploy", Until: &until, Paths: []string{"/srv/app", "/srv/lib"}, Stamp: "/srv/app/stamp"}
	})
	s.expect(t, "status web", 9, "  last reload   failed 0s ago in 0 ms by watch ("+reason+"), operation 2: check-command exited 255\n", "")
	s.expect(t, "status web", 9, "  watched       /srv/app /srv/lib\n  stamp         /srv/app/stamp\n", "")
	for _, line := range []string{"status web", "why web"} {
		_, out, _ := s.call(strings.Fields(line)...)
		if !strings.Contains(out, "paused for 4m") || !strings.Contains(out, "s more, by deploy") {
			t.Errorf("%s: %s", line, out)
		}
	}
	s.expect(t, "why web", 0, "The last reload (by watch: "+reason+") failed", "")
	s.Set("web", func(v *status.Service) {
		v.Watch = &status.Watch{State: status.WatchStopped, Reason: "the service itself changes lib/x.pyc after each reload; add it to ignore; gsvctl watch resume web"}
	})
	s.expect(t, "why web", 0, "Its deployed files: stopped: the service itself changes lib/x.pyc after each reload; add it to ignore; gsvctl watch resume web.", "")
	s.expect(t, "status", 0, "watch stopped", "")
	s.Set("web", func(v *status.Service) { v.Watch = &status.Watch{State: status.Watching} })
	if _, out, _ := s.call("why", "web"); strings.Contains(out, "deployed files") {
		t.Errorf("why: %s", out)
	}
	s.expect(t, "status web --json", 9, `"watch":{"state":"watching"`, "")
}
