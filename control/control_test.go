package control

import (
	"strings"
	"testing"
	"time"

	"gsv/supervise/status"
)

// TestTable holds the rows to each other and to the contract's list of verbs.
func TestTable(t *testing.T) {
	seen, letters := map[string]bool{}, map[byte]string{}
	for _, v := range Verbs() {
		for _, name := range append([]string{v.Name}, v.Aliases...) {
			if seen[name] {
				t.Errorf("%s is two verbs", name)
			}
			seen[name] = true
			if Lookup(name).Name != v.Name {
				t.Errorf("%s is not found", name)
			}
		}
		if v.Letter != 0 && letters[v.Letter] != "" {
			t.Errorf("letter %c is %s and %s", v.Letter, letters[v.Letter], v.Name)
		}
		letters[v.Letter] = v.Name
		if v.Doc == "" {
			t.Errorf("%s has no doc", v.Name)
		}
		if v.Class == Service && !v.Later && (v.Past == "" || v.Noun == "" || v.Done == "" || v.Role < Operator) {
			t.Errorf("%s says too little: %+v", v.Name, v)
		}
		if got, ok := Signal(v.Signal); v.Signal != "" && (!ok || got != v.Signal) {
			t.Errorf("%s sends %q", v.Name, v.Signal)
		}
		for _, f := range v.Flags {
			if !HasFlag(&v, f) {
				t.Errorf("%s takes an unknown flag %s", v.Name, f)
			}
		}
	}
	supported := "status start stop restart once quit hup reload ttin ttou term int kill usr1 usr2 winch alrm pause cont signal logs wait events apply check shutdown version completion up down ps pid history why replace watch"
	for _, name := range strings.Fields(supported) {
		if v := Lookup(name); v == nil || v.Later {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range strings.Fields("scale cancel health drain ssh-gate upgrade") {
		if v := Lookup(name); v == nil || !v.Later {
			t.Errorf("%s should be known and not supported yet", name)
		}
	}
	for _, h := range Habits() {
		if seen[h.Word] || Lookup(h.Use) == nil {
			t.Errorf("bad habit %+v", h)
		}
	}
}

// TestFlagsOfVerb: no verb has two flags that are typed the same way.
func TestFlagsOfVerb(t *testing.T) {
	for _, v := range append(Verbs(), Verb{}) {
		typed := map[string]bool{}
		for _, f := range FlagsOf(&v) {
			for _, s := range strings.Split(strings.Split(f.Usage(), " ")[0]+" --"+f.Typed(), " ") {
				s = strings.TrimSuffix(s, ",")
				if s != "--" && typed[s] && s != "--"+f.Typed() {
					t.Errorf("%s has %s twice", v.Name, s)
				}
				typed[s] = true
			}
		}
	}
}

func TestClosest(t *testing.T) {
	for _, tt := range []struct{ word, want string }{
		{"hupp", "hup"}, {"restrat", "restart"}, {"sttaus", "status"}, {"relaod", "reload"}, {"xyzzy", ""}, {"", ""}, {strings.Repeat("x", 10000), ""},
	} {
		if got := Closest(tt.word); got != tt.want {
			t.Errorf("%.20q: got %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		of   []int
		want int
	}{
		{nil, 0}, {[]int{0, 0}, 0}, {[]int{9, 3, 5, 1, 8, 4, 7}, 7}, {[]int{9, 3, 5, 1, 8, 4}, 4}, {[]int{9, 3, 5, 1, 8}, 8},
		{[]int{9, 3, 5, 1}, 1}, {[]int{9, 3, 5}, 5}, {[]int{0, 9, 3}, 3}, {[]int{0, 9}, 9}, {[]int{130, 1}, 130}, {[]int{6, 7}, 6}, {[]int{42}, 1},
	} {
		if got := Worst(tt.of...); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.of, got, tt.want)
		}
	}
}

func TestExpand(t *testing.T) {
	services := []status.Service{{Name: "db", Groups: []string{"back"}}, {Name: "web.0"}, {Name: "web.1", Groups: []string{"front", "back"}}}
	for _, tt := range []struct {
		words          string
		all            bool
		names, unknown string
	}{
		{"db", false, "db", ""},
		{"web.1 db web.1", false, "db web.1", ""},
		{"web.*", false, "web.0 web.1", ""},
		{"@back", false, "db web.1", ""},
		{"@back web.? db", false, "db web.0 web.1", ""},
		{"", true, "db web.0 web.1", ""},
		{"", false, "", ""},
		{"nosuch db x* @none @", false, "db", "nosuch x* @none @"},
		{"[ \\ [^]", false, "", "[ \\ [^]"},
		{"*", false, "db web.0 web.1", ""},
	} {
		names, unknown := Expand(strings.Fields(tt.words), tt.all, services)
		if strings.Join(names, " ") != tt.names || strings.Join(unknown, " ") != tt.unknown {
			t.Errorf("%q: got %v and %v", tt.words, names, unknown)
		}
	}
}

func TestSignal(t *testing.T) {
	for _, tt := range []struct{ word, want string }{
		{"HUP", "HUP"}, {"sighup", "HUP"}, {"9", "KILL"}, {"SIGWINCH", "WINCH"}, {"IOT", ""},
		{"0", ""}, {"-1", ""}, {"65", ""}, {"", ""}, {"SIG", ""}, {"FOO", ""}, {"HUP ", ""}, {"SIGSIGHUP", ""},
	} {
		if got, ok := Signal(tt.word); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v", tt.word, got, ok)
		}
	}
}

// TestVerdict is the contract's examples.
func TestVerdict(t *testing.T) {
	start := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	for _, tt := range []struct {
		op   status.Operation
		want string
	}{
		{status.Operation{Verb: "hup", Result: status.OK, Detail: "6 workers new", Ended: at(1.6), Release: "42"},
			"reloaded, 6 workers new in 1.6 s, release 42"},
		{status.Operation{Verb: "hup", Result: status.OK, Detail: "6 workers new", Ended: at(1.6), Release: "42", Warning: "2 old workers (812 815) still busy after 2m were ended"},
			"reloaded, 6 workers new in 1.6 s, release 42; 2 old workers (812 815) still busy after 2m were ended"},
		{status.Operation{Verb: "hup", Result: status.Failed, Serving: true, Release: "41", Error: "check-command exited 255 (nothing was signalled)"},
			"NOT reloaded, release 41 still serves: check-command exited 255 (nothing was signalled)"},
		{status.Operation{Verb: "hup", Result: status.Failed, Error: "new workers die at start (exit 255, 96 in 0.8 s)", Hint: "mend the code and run this again"},
			"reload FAILED, web is DOWN: new workers die at start (exit 255, 96 in 0.8 s); mend the code and run this again"},
		{status.Operation{Verb: "replace", Result: status.Failed, Serving: true, Generation: 6, Tried: 7, Release: "41",
			Error: "generation 7 answered 500 to GET /health for 60 s and was ended"},
			"NOT reloaded, generation 6 (release 41) still serves: generation 7 answered 500 to GET /health for 60 s and was ended"},
		{status.Operation{Verb: "hup", As: "replace", Result: status.Failed, Serving: true, Generation: 6, Tried: 7, Error: "generation 7 exited 255 after 0.4 s"},
			"NOT reloaded, generation 6 still serves: generation 7 exited 255 after 0.4 s"},
		{status.Operation{Verb: "hup", As: "replace", Result: status.OK, Generation: 7, Tried: 7, Detail: "generation 7, 6 workers new", Ended: at(1.6), Release: "42"},
			"reloaded, generation 7, 6 workers new in 1.6 s, release 42"},
		{status.Operation{Verb: "replace", Result: status.OK, Generation: 7, Tried: 7, Detail: "6 workers new", Ended: at(1.6), Release: "42",
			Warning: "generation 6 (812) still busy after 2m was ended"}, "reloaded, 6 workers new in 1.6 s, release 42; generation 6 (812) still busy after 2m was ended"},
		{status.Operation{Verb: "replace", Result: status.Failed, Serving: true, Generation: 6, Release: "41", Error: "check-command exited 255 (nothing was started)"},
			"NOT reloaded, release 41 still serves: check-command exited 255 (nothing was started)"},
		{status.Operation{Verb: "replace", Result: status.Failed, Tried: 7, Error: "generation 6 exited 1 while generation 7 was tried", Hint: "mend the code and run this again"},
			"replacement FAILED, web is DOWN: generation 6 exited 1 while generation 7 was tried; mend the code and run this again"},
		{status.Operation{Verb: "replace", ID: "1a2f", Progress: "generation 7 answers 503, 3 of 6 workers"},
			"not finished after 20 s and going on, generation 7 answers 503, 3 of 6 workers; verdict: gsvctl wait --op 1a2f"},
		{status.Operation{Verb: "replace", As: "start", Result: status.OK, Pid: 123, Ended: at(0.4)}, "started, pid 123 in 0.4 s"},
		{status.Operation{Verb: "hup", ID: "1a2f", Progress: "3 of 6 workers new"},
			"not finished after 20 s and going on, 3 of 6 workers new; verdict: gsvctl wait --op 1a2f"},
		{status.Operation{Verb: "restart", Result: status.OK, Pid: 123, Ended: at(0.4)}, "restarted, pid 123 in 0.4 s"},
		{status.Operation{Verb: "start", Result: status.Failed, Error: "exit 1", NextStart: new(at(22))}, "start FAILED, web is DOWN: exit 1; next try in 2.0 s"},
		{status.Operation{Verb: "hup", As: "restart", Result: status.OK, Pid: 123, Ended: at(3.1), Release: "42"}, "restarted, pid 123 in 3.1 s, release 42"},
		{status.Operation{Verb: "hup", As: "restart", Result: status.Failed, Error: "exit 1"}, "restart FAILED, web is DOWN: exit 1"},
		{status.Operation{Verb: "hup", Result: status.OK, Detail: "HUP taken by 812; it has no workers to prove the new code", Ended: at(0.2), Release: "42"},
			"reloaded, HUP taken by 812 in 0.2 s, release 42; it has no workers to prove the new code"},
		{status.Operation{Verb: "hup", Result: status.OK, Detail: "6 workers new", Ended: at(1.6), Warning: "2 old ones ended", Hint: "look at them"},
			"reloaded, 6 workers new in 1.6 s; 2 old ones ended; look at them"},
		{status.Operation{Verb: "ttin", Result: status.OK, Detail: "6 workers (4+2)", Ended: at(0.3)}, "ttin done, 6 workers (4+2) in 0.3 s"},
		{status.Operation{Verb: "ttou", Result: status.Failed, Serving: true, Error: "4 workers still"}, "ttou FAILED: 4 workers still"},
		{status.Operation{Verb: "ttin", Result: status.Failed, Error: "main process exited 3 after 20 s", NextStart: new(at(22))},
			"ttin FAILED, web is DOWN: main process exited 3 after 20 s; next try in 2.0 s"},
		{status.Operation{Verb: "hup", By: status.Caller{User: "watch"}, Reason: "137 files under /srv/app, first lib/App.pm", Result: status.OK, Detail: "6 workers new", Ended: at(1.6), Release: "42"},
			"reloaded, 6 workers new in 1.6 s, release 42; by watch: 137 files under /srv/app, first lib/App.pm"},
		{status.Operation{Verb: "watch", Action: "pause", Result: status.OK, Pid: 12, Detail: "for 10m", Ended: at(0)}, "watch paused, for 10m"},
		{status.Operation{Verb: "watch", Action: "resume", Result: status.OK, Pid: 12, Ended: at(0)}, "watch resumed"},
		{status.Operation{Verb: "watch", Action: "resume", Result: status.OK, Already: true, Ended: at(0)}, "its watch was not paused"},
		{status.Operation{Verb: "frobnicate", Result: status.OK, Ended: at(0.004)}, "frobnicate done in 4 ms"},
	} {
		tt.op.Service, tt.op.Started = "web", start
		if got := Verdict(&tt.op, "app01", at(20)); got != "web@app01: "+tt.want {
			t.Errorf("got  %s\nwant web@app01: %s", got, tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		s    float64
		want string
	}{{-1, "0 ms"}, {0, "0 ms"}, {0.0994, "99 ms"}, {0.0996, "0.1 s"}, {9.94, "9.9 s"}, {9.96, "10 s"}, {119.4, "119 s"}, {250, "4m10s"}, {277200, "3d5h"}} {
		if got := Seconds(tt.s); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.s, got, tt.want)
		}
	}
}

func TestAgo(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{{-time.Hour, "0 s ago"}, {59 * time.Second, "59 s ago"}, {time.Minute, "1 min ago"}, {239 * time.Second, "3 min ago"}, {90 * time.Minute, "1 h ago"},
		{23 * time.Hour, "23 h ago"}, {50 * time.Hour, "2 d ago"}} {
		if got := Ago(tt.d); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.d, got, tt.want)
		}
	}
}

// TestWatchText: the row of a service says what it has to know of its watch, and its own line only what is not as it should be.
func TestWatchText(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		w          status.Watch
		text, note string
	}{
		{status.Watch{State: status.Watching}, "watching", "-"},
		{status.Watch{State: status.Watching, Pending: "3 files", PendingSince: new(now.Add(-3 * time.Second))}, "watching; under way for 3s: 3 files", "-"},
		{status.Watch{State: status.Watching, Pending: "3 files"}, "watching; under way: 3 files", "-"},
		{status.Watch{State: status.Watching, Stalled: ".a.Xy12ab is written", Pending: "3 files"}, "watching; not settled: .a.Xy12ab is written", "deploy not settled: .a.Xy12ab is written"},
		{status.Watch{State: status.Polling, Trouble: "watch limit reached"}, "polling; watch limit reached", "watch: watch limit reached"},
		{status.Watch{State: status.Paused, By: "deploy", Until: new(now.Add(4 * time.Minute))}, "paused for 4m0s more, by deploy", "watch paused for 4m0s more"},
		{status.Watch{State: status.Paused, By: "deploy"}, "paused until it is resumed, by deploy", "watch paused"},
		{status.Watch{State: status.WatchStopped, Reason: "the service itself changes x"}, "stopped: the service itself changes x", "watch stopped"},
		{status.Watch{State: status.WatchOff, Reason: "the service is fatal"}, "off: the service is fatal", "-"},
	} {
		if got := WatchText(&tt.w, now); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
		if got := Note(&status.Service{State: status.Running, Ready: true, Watch: &tt.w}, now); got != tt.note {
			t.Errorf("%s: note %q, want %q", tt.text, got, tt.note)
		}
	}
}

// TestActions: what may be carried out without an operator needs nothing but a service.
func TestActions(t *testing.T) {
	var names []string
	for _, v := range Actions() {
		names = append(names, v.Name)
	}
	want := "start stop restart once hup replace ttin ttou quit term int kill usr1 usr2 winch alrm pause cont"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSockets(t *testing.T) {
	for _, tt := range []struct {
		w           Where
		path, tried string
	}{
		{Where{Flag: "/a", Env: "/b"}, "/a", "/a"},
		{Where{Env: "/b"}, "/b", "/b"},
		{Where{UID: 0, RuntimeDir: "/x"}, "/run/gsv/gsv.sock", "/run/gsv/gsv.sock"},
		{Where{UID: 64123, RuntimeDir: "/nonexistent"}, "/run/gsv/gsv.sock", "/nonexistent/gsv/gsv.sock /run/gsv/gsv.sock"},
		{Where{UID: 64123}, "/run/gsv/gsv.sock", "/tmp/gsv-64123/gsv.sock /run/gsv/gsv.sock"},
	} {
		path, tried := tt.w.Sockets()
		if path != tt.path || strings.Join(tried, " ") != tt.tried {
			t.Errorf("%+v: got %s of %v", tt.w, path, tried)
		}
	}
}

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"web.0", "web.0"}, {"..", "%2E%2E"}, {"a/b?c d", "a%2Fb%3Fc%20d"}, {"\r\nX", "%0D%0AX"}, {"é", "%C3%A9"},
	} {
		if got := Escape(tt.name); got != tt.want {
			t.Errorf("%q: got %s", tt.name, got)
		}
	}
}

func TestTableOfServices(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	services := []status.Service{
		{Name: "a", State: status.Running, Pid: 4194304, Since: now.Add(-100 * time.Hour), Ready: true, Release: "42", Pending: true},
		{Name: "longer-name", State: status.Backoff, Since: now, Restarts: 12, LastExit: &status.Exit{Code: 255}, NextStart: new(now.Add(3 * time.Second))},
		{Name: "c", State: status.Running, Pid: 1},
		{Name: "d", State: status.Running, Ready: true, Pid: 2, Stale: true, Reason: "a\nb\x1b[2Jc\u009b", LastReload: &status.Reload{Result: status.Failed}},
	}
	want := "a            running    4194304  4d4h     0         changes wait for a restart, release 42\n" +
		"longer-name  backoff    -        0s       12        exit 255, next start in 3.0 s\n" +
		"c            running    1        -        0         NOT READY\n" +
		"d            running    2        -        0         a b\ufffd[2Jc\ufffd, last reload failed, stale\n"
	if got := string(AppendTable(nil, services, now, false)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestNoteOfGenerations: the line of a service says which generation serves wherever there is another, or was.
func TestNoteOfGenerations(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	failed := &status.Reload{Result: status.Failed, Generation: 7, At: now.Add(-200 * time.Second)}
	trying, leaving := status.Generation{Generation: 7, Role: status.Trying}, status.Generation{Generation: 5, Role: status.Leaving}
	for _, tt := range []struct {
		s    status.Service
		want string
	}{
		{status.Service{LastReload: failed}, "serving 6, 7 failed 3 min ago"},
		{status.Service{LastReload: failed, Release: "41", Stale: true}, "serving 6, 7 failed 3 min ago, stale, release 41"},
		{status.Service{LastReload: &status.Reload{Result: status.Failed, Generation: 7}}, "serving 6, 7 failed"},
		{status.Service{LastReload: &status.Reload{Result: status.OK, Generation: 6}}, "-"},
		{status.Service{LastReload: &status.Reload{Result: status.Failed}}, "last reload failed"},
		{status.Service{Generations: []status.Generation{trying}}, "serving 6, trying 7"},
		{status.Service{Generations: []status.Generation{leaving}}, "serving 6, 5 leaving"},
		{status.Service{Generations: []status.Generation{{Generation: 4, Role: status.Leaving}, leaving, trying}}, "serving 6, 4 leaving, 5 leaving, trying 7"},
		{status.Service{Generations: []status.Generation{{Generation: 8, Role: status.Trying}}, LastReload: failed, State: status.Reloading},
			"serving 6, trying 8, 7 failed 3 min ago"},
		{status.Service{State: status.Backoff, LastReload: failed}, "generation 7 failed 3 min ago"},
		{status.Service{State: status.Stopped, LastExit: &status.Exit{Code: 1}, Generations: []status.Generation{leaving}}, "exit 1, generation 5 leaving"},
		{status.Service{State: status.Starting, Generations: []status.Generation{trying}}, "trying generation 7"},
	} {
		tt.s.Generation, tt.s.Ready = 6, tt.s.State == "" || tt.s.State == status.Reloading
		if tt.s.State == "" {
			tt.s.State = status.Running
		}
		if got := Note(&tt.s, now); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		failing := tt.s.LastReload != nil && tt.s.LastReload.Result == status.Failed
		if code := StatusExit(&tt.s); tt.s.Ready && (code == Stale) != (failing || tt.s.Stale) {
			t.Errorf("%q: exit %d", tt.want, code)
		}
	}
}
