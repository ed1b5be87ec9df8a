package definition

import (
	"strings"
	"testing"
	"time"
)

var watchActions = map[string]Action{"hup": {Verb: "hup"}, "reload": {Verb: "hup"}, "replace": {Verb: "replace"}, "restart": {Verb: "restart"}, "start": {Verb: "start"},
	"once": {Verb: "once"}, "usr1": {"usr1", "USR1"}}

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      Watch // without the defaults of Debounce and Action
	}{
		{"paths", "paths = ['/srv/web', 'lib', '*.psgi']", Watch{Paths: []string{"/srv/web", "lib", "*.psgi"}}},
		{"a stamp alone", "stamp = 'tmp/restart.txt'", Watch{Stamp: "tmp/restart.txt"}},
		{"nothing", "", Watch{}},
		{"ignore", `paths = ['/x']
ignore = ['tmp/', '/log/*', '!tmp/keep', '**/*.[ot]', '\#x', 'a b']`, Watch{Paths: []string{"/x"}, Ignore: []string{"tmp/", "/log/*", "!tmp/keep", "**/*.[ot]", `\#x`, "a b"}}},
		{"poll", "paths = ['/x']\npoll = '30s'\nmax-delay = '0s'", Watch{Paths: []string{"/x"}, Poll: 30 * time.Second}},
		{"reload", "paths = ['/x']\naction = 'reload'", Watch{Paths: []string{"/x"}}},
		{"a signal", "paths = ['/x']\naction = 'usr1'", Watch{Paths: []string{"/x"}, Action: Action{"usr1", "USR1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Action == (Action{}) {
				tt.want.Action = Action{Verb: "hup"}
			}
			tt.want.Debounce = 2 * time.Second
			d, problems := Parse("web", "web.toml", []byte("command = 'a'\n[watch]\n"+tt.src+"\n"), Defaults{Actions: watchActions})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if !same(d.Watch, tt.want) || d.Watch.On() != (tt.name != "nothing") {
				t.Errorf("got  %+v\nwant %+v", d.Watch, tt.want)
			}
		})
	}
}

func TestWatchProblems(t *testing.T) {
	for src, want := range map[string]string{ // part of what is said
		"paths = '/srv/web'":                                  `write watch.paths = ["/srv/web"]`,
		"paths = []":                                          "nothing is watched",
		"paths = ['']":                                        "not an empty string",
		"paths = ['~/web']":                                   "is not expanded",
		"paths = [5]":                                         "want a path, not the number 5",
		"paths = ['/srv/[web']":                               "is no glob",
		"ignore = ['x']":                                      `name what is deployed: watch.paths = ["/srv/web"]`,
		"action = 'restart'":                                  "has no effect, for nothing is watched",
		"paths = ['/x']\nignore = 'log'":                      `write watch.ignore = ["log"]`,
		"paths = ['/x']\nignore = ['']":                       "matches nothing",
		"paths = ['/x']\nignore = ['!/']":                     "matches nothing",
		"paths = ['/x']\nignore = ['# logs']":                 "is a comment",
		"paths = ['/x']\nignore = [\"a\\nb\"]":                "a pattern is one line",
		"paths = ['/x']\nignore = ['a[']":                     "is no pattern",
		"paths = ['/x']\ndebounce = '0s'":                     "must be more than 0",
		"paths = ['/x']\ndebounce = 2":                        `write watch.debounce = "2s"`,
		"paths = ['/x']\nmax-delay = '2s'":                    "not longer than watch.debounce, which is 2s",
		"paths = ['/x']\nmax-delay = '1m'\ndebounce = '1m'":   "not longer than watch.debounce, which is 1m",
		"paths = ['/x']\npoll = 10":                           `write watch.poll = "10s"`,
		"paths = ['/x']\nstamp = ['x']":                       "want a path, not an array",
		"paths = ['/x']\naction = 'relaod'":                   `did you mean "reload"?`,
		"paths = ['/x']\naction = 'SIGUSR1'":                  `did you mean "usr1"?`,
		"paths = ['/x']\naction = 'HUP'":                      `did you mean "hup"?`,
		"paths = ['/x']\naction = 'status'":                   "it changes no service",
		"paths = ['/x']\naction = ['sh', '-c', 'make']":       `want a verb, such as "reload", not an array`,
		"paths = ['/x']\nreload = 'none'":                     `unknown key "reload" in [watch]`,
		"paths = ['/x']\n[ready]\ntcp = ':1'\n[watch.x]\na=1": `unknown key "x" in [watch]`,
		"path = ['/x']":                                       `did you mean "paths"?`,
		"restart_file_pattern = '*.php'":                      `watch.paths = ["*.php"]`,
	} {
		d, problems := Parse("web", "web.toml", []byte("command = 'a'\n[watch]\n"+src+"\n"), Defaults{Actions: watchActions})
		if d != nil || len(problems) != 1 || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: want %s, got\n%s", src, want, problems)
		}
	}
}

// What contradicts the rest of the file is said where it stands.
func TestWatchAndTheRest(t *testing.T) {
	for _, tt := range []struct {
		name, path, src, want string
		line                  int
		warning               bool
	}{
		{"reload none", "web.toml", "reload = 'none'\n[watch]\npaths = ['/x']", `refused by reload = "none"`, 4, false},
		{"reload none, as written", "web.toml", "reload = 'none'\n[watch]\npaths = ['/x']\naction = 'reload'", `write watch.action = "restart"`, 5, false},
		{"reload none and a stamp", "web.toml", "reload = 'none'\n[watch]\nstamp = '/x'", `refused by reload = "none"`, 4, false},
		{"reload none, restart", "web.toml", "reload = 'none'\n[watch]\npaths = ['/x']\naction = 'restart'", "", 0, false},
		{"start", "web.toml", "[watch]\npaths = ['/x']\naction = 'start'", "does nothing to a service that runs", 4, true},
		{"start of a oneshot", "web.toml", "type = 'oneshot'\n[watch]\npaths = ['/x']\naction = 'start'", "", 0, false},
		{"the root", "web.toml", "[watch]\npaths = ['/x', '/']", "everything on this machine", 3, true},
		{"service files", "/etc/gsv/services.d/web.toml", "[watch]\npaths = ['/x', '/etc/gsv/services.d/']", "taken by gsvctl apply", 3, true},
		{"service files, relative", "/etc/gsv/services.d/web.toml", "working-directory = '/etc/gsv'\n[watch]\npaths = ['services.d']", "taken by gsvctl apply", 4, true},
		{"beside service files", "/etc/gsv/services.d/web.toml", "[watch]\npaths = ['/etc/gsv/services.d/web']", "", 0, false},
		{"what holds the log", "web.toml", "log.path = '/srv/web/log/web.log'\n[watch]\npaths = ['/srv/web']", "", 0, false},
		{"a foreign name", "web.toml", "watch_paths = ['/x']", `here it is "watch.paths"`, 2, false},
		{"pm2", "web.toml", "watch = true", "write its keys below a header [watch]", 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, problems := Parse("web", tt.path, []byte("command = 'a'\n"+tt.src+"\n"), Defaults{Actions: watchActions})
			if tt.want == "" {
				if len(problems) > 0 {
					t.Error(problems)
				}
				return
			}
			if len(problems) != 1 || (d != nil) != tt.warning || problems[0].Line != tt.line || !strings.Contains(problems.String(), tt.want) {
				t.Errorf("want %s in line %d, got\n%s", tt.want, tt.line, problems)
			}
		})
	}
}
