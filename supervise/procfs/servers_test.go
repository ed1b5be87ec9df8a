package procfs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A real is a real server, and the sign that its workers show.
type real struct {
	name    string
	program []string // names that it goes by
	args    string   // with DIR for its directory; it listens on the socket "sock" there
	files   map[string]string
	reload  syscall.Signal
	sign    Sign
	loads   bool // the workers load an application, which reads the FIFO "gate" to its end
	deaf    bool // a worker may miss a signal unless it waits in accept(2): Perl's handlers run between two operations
}

const (
	psgi = `
open my $f, '<', 'DIR/gate' or die; my @all = <$f>;
sub { [200, [], ["ok"]] };
`
	rackup = `
File.read("DIR/gate")
run lambda { |env| [200, {}, ["ok"]] }
`
	wsgi = `
open("DIR/gate").read()
def app(env, start):
    start("200 OK", [])
    return [b"ok"]
`
)

var reals = []real{{
	name: "starman", program: []string{"starman"}, loads: true, deaf: true,
	args:  "--listen DIR/sock --workers 1 DIR/app.psgi",
	files: map[string]string{"app.psgi": psgi}, reload: syscall.SIGHUP,
	sign: Sign{Title: "starman worker"},
}, {
	name: "unicorn", program: []string{"unicorn"}, loads: true,
	args: "-c DIR/unicorn.rb -E deployment DIR/config.ru", reload: syscall.SIGHUP,
	files: map[string]string{"config.ru": rackup, "unicorn.rb": "worker_processes 1\nlisten 'DIR/sock'\nworking_directory 'DIR'\n"},
	sign:  Sign{Catches: syscall.SIGUSR1, Defaults: syscall.SIGTTOU},
}, {
	name: "gunicorn sync", program: []string{"gunicorn"}, loads: true,
	args:  "-b unix:DIR/sock -w 1 --chdir DIR app:app",
	files: map[string]string{"app.py": wsgi}, reload: syscall.SIGHUP,
	sign: Sign{Heartbeat: "wgunicorn-"},
}, {
	name: "gunicorn gthread", program: []string{"gunicorn"}, loads: true,
	args:  "-b unix:DIR/sock -w 1 -k gthread --threads 2 --chdir DIR app:app",
	files: map[string]string{"app.py": wsgi}, reload: syscall.SIGHUP,
	sign: Sign{Heartbeat: "wgunicorn-"},
}, {
	name: "puma", program: []string{"puma"}, loads: true,
	args:  "-b unix://DIR/sock -w 1 -t 1:2 --dir DIR -C DIR/puma.rb -e production DIR/config.ru",
	files: map[string]string{"config.ru": rackup, "puma.rb": "worker_check_interval 1\n"}, reload: syscall.SIGUSR1,
	sign: Sign{Thread: "puma srv"},
}, {
	name: "uwsgi lazy-apps", program: []string{"uwsgi"}, loads: true,
	args:  "--http-socket DIR/sock --plugin python3 --master --processes 1 --lazy-apps --chdir DIR --wsgi-file DIR/app.py",
	files: map[string]string{"app.py": strings.ReplaceAll(wsgi, "app(", "application(")},
	sign:  Sign{Catches: syscall.SIGUSR2},
}, {
	name: "nginx", program: []string{"nginx", "/usr/sbin/nginx"},
	args:   "-p DIR -c DIR/nginx.conf -e stderr",
	reload: syscall.SIGHUP,
	files: map[string]string{"nginx.conf": `
daemon off; worker_processes 1; pid DIR/pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
server { listen unix:DIR/sock; return 200 ok; } }
`},
	sign: Sign{Title: "nginx: worker process"},
}, {
	name: "php-fpm", program: []string{"php-fpm", "php-fpm8.2", "/usr/sbin/php-fpm8.2"},
	args: "-F -R -y DIR/fpm.conf", reload: syscall.SIGUSR2,
	files: map[string]string{"fpm.conf": "[global]\nerror_log=/dev/stderr\n[www]\nlisten=DIR/sock\npm=static\npm.max_children=1\nUSER\n"},
	sign:  Sign{Title: "php-fpm: pool "},
}}

// Workers do not show their sign as long as they load, and show it soon after: at the start of
// the real servers, and in reloads.
func TestRealServers(t *testing.T) {
	for _, r := range reals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := r.start(t)
			var old []Proc
			for round := range 3 {
				if round > 0 && r.reload == 0 {
					break
				} else if round > 0 {
					s.reload(t)
				}
				old = s.round(t, old)
			}
			if r.sign.Heartbeat == "" && Shows(s.pid, r.sign) { // gunicorn's has the workers' files
				t.Error("the main process shows it")
			}
		})
	}
}

type running struct {
	real
	pid  int
	gate string
	ctx  context.Context
}

func (r real) start(t *testing.T) *running {
	program := ""
	for _, name := range r.program {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Skip(r.program[0], "is not installed")
	}
	dir := t.TempDir()
	user := ""
	if os.Geteuid() == 0 {
		user = "user=nobody"
	}
	in := strings.NewReplacer("DIR", dir, "USER", user)
	for name, text := range r.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(in.Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &running{real: r, gate: filepath.Join(dir, "gate")}
	if err := unix.Mkfifo(s.gate, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, strings.Fields(in.Replace(r.args))...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	var cancel func()
	s.ctx, cancel = context.WithTimeout(t.Context(), patience)
	t.Cleanup(func() {
		cancel()
		_ = syscall.Kill(-s.pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log("it said:\n" + said.String())
		}
	})
	return s
}

func (s *running) reload(t *testing.T) {
	for { // nothing tells when a handler is installed
		if caught, _, err := Catches(s.pid, s.real.reload); err != nil {
			t.Fatal(err)
		} else if caught {
			break
		}
		s.wait(t, "a handler")
	}
	for s.deaf && !s.accepts(t) {
		s.wait(t, "a worker that accepts")
	}
	if err := Signal(s.pid, startOf(t, s.pid), s.real.reload); err != nil {
		t.Fatal(err)
	}
}

// accepts tells whether all workers wait in accept(2).
func (s *running) accepts(t *testing.T) bool {
	workers, _, err := Descendants(s.pid, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range workers {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.Pid))
		var number int
		if _, err2 := fmt.Sscan(string(b), &number); err != nil || err2 != nil || number != unix.SYS_ACCEPT && number != unix.SYS_ACCEPT4 {
			return false
		}
	}
	return true
}

// wait lets others run: that something shows in /proc is told by nothing.
func (s *running) wait(t *testing.T, what string) {
	if s.ctx.Err() != nil {
		t.Fatal("waited in vain for", what)
	}
	runtime.Gosched()
}

// round waits until there is a worker that is none of old, and that has loaded its
// application, which it must not show before.
func (s *running) round(t *testing.T, old []Proc) []Proc {
	workers := func() (all, fresh []Proc) {
		all, _, err := Descendants(s.pid, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if !slices.ContainsFunc(old, func(o Proc) bool { return o.Pid == p.Pid && o.Start == p.Start }) {
				fresh = append(fresh, p)
			}
		}
		return all, fresh
	}
	if s.loads {
		gate := s.loading(t, func() {
			_, fresh := workers()
			for _, p := range fresh {
				if Shows(p.Pid, s.sign) {
					// The worker cannot have come as far: nobody has opened the gate.
					t.Errorf("it shows its sign before it has begun to load: %q", Title(p.Pid))
				}
			}
		})
		_, fresh := workers()
		if len(fresh) != 1 {
			t.Fatalf("new workers: %v", fresh)
		}
		for range 100 {
			if Shows(fresh[0].Pid, s.sign) {
				t.Fatal("it shows its sign while it loads")
			}
		}
		gate.Close()
	}
	for {
		all, fresh := workers()
		if len(fresh) == 1 && Shows(fresh[0].Pid, s.sign) {
			return all
		}
		s.wait(t, "the sign")
	}
}

// loading opens the gate to the worker that loads, which then waits for its end, and calls
// f until there is one.
func (s *running) loading(t *testing.T, f func()) (gate *os.File) {
	var once sync.Once
	opened := make(chan error, 1)
	go func() {
		var err error
		gate, err = os.OpenFile(s.gate, os.O_WRONLY, 0) // returns when somebody opens it to read
		opened <- err
	}()
	giveUp := func() { // the other goroutine waits for a reader
		if r, err := os.OpenFile(s.gate, os.O_RDONLY|unix.O_NONBLOCK, 0); err == nil {
			r.Close()
		}
	}
	t.Cleanup(func() { once.Do(giveUp) })
	for {
		select {
		case err := <-opened:
			once.Do(func() {})
			if err != nil {
				t.Fatal(err)
			}
			return gate
		default:
			f()
			s.wait(t, fmt.Sprint("a worker that loads; there are the titles ", titles(s.pid)))
		}
	}
}

func titles(pid int) (all []string) {
	children, _ := Children(pid)
	for _, child := range children {
		all = append(all, Title(child))
	}
	return all
}
