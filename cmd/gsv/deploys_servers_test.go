package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A deployed server is one that is deployed to: DIR and ADDR stand for its directory and address, in all of it.
type deployed struct {
	name    string
	command []string
	reload  string // the server's own signal, as kill names it
	script  string // what FastCGI is asked for; "" is a server of HTTP
	files   map[string]string
	release func(n int) (name, content string) // the file whose rename puts a release into place; 0 is one that is broken

	races int // how many requests one deploy may cost by the server's own fault, whoever sends the signal
	stops int // the same of a graceful stop, while another generation serves
}

// The application is the same in each language. It reads its release when it is loaded, which takes 0.3 s.
const (
	psgi = `
open my $file, '<', 'DIR/release.txt' or die $!;
my $release = <$file> + 0 or die "this release is broken\n";
select undef, undef, undef, 0.3;
sub {
    my $env = shift;
    select undef, undef, undef, 0.4 if $env->{PATH_INFO} eq '/slow';
    my ($got, $part) = (0);
    while ($got < ($env->{CONTENT_LENGTH} || 0) and my $n = $env->{'psgi.input'}->read($part, 8192)) { $got += $n }
    my $body = "release=$release got=$got\n" . ('x' x 2000) . "\nend\n";
    [200, ['Content-Type', 'text/plain', 'Content-Length', length $body], [$body]];
}
`
	rack = `
release = File.read('DIR/release.txt').to_i
sleep 0.3
raise 'this release is broken' if release == 0
run(lambda do |env|
  sleep 0.4 if env['PATH_INFO'] == '/slow'
  got = env['rack.input'].read.bytesize
  body = "release=#{release} got=#{got}\n#{'x' * 2000}\nend\n"
  [200, {'Content-Type' => 'text/plain', 'Content-Length' => body.bytesize.to_s}, [body]]
end)
`
	wsgi = `
import time
release = int(open('DIR/release.txt').read())
time.sleep(0.3)
if release == 0: raise Exception('this release is broken')

def app(env, start):
    if env['PATH_INFO'] == '/slow':
        time.sleep(0.4)
    got = len(env['wsgi.input'].read(int(env.get('CONTENT_LENGTH') or 0)))
    body = ('release=%d got=%d\n%s\nend\n' % (release, got, 'x' * 2000)).encode()
    start('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
`
	// PHP reads its scripts anew for each request: a release is a configuration.
	php = `<?php
if ($_SERVER['SCRIPT_NAME'] == '/slow') usleep(400000);
$body = 'release=' . getenv('release') . ' got=' . strlen(file_get_contents('php://input')) . "\n" . str_repeat('x', 2000) . "\nend\n";
header('Content-Type: text/plain');
echo $body;
`
	// QUIT cuts what is under way unless process_control_timeout says how long it may take.
	fpmConf = `
[global]
error_log = DIR/error.log
process_control_timeout = 60s
[www]
; mean nothing unless it is started by root
user = www-data
group = www-data
listen = ADDR
pm = static
pm.max_children = WORKERS
env[release] = RELEASE
`
	// A release of nginx's is its configuration. What takes 0.4 s is a file sent in parts
	// of 512 bytes, each followed by a pause (ngx_http_write_filter_module.c); an upload is read by one server and answered by another behind it.
	nginxConf = `
daemon off;
user root root; # means nothing unless it is started by root
worker_processes 2;
error_log DIR/error.log;
pid DIR/nginx.pid;
events { }
http {
    access_log off;
    client_body_temp_path DIR/tmp.body;
    proxy_temp_path DIR/tmp.proxy;
    fastcgi_temp_path DIR/tmp.fastcgi;
    uwsgi_temp_path DIR/tmp.uwsgi;
    scgi_temp_path DIR/tmp.scgi;
    server {
        listen ADDR;
        location = / { return 200 "release=RELEASE got=0\nFILLER\nend\n"; }
        location = /slow { alias DIR/slow.RELEASE; limit_rate 5120; sendfile_max_chunk 512; }
        location = /upload { proxy_pass http://unix:DIR/inner.sock:/; }
    }
    server {
        listen unix:DIR/inner.sock;
        location = / { return 200 "release=RELEASE got=$http_content_length\nFILLER\nend\n"; }
    }
}
`
)

// A worker of Starman's, unicorn's and gunicorn's has one connection: there is one for each slot of a load, and one more.
const deployWorkers = 8

const pumaWorkers = 3

func releaseFile(n int) (string, string) { return "release.txt", fmt.Sprintln(n) }

// DeployedServers are those that know how to reload by a signal.
//
// Net::Server's worker that is told to end looks whether it is at work, and a connection that it has accepted is not
// yet work (Net::Server::PreFork, run_child: the handler of HUP exits unless {connected}); one that reads a body
// takes the interrupted read for its end (Starman::Server before 0.4017, Changes). Either way a worker is interrupted once and has one
// connection: one loss for each worker and deploy, all classes together, is the most that there can be. puma's worker
// closes what it has accepted and not heard from (reactor_wakeup in lib/puma/server.rb), which on a busy machine is a
// connection now and then, where the socket is its own and has no TCP_DEFER_ACCEPT. Those of the others wait for theirs to end.
var deployedServers = []deployed{
	{name: "starman", reload: "HUP", races: deployWorkers, stops: 1, release: releaseFile,
		command: []string{"starman", "--listen", "ADDR", "--workers", strconv.Itoa(deployWorkers), "DIR/app.psgi"},
		files:   map[string]string{"app.psgi": psgi}},
	{name: "start_server", reload: "HUP", races: deployWorkers, release: releaseFile,
		command: []string{"start_server", "--port", "ADDR", "--signal-on-hup=QUIT", "--signal-on-term=QUIT", "--",
			"starman", "--workers", strconv.Itoa(deployWorkers), "DIR/app.psgi"},
		files: map[string]string{"app.psgi": psgi}},
	{name: "unicorn", reload: "HUP", release: releaseFile,
		command: []string{"unicorn", "-c", "DIR/unicorn.rb", "-E", "deployment", "DIR/config.ru"},
		files: map[string]string{"config.ru": rack,
			"unicorn.rb": fmt.Sprintf("working_directory 'DIR'\nlisten 'ADDR'\nworker_processes %d\n", deployWorkers)}},
	{name: "gunicorn", reload: "HUP", release: releaseFile,
		command: []string{"gunicorn", "-b", "ADDR", "-w", strconv.Itoa(deployWorkers), "--chdir", "DIR", "app:app"},
		files:   map[string]string{"app.py": wsgi}},
	{name: "puma", reload: "USR1", races: pumaWorkers, release: releaseFile,
		command: []string{"puma", "-C", "DIR/puma.rb", "-e", "production", "DIR/config.ru"},
		files: map[string]string{"config.ru": rack,
			"puma.rb": fmt.Sprintf("directory 'DIR'\nbind 'tcp://ADDR'\nworkers %d\nthreads 1, 4\n", pumaWorkers)}},
	{name: "nginx", reload: "HUP", release: func(n int) (string, string) {
		if n == 0 {
			return "nginx.conf", "this release is broken"
		}
		return "nginx.conf", strings.NewReplacer("RELEASE", strconv.Itoa(n), "FILLER", string(filler)).Replace(nginxConf)
	}, command: []string{"/usr/sbin/nginx", "-p", "DIR", "-c", "DIR/nginx.conf"}},
	{name: "php-fpm", reload: "USR2", script: "DIR/app.php", release: func(n int) (string, string) {
		if n == 0 {
			return "php-fpm.conf", "this release is broken"
		}
		return "php-fpm.conf", strings.NewReplacer("RELEASE", strconv.Itoa(n), "WORKERS", strconv.Itoa(deployWorkers)).Replace(fpmConf)
	}, command: []string{"php-fpm8.2", "--nodaemonize", "--fpm-config", "DIR/php-fpm.conf"},
		files: map[string]string{"app.php": php}},
}

func serverNamed(name string) deployed {
	return deployedServers[slices.IndexFunc(deployedServers, func(s deployed) bool { return s.name == name })]
}

// A deploySite is a directory and an address with a server on it.
type deploySite struct {
	h      *house // its directory, and the gsv that runs there, if one does
	addr   string
	server deployed
}

func newDeploySite(t *testing.T, server deployed) *deploySite {
	s := &deploySite{h: stormHouse(t), addr: freeAddress(t), server: server}
	if err := os.Chmod(s.h.dir, 0o755); err != nil { // for www-data
		t.Fatal(err)
	}
	for name, content := range server.files {
		s.write(t, name, content)
	}
	s.release(t, 1)
	return s
}

// Fill puts in what the capitals stand for.
func (s *deploySite) fill(text string) string {
	return strings.NewReplacer("DIR", s.h.dir, "ADDR", s.addr).Replace(text)
}

// Command is the server's command.
func (s *deploySite) command() (argv []string) {
	for _, word := range s.server.command {
		argv = append(argv, s.fill(word))
	}
	return argv
}

// Asker asks the server.
func (s *deploySite) asker(limit time.Duration) asker {
	return asker{addr: s.addr, limit: limit, script: s.fill(s.server.script)}
}

// Write puts a file into place: nobody reads half of it.
func (s *deploySite) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(s.h.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path+".new", []byte(s.fill(content)), 0o755)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Release puts the nth release into place.
func (s *deploySite) release(t *testing.T, n int) {
	s.write(t, fmt.Sprint("slow.", n), string(releaseText(n, 0)))
	name, content := s.server.release(n)
	s.write(t, name, content)
}

// Answers waits for the first answer: nothing tells when another process listens. It gives up when the process, that
// is the server or what runs it, has ended.
func (s *deploySite) answers(t *testing.T, pidfd int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		a := s.asker(patience)
		if _, err := a.ask(asksFresh); err == nil {
			return
		}
		if ended := readable(time.Now().Add(10*time.Millisecond), pidfd) == nil; ended {
			out, _ := os.ReadFile(filepath.Join(s.h.dir, "out"))
			t.Fatalf("it has ended\n%s", out)
		}
	}
	t.Fatal("it does not answer")
}
