package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gsv/control"
	"gsv/control/server"
	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// buffer is a place to write to for many.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A site is a gsv that is imitated, and calls of gsvctl to it.
type site struct {
	*servertest.Fake
	path       string
	interrupts chan os.Signal
	live       bool
	screen     bool
	colour     bool
}

func newSite(t *testing.T, names ...string) *site {
	t.Helper()
	s := &site{Fake: servertest.New(names...), path: filepath.Join(t.TempDir(), "s")}
	s.serve(t)
	return s
}

// serve answers until the test ends or what it returns is called.
func (s *site) serve(t *testing.T) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(s, server.Options{UID: uint32(os.Geteuid())})
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	stop = sync.OnceFunc(func() {
		srv.Close()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

// call is gsvctl with these arguments.
func (s *site) call(args ...string) (code int, out, err string) {
	var o buffer
	code, err = s.callTo(&o, args...)
	return code, o.String(), err
}

// callTo is call with its own stdout.
func (s *site) callTo(o io.Writer, args ...string) (code int, err string) {
	var e buffer
	env := map[string]string{"GSV_SOCKET": s.path, "GSV_HOST": "app01", "PATH": "/nonexistent"}
	c := &cli{env: func(name string) string { return env[name] }, out: o, err: &e, uid: os.Geteuid(), now: time.Now, interrupts: func() <-chan os.Signal { return s.interrupts }, live: s.live, screen: s.screen, colour: s.colour}
	code = c.run(args)
	return code, e.String()
}

// expect calls gsvctl and holds it to the exit status and to parts of what it printed; "" = nothing at all.
func (s *site) expect(t *testing.T, line string, code int, out, err string) {
	t.Helper()
	gotCode, gotOut, gotErr := s.call(strings.Fields(line)...)
	if gotCode != code || !fits(gotOut, out) || !fits(gotErr, err) {
		t.Errorf("gsvctl %s: exit %d, want %d\nstdout: %q, want %q\nstderr: %q, want %q", line, gotCode, code, gotOut, out, gotErr, err)
	}
}

// expire calls gsvctl with longer and longer timeouts until it has heard of the operation before the timeout passed, as a busy machine may need.
func (s *site) expire(t *testing.T, want string, args ...string) {
	t.Helper()
	for d := 50 * time.Millisecond; ; d *= 2 {
		code, out, err := s.call(append(args, "--timeout", d.String())...)
		if code == control.TimedOut && out == "" && strings.Contains(err, want) {
			return
		}
		if d > 20*time.Second || code != control.TimedOut {
			t.Fatalf("gsvctl %q: exit %d, %q, %q", args, code, out, err)
		}
	}
}

func fits(got, want string) bool {
	if want == "" {
		return got == ""
	}
	return strings.Contains(got, want)
}

func TestVerdicts(t *testing.T) {
	s := newSite(t, "web", "db")
	s.Script = func(r status.Request, op *status.Operation) error {
		op.Started = time.Now().Add(-1600 * time.Millisecond)
		op.Result, op.Pid, op.Serving = status.OK, 123, true
		switch {
		case r.Verb == "ttou":
			op.Detail = "3 workers (4-1)"
		case r.Verb == "replace" && r.Service == "web":
			op.Generation, op.Tried, op.Detail, op.Release = 7, 7, "generation 7, 6 workers new", "42"
		case r.Verb == "replace":
			op.Result, op.Generation, op.Tried, op.Release, op.Log = status.Failed, 6, 7, "41", []string{"cannot connect"}
			op.Error = "generation 7 answered 500 to GET /health for 60 s and was ended"
		case r.Verb == "hup" && r.Service == "web":
			op.Detail, op.Release = "6 workers new", "42"
		case r.Verb == "hup":
			op.Result, op.Error, op.Release, op.Log = status.Failed, "check-command exited 255 (nothing was signalled)", "41", []string{"syntax error"}
		case r.Verb == "restart" && r.Service == "db":
			op.Result, op.Error, op.Serving, op.Hint = status.Failed, "exit 255", false, "mend the code and run this again"
		case r.Verb == "stop" && r.Service == "db":
			op.Already, op.Pid = true, 0
		case r.Verb == "stop":
			op.Pid = 0
		case r.Verb == "once":
			return &status.Problem{Detail: "NOT started: it is running", Hint: "stop it first", ExitCode: control.Failed}
		case r.Verb == "quit":
			op.Result, op.Error, op.Serving = status.Failed, "one process cannot be killed", false
		}
		return nil
	}
	for _, tt := range []struct {
		line     string
		code     int
		out, err string
	}{
		{"hup web", 0, "web@app01: reloaded, 6 workers new in 1.6 s, release 42\n", ""},
		{"reload web", 0, "web@app01: reloaded, ", ""},
		{"hup db", 1, "", "db@app01: NOT reloaded, release 41 still serves: check-command exited 255 (nothing was signalled)\n  | syntax error\n"},
		{"restart web", 0, "web@app01: restarted, pid 123 in 1.6 s\n", ""},
		{"restart db", 1, "", "db@app01: restart FAILED, db is DOWN: exit 255; mend the code and run this again\n"},
		{"start web", 0, "web@app01: started, pid 123 in 1.6 s\n", ""},
		{"stop web", 0, "web@app01: stopped in 1.6 s\n", ""},
		{"stop db", 0, "db@app01: already stopped\n", ""},
		{"once web", 1, "", "web@app01: NOT started: it is running\nhint: stop it first\n"},
		{"quit web", 1, "", "web@app01: graceful stop FAILED: one process cannot be killed\n"},
		{"usr1 web", 0, "web@app01: USR1 sent, pid 123\n", ""},
		{"signal SIGhup web", 0, "web@app01: HUP sent, pid 123\n", ""},
		{"kill -HUP web", 0, "web@app01: HUP sent, pid 123\n", ""},
		{"kill -s HUP web", 0, "web@app01: HUP sent, pid 123\n", ""},
		{"kill -9 web", 0, "web@app01: KILL sent, pid 123\n", ""},
		{"kill web", 0, "web@app01: KILL sent, pid 123\n", ""},
		{"pause web", 0, "web@app01: STOP sent, pid 123\n", ""},
		{"-q start web", 0, "", ""},
		{"start web -q", 0, "", ""},
		{"-q restart db", 1, "", "db is DOWN"},
		{"start web --json", 0, `"result":"ok"`, ""},
		{"restart db --json", 1, `"result":"failed"`, ""},
		{"start nosuch", 4, "", "nosuch@app01: no such service"},
		{"start nosuch --json", 4, `"exit_code":4`, "nosuch@app01: no such service"},
		{"start web nosuch", 4, "", "nosuch@app01: no such service"},
		{"start w* nosuch* @none", 4, "", "gsvctl: no such group @none\n"},
		{"start w*", 0, "web@app01: started", ""},
		{"start wbe", 4, "", "wbe@app01: no such service\nhint: did you mean web?\n"},
		{"start wbe -q", 4, "", "hint: did you mean web?\n"},
		{"start @web", 4, "", "gsvctl: no such group @web\nhint: gsvctl status lists them\n"},
		{"status wbe", 4, "", "hint: did you mean web?\n"},
		{"hup web db", 1, "web@app01: reloaded", "db@app01: NOT reloaded"},
		{"hup --all", 1, "web@app01: reloaded", "db@app01: NOT reloaded"},
		{"--timeout 1m hup web", 0, "reloaded", ""},
		{"hup --timeout=1m web", 0, "reloaded", ""},
		{"ttin web -n 3", 0, "web@app01: ttin done, pid 123 in 1.6 s\n", ""},
		{"ttin -n3 web", 0, "web@app01: ttin done, pid 123 in 1.6 s\n", ""},
		{"hup -- web", 0, "reloaded", ""},
		{"ttou web", 0, "web@app01: ttou done, 3 workers (4-1) in 1.6 s\n", ""},
		{"replace web", 0, "web@app01: reloaded, generation 7, 6 workers new in 1.6 s, release 42\n", ""},
		{"replace db", 1, "", "db@app01: NOT reloaded, generation 6 (release 41) still serves: generation 7 answered 500 to GET /health for 60 s and was ended\n  | cannot connect\n"},
		{"replace --all", 1, "web@app01: reloaded, generation 7", "db@app01: NOT reloaded, generation 6"},
		{"replace db --json", 1, `"tried":7`, ""},
		{"-q replace web", 0, "", ""},
	} {
		s.expect(t, tt.line, tt.code, tt.out, tt.err)
	}
}

func TestStatus(t *testing.T) {
	s := newSite(t, "db", "web", "worker")
	s.Set("db", func(s *status.Service) {
		s.State, s.Pid, s.Ready = status.Stopped, 0, false
		s.LastExit = &status.Exit{Signal: "KILL"}
	})
	s.Set("worker", func(s *status.Service) {
		s.Groups, s.LastReload = []string{"jobs"}, &status.Reload{Result: status.Failed}
	})
	s.Log = map[string]string{"web": "1\n2\n3\n4\n5\n6\nno end"}
	for _, tt := range []struct {
		line     string
		code     int
		out, err string
	}{
		{"status", 0, "db      stopped", ""},
		{"status --all", 0, "worker  running", ""},
		{"status", 0, "killed by KILL", ""},
		{"status web", 0, "pid", ""},
		{"status db", 3, "db    stopped", ""},
		{"status web db", 3, "web   running", ""},
		{"status worker", 9, "last reload failed", ""},
		{"status web @jobs", 9, "worker  running", ""},
		{"status worker db", 3, "worker", ""},
		{"status nosuch", 4, "", "nosuch@app01: no such service"},
		{"status web nosuch", 4, "web   running", "nosuch@app01: no such service"},
		{"status x*", 4, "", "x*@app01: no such service"},
		{"status -q db", 3, "", ""},
		{"status --json", 0, `{"services":[{"name":"db"`, ""},
		{"status web --json", 0, `"workers":[{"pid":1101`, ""},
		{"status w* --json", 9, `{"services":[{"name":"web"`, ""},
		{"status x* --json", 4, `"exit_code":4`, "no such service"},
	} {
		if tt.line == "status web" {
			tt.out = "  | 6\n  | no end\n"
		}
		s.expect(t, tt.line, tt.code, tt.out, tt.err)
	}
	if _, out, _ := s.call("status"); strings.Count(out, "\n") != 3 {
		t.Errorf("not a line a service: %q", out)
	}
}

func TestEvents(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Happen(status.Event{Service: "web", Kind: "state", State: status.Backoff, Text: "exit 1, next start in 500 ms"})
	s.Happen(status.Event{Kind: "gsv", Text: "ready"})
	s.expect(t, "events", 0, "  web  backoff  exit 1, next start in 500 ms\n", "")
	s.expect(t, "events", 0, "  gsv  gsv  ready\n", "")
	s.expect(t, "events --json", 0, `"state":"backoff"`, "")
	s.expect(t, "events --all", 0, "  gsv  gsv  ready\n", "")
	for _, names := range []string{"web", "w*", "-q web", "web --json"} {
		if code, out, err := s.call(strings.Fields("events " + names)...); code != 0 || strings.Contains(out, "ready") || !strings.Contains(out, "backoff") || err != "" {
			t.Errorf("events %s: exit %d, %q, %q", names, code, out, err)
		}
	}
	s.expect(t, "events db", 0, "", "")
	s.expect(t, "events -f wbe", 4, "", "wbe@app01: no such service\nhint: did you mean web?\n")
	s.expect(t, "events -f --timeout 1s", 2, "", "events takes no --timeout")
}

func TestWait(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Set("db", func(s *status.Service) { s.State, s.Ready = status.Fatal, false })
	s.Script = func(r status.Request, op *status.Operation) error {
		op.Result, op.Serving = status.Failed, true
		return nil
	}
	s.call("hup", "web", "--no-wait")
	s.expect(t, "wait web --for ready", 0, "web@app01: ready, pid 101\n", "")
	s.expect(t, "wait web --for ready --json", 0, `"name":"web"`, "")
	s.expect(t, "wait db --for ready", 1, "", "db@app01: is fatal")
	s.expect(t, "wait --all --for ready", 1, "web@app01: ready", "db@app01: is fatal")
	s.expect(t, "wait nosuch --for ready", 4, "", "no such service")
	s.expect(t, "wait web nosuch --for ready", 4, "", "nosuch@app01: no such service")
	s.expect(t, "wait web --for stopped --timeout 10ms", 5, "", "web@app01: not stopped after 10ms")
	s.expect(t, "wait --op nosuch", 1, "", `there is no operation "nosuch"`)
}

func TestApply(t *testing.T) {
	s := newSite(t, "web")
	s.expect(t, "apply", 0, "gsvctl: nothing to apply", "")
	s.Result = status.ApplyResult{Settings: []string{"log.max-total"}, Steps: []status.Step{
		{Service: "new", Action: status.Add}, {Service: "old", Action: status.Remove}, {Service: "web", Action: status.Pend, Keys: []string{"command", "umask"}},
	}}
	s.expect(t, "apply --dry-run", 0, "gsv.toml@app01: would be changed (log.max-total)\nnew@app01: would be added\nold@app01: would be stopped and removed\nweb@app01: would be pending until a restart (command, umask)\n", "")
	s.expect(t, "apply", 0, "gsv.toml@app01: changed (log.max-total)\nnew@app01: added\nold@app01: removed\nweb@app01: pending, its changes wait for a restart (command, umask)\n", "")
	s.expect(t, "apply -q", 0, "", "")
	s.Result.Problems = []string{"db.toml:1:1: unknown key"}
	s.expect(t, "apply --force web", 8, "new@app01: added", "db.toml:1:1: unknown key\n")
	s.expect(t, "apply --json", 8, `"problems":["db.toml`, "")
	s.Result = status.ApplyResult{Error: "cannot read /etc/gsv/services.d", Hint: "mkdir it"}
	s.expect(t, "apply", 1, "", "gsvctl: nothing was applied: cannot read /etc/gsv/services.d\nhint: mkdir it\n")
	s.Result = status.ApplyResult{Steps: []status.Step{{Service: "web", Action: status.Restart, Error: "exit 1"}}}
	s.expect(t, "apply --restart", 1, "", "web@app01: restart FAILED: exit 1")
	s.Result.Steps[0].Log = []string{"cannot bind \x1b[2J"}
	s.expect(t, "apply --restart", 1, "", "restart FAILED: exit 1\n  | cannot bind \x1b[2J\n")
	s.live = true
	s.expect(t, "apply --restart", 1, "", "  | cannot bind \ufffd[2J\n")
	s.live = false
	s.Result = status.ApplyResult{Steps: []status.Step{{Service: "bad", Action: status.Bad}, {Service: "new", Action: status.Add}}, Problems: []string{"bad.toml:1:1: x\n"}, Warnings: []string{"new.toml:1:1: warning: y\n"}}
	s.expect(t, "apply --restart", 8, "bad@app01: is invalid\nnew@app01: added\n", "bad.toml:1:1: x\nnew.toml:1:1: warning: y\n")
	all := s.Applies()
	if last := all[len(all)-1]; !last.Restart || last.Force || last.DryRun {
		t.Errorf("asked for %+v", last)
	}
}

// TestShutdown is done when nothing listens any more.
func TestShutdown(t *testing.T) {
	s := &site{Fake: servertest.New("web"), path: filepath.Join(t.TempDir(), "s")}
	stop := s.serve(t)
	s.expire(t, "shutting down, not finished and going on", "shutdown")
	s.expect(t, "shutdown --no-wait", 0, "is shutting down", "")
	ended := make(chan struct{})
	s2 := &site{Fake: servertest.New("web"), path: s.path}
	stop()
	stop2 := s2.serve(t)
	go func() {
		defer close(ended)
		if err := s2.Ending(t.Context()); err == nil {
			stop2()
		}
	}()
	s2.expect(t, "shutdown", 0, "gsvctl: gsv (pid 1) has ended\n", "")
	<-ended
	s2.expect(t, "shutdown", 6, "", "cannot reach gsv (tried "+s2.path+")")
}

func TestUnreachable(t *testing.T) {
	s := &site{path: filepath.Join(t.TempDir(), "s")}
	s.expect(t, "status", 6, "", "cannot reach gsv (tried "+s.path+"): there is no such socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s.expect(t, "hup web", 6, "", "no gsv is running behind it")
	s.expect(t, "version", 0, "gsvctl ", "cannot reach gsv")
	s.path = "/" + strings.Repeat("x", 200)
	s.expect(t, "status", 6, "", "longer than the 107 bytes")
}

func TestVersion(t *testing.T) {
	s := newSite(t)
	s.expect(t, "version", 0, "gsv test, pid 1\n", "")
	s.expect(t, "version --json", 0, `"gsv":{"version":"test"`, "")
}

func TestCompletion(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Set("db", func(s *status.Service) { s.Groups = []string{"back"} })
	for _, tt := range []struct {
		words []string
		want  []string
		not   string
	}{
		{[]string{"__complete", "re"}, []string{"restart\t", "reload\t", "replace\t"}, "hup"},
		{[]string{"__complete", "replace", "--"}, []string{"--or-start\t", "--no-check\t", "--timeout\t"}, "--reset"},
		{[]string{"__complete", "replace", "w"}, []string{"web\t"}, "db"},
		{[]string{"__complete", "hup", "w"}, []string{"web\trunning 1m"}, "db"},
		{[]string{"__complete", "hup", ""}, []string{"web\t", "db\t", "@back\tgroup"}, ""},
		{[]string{"__complete", "hup", "--t"}, []string{"--timeout\t"}, "--reset"},
		{[]string{"__complete", "wait", "web", "--for", "r"}, []string{"ready\t", "running\t"}, "stopped"},
		{[]string{"__complete", "signal", "US"}, []string{"USR1\t", "USR2\t"}, "web"},
		{[]string{"__complete", "signal", "USR1", "w"}, []string{"web\t"}, "USR"},
		{[]string{"__complete", "completion", ""}, []string{"bash\t", "zsh\t", "fish\t"}, ""},
		{[]string{"__complete", "xyzzy", ""}, nil, "web"},
		{[]string{"__complete"}, []string{"status\t", "replace\t"}, "scale"},
	} {
		code, out, err := s.call(tt.words...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: no %q in %q", tt.words, want, out)
			}
		}
		if code != 0 || err != "" || tt.not != "" && strings.Contains(out, tt.not) {
			t.Errorf("%q: exit %d, %q, %q", tt.words, code, out, err)
		}
	}
	for _, shell := range shells {
		s.expect(t, "completion "+shell, 0, "gsvctl __complete", "")
	}
}
