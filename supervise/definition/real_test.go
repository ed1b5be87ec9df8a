package definition

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An app is one of a real server's, in the states that deploys leave behind.
type app struct {
	command string            // DIR stands for its directory
	files   map[string]string // that are always there
	code    string            // the file that is broken
	good    string
	bad     map[string]string // what is in it, by what is wrong
}

const rackup = `require_relative "code"
run ->(env) { [200, {}, [ENV["RACK_ENV"]]] }
`

var (
	perlBad   = map[string]string{"syntax": "sub {", "dies": `die "no database\n"; sub { }`, "module": "use No::Such::Module; sub { }", "no app": "1"}
	rubyBad   = map[string]string{"syntax": "def (", "dies": `raise "no database"`, "module": `require "no/such/module"`}
	pythonBad = map[string]string{"syntax": "def (", "dies": `raise Exception("no database")`, "module": "import no_such_module", "no app": "app = None"}
)

const perlGood = `die "not as in production: $ENV{PLACK_ENV}" if $ENV{PLACK_ENV} ne "deployment"; sub { [200, [], []] }`

var apps = []app{
	{command: "starman --workers 2 --listen 127.0.0.1:PORT --pid DIR/pid app.psgi", code: "app.psgi", good: perlGood, bad: perlBad},
	{command: "starman -p PORT", code: "app.psgi", good: perlGood, bad: perlBad},
	{command: "starman -Ilib -MMy::App -E test --port PORT DIR/app.psgi", code: "lib/My/App.pm", good: "package My::App; 1;", bad: map[string]string{"syntax": "sub {"},
		files: map[string]string{"app.psgi": `die "not a test" if $ENV{PLACK_ENV} ne "test"; My::App->can("can"); sub { }`}},
	{command: "perl -Ilib -S starman --port PORT app.psgi", code: "lib/Code.pm", good: "package Code; 1;", bad: map[string]string{"syntax": "sub {"},
		files: map[string]string{"app.psgi": "use Code; sub { }"}},
	{command: "plackup -s Starman --port PORT -a DIR/app.psgi", code: "app.psgi", good: strings.Replace(perlGood, "deployment", "development", 1), bad: perlBad},
	{command: "start_server --port 127.0.0.1:PORT --interval 1 -- starman --workers 2", code: "app.psgi", good: perlGood, bad: perlBad},
	{command: "start_server --port PORT --dir sub -- starman --workers 2", code: "sub/app.psgi", good: perlGood, bad: perlBad},
	{command: "gunicorn -b 127.0.0.1:PORT -w 2 -p DIR/pid --chdir DIR app:app", code: "app.py", good: "def app(e, s): pass", bad: pythonBad},
	{command: "gunicorn -b 127.0.0.1:PORT --pythonpath no/such,sub app:app", code: "sub/app.py", good: "def app(e, s): pass", bad: pythonBad},
	{command: "gunicorn -c DIR/g.py app:app", code: "lib/shop.py", good: "pass", bad: map[string]string{"syntax": "def ("},
		files: map[string]string{"g.py": "bind = '127.0.0.1:PORT'\npythonpath = 'DIR/lib'\n", "app.py": "import shop\ndef app(e, s): pass\n"}},
	{command: "unicorn -E test -l 127.0.0.1:PORT", code: "code.rb", good: `ENV["RACK_ENV"] == "test" or raise ENV["RACK_ENV"]`, bad: rubyBad, files: map[string]string{"config.ru": rackup}},
	{command: "unicorn -c DIR/unicorn.rb", code: "current/code.rb", good: "1", bad: rubyBad,
		files: map[string]string{"unicorn.rb": "worker_processes 2\nlisten 'DIR/sock'\nworking_directory 'DIR/current'\nstderr_path 'DIR/err.log'\npid 'DIR/pid'\npreload_app true\n", "current/config.ru": rackup}},
	{command: "puma -e test -b tcp://127.0.0.1:PORT -w 2 --pidfile DIR/pid", code: "code.rb", good: `ENV["RACK_ENV"] == "test" or raise ENV["RACK_ENV"]`, bad: rubyBad, files: map[string]string{"config.ru": rackup}},
	{command: "puma -C DIR/puma.rb", code: "current/code.rb", good: "1", bad: rubyBad,
		files: map[string]string{"puma.rb": "workers 2\nbind 'unix://DIR/sock'\ndirectory 'DIR/current'\npidfile 'DIR/pid'\nstate_path 'DIR/state'\n", "current/config.ru": rackup}},
	{command: "nginx -p DIR -c DIR/nginx.conf -g 'daemon off;'", code: "nginx.conf", good: nginxConf, bad: map[string]string{"syntax": nginxConf + "}", "directive": nginxConf + "no_such_directive;"}},
	{command: "php-fpm8.2 -F -y DIR/fpm.conf", code: "fpm.conf", good: fpmConf, bad: map[string]string{"syntax": fpmConf + "no_such = 1\n"}},
	{command: "apache2 -D FOREGROUND -d DIR -f DIR/apache.conf", code: "apache.conf", good: apacheConf, bad: map[string]string{"syntax": apacheConf + "NoSuchDirective 1\n"}},
}

const (
	nginxConf  = "pid DIR/pid;\nerror_log DIR/error.log;\nevents {}\nhttp { server { listen 127.0.0.1:PORT; } }\n"
	fpmConf    = "[global]\nerror_log = DIR/error.log\npid = DIR/pid\n[www]\nuser = nobody\nlisten = DIR/sock\npm = static\npm.max_children = 2\n"
	apacheConf = "ServerName x\nPidFile DIR/pid\nErrorLog DIR/error.log\nListen 127.0.0.1:PORT\n" +
		"LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so\nLoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n"
)

// The checks of the presets, run with the real servers' libraries: they succeed for what the
// server would serve, fail for what it would not and say why, listen nowhere, and leave nothing
// behind. The port is taken, as it is by the running server.
func TestChecksOfRealServers(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	const servicePath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"
	for _, a := range apps {
		program, _, _ := strings.Cut(a.command, " ")
		t.Run(a.command, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(err)
			}
			run := func(code string) (string, error) {
				t.Helper()
				dir := t.TempDir()
				in := strings.NewReplacer("DIR", dir, "PORT", port)
				for name, text := range a.files {
					put(t, filepath.Join(dir, name), in.Replace(text))
				}
				put(t, filepath.Join(dir, a.code), in.Replace(code))
				before := tree(t, dir)
				d := parse(t, fmt.Sprintf("command = %q\nworking-directory = %q", in.Replace(a.command), dir))
				argv, err := d.Check(servicePath)
				if err != nil || len(argv) == 0 {
					t.Fatalf("no check: %q, %v", argv, err)
				}
				cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
				cmd.Dir = dir
				cmd.Env = []string{"PATH=" + servicePath}
				out, err := cmd.CombinedOutput()
				for _, name := range tree(t, dir) {
					if !strings.Contains(strings.Join(before, " "), name) && !strings.Contains(name, "__pycache__") && !leftEmpty(filepath.Join(dir, name)) {
						t.Errorf("%q left %s behind", argv, name)
					}
				}
				return fmt.Sprintf("%q\n%s", argv, out), err
			}
			if out, err := run(a.good); err != nil {
				t.Errorf("the good one fails: %v\n%s", err, out)
			}
			for what, code := range a.bad {
				out, err := run(code)
				if err == nil {
					t.Errorf("%s: succeeds\n%s", what, out)
				}
				if strings.Count(out, "\n") < 2 {
					t.Errorf("%s: says nothing", what)
				}
			}
		})
	}
}

// nginx and apache open their logs for a test of the configuration.
func leftEmpty(path string) bool {
	st, err := os.Stat(path)
	return err == nil && (st.Size() == 0 || strings.HasSuffix(path, "error.log"))
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
