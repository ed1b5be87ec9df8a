package definition

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServer(t *testing.T) {
	relative := Server{Relative: IsSo, Code: "WD"}
	at := func(dir string) Server { return Server{Relative: NotSo, Code: dir} }
	beside := func(dir string) Server { return Server{Relative: Unknown, Code: dir} } // the working directory may matter
	tests := []struct {
		command string
		files   string // "NAME: TEXT", in lines
		want    Server
	}{
		{"starman", "", relative},
		{"starman app.psgi", "", relative},
		{"starman --workers 3 /srv/current/app.psgi", "", beside("/srv/current")},
		{"starman --some-new-option 3 /srv/current/app.psgi", "", Server{}},
		{"starman --some-new-option 3 app.psgi", "", relative},
		{"starman -I/srv/current/lib -a=/srv/current/app.psgi", "", beside("/srv/current")},
		{"starman -Ilib /srv/current/app.psgi", "", relative},
		{"perl -Ilib -S starman /srv/current/app.psgi", "", relative},
		{"starman -e 'sub {}'", "", Server{}},
		{"starman --preload-app /a/app.psgi", "", Server{"--preload-app keeps the code of the start", Unknown, "/a"}},
		{"plackup -s Starman /a/app.psgi", "", Server{"plackup without -L Delayed keeps the code of the start", Unknown, "/a"}},
		{"plackup -s Starman -L Delayed -E deployment /a/app.psgi", "", beside("/a")},
		{"plackup --loader=Delayed -s=Starman /a/app.psgi", "", beside("/a")},
		{"bin/starman-for-us --preload-app /a/app.psgi", "preset: starman", Server{Preload: "--preload-app keeps the code of the start"}},

		{"start_server --port 80 -- starman --preload-app app.psgi", "", relative},
		{"start_server --port 80 --dir /srv/current -- starman app.psgi", "", at("/srv/current")},
		{"start_server --port 80 --dir=sub -- starman app.psgi", "", relative},
		{"start_server --port 80 --dir=/x -- starman /srv/current/app.psgi", "", at("/srv/current")},
		{"start_server --port 80 --dir=sub -- starman /srv/current/app.psgi", "", beside("/srv/current")},
		{"start_server --port 80 -- starman /srv/current/app.psgi", "", beside("/srv/current")},
		{"start_server --port 80 -- ./server", "", Server{}},

		{"unicorn", "", Server{noUnicornConfig, relative.Relative, relative.Code}},
		{"unicorn /srv/current/config.ru", "", Server{noUnicornConfig, Unknown, "/srv/current"}},
		{"unicorn -c unicorn.rb /srv/current/config.ru", "unicorn.rb: working_directory '/srv/now'", at("/srv/now")},
		{"unicorn -c unicorn.rb", "unicorn.rb: worker_processes 4", relative},
		{"unicorn -c unicorn.rb", "", Server{}}, // cannot be read
		{"unicorn -c WD/unicorn.rb", "unicorn.rb: working_directory '/srv/current' # of the day", at("/srv/current")},
		{"unicorn -cunicorn.rb", `unicorn.rb: working_directory("/srv/current")`, at("/srv/current")},
		{"unicorn -c unicorn.rb", `unicorn.rb: working_directory "#{root}/current"`, Server{}},
		{"unicorn -c unicorn.rb", `unicorn.rb: working_directory File.expand_path("..", __dir__)`, Server{}},
		{"unicorn -c unicorn.rb", "unicorn.rb: # working_directory '/srv/current'", relative},
		{"unicorn -c unicorn.rb", "unicorn.rb: working_directory '/a'\nunicorn.rb: working_directory '/b'", Server{}},
		{"unicorn -c unicorn.rb", "unicorn.rb: working_directory 'sub'", Server{}},

		{"puma", "", relative},
		{"puma", "config/puma.rb: directory '/srv/current'", at("/srv/current")},
		{"puma -e production", "config/puma/production.rb: directory '/srv/current'\nconfig/puma.rb: directory '/x'", at("/srv/current")},
		{"puma", "config/puma/production.rb: directory '/srv/current'", Server{}},
		{"puma --no-config", "config/puma.rb: directory '/srv/current'", relative},
		{"puma -C -", "config/puma.rb: directory '/srv/current'", relative},
		{"puma -C p.rb --dir /srv/current", "p.rb: directory '/x'", at("/srv/current")},
		{"env PWD=/x puma", "", Server{}},

		{"gunicorn app:app", "", relative},
		{"gunicorn -w 3 --chdir /srv/current app:app", "", at("/srv/current")},
		{"gunicorn --chdir=current app:app", "", Server{}},
		{"gunicorn --pythonpath /srv/current app:app", "", Server{}},
		{"gunicorn --preload --chdir /a app:app", "", Server{"--preload keeps the code of the start", NotSo, "/a"}},
		{"env 'GUNICORN_CMD_ARGS=--preload --chdir=/a' gunicorn app:app", "", Server{"--preload in GUNICORN_CMD_ARGS keeps the code of the start", NotSo, "/a"}},
		{"gunicorn -c g.py app:app", "g.py: preload_app = True # faster\ng.py: chdir = '/a'", Server{"preload_app in g.py keeps the code of the start", NotSo, "/a"}},
		{"gunicorn app:app", "gunicorn.conf.py: preload_app=True", Server{"preload_app in gunicorn.conf.py keeps the code of the start", IsSo, "WD"}},
		{"gunicorn -c g.py app:app", "g.py: preload_app = False\ng.py: chdir = os.getcwd()", Server{}},
		{"gunicorn -c g.py app:app", "g.py: # preload_app = True", relative},

		{"uwsgi --http :80 --wsgi-file app.py", "", Server{Preload: "without --master uwsgi ends on HUP"}},
		{"uwsgi --http :80 -M --wsgi-file app.py --chdir /srv/current", "", at("/srv/current")},
		{"uwsgi --ini uwsgi.ini", "", Server{}},
		{"uwsgi uwsgi.ini", "", Server{}},

		{"nginx -g 'daemon off;'", "", Server{Relative: NotSo}},
		{"php-fpm8.2 -F", "", Server{Relative: NotSo}},
		{"apache2 -DFOREGROUND", "", Server{Relative: NotSo}},
		{"./anything", "", Server{}},
	}
	for _, tt := range tests {
		t.Run(tt.command+" "+tt.files, func(t *testing.T) {
			dir := t.TempDir()
			in := strings.NewReplacer("WD", dir)
			src := "command = " + tomlString(in.Replace(tt.command)) + "\nworking-directory = " + tomlString(dir) + "\n"
			texts := map[string]string{}
			for line := range strings.Lines(tt.files) {
				name, text, _ := strings.Cut(line, ": ")
				if name == "preset" {
					src += "preset = '" + text + "'\n"
					continue
				}
				texts[name] += text
			}
			for name, text := range texts {
				put(t, filepath.Join(dir, name), in.Replace(text))
			}
			tt.want.Code = in.Replace(tt.want.Code)
			if diff := cmp.Diff(tt.want, parse(t, src).Server()); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, command := range []string{"starman /srv/current/app.psgi", "puma --no-config /srv/current/config.ru", "start_server -- starman /srv/current/app.psgi"} {
		if s := parse(t, "command = '"+command+"'").Server(); s != at("/srv/current") {
			t.Errorf("%s without a working-directory: %+v", command, s)
		}
	}
	if s := parse(t, "command = 'puma'\nenvironment.PWD = '/srv/current'").Server(); s != (Server{}) {
		t.Error("puma goes by PWD, but", s)
	}
}

// Where a check cannot be derived for certain there is none: a wrong one would keep good
// releases away.
func TestNoCheck(t *testing.T) {
	for _, command := range []string{
		"./server", "starman --some-new-option x app.psgi", "starman -e 'sub {}'", "starman a.psgi b.psgi", "uwsgi --ini x.ini", "unicorn_rails",
		"unicorn -e 1", "unicorn x.rb", "unicorn a.ru b.ru", "unicorn --listn 3", "puma --prelod", "nginx -s reload", "nginx x", "php-fpm8.2 --no-such", "php-fpm8.2 -m",
		"apache2 -k restart", "apache2 -t", "start_server --port 80 -- ./server", "start_server --envdir e -- starman", "start_server --restrat -- starman", "start_server",
		"sh -c 'starman'", "starman --workers", "ruby -S starman app.psgi", "perl -S unicorn",
	} {
		if argv, err := parse(t, "command = "+tomlString(command)).Check("/usr/local/bin:/usr/bin:/bin"); argv != nil || err != nil {
			t.Errorf("%s: %q, %v", command, argv, err)
		}
	}
	for _, src := range []string{"command = 'nginx'\ncheck-command = []", "command = 'nginx'\npreset = 'none'", "command = 'mine'\npreset = 'nginx'", "command = 'nginx -q'\ntype = 'oneshot'"} {
		if argv, err := parse(t, src).Check("/bin"); argv != nil || err != nil {
			t.Errorf("%s: %q, %v", src, argv, err)
		}
	}
}

func TestCheckCommands(t *testing.T) {
	dir := t.TempDir()
	program := func(name, first string) {
		put(t, filepath.Join(dir, name), first+"\nx\n")
		makeExecutable(t, filepath.Join(dir, name))
	}
	program("bin/starman", "#!/opt/perl/bin/perl5.36 -w")
	program("local/bin/starman", "#!/usr/bin/env perl")
	program("bin/unicorn", "#! /opt/ruby/bin/ruby")
	program("bin/puma", "#!/bin/sh")
	program("bin/bundle", "#!/opt/ruby/bin/ruby3.1")
	program("bin/start_server", "#!/usr/bin/perl")
	const load = `my ($env, $app) = @ARGV; $ENV{PLACK_ENV} ||= $env; ref Plack::Util::load_psgi($app) or die "$app gives no application\n"`
	tests := []struct {
		command string
		want    string // words with | between; LOAD stands for the perl program
	}{
		{"starman", "/opt/perl/bin/perl5.36|-MPlack::Util|-e|LOAD|deployment|app.psgi"},
		{"bin/starman -Ilib -I /x -MA=b,c -E prod a.psgi", "/opt/perl/bin/perl5.36|-Ilib|-I/x|-MA=b,c|-MPlack::Util|-e|LOAD|prod|a.psgi"},
		{"env A=b carton exec -- starman", "env|A=b|carton|exec|--|perl|-MPlack::Util|-e|LOAD|deployment|app.psgi"},
		{"perl5.36 -Ilib -S starman", "perl5.36|-Ilib|-MPlack::Util|-e|LOAD|deployment|app.psgi"},
		{"sh -c 'exec starman'", "/opt/perl/bin/perl5.36|-MPlack::Util|-e|LOAD|deployment|app.psgi"},
		{"env X=1 start_server --dir D -- env Y=1 starman", `sh|-c|cd "$1" && shift && exec "$@"|sh|D|env|X=1|env|Y=1|WD/none`},
		{"bundle exec puma -w 2", ""}, // a shell's script is in front of it: nobody knows
		{"bundle exec unicorn_x", ""},
		{"ruby3.1 -S puma -w 2", "ruby3.1|-rpuma/cli|-e|Puma::CLI.new(ARGV).launcher.config.app|--|-w|2"},
		{"python3 -m gunicorn -w 2 app:app", "python3|-m|gunicorn|--check-config|-w|2|app:app"},
		{"env A=b gunicorn --pythonpath a,/b app:app", `env|A=b|sh|-c|PYTHONPATH=$1${PYTHONPATH:+:$PYTHONPATH} && export PYTHONPATH && shift && exec "$@"|sh|/b:a|gunicorn|--check-config|--pythonpath|a,/b|app:app`},
		{"gunicorn --chdir /x --pythonpath a app:app", ""}, // it counts from there
		{"gunicorn --pythonpath a:b app:app", ""},
		{"nginx -g 'daemon off;'", "nginx|-t|-g|daemon off;"},
	}
	for _, tt := range tests {
		d := parse(t, "command = "+tomlString(tt.command)+"\nworking-directory = "+tomlString(dir))
		argv, err := d.Check(dir + "/bin")
		want := strings.Split(tt.want, "|")
		if tt.want == "" {
			want = nil
		}
		if i := slices.Index(want, "LOAD"); i >= 0 {
			want[i] = load
		}
		if strings.HasSuffix(tt.want, "WD/none") { // the inner program is found from where it runs
			want = append(want[:len(want)-1], "/opt/perl/bin/perl5.36", "-MPlack::Util", "-e", load, "deployment", "app.psgi")
		}
		if diff := cmp.Diff(want, argv); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.command, err, diff)
		}
	}
	if argv, err := parse(t, "command = 'bundle exec unicorn'").Check(filepath.Join(dir, "bin")); err != nil || len(argv) < 3 || argv[2] != "/opt/ruby/bin/ruby" {
		t.Errorf("%q, %v", argv, err)
	}
	if argv, err := parse(t, "command = 'starman'").Check("/nowhere"); argv != nil || err == nil || !strings.Contains(err.Error(), "starman") {
		t.Errorf("%q, %v", argv, err)
	}
	if argv, _ := parse(t, "command = 'starman'\ncheck-command = 'x y'").Check(""); len(argv) != 2 {
		t.Errorf("the file's own check does not win: %q", argv)
	}
}

func TestReenters(t *testing.T) {
	for src, want := range map[string]bool{
		"command = 'unicorn'\nworking-directory = '/srv/current'":              true,
		"command = 'env A=b gunicorn a:a'\nworking-directory = '/srv/current'": true,
		"command = 'unicorn'": false,
		"command = 'puma'\nworking-directory = '/srv/current'":                                false,
		"command = 'env PWD=/x unicorn'\nworking-directory = '/srv/current'":                  false,
		"command = 'unicorn'\nworking-directory = '/srv/current'\nenvironment.PWD = '/srv/1'": false,
	} {
		if got := parse(t, src).Reenters(); got != want {
			t.Errorf("%s: %v", src, got)
		}
	}
}

const noUnicornConfig = "without -c (--config-file) unicorn does not reload on HUP but executes itself a second time"
