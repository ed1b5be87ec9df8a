package main

import (
	"strings"
	"testing"
	"time"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// processes gives a service a main process and workers.
func processes(now time.Time) func(*status.Service) {
	return func(s *status.Service) {
		s.Main = &status.Worker{Pid: s.Pid, Started: now.Add(-250 * time.Second), RSS: 47 << 20, PSS: 21_000_000, Generation: 3, State: "S", Cwd: "/srv/my app (deleted)",
			Command: "starman master"}
		s.Workers = []status.Worker{
			{Pid: 1101, Started: now.Add(-2 * time.Second), RSS: 600 << 10, Generation: 3, State: "R", Cwd: "/srv/my app", Command: "starman worker \x1b[31m --listen\n:80"},
			{Pid: 1102, RSS: 3 << 30, Generation: 3},
		}
		s.Scale, s.Generation = -2, 3
	}
}

func TestPs(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Set("web", processes(time.Now()))
	s.Set("db", func(s *status.Service) { s.Pid, s.State = 0, status.Stopped })
	want := "web  main    101   4m10s  47.0MB  20.0MB  3  S  /srv/my\u00a0app(deleted)  starman master\n" +
		"web  worker  1101  2s     600KB   -       3  R  /srv/my\u00a0app           starman worker \x1b[31m --listen :80\n" +
		"web  worker  1102  -      3.0GB   -       3  -  -                     -\n"
	if code, out, err := s.call("ps", "web"); code != 0 || out != want || err != "" {
		t.Errorf("exit %d, %q\n%s\nwant\n%s", code, err, out, want)
	}
	s.expect(t, "ps db", 3, "", "db@app01: is stopped, there is no main process\n")
	s.expect(t, "ps --all", 3, "web  worker  1101", "db@app01: is stopped")
	s.expect(t, "ps w*", 0, "web  main    101", "")
	s.expect(t, "ps nosuch", 4, "", "nosuch@app01: no such service")
	s.expect(t, "ps x*", 4, "", "x*@app01: no such service")
	s.expect(t, "ps -q web", 0, "", "")
	s.expect(t, "ps --json web", 0, `"services":[{"name":"web"`, "")
	s.screen = true
	s.expect(t, "ps web", 0, "starman worker \ufffd[31m --listen :80\n", "")
}

func TestPid(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Set("db", func(s *status.Service) { s.Pid, s.State = 0, status.Backoff })
	if code, out, err := s.call("pid", "web"); code != 0 || out != "101\n" || err != "" {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
	s.expect(t, "pid db", 3, "", "db@app01: is backoff, there is no main process\n")
	s.expect(t, "pid --all", 3, "101\n", "db@app01:")
	s.expect(t, "pid nosuch", 4, "", "nosuch@app01: no such service")
	s.expect(t, "pid --json web", 0, `{"name":"web","pid":101}`, "")
}

func TestHistory(t *testing.T) {
	s := newSite(t, "db", "web")
	at := time.Date(2026, 11, 23, 3, 4, 5, 678e6, time.UTC)
	by := status.Caller{User: "deploy"}
	s.Configure(func(f *servertest.Fake) {
		f.Past = []status.Operation{
			{ID: "1a2f", Verb: "hup", Service: "web", By: by, Started: at, Ended: at.Add(1600 * time.Millisecond), Result: status.OK, Detail: "6 workers new", Release: "42",
				Warning: "2 old workers (812 815) still busy after 2m were ended"},
			{ID: "1a30", Verb: "hup", As: "restart", Service: "web", By: by, Started: at, Ended: at.Add(250 * time.Second), Result: status.Failed, Error: "exit 255\nor so"},
			{ID: "1a31", Verb: "signal", Signal: "USR1", Service: "db", By: by, Started: at, Ended: at.Add(300 * time.Second), Result: status.OK, Already: true},
			{ID: "1a32", Verb: "stop", Service: "gone", Started: at, Ended: at.Add(400 * time.Second), Result: status.OK},
		}
	})
	want := "2026-11-23T03:04:05.678Z  web   hup           deploy  1.6s   ok      1a2f  6 workers new, release 42; 2 old workers (812 815) still busy after 2m were ended\n" +
		"2026-11-23T03:04:05.678Z  web   hup(restart)  deploy  4m10s  failed  1a30  exit 255 or so\n" +
		"2026-11-23T03:04:05.678Z  db    signal(USR1)  deploy  5m0s   ok      1a31  was so already\n" +
		"2026-11-23T03:04:05.678Z  gone  stop          -       6m40s  ok      1a32  -\n"
	if code, out, err := s.call("history"); code != 0 || out != want || err != "" {
		t.Errorf("exit %d, %q\n%s\nwant\n%s", code, err, out, want)
	}
	for _, tt := range []struct {
		line  string
		code  int
		lines int
	}{
		{"history --all", 0, 4}, {"history web", 0, 2}, {"history d*", 0, 1}, {"history web db", 0, 3}, {"history gone", 0, 1},
		{"history nosuch", 4, 0}, {"history web nosuch", 4, 0}, {"history -q", 0, 0}, {"history --json", 0, 1},
	} {
		if code, out, _ := s.call(strings.Fields(tt.line)...); code != tt.code || strings.Count(out, "\n") != tt.lines {
			t.Errorf("%s: exit %d, %q", tt.line, code, out)
		}
	}
	s.expect(t, "history web --json", 0, `{"operations":[{"id":"1a2f"`, "")
}

func TestWhy(t *testing.T) {
	now := time.Now()
	ago := func(s float64) time.Time { return now.Add(-time.Duration(s * float64(time.Second))) }
	reload := &status.Reload{Operation: "1a2f", Result: status.Failed, Seconds: 0.4, At: ago(120.5), Error: "check-command exited 255 (nothing was signalled)", By: "deploy"}
	for _, tt := range []struct {
		name string
		set  func(*status.Service)
		past []status.Operation
		want []string // in this order
		not  string
	}{
		{name: "well", set: processes(now), want: []string{"web@app01: running and ready for 1m0s (pid 100, 2 (4-2) workers, generation 3).\n", "  log\n  | last line\n"}, not: "What to do"},
		{
			name: "a reload failed", set: func(s *status.Service) { s.Release, s.LastReload = "41", reload },
			past: []status.Operation{
				{ID: "1a2f", Verb: "hup", Service: "web", Result: status.Failed, Error: "check-command exited 255 (nothing was signalled)", By: status.Caller{User: "deploy"}, Log: []string{"syntax\x1b error"}},
				{ID: "1a30", Verb: "usr1", Service: "web", Result: status.OK},
			},
			want: []string{"running and ready", "release 41", "The last reload (by deploy) failed 2m0s ago, after 0.4 s (operation 1a2f): check-command exited 255 (nothing was signalled).",
				"What to do: mend the code, then gsvctl hup web.\n  | syntax\x1b error\n  log\n"},
		},
		{
			name: "a reload that says what to do instead", set: func(s *status.Service) {
				s.LastReload = &status.Reload{Operation: "1a2f", Result: status.Failed, At: ago(1), Error: `it preloads; gsvctl restart web loads it, and so does hup with reload = "restart"`}
			},
			want: []string{`gsvctl restart web loads it, and so does hup with reload = "restart".`}, not: "What to do",
		},
		{
			name: "a reload that is none", set: func(s *status.Service) {
				s.LastReload = &status.Reload{Operation: "1a2f", Result: status.Failed, At: ago(1), Error: `its reload = "none"`}
			},
			want: []string{`its reload = "none".`}, not: "What to do",
		},
		{
			name: "a reload to repeat", set: func(s *status.Service) { s.LastReload = reload },
			past: []status.Operation{{ID: "1a2f", Verb: "hup", Service: "web", Result: status.Failed, Error: "new workers die at start", Hint: "mend the code and run this again"}},
			want: []string{"What to do: mend the code, then gsvctl hup web."},
		},
		{
			name: "a start whose check-command failed", set: func(s *status.Service) { s.State, s.Want, s.Pid, s.Ready = status.Stopped, "down", 0, false },
			past: []status.Operation{{ID: "1", Verb: "start", Service: "web", Result: status.Failed, Error: "check-command exited 2 (nothing was started)"}},
			want: []string{"check-command exited 2", "What to do: mend it, then gsvctl start web."},
		},
		{
			name: "a restart whose check-command failed", set: func(s *status.Service) {},
			past: []status.Operation{{ID: "1", Verb: "restart", Service: "web", Result: status.Failed, Error: "check-command exited 2 (nothing was stopped)"}},
			want: []string{"What to do: mend it, then gsvctl restart web."},
		},
		{
			name: "a oneshot that failed", set: func(s *status.Service) { s.State, s.Want, s.Pid, s.Ready = status.Exited, "up", 0, false },
			past: []status.Operation{{ID: "1", Verb: "start", Service: "web", Result: status.Failed, Error: "exited 2", Hint: `it is not started again (restart = "no" or "on-failure")`}},
			want: []string{"What to do: mend it, then gsvctl start web."}, not: "not started again",
		},
		{name: "of whom nothing else is known", set: func(s *status.Service) { s.LastReload = reload }, want: []string{"(by deploy) failed 2m0s ago", "check-command exited 255"}},
		{
			name: "in backoff", set: func(s *status.Service) {
				s.State, s.Pid, s.Ready, s.Reason, s.Restarts = status.Backoff, 0, false, "exit 255", 1
				s.LastExit, s.NextStart = &status.Exit{Code: 255, At: ago(3.5)}, new(now.Add(time.Hour))
			},
			past: []status.Operation{{ID: "1a2f", Verb: "start", Service: "web", Result: status.Failed, Error: "exit 255", Ended: ago(60.5), Started: ago(61.5), Log: []string{"cannot bind"}}},
			want: []string{"web@app01: backoff for 1m0s (generation 1, 1 restart).", "Its last run ended 3s ago: exit 255.", "The last start failed 1m0s ago, after 1.0 s", "Next try in 59m59s.",
				"mend it, then gsvctl start web, or wait", "  | cannot bind\n"},
		},
		{name: "fatal", set: func(s *status.Service) { s.State, s.Ready, s.Pid = status.Fatal, false, 0 }, want: []string{"fatal for", "What to do: mend it, then gsvctl start web."}},
		{name: "bad file", set: func(s *status.Service) {
			s.State, s.Reason, s.Pid = status.Invalid, "its service file cannot be used", 0
			s.FileProblem = "web.toml:2:1: unknown key \"x\"\n    2 | x = 1\n"
		}, want: []string{"invalid", "gsvctl apply", "\n  web.toml:2:1: unknown key \"x\"\n      2 | x = 1\n"}},
		{name: "ailing", set: func(s *status.Service) { s.Ready, s.Reason = false, "its workers end again and again" },
			want: []string{"running and NOT READY for 1m0s (pid 100", "): its workers end again and again."}},
		{name: "stale", set: func(s *status.Service) {
			s.Stale, s.StaleReason, s.Pending = true, "the directory is /srv/41, current is /srv/42", true
		},
			want: []string{"It is STALE: the directory is /srv/41, current is /srv/42.", "Changes of its service file wait for a restart.", "What to do: gsvctl restart web."}},
		{name: "unknown whether stale", set: func(s *status.Service) { s.StaleReason = "the command does not tell where its code is" },
			want: []string{"not known: the command does not tell"}, not: "STALE"},
		{name: "stopped", set: func(s *status.Service) { s.State, s.Want, s.Pid = status.Stopped, "down", 0 },
			past: []status.Operation{{ID: "1", Verb: "start", Service: "web", Result: status.Failed, Error: "old"}, {ID: "2", Verb: "stop", Service: "web", Result: status.OK}},
			want: []string{"stopped for 1m0s", "gsvctl start web."}, not: "old"},
		{name: "a oneshot", set: func(s *status.Service) { s.State, s.Pid = status.Exited, 0 }, want: []string{"exited, and did what it was to do, for 1m0s"}, not: "What to do"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "web")
			s.Log = map[string]string{"web": "last line\n"}
			s.Set("web", tt.set)
			s.Configure(func(f *servertest.Fake) { f.Past = tt.past })
			code, out, err := s.call("why", "web")
			if code != 0 || err != "" || tt.not != "" && strings.Contains(out, tt.not) {
				t.Errorf("exit %d, %q, %q", code, out, err)
			}
			rest := out
			for _, want := range tt.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("no %q in\n%s", want, out)
				}
				rest = after
			}
			if first, _, _ := strings.Cut(out, "\n"); !strings.HasPrefix(first, "web@app01: ") || !strings.HasSuffix(first, ".") {
				t.Errorf("no paragraph: %q", first)
			}
			s.screen = true
			if _, out, _ := s.call("why", "web"); strings.Contains(out, "\x1b") {
				t.Errorf("on a terminal: %q", out)
			}
		})
	}
	s := newSite(t, "db", "web")
	s.expect(t, "why nosuch", 4, "", "nosuch@app01: no such service")
	s.expect(t, "why web db", 0, "db@app01: running", "")
	s.expect(t, "why -q web", 0, "", "")
	s.expect(t, "why --json web", 0, `"name":"web"`, "")
}

// TestStatusOfReloads is what `status NAME` says of workers, releases and reloads.
func TestStatusOfReloads(t *testing.T) {
	s := newSite(t, "web")
	s.Set("web", func(s *status.Service) {
		processes(time.Now())(s)
		s.Scale, s.Preset, s.Detected, s.Release = 1, "starman", true, "41"
		s.Stale, s.StaleReason = true, "current is 42"
		s.LastReload = &status.Reload{Operation: "1a2f", Result: status.Failed, Seconds: 0.4, At: time.Now(), By: "deploy", Error: "new workers die\nat start \x1b[2J"}
	})
	code, out, err := s.call("status", "web")
	for _, want := range []string{
		"  preset        starman (detected)\n", "  release       41\n", "  STALE         current is 42\n",
		"  last reload   failed 0s ago in 0.4 s by deploy, operation 1a2f: new workers die at start \x1b[2J\n",
		"  workers       2 (1+1)\n                 1101  2s  600KB  generation 3\n                 1102  -   3.0GB  generation 3\n",
		"last reload failed, stale",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 9 || err != "" {
		t.Errorf("exit %d, %q", code, err)
	}
	s.Set("web", func(s *status.Service) { s.Stale, s.Scale, s.LastReload = false, 0, nil })
	s.expect(t, "status web", 0, "  stale         not known: current is 42\n", "")
	s.expect(t, "status web", 0, "  workers       2\n", "")
	s.screen = true
	s.Set("web", func(s *status.Service) { s.LastReload = &status.Reload{Error: "\x1b[2J"} })
	s.expect(t, "status web", 0, ": \ufffd[2J\n", "")
}

// TestNoCheck reaches the supervisor.
func TestNoCheck(t *testing.T) {
	s := newSite(t, "web")
	s.Requests = make(chan status.Request, 10)
	for _, line := range []string{"hup --no-check web", "start --no-check web", "restart web --no-check", "hup --no-check --all", "replace --no-check web"} {
		s.expect(t, line, 0, "web@app01: ", "")
		if r := <-s.Requests; !r.NoCheck {
			t.Errorf("%s asked for %+v", line, r)
		}
	}
	s.expect(t, "hup web", 0, "web@app01: ", "")
	if r := <-s.Requests; r.NoCheck {
		t.Errorf("hup asked for %+v", r)
	}
}

// TestVerdictsOnATerminal: what a service writes cannot rewrite what stands there; a verdict is one line in any case.
func TestVerdictsOnATerminal(t *testing.T) {
	s := newSite(t, "web")
	s.Script = func(r status.Request, op *status.Operation) error {
		op.Result, op.Error, op.Log, op.Serving = status.Failed, "exit\n255 \x1b[2J", []string{"\x1b]0;x\a"}, true
		if r.Verb == "start" {
			op.Result, op.Streams = status.OK, true
		}
		return nil
	}
	s.expect(t, "hup web", 1, "", "web@app01: NOT reloaded, it still serves: exit 255 \x1b[2J\n  | \x1b]0;x\a\n")
	s.live, s.screen = true, true
	s.expect(t, "hup web", 1, "", "it still serves: exit 255 \ufffd[2J\n  | \ufffd]0;x\ufffd\n")
	s.expect(t, "start web", 0, "\ufffd]0;x\ufffd\nweb@app01: started", "")
}
