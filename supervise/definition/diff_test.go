package definition

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const base = "command = 'starman app.psgi'\n"
	tests := []struct{ name, before, after, want string }{
		{"nothing", base, base, ""},
		{"only the writing", base, "# a comment\ncommand = ['starman', 'app.psgi']\nstop-timeout = '0m30s'\numask = '0022'\ngroups = []\nallow = {}\nenvironment-files = []", ""},
		{"command", base, "command = 'starman -p 1 app.psgi'", "command"},
		{"another server", base, "command = 'x'", "command preset:live ready.workers:live stop-signal:live stop-sequence:live"},
		{"policy", base, base + "restart = 'no'\nmin-uptime = '2s'\nready.tcp = ':1'\nallow.hup = ['root']", "allow:live ready.workers:live ready.tcp:live min-uptime:live restart:live"},
		{"stop-timeout", base, base + "stop-timeout = '1s'", "stop-timeout:live"},
		{"stop-signal", base, base + "stop-signal = 'INT'", "stop-signal:live"},
		{"rest of the sequence", base, base + "stop-sequence = ['QUIT', '30s', 'TERM', '6s']", "stop-sequence:live"},
		{"birth", base, base + "user = 'root'\numask = '077'\nworking-directory = '/'\nenvironment.A = ''", "working-directory environment user umask"},
		{"environment", base + "environment.A = '1'", base + "environment.A = '2'", "environment"},
		{"inherit", base, base + "inherit-environment = false", "inherit-environment"},
		{"inherit nothing", base + "inherit-environment = false", base + "inherit-environment = []", ""},
		{"no groups is not the default", base, base + "supplementary-groups = []", "supplementary-groups"},
		{"a socket", base, base + "[listen.a]\naddress = '0.0.0.0:1'", "listen.NAME.address"},
		{"its spelling", base + "listen.a.address = '0.0.0.0:1'", base + "[listen.a]\naddress = '0.0.0.0:01'\nreuse-port = false", ""},
		{"its name", base + "listen.a.address = '0.0.0.0:1'", base + "listen.b.address = '0.0.0.0:1'", "listen.NAME.address"},
		{"two sockets in another order", base + "listen.a.address = '0.0.0.0:1'\nlisten.b.address = '0.0.0.0:2'", base + "listen.b.address = '0.0.0.0:2'\nlisten.a.address = '0.0.0.0:1'", "listen.NAME.address"},
		{"tcp for unix", "command = 'a'\nlisten.a.address = ':1'", "command = 'a'\nlisten.a.address = 'unix:/x'", "listen.NAME.address"},
		{"the backlog", base + "listen.a.address = '0.0.0.0:1'", base + "listen.a.address = '0.0.0.0:1'\nlisten.a.backlog = 5", "listen.NAME.backlog"},
		{"the other by 0.0.0.0", "command = 'a'\nlisten.a.address = ':1'", "command = 'a'\nlisten.a.address = ':1'\nlisten.b.address = '0.0.0.0:1'", "listen.NAME.address"},
		{"mode as it is", "command = 'a'\nlisten.a.address = 'unix:/x'", "command = 'a'\nlisten.a = { address = 'unix:/x', mode = '0660' }", ""},
		{"http", base + "ready.http = 'http://a'", base + "ready.http = 'http://a:80/'", ""},
		{"http elsewhere", base + "ready.http = 'http://a'", base + "ready.http = 'http://unix:/a'", "ready.http:live"},
		{"Host", base + "ready.http = 'http://a'", base + "ready.http = 'http://a'\nready.headers.host = 'b'", "ready.headers:live"},
		{"headers", base + "ready.http = 'http://a'", base + "ready.http = 'http://a'\nready.headers.X = 'b'", "ready.headers:live"},
		{"statuses", base + "ready.http = 'http://a'", base + "ready.http = 'http://a'\nready.status = '200-399'", ""},
		{"a command that is asked", base, base + "ready.exec = 'a'", "ready.workers:live ready.exec:live"},
		{"what the process says", base, base + "ready.notify = true", "ready.workers ready.notify"},
		{"the type for it", base, base + "type = 'notify'", "type ready.workers ready.notify"},
		{"both say it", base + "ready.notify = true", base + "type = 'notify'", "type"},
		{"from a newline to http", base + "ready.fd = 3", base + "ready.http = 'http://a'\nready.timeout = '1s'", "ready.http ready.fd ready.timeout"},
		{"http at a socket to come", base, base + "[listen.a]\naddress = '0.0.0.0:1'\n[ready]\nhttp = '/x'", "listen.NAME.address ready.workers ready.http"},
		{"http at a socket that is there", base + "listen.a.address = '0.0.0.0:1'", base + "listen.a.address = '0.0.0.0:1'\nready.http = '/x'", "ready.workers:live ready.http:live"},
		{"pid file", base, base + "pid-file = '/x'", "pid-file:live"},
		{"output", base, base + "log.output = 'stdout'", "log.output:live"},
		{"the log's defaults", base, base + "[log]\npath = './web.log'\nmode = '640'\nmax-size = 52428800\nkeep = 10\nmax-total = '0'\nmax-age = '0h'\ncompress = 'gzip'", "log.path:live"},
		{"the log", base, base + "[log]\nmode = '0644'\ngroup = 0\nmax-size = 0\nkeep = 2\nmax-age = '1d'\nmax-total = '1GB'\ncompress = 'none'\ntimestamp = true\non-full = 'block'\nsyslog = 'unix'\njournal = true",
			"log.mode:live log.group:live log.max-size:live log.keep:live log.max-age:live log.max-total:live log.compress:live log.timestamp:live log.on-full:live log.syslog:live log.journal:live"},
		{"the format", base + "log.output = 'stdout'", base + "log.output = 'stdout'\nlog.format = 'raw'", "log.format:live"},
		{"the watch's defaults", base + "watch.paths = ['/srv']", base + "[watch]\npaths = ['/srv']\nignore = []\ndebounce = '2000ms'\nmax-delay = '0m'\npoll = '0s'\naction = 'reload'", ""},
		{"the watch", base, base + "[watch]\npaths = ['/srv']\nignore = ['x']\ndebounce = '1s'\nmax-delay = '1m'\npoll = '1s'\nstamp = 'x'\naction = 'restart'",
			"watch.paths:live watch.ignore:live watch.debounce:live watch.max-delay:live watch.stamp:live watch.poll:live watch.action:live"},
		{"standard error", base, base + "log.stderr = 'separate'", "log.stderr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := parse(t, tt.before), parse(t, tt.after)
			var got []string
			for _, c := range a.Diff(b) {
				if c.Live {
					c.Key += ":live"
				}
				got = append(got, c.Key)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(b.Diff(a)) != len(got) {
				t.Error("the other way round it differs")
			}
			if a.Equal(b) != (tt.before == tt.after) {
				t.Error("Equal says", a.Equal(b))
			}
		})
	}
}

// A difference that Diff does not see would never be applied.
func TestDiffSeesEverything(t *testing.T) {
	for _, k := range Keys() {
		if !k.Supported {
			continue
		}
		seen := false
		name := strings.ReplaceAll(k.Name, "NAME", "x")
		for _, with := range []string{"", "ready.tcp = ':8'\n", "ready.http = 'http://a/'\n", "listen.x.address = 'unix:/x'\n", "listen.x.address = '[::]:7'\n", "reload-command = 'b'\n", "watch.paths = ['/p']\n"} {
			for _, value := range []string{"'x y'", "true", "false", "['x']", "'7m'", "7", "'077'", "'USR1'", "['USR1', '1s', 'INT', '1s']", "'7s'", "[7]", "{x = 'y'}", "{x = ['root']}", "'/x'", "':7'",
				"'starman'", "'ignore'", "'none'", "'oneshot'", "'shutdown'", "'no'", "'group'", "'stdout'", "'http://b/'", "'json'", "'separate'", "'block'", "'unix'", "'0644'", "'7MB'", "'x.log'", "'404'"} {
				src := fmt.Sprintf("command = 'a'\n%s%s = %s\n", with, name, value)
				if k.Name == "command" {
					src = with + "command = " + value
				}
				if k.Name == "reload-command" {
					src += "reload = 'command'\n"
				}
				a, _ := Parse("web", "", []byte("command = 'a'\n"+with), Defaults{})
				if a == nil || k.Name == "reload-command" {
					a, _ = Parse("web", "", []byte("command = 'a'\n"), Defaults{})
				}
				b, _ := Parse("web", "", []byte(src), Defaults{})
				if b == nil {
					continue
				}
				for _, c := range a.Diff(b) {
					seen = seen || c.Key == k.Name
				}
			}
		}
		if !seen {
			t.Errorf("a change of %s is not seen", k.Name)
		}
	}
}

// TestWithLive changes every key in turn: what is live is taken, what is not stays.
func TestWithLive(t *testing.T) {
	parse := func(text string) *Definition {
		t.Helper()
		d, problems := Parse("web", "web.toml", []byte(text), Defaults{})
		if d == nil {
			t.Fatal(problems)
		}
		return d
	}
	before := parse("command = \"sleep 1\"\n")
	for _, text := range []string{
		"command = \"sleep 2\"", "command = \"sleep 1\"\nworking-directory = \"/tmp\"", "command = \"sleep 1\"\numask = \"077\"",
		"command = \"sleep 1\"\nuser = \"root\"", "command = \"sleep 1\"\nenvironment-files = [\"-/x\"]", "command = \"sleep 1\"\ninherit-environment = true",
		"command = \"sleep 1\"\nstop-timeout = \"1s\"", "command = \"starman x\"", "command = \"sleep 1\"\nreload = \"none\"\ncheck-command = []\ndrain-timeout = \"0s\"",
		"command = \"sleep 1\"\nrestart = \"no\"", "command = \"sleep 1\"\n[allow]\nhup = [\"root\"]",
		"command = \"sleep 1\"\nlisten.a.address = \":1\"", "command = \"sleep 1\"\ntype = \"notify\"", "command = \"sleep 1\"\nready.fd = 5",
		"command = \"sleep 1\"\nready.exec = \"x\"\nready.interval = \"3s\"", "command = \"sleep 1\"\nready.http = \"http://a/\"\nready.headers.X = \"y\"\npid-file = \"/x\"",
		"command = \"starman\"\nlisten.a.address = \"0.0.0.0:1\"\nready.http = \"/x\"", "command = \"unicorn -c x\"\nreload = \"usr2\"\nready.notify = true",
		"command = \"sleep 1\"\n[log]\nstderr = \"separate\"\nmax-size = \"1MB\"\npath = \"x.log\"", "command = \"sleep 1\"\n[log]\noutput = \"none\"\njournal = true",
		"command = \"sleep 1\"\n[watch]\npaths = [\"/srv\"]\naction = \"restart\"", "command = \"sleep 1\"\n[watch]\nstamp = \"/x\"\ndebounce = \"1s\"\npoll = \"5s\"",
		"command = \"sleep 1\"\n[ready]\ntcp = \"127.0.0.1:1\"", "command = \"sleep 1\"\nmin-uptime = \"3s\"", "command = \"sleep 1\"\n[environment]\nA = \"b\"",
	} {
		after := parse(text + "\n")
		changes := before.Diff(after)
		if len(changes) == 0 {
			t.Errorf("%q changes nothing", text)
		}
		for _, c := range before.WithLive(after).Diff(after) {
			if c.Live {
				t.Errorf("%q: %s was not taken", text, c.Key)
			}
		}
		for _, c := range before.Diff(before.WithLive(after)) {
			if !c.Live {
				t.Errorf("%q: %s was taken", text, c.Key)
			}
		}
	}
}
