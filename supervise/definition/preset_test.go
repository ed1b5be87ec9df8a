package definition

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDetectedPreset(t *testing.T) {
	for preset, commands := range map[string][]string{
		"starman": {
			"starman app.psgi", "/usr/bin/starman", "carton exec -- starman", "carton exec starman -p 1", "perl -Ilib -S starman",
			"perl /usr/bin/starman", "env PLACK_ENV=production starman", "sh -c 'exec starman app.psgi'", "sh -c 'exec env A=b carton exec starman'",
			"perl5.36 -S starman", "plackup -s Starman", "plackup --server Starman app.psgi", "plackup -s=Starman -L Delayed", "plackup --server=Starman -Ilib -MA -a x.psgi",
			"plackup -E production --workers 4 -s Starman app.psgi", "plackup app.psgi -s Starman",
		},
		"start_server": {"start_server --port 80 -- starman app.psgi", "start_server --port 80 -- x", "carton exec start_server --interval=5 -- plackup -s Starman"},
		"unicorn":      {"unicorn -c x.rb", "bundle exec unicorn", "bundle3.1 exec unicorn_rails -E production", "ruby3.1 -S unicorn", "env RACK_ENV=production bundle exec unicorn"},
		"gunicorn":     {"gunicorn app:app", "gunicorn3 app:app", "python3.11 -m gunicorn app:app", "python3 /opt/venv/bin/gunicorn a:b", "/opt/venv/bin/gunicorn a:b"},
		"puma":         {"puma", "bundle exec puma -C x.rb", "ruby /usr/bin/puma"},
		"uwsgi":        {"uwsgi --ini x.ini", "uwsgi_python3 --ini x.ini", "uwsgi-core --ini x", "uwsgi_python311 x"},
		"php-fpm":      {"php-fpm -F", "/usr/sbin/php-fpm8.2 --nodaemonize", "php-fpm82 -F", "php-fpm7 -F"},
		"nginx":        {"nginx -g 'daemon off;'", "/usr/sbin/nginx -g 'daemon off;'"},
		"apache":       {"apache2 -D FOREGROUND", "httpd -DFOREGROUND", "/usr/sbin/httpd2.4 -DFOREGROUND"},
	} {
		for _, command := range commands {
			if d := parse(t, "command = "+tomlString(command)); d.Preset != preset || !d.PresetDetected {
				t.Errorf("%s: %s, detected %t; want %s", command, d.Preset, d.PresetDetected, preset)
			}
		}
	}
	for _, command := range []string{
		"plackup", "plackup -s Twiggy", "plackup -r -s Starman", "plackup -s Starman -R lib", "plackup -s Starman --Reload=lib", "plackup -s", "plackup -- -s Starman",
		"sh -c 'starman app.psgi'", "sh -c 'exec starman' x", "perl x.pl starman", "carton install starman", "bundle install unicorn", "rails server", "rackup -s puma",
		"env -i starman", "starman.sh", "nice starman", "carton", "env", "sh -c", "perl -e starman", "python -m flask", "python -m", "start_server.pl", "nginx.conf", "pumactl",
		"apachectl -DFOREGROUND", "uwsgitop", "unicorn-worker-killer", "/x/exec starman", "2", "apache3",
	} {
		if d := parse(t, "command = "+tomlString(command)); d.Preset != "none" || d.PresetDetected {
			t.Errorf("%s: %s, detected %t", command, d.Preset, d.PresetDetected)
		}
	}
	if d := parse(t, "command = 'starman'\npreset = 'none'"); d.Preset != "none" || d.PresetDetected || d.Workers != (Workers{}) || d.Ready.Workers {
		t.Error("the file's own preset does not win")
	}
	if d := parse(t, "command = 'my-wrapper'\npreset = 'starman'"); d.PresetDetected || d.Signals.Graceful != syscall.SIGQUIT {
		t.Error("the file's own preset is not taken")
	}
}

// What each server's signals mean must not change by accident: a wrong one ends it.
func TestPresets(t *testing.T) {
	const hup, usr1, usr2, quit, term, winch, ttin, ttou, intr = syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGWINCH, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGINT
	tests := []struct {
		name       string
		signals    PresetSignals
		stop, fast syscall.Signal
		exits      []ExitMatch
	}{
		{"none", PresetSignals{hup, term, ttin, ttou, 0, 0}, term, 0, nil},
		{"starman", PresetSignals{hup, quit, ttin, ttou, 0, 0}, quit, term, nil},
		{"start_server", PresetSignals{hup, term, 0, 0, 0, 0}, term, 0, nil},
		{"unicorn", PresetSignals{hup, quit, ttin, ttou, usr1, usr2}, quit, term, nil},
		{"gunicorn", PresetSignals{hup, term, ttin, ttou, usr1, usr2}, term, quit, nil},
		{"puma", PresetSignals{usr1, term, ttin, ttou, 0, 0}, term, quit, []ExitMatch{{Signal: term}}},
		{"uwsgi", PresetSignals{hup, intr, 0, 0, 0, 0}, intr, quit, nil},
		{"php-fpm", PresetSignals{usr2, quit, 0, 0, usr1, 0}, quit, term, nil},
		{"nginx", PresetSignals{hup, quit, 0, 0, usr1, usr2}, quit, term, nil},
		{"apache", PresetSignals{usr1, winch, 0, 0, 0, 0}, winch, term, nil},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, "command = 'x'\npreset = '"+tt.name+"'")
			want := []StopStep{{tt.stop, 30 * time.Second}, {tt.fast, 5 * time.Second}, {Signal: kill}}
			if tt.fast == 0 {
				want = []StopStep{{tt.stop, 30 * time.Second}, {Signal: kill}}
			}
			for what, diff := range map[string]string{
				"signals": cmp.Diff(tt.signals, d.Signals), "stop": cmp.Diff(want, d.StopSequence),
				"exits": cmp.Diff(append([]ExitMatch{{}}, tt.exits...), d.SuccessExit),
			} {
				if diff != "" {
					t.Errorf("%s:\n%s", what, diff)
				}
			}
			if presets[i].name != tt.name || len(presets) != len(tests) {
				t.Errorf("row %d is %s", i, presets[i].name)
			}
		})
	}
	if d := parse(t, "command = 'puma'\nsuccess-exit-status = [0]"); len(d.SuccessExit) != 1 {
		t.Error("the file's own success-exit-status does not win:", d.SuccessExit)
	}
	if d := parse(t, "command = 'uwsgi'\nstop-signal = 'TERM'"); d.Signals.Graceful != term {
		t.Error("uwsgi has no graceful signal of its own; the file's stop-signal should be it, not", d.Signals.Graceful)
	}
}

func TestWorkersOfACommand(t *testing.T) {
	starman := Workers{Depth: 1, Sign: Sign{Title: "starman worker"}, Deaf: true}
	inner := starman
	inner.Depth, inner.Deaf, inner.Overlaps = 2, false, true
	tests := []struct {
		src  string
		want Workers
	}{
		{"command = 'x'", Workers{}},
		{"command = 'x'\nready.workers = true", Workers{Depth: 1}},
		{"command = 'starman'", starman},
		{"command = 'starman'\nready.tcp = ':1'", starman},
		{"command = 'starman'\nready.workers = false", starman},
		{"command = 'starman --workers 3 --disable-proctitle app.psgi'", Workers{Depth: 1, Deaf: true}},
		{"command = 'my-starman --listen :1 --workers 3'\npreset = 'starman'", starman},
		{"command = 'plackup -s Starman --proctitle 0'", Workers{Depth: 1, Deaf: true}},
		{"command = 'start_server --port 80 -- starman'", inner},
		{"command = 'start_server --port 80 starman'", inner},
		{"command = 'start_server --port=80 -- carton exec starman --disable-proctitle'", Workers{Depth: 2, Overlaps: true}},
		{"command = 'start_server --port=80 -- ./server'", Workers{Depth: 1, Overlaps: true}},
		{"command = 'run-it'\npreset = 'start_server'", Workers{Depth: 2, Overlaps: true}},
		{"command = 'unicorn_rails -c x'", Workers{1, Sign{Catches: syscall.SIGUSR1, Defaults: syscall.SIGTTOU}, Sign{}, "error reloading config_file=", false, false, false}},
		{"command = 'puma'", Workers{Depth: 1, Sign: Sign{Thread: "puma srv"}, Solo: Sign{Thread: "puma srv"}, Keeps: true}},
		{"command = 'httpd -DFOREGROUND'", Workers{Depth: 1}},
		{"command = 'nginx -t'\ntype = 'oneshot'", Workers{}},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			d := parse(t, tt.src)
			if diff := cmp.Diff(tt.want, d.Workers); diff != "" {
				t.Error(diff)
			}
			probe := !strings.Contains(tt.src, "tcp") && !strings.Contains(tt.src, "false")
			if want := probe && d.Workers.Depth > 0; d.Ready.Workers != want {
				t.Errorf("ready.workers is %t", d.Ready.Workers)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	for name, want := range map[string]bool{"none": false, "starman": false, "start_server": false, "unicorn": true, "gunicorn": true, "puma": false, "uwsgi": true, "php-fpm": true, "nginx": true, "apache": true} {
		if got := parse(t, "command = 'x'\npreset = '"+name+"'").Counts(); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
