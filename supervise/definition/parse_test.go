package definition

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const kill = syscall.SIGKILL

func TestDefaults(t *testing.T) {
	src := `command = "sleep 1"`
	want := &Definition{
		Name: "web", Path: "web.toml", Source: []byte(src), Command: []string{"sleep", "1"}, Preset: "none",
		Autostart: true, Inherit: Inherit{Names: []string{"PATH", "LANG", "LC_*", "TZ"}}, Umask: 0o22,
		RestartDelay: 500 * time.Millisecond, RestartDelayMax: 30 * time.Second, RestartDelayFactor: 2, StartLimitInterval: 10 * time.Minute,
		MinUptime: time.Second, StartTimeout: 90 * time.Second, SuccessExit: []ExitMatch{{}},
		StopSequence: []StopStep{{syscall.SIGTERM, 30 * time.Second}, {kill, 0}},
		Signals:      PresetSignals{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGTTIN, syscall.SIGTTOU, 0, 0},
		Ready:        Ready{Interval: 200 * time.Millisecond, Timeout: 2 * time.Second, Statuses: []StatusRange{{200, 399}}},

		ReloadTimeout: time.Minute, DrainTimeout: 2 * time.Minute, CheckTimeout: 30 * time.Second,
		Log:   Log{Mode: 0o640, MaxSize: 50 << 20, Keep: 10, Compress: true},
		Watch: Watch{Debounce: 2 * time.Second, Action: Action{Verb: "hup"}},
	}
	if diff := cmp.Diff(want, parse(t, src)); diff != "" {
		t.Error(diff)
	}
	want.Inherit = Inherit{All: true}
	want.Log.Output = Stdout
	got, _ := Parse("web", "web.toml", []byte(src), Defaults{Container: true})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("as PID 1:", diff)
	}
}

// Every key at once, each with a value that is not the default.
const everything = "\ufeff" + `# all of it
command = '''
  starman --workers 8
    --listen "127.0.0.1:5000" app.psgi'''
description = "Größe"
preset = "none"
on-end = "shutdown"
autostart = false
groups = ["jobs", "web", "jobs"]
working-directory = "/srv/current"
environment-files = ["/srv/env", "-/srv/env.local"]
inherit-environment = ["HOME", "MY_*"]
user = 1000
group = "www"
supplementary-groups = ["audio", 44]
umask = "0o027"
restart = "on-failure"
restart-delay = "0s"
restart-delay-max = "1m30s"
restart-delay-factor = 3
start-limit = 5
start-limit-interval = "2d"
min-uptime = "0s"
start-timeout = "0s"
success-exit-status = [0, 143, "SIGTERM", "TERM", 143]
stop-signal = "SIGINT"
stop-timeout = "0s"
kill-mode = "group"
reload = "command"
reload-command = ["sh", "-c", "kill -USR2 $PPID; sleep 1"]
reload-timeout = "5m"
drain-timeout = "0s"
stale-release = "restart"
check-command = "perl -c app.psgi"
check-timeout = "1m"
environment.A = "1"
ready = { http = "http://unix:/run/web.sock:/health?x=1", interval = "1s", timeout = "5s", status = "200-299, 404", headers = { host = "shop.example", "X-Probe" = " gsv " } }
pid-file = "run/../web.pid"
[environment]
"B.x" = ""
[allow]
hup = ["root", "@root", "12345"]
read = []
[log]
output = "file"
path = "shop//web.log"
mode = "0600"
group = 0
stderr = "separate"
max-size = "512KB"
keep = 0
max-age = "30d"
max-total = 1073741824
compress = "none"
timestamp = true
on-full = "block"
syslog = "udp://[::1]:0514"
journal = true
[watch]
paths = [".", "/srv/*/lib"]
ignore = ["tmp/", "!tmp/keep"]
debounce = "500ms"
max-delay = "5m"
stamp = "tmp/restart.txt"
poll = "10s"
action = "USR1"
[listen.web]
address = "*:080"
backlog = 64
reuse-port = true
[listen."a-unix.1"]
address = "unix:/run//y/../x.sock"
mode = "0600"
owner = 33
group = "www"
[listen]
Dns_4 = { address = "udp:0.0.0.0:53" }
v4.address = "0.0.0.0:80"
v4.reuse-port = true
`

func TestEverything(t *testing.T) {
	want := &Definition{
		Name: "web", Path: "web.toml", Source: []byte(everything),
		Command:     []string{"starman", "--workers", "8", "--listen", "127.0.0.1:5000", "app.psgi"},
		Description: "Größe", Preset: "none", OnEnd: Shutdown, Groups: []string{"jobs", "web"}, WorkingDirectory: "/srv/current",
		Environment:      map[string]string{"A": "1", "B.x": ""},
		EnvironmentFiles: []EnvironmentFile{{"/srv/env", false}, {"/srv/env.local", true}},
		Inherit:          Inherit{Names: []string{"HOME", "MY_*"}},
		User:             "1000", Group: "www", SupplementaryGroups: []string{"audio", "44"}, Umask: 0o27,
		Restart: OnFailure, RestartDelayMax: 90 * time.Second, RestartDelayFactor: 3, StartLimit: 5, StartLimitInterval: 48 * time.Hour,
		SuccessExit:  []ExitMatch{{}, {Code: 143}, {Signal: syscall.SIGTERM}},
		StopSequence: []StopStep{{syscall.SIGINT, 0}, {kill, 0}}, KillMode: Group,
		Signals: PresetSignals{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTTIN, syscall.SIGTTOU, 0, 0},
		Ready: Ready{HTTP: HTTP{"unix", "/run/web.sock", "shop.example", "/health?x=1"}, Interval: time.Second, Timeout: 5 * time.Second,
			Statuses: []StatusRange{{200, 299}, {404, 404}}, Headers: map[string]string{"X-Probe": "gsv"}},
		PidFile: "/srv/current/web.pid",
		Listen: []Socket{
			{Name: "web", Network: "tcp", Address: "[::]:80", V6Only: true, Backlog: 64, ReusePort: true},
			{Name: "a-unix.1", Network: "unix", Address: "/run/x.sock", Mode: 0o600, Owner: "33", Group: "www"},
			{Name: "Dns_4", Network: "udp", Address: "0.0.0.0:53"},
			{Name: "v4", Network: "tcp", Address: "0.0.0.0:80", ReusePort: true},
		},
		Allow: map[string][]string{"hup": {"root", "@root", "12345"}, "read": {}},
		Log: Log{Path: "shop/web.log", Mode: 0o600, Group: "0", Separate: true, MaxSize: 512 << 10, MaxAge: 30 * 24 * time.Hour, MaxTotal: 1 << 30,
			Timestamp: true, Block: true, Syslog: "udp://[::1]:514", Journal: true},
		Watch: Watch{Paths: []string{".", "/srv/*/lib"}, Ignore: []string{"tmp/", "!tmp/keep"}, Debounce: 500 * time.Millisecond, MaxDelay: 5 * time.Minute,
			Stamp: "tmp/restart.txt", Poll: 10 * time.Second, Action: Action{Verb: "USR1"}},
		Reload: ByCommand, ReloadCommand: []string{"sh", "-c", "kill -USR2 $PPID; sleep 1"}, ReloadTimeout: 5 * time.Minute,
		StaleRelease: RestartStale, CheckCommand: []string{"perl", "-c", "app.psgi"}, CheckTimeout: time.Minute,
	}
	// TOML itself forbids a header for a table that a dotted key made, so take it out there.
	src := strings.Replace(everything, "environment.A = \"1\"\n", "", 1)
	src = strings.Replace(src, "[environment]\n", "[environment]\nA = \"1\"\n", 1)
	want.Source = []byte(src)
	got, problems := Parse("web", "web.toml", []byte(src), Defaults{Verbs: []string{"hup"}})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again, _ := Parse(got.Name, got.Path, got.Source, Defaults{Verbs: []string{"hup"}})
	if !again.Equal(got) || len(again.Diff(got)) != 0 {
		t.Error("the same source gave another definition")
	}
	for _, k := range Keys() {
		if k.Supported && !strings.Contains(src, k.In()) && !slices.Contains([]string{"type", "main", "stop-sequence", "ready.tcp", "ready.unix", "ready.exec", "ready.notify", "ready.fd", "ready.log-line", "reload-signal", "log.format"}, k.Name) {
			t.Errorf("%s is not tried here", k.Name)
		}
	}
}

func TestStopSequence(t *testing.T) {
	const s = time.Second
	starman := "command = 'starman app.psgi'\n"
	tests := []struct {
		name, src string
		want      []StopStep
	}{
		{"starman", starman, []StopStep{{syscall.SIGQUIT, 30 * s}, {syscall.SIGTERM, 5 * s}, {kill, 0}}},
		{"starman, another timeout", starman + "stop-timeout = '2m'", []StopStep{{syscall.SIGQUIT, 120 * s}, {syscall.SIGTERM, 5 * s}, {kill, 0}}},
		{"starman, another signal", starman + "stop-signal = 'INT'", []StopStep{{syscall.SIGINT, 30 * s}, {syscall.SIGTERM, 5 * s}, {kill, 0}}},
		{"starman, TERM at once", starman + "stop-signal = 'TERM'", []StopStep{{syscall.SIGTERM, 30 * s}, {kill, 0}}},
		{"no preset", "command = 'x'\nstop-signal = 'INT'\nstop-timeout = '5s'", []StopStep{{syscall.SIGINT, 5 * s}, {kill, 0}}},
		{"KILL", "command = 'x'\nstop-signal = 'KILL'", []StopStep{{kill, 0}}},
		{"own", starman + "stop-sequence = ['USR1', '1s', 'SIGTERM', '0s', 'KILL']", []StopStep{{syscall.SIGUSR1, s}, {syscall.SIGTERM, 0}, {kill, 0}}},
		{"own without KILL", "command = 'x'\nstop-sequence = ['TERM', '3s']", []StopStep{{syscall.SIGTERM, 3 * s}, {kill, 0}}},
		{"own, only KILL", "command = 'x'\nstop-sequence = ['KILL']", []StopStep{{kill, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, tt.src)
			if diff := cmp.Diff(tt.want, d.StopSequence); diff != "" {
				t.Error(diff)
			}
		})
	}
	if d := parse(t, starman+"stop-signal = 'TERM'"); d.Signals.Graceful != syscall.SIGQUIT {
		t.Error("starman's graceful signal became", d.Signals.Graceful)
	}
}

func TestOneshotAndMain(t *testing.T) {
	if d := parse(t, "command = 'x'\ntype = 'oneshot'"); d.Type != Oneshot || d.Restart != No || d.StartTimeout != 0 {
		t.Errorf("oneshot: %+v", d)
	}
	if d := parse(t, "command = 'x'\ntype = 'oneshot'\nrestart = 'no'\nstart-timeout = '15m'"); d.StartTimeout != 15*time.Minute {
		t.Errorf("oneshot: %+v", d)
	}
	if d := parse(t, "command = 'x'\nmain = true"); !d.Main || d.Restart != No || d.StartTimeout == 0 {
		t.Errorf("main: %+v", d)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name, src, text string
	}{
		{"shell", `command = ["sh", "-c", "a; b"]`, "command: the shell stays"},
		{"shell with options", `command = ["/bin/bash", "-eu", "-lc", "a"]`, "command: the shell stays"},
		{"exec in a word", `command = ["sh", "-c", "execute x"]`, "command: the shell stays"},
		{"all in one word", `command = ["sleep 1"]`, `command: the program's name would be "sleep 1"`},
		{"no user", "command='a'\nallow.hup=['no-such-user']", `allow.hup: there is no user "no-such-user" on this machine`},
		{"no group", "command='a'\nallow.hup=['@no-such-group']", `allow.hup: there is no group "no-such-group" on this machine`},
		{"starman -D", "command='starman -D app.psgi'", "command: starman goes into the background, and"},
		{"unicorn -D", "command='bundle exec unicorn -c x --daemonize'", "command: unicorn goes into the background, and"},
		{"gunicorn -D", "command='gunicorn -w 3 --daemon a:a'", "command: gunicorn goes into the background, and"},
		{"start_server, inside", "command='start_server --port 1 -- starman -D'", "command: starman goes into the background, and"},
		{"start_server", "command='start_server --daemonize --port 1 -- starman'", "command: start_server goes into the background, and"},
		{"uwsgi", "command='uwsgi --ini x --daemonize /log'", "command: uwsgi goes into the background, and"},
		{"php-fpm", "command='php-fpm8.2'", "command: php-fpm8.2 goes into the background, unless its configuration"},
		{"php-fpm -D", "command='php-fpm8.2 -D'", "command: php-fpm8.2 goes into the background, and"},
		{"nginx", "command='nginx'", "command: nginx goes into the background, unless its configuration"},
		{"apache", "command='apache2'", "command: apache2 goes into the background, and"},
		{"no check", "command='a'\ncheck-command=[]\ncheck-timeout='1s'", "check-timeout: has no effect"},
		{"nothing to answer", "command='a'\ntype='notify-reload'\nreload='restart'", `type: with reload = "restart" nothing is waited for that "notify" does not say`},
		{"line of either", "command='unicorn -c x'\nreload='usr2'\nready.log-line='ready'", `ready.log-line: with reload = "usr2" the old process and its successor write to the same log`},
		{"address of either", "command='unicorn -c x'\nreload='usr2'\nready.tcp=':1'", "ready.tcp: in a replacement the old generation answers there"},
		{"no restart", "command='a'\nrestart='no'\nstart-limit=3", "start-limit: has no effect"},
		{"format of a file", "command='a'\nlog.format='json'", "log.format: has no effect where output goes now: it goes to a file unless gsv is PID 1"},
		{"no log group", "command='a'\nlog.group='no-such-group'", `log.group: there is no group "no-such-group" on this machine`},
		{"never rotated", "command='a'\n[log]\nmax-size=0\nkeep=3", "log.keep: has no effect, for the file is never rotated"},
		{"rotated earlier", "command='a'\n[log]\nmax-size='20MB'\nmax-total='10MB'", "log.max-total: less than log.max-size, so the file is rotated earlier, at 5MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, tt.src)
			if len(d.Warnings) != 1 || !d.Warnings[0].Warning || !strings.HasPrefix(d.Warnings[0].Text, tt.text) {
				t.Errorf("got:\n%s", d.Warnings)
			}
		})
	}
	for _, src := range []string{
		"command = 'unicorn -c x'\nready.log-line = 'x'", "command = 'unicorn -c x'\nreload = 'usr2'\nready.exec = 'x'",
		"command = 'a'\ntype = 'notify-reload'\nreload-command = 'b'\nreload = 'command'",
		`command = ["sh", "-c", "exec a"]`, `command = ["sh", "-c", "cd /x && exec a"]`, `command = "sh script.sh"`, `command = ["sh", "-c"]`,
		`command = "nginx -c x -g 'daemon off;'"`, `command = "nginx -t"` + "\ntype = 'oneshot'", `command = "mine -D"` + "\npreset = 'starman'", `command = "httpd -DFOREGROUND"`, `command = "apache2 -X"`,
		`command = "php-fpm8.2 --nodaemonize"`, `check-command = ["sh", "-c", "a && b"]` + "\ncommand = 'a'", `command = ["sh", "x.sh", "-c", "y"]`, `command = ["dash", "-c", "exec \"$@\"", "sh", "a"]`,
		"command = 'a'\n[log]\nmax-total = '10MB'", "command = 'a'\n[log]\nmax-size = '0'\nmax-age = '1d'\nkeep = 3", "command = 'a'\n[log]\noutput = 'none'\nstderr = 'merge'\nsyslog = 'unix'",
	} {
		if d := parse(t, src); len(d.Warnings) != 0 {
			t.Errorf("%s:\n%s", src, d.Warnings)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "web", "web-1", "web.blue", "a_b", "web.err2", "x.0a", strings.Repeat("a", nameMax)} {
		if !ValidName(name) {
			t.Errorf("%q is refused", name)
		}
		if d, p := Parse(name, "", []byte("command='a'"), Defaults{}); d == nil {
			t.Error(p)
		}
	}
	for _, name := range []string{"", "Web", "0a", "-a", "a b", "a/b", "..", ".a", "web.0", "web.12", "web.err", "all", "ä", "a\n", strings.Repeat("a", nameMax+1)} {
		if ValidName(name) {
			t.Errorf("%q is taken", name)
		}
		if d, p := Parse(name, "x", []byte("command='a'"), Defaults{}); d != nil || len(p) != 1 || p[0].Line != 0 {
			t.Errorf("%q: %v", name, p)
		}
	}
}

func TestHugeFile(t *testing.T) {
	if d, p := Parse("web", "x", make([]byte, maxSource+1), Defaults{}); d != nil || len(p) != 1 {
		t.Errorf("got %v", p)
	}
	// The worst of what is not too long must be over in no time.
	for name, src := range map[string]string{
		"brackets": "a = " + strings.Repeat("[", maxSource-4),
		"braces":   "a = " + strings.Repeat("{a=", maxSource/3-2),
		"dots":     strings.Repeat("a.", maxSource/2-2) + "a=1",
		"errors":   strings.Repeat("a b\n", maxSource/4),
		"headers":  strings.Repeat("[a]\n", maxSource/4),
		"lines":    strings.Repeat("\n", maxSource-1) + "x",
		"quotes":   `command = "` + strings.Repeat(`'a'`, maxSource/3-10) + `"`,
	} {
		start := time.Now()
		_, p := Parse("web", "x", []byte(src), Defaults{})
		if len(p) > syntaxLimit+2 {
			t.Errorf("%s: %d problems", name, len(p))
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

func TestCommandOfArguments(t *testing.T) {
	argv := []string{"/usr/bin/Starman", "--listen", ":80", "it's \"it\"", "\\", "a\nb\x01", ""}
	d := Command(argv, Defaults{})
	if d.Name != "starman" || !d.Main || d.Restart != No || !d.Inherit.All || d.Log.Output != Stdout || d.Preset != "none" {
		t.Errorf("got %+v", d)
	}
	if diff := cmp.Diff(argv, d.Command); diff != "" {
		t.Error(diff)
	}
	again, problems := Parse(d.Name, d.Path, d.Source, Defaults{Container: true})
	if !d.Equal(again) {
		t.Errorf("its source gives another definition: %s\n%s", cmp.Diff(d, again), problems)
	}
	for program, name := range map[string]string{"sh": "sh", "./Run.sh": "run.sh", "all": "main", "/": "main", "7z": "main", "x.0": "main", "": "main"} {
		if got := Command([]string{program}, Defaults{}).Name; got != name {
			t.Errorf("%s is named %s, want %s", program, got, name)
		}
	}
	if d := Command([]string{"x", "\xff"}, Defaults{}); d.Command[1] != "\xff" {
		t.Error("an argument that is not UTF-8 was changed")
	}
}

func TestExampleFiles(t *testing.T) {
	files, err := filepath.Glob("../../services.d/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no example service files", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := Parse(strings.TrimSuffix(filepath.Base(file), ".toml"), file, src, Defaults{}); len(problems) != 0 {
			t.Errorf("\n%s", problems)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := []byte("command = \"starman --workers 8 app.psgi\"\nworking-directory = \"/srv/current\"\nuser = \"www\"\n[ready]\ntcp = \"127.0.0.1:5000\"\n")
	b.ReportAllocs()
	for b.Loop() {
		if d, p := Parse("web", "web.toml", src, Defaults{}); d == nil {
			b.Fatal(p)
		}
	}
}
