package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// replacing gives a service one generation that serves, two that are going and one that is tried.
func replacing(now time.Time) func(*status.Service) {
	return func(s *status.Service) {
		s.Generation = 6
		s.Main = &status.Worker{Pid: s.Pid, Generation: 6}
		s.Generations = []status.Generation{
			{Generation: 4, Pid: 400, Role: status.Leaving},
			{Generation: 5, Pid: 500, Role: status.Leaving, Since: now.Add(-123500 * time.Millisecond), Reason: "QUIT sent, 2 workers are busy"},
			{Generation: 7, Pid: 700, Role: status.Trying, Since: now.Add(-3500 * time.Millisecond), Reason: "answers 503\nto GET /health"},
		}
		s.Workers = []status.Worker{
			{Pid: 701, Generation: 7, Command: "new"}, {Pid: 601, Generation: 6}, {Pid: 700, Generation: 7, Command: "master of 7"},
			{Pid: 501, Generation: 5}, {Pid: 502, Generation: 5}, {Pid: 602, Generation: 6},
		}
	}
}

// TestPsOfGenerations: each process is of its own generation, and only one is main.
func TestPsOfGenerations(t *testing.T) {
	s := newSite(t, "web")
	s.Set("web", replacing(time.Now()))
	want := "web  main     100  -  -  -  6  -  -  -\n" +
		"web  worker   601  -  -  -  6  -  -  -\n" +
		"web  worker   602  -  -  -  6  -  -  -\n" +
		"web  leaving  400  -  -  -  4  -  -  -\n" +
		"web  leaving  500  -  -  -  5  -  -  -\n" +
		"web  worker   501  -  -  -  5  -  -  -\n" +
		"web  worker   502  -  -  -  5  -  -  -\n" +
		"web  trying   700  -  -  -  7  -  -  master of 7\n" +
		"web  worker   701  -  -  -  7  -  -  new\n"
	if code, out, err := s.call("ps", "web"); code != 0 || out != want || err != "" {
		t.Errorf("exit %d, %q\n%s\nwant\n%s", code, err, out, want)
	}
	s.Set("web", func(s *status.Service) { s.Workers = s.Workers[:2] }) // the master of 7 is not among them
	s.expect(t, "ps web", 0, "web  trying   700  3s  -  -  7  -  -  -\n", "")
	s.Set("web", func(s *status.Service) { s.Generations[0].Pid = 0 }) // something that it started is left
	if _, out, _ := s.call("ps", "web"); strings.Count(out, "\n") != 5 || strings.Contains(out, "  0  ") {
		t.Errorf("got %q", out)
	}
	s.expect(t, "status web", 0, "  leaving       generation 4\n", "")
	s.expect(t, "why web", 0, "Generation 4 was told to go and is still there.", "")
	s.Set("web", func(s *status.Service) { s.Pid, s.Main, s.State = 0, nil, status.Backoff })
	code, out, err := s.call("ps", "web")
	if code != 3 || strings.Contains(out, "main") || !strings.Contains(out, "leaving  500") || err != "web@app01: is backoff, there is no main process\n" {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
}

// TestStatusOfGenerations is what `status NAME` says of generations beside the one that serves, and of held sockets.
func TestStatusOfGenerations(t *testing.T) {
	s := newSite(t, "web")
	s.Set("web", func(s *status.Service) {
		replacing(time.Now())(s)
		s.Scale, s.StatusText = -2, "  Processing 3 requests\n"
		s.Sockets = []status.Socket{
			{Name: "http", Address: "127.0.0.1:5000", Held: true, Queue: 3, Backlog: 128, Overflow: 17},
			{Name: "admin", Address: "unix:/run/x \x1b[2J\n.sock", Held: true, Backlog: 4096, Overflow: -1},
			{Name: "syslog", Address: "udp:127.0.0.1:53", Held: true, Queue: 512, Overflow: 2},
			{Name: "later", Address: "[::]:80"},
		}
	})
	code, out, err := s.call("status", "web")
	for _, want := range []string{
		"serving 6, 4 leaving, 5 leaving, trying 7\n",
		"  generation    6\n" +
			"  leaving       generation 4, pid 400\n" +
			"  leaving       generation 5, pid 500, 2 workers, told to go 2m3s ago: QUIT sent, 2 workers are busy\n" +
			"  trying        generation 7, pid 700, 1 worker, started 3s ago: answers 503 to GET /health\n" +
			"  status        Processing 3 requests\n",
		"  socket        http 127.0.0.1:5000           queue 3/128      overflow 17\n" +
			"  socket        admin unix:/run/x \x1b[2J .sock  queue 0/4096     overflow -\n" +
			"  socket        syslog udp:127.0.0.1:53       queue 512 bytes  overflow 2\n" +
			"  socket        later [::]:80                 bound at the next start\n",
		"  workers       2 (4-2)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 0 || err != "" || strings.Count(out, "  generation 6\n") != 2 || strings.Count(out, "  generation 7\n") != 2 {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
	s.screen = true
	if _, out, _ := s.call("status", "web"); strings.Contains(out, "\x1b") {
		t.Errorf("on a terminal: %q", out)
	}
	s.Set("web", func(s *status.Service) { s.Sockets = s.Sockets[:1]; s.Sockets[0].Queue, s.Sockets[0].Overflow = 0, 0 })
	s.expect(t, "status web", 0, "  socket        http 127.0.0.1:5000  queue 0/128  overflow 0\n", "")
	s.expect(t, "status web --json", 0, `"sockets":[{"name":"http","address":"127.0.0.1:5000","held":true,"queue":0,"backlog":128}]`, "")
	s.Set("web", func(s *status.Service) {
		s.Generations, s.LastReload = nil, &status.Reload{Result: status.Failed, Generation: 7, At: time.Now().Add(-200 * time.Second)}
	})
	s.expect(t, "status", 0, "serving 6, 7 failed 3 min ago\n", "")
	s.expect(t, "status web", 9, "serving 6, 7 failed 3 min ago\n", "")
}

// TestHostileStatusText: what a process says of itself stays on its row and rewrites nothing, on a terminal or not.
func TestHostileStatusText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\x1b[2J\x1b]0;owned\aup", "\ufffd[2J\ufffd]0;owned\ufffdup"},
		{"up\n  ready         yes\r\nweb2  running", "up   ready         yes\ufffd web2  running"},
		{"over\rwritten\b\x7f\x00", "over\ufffdwritten\ufffd\ufffd\ufffd"},
		{"\u009b31mred", "\ufffd31mred"},
		{"bad \xff\xfe\xc0 utf-8 \xed\xa0\x80.", "bad \ufffd\ufffd\ufffd utf-8 \ufffd\ufffd\ufffd."},
		{" \n\t\n ", ""},
		{"80 % größer, 100 %s %d", "80 % größer, 100 %s %d"},
		{strings.Repeat("x", 100_000), strings.Repeat("x", 100_000)},
	} {
		s := newSite(t, "web")
		s.Set("web", func(s *status.Service) { s.StatusText = tt.text })
		for _, s.screen = range []bool{false, true} {
			code, out, err := s.call("status", "web")
			_, row, ok := strings.Cut(out, "  status        ")
			row, _, _ = strings.Cut(row, "\n")
			if code != 0 || err != "" || ok != (tt.want != "") || row != tt.want || strings.ContainsAny(out, "\x1b\r\b") {
				t.Errorf("%.40q: exit %d, %.200q, %q", tt.text, code, out, err)
			}
			_, out, _ = s.call("why", "web")
			if says := strings.Contains(out, "It says of itself: "+strings.TrimSuffix(tt.want, ".")+"."); says != (tt.want != "") || strings.Count(out, "\n") != 1 {
				t.Errorf("%.40q: why says %.200q", tt.text, out)
			}
		}
	}
}

// TestWhyOfReplacements: what failed, what serves on, and what will not go.
func TestWhyOfReplacements(t *testing.T) {
	now := time.Now()
	failed := func(s *status.Service) {
		s.Generation, s.Release = 6, "41"
		s.LastReload = &status.Reload{Operation: "1a2f", Result: status.Failed, Seconds: 60, At: now.Add(-180500 * time.Millisecond), Generation: 7, By: "deploy",
			Error: "generation 7 answered 500 to GET /health for 60 s and was ended"}
	}
	op := status.Operation{ID: "1a2f", Verb: "replace", Service: "web", Result: status.Failed, Generation: 6, Tried: 7, Serving: true, By: status.Caller{User: "deploy"},
		Error: "generation 7 answered 500 to GET /health for 60 s and was ended", Log: []string{"cannot connect"}}
	hup := op
	hup.Verb, hup.As = "hup", "replace"
	for _, tt := range []struct {
		name string
		set  func(*status.Service)
		past []status.Operation
		want []string // in this order
		not  string
	}{
		{name: "failed", set: failed, past: []status.Operation{op}, want: []string{"generation 6, release 41",
			"The last reload (by deploy) failed 3m0s ago, after 60 s (operation 1a2f), and generation 6 serves on: generation 7 answered 500 to GET /health for 60 s and was ended.",
			"What to do: mend the code, then gsvctl replace web.\n  | cannot connect\n"}},
		{name: "a hup", set: failed, past: []status.Operation{hup}, want: []string{"generation 6 serves on", "then gsvctl hup web."}},
		{name: "of whom nothing else is known", set: failed, want: []string{"and generation 6 serves on: generation 7 answered 500", "then gsvctl hup web."}},
		{name: "and has crashed since", set: func(s *status.Service) {
			failed(s)
			s.State, s.Pid, s.Ready = status.Backoff, 0, false
		}, want: []string{"(operation 1a2f): generation 7 answered 500"}, not: "serves on"},
		{name: "others are there", set: replacing(now), want: []string{"(pid 100, 2 workers, generation 6).", "Generation 4 (pid 400) was told to go and is still there.",
			"Generation 5 (pid 500) was told to go 2m3s ago and is still there: QUIT sent, 2 workers are busy.",
			"Generation 7 (pid 700) is being tried, started 3s ago: answers 503 to GET /health."}, not: "What to do"},
		{name: "stale, with held sockets", set: func(s *status.Service) {
			s.Stale, s.Sockets = true, []status.Socket{{Name: "http", Held: true}}
		}, want: []string{"What to do: gsvctl replace web."}},
		{name: "stale, with sockets that are not held yet", set: func(s *status.Service) { s.Stale, s.Sockets = true, []status.Socket{{Name: "http"}} },
			want: []string{"What to do: gsvctl restart web."}},
		{name: "stale, and with changes that wait", set: func(s *status.Service) {
			s.Stale, s.Pending, s.Sockets = true, true, []status.Socket{{Name: "http", Held: true}}
		}, want: []string{"What to do: gsvctl restart web."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "web")
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
		})
	}
}

// TestHistoryOfReplacements: a failed one says what serves on.
func TestHistoryOfReplacements(t *testing.T) {
	s := newSite(t, "web")
	at := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	op := func(o status.Operation) status.Operation {
		o.ID, o.Service, o.Started, o.Ended = "1a2f", "web", at, at.Add(time.Minute)
		return o
	}
	for _, tt := range []struct {
		op   status.Operation
		want string
	}{
		{status.Operation{Verb: "replace", Result: status.OK, Generation: 7, Tried: 7, Detail: "generation 7, 6 workers new", Release: "42"},
			"web  replace  -  60s  ok  1a2f  generation 7, 6 workers new, release 42\n"},
		{status.Operation{Verb: "hup", As: "replace", Result: status.Failed, Generation: 6, Tried: 7, Serving: true, Error: "generation 7 answered\n500"},
			"web  hup(replace)  -  60s  failed  1a2f  generation 6 still serves: generation 7 answered 500\n"},
		{status.Operation{Verb: "replace", Result: status.Failed, Generation: 6, Tried: 7, Serving: true}, "generation 6 still serves: generation 7 failed\n"},
		{status.Operation{Verb: "replace", Result: status.Failed, Tried: 7, Error: "generation 6 exited 1"}, "  1a2f  generation 6 exited 1\n"},
		{status.Operation{Verb: "replace", Result: status.Failed, Generation: 6, Serving: true, Error: "check-command exited 2"}, "  1a2f  check-command exited 2\n"},
	} {
		s.Configure(func(f *servertest.Fake) { f.Past = []status.Operation{op(tt.op)} })
		s.expect(t, "history web", 0, tt.want, "")
	}
}

// TestReplaceIsAsked: what is typed reaches the supervisor, and what goes on is shown as of a hup.
func TestReplaceIsAsked(t *testing.T) {
	s := newSite(t, "web")
	s.Requests = make(chan status.Request, 100)
	for _, tt := range []struct {
		line string
		want string
	}{
		{"replace web", "replace web false false"}, {"replace --or-start web", "replace web true false"}, {"replace web --no-check", "replace web false true"},
		{"replace --all --or-start --no-check", "replace web true true"},
	} {
		s.expect(t, tt.line, 0, "web@app01: reloaded, pid 100 in ", "")
		r := <-s.Requests
		if got := fmt.Sprint(r.Verb, " ", r.Service, " ", r.OrStart, " ", r.NoCheck); got != tt.want {
			t.Errorf("%s asked for %s", tt.line, got)
		}
	}
	s.Configure(func(f *servertest.Fake) {
		f.Script = func(_ status.Request, op *status.Operation) error {
			op.Progress = "generation 7: 3 of 6 workers"
			return nil
		}
	})
	s.expect(t, "replace web --no-wait", 0, "web@app01: replace accepted", "")
	id := (<-s.Requests).ID
	s.live = true
	s.expire(t, "\r\x1b[Kweb: generation 7: 3 of 6 workers", "replace", "web")
	s.live = false
	s.Finish(id, func(op *status.Operation) {
		op.Result, op.Generation, op.Tried, op.Error = status.Failed, 6, 7, "generation 7 exited 255 after 0.4 s"
	})
	s.expect(t, "wait --op "+id, 1, "", "web@app01: NOT reloaded, generation 6 still serves: generation 7 exited 255 after 0.4 s\n")
}
