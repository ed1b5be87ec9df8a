package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A deployMethod is a server, what runs it, and the command that makes it serve what was put into place.
type deployMethod struct {
	name   string // as it stands in the table
	server string
	gsv    bool
	beside bool // a new generation beside the old one: the server is never without workers
	// Begin starts the server and returns the command.
	begin func(t *testing.T, s *deploySite) (reload []string)
}

// GsvMethods are the reloads that gsv proves.
func gsvMethods() (all []deployMethod) {
	for _, server := range deployedServers {
		all = append(all, deployMethod{name: "gsvctl hup, " + server.name, server: server.name, gsv: true,
			begin: func(t *testing.T, s *deploySite) []string { return byGsv(t, s, "", "[ready]", "tcp = 'ADDR'") }})
	}
	for _, name := range []string{"starman", "unicorn", "gunicorn", "puma", "nginx", "php-fpm"} {
		all = append(all, deployMethod{name: "gsvctl replace, " + name, server: name, gsv: true, beside: true, begin: byReplace})
	}
	all = append(all, deployMethod{name: "gsvctl replace, starman --preload-app", server: "starman", gsv: true, beside: true,
		begin: func(t *testing.T, s *deploySite) []string {
			s.server.command = append(slices.Clone(s.server.command), "--preload-app")
			return byReplace(t, s)
		}})
	for _, name := range []string{"unicorn", "gunicorn", "nginx"} {
		all = append(all, deployMethod{name: "gsvctl hup (usr2), " + name, server: name, gsv: true, beside: true, begin: byUpgrade})
	}
	return all
}

// AllMethods are these, the servers' own signals, and the reloads and restarts of other supervisors.
func allMethods() (all []deployMethod) {
	for _, m := range gsvMethods() {
		all = append(all, m)
		if server := serverNamed(m.server); !m.beside {
			all = append(all, deployMethod{name: "kill -" + server.reload + ", " + server.name, server: server.name, begin: bySignal})
		}
	}
	all = append(all, deployMethod{name: "kill -HUP, start_server with the signals of its own choice", server: "start_server",
		begin: func(t *testing.T, s *deploySite) []string {
			s.server.command = slices.DeleteFunc(slices.Clone(s.server.command), func(word string) bool { return strings.HasPrefix(word, "--signal-on-") })
			return bySignal(t, s)
		}})
	for _, peer := range []struct {
		begin   func(*testing.T, *deploySite, ...string) []string
		reloads []string
	}{
		{bySupervisor, []string{"supervisorctl signal HUP web", "supervisorctl restart web"}},
		{byDaemontools, []string{"svc -h web", "svc -t web"}},
		{byRunit, []string{"sv hup web", "sv restart web"}},
		{byS6, []string{"s6-svc -h web", "s6-svc -r web"}},
	} {
		for _, reload := range peer.reloads {
			all = append(all, deployMethod{name: strings.TrimSuffix(reload, " web") + ", starman", server: "starman",
				begin: func(t *testing.T, s *deploySite) []string { return peer.begin(t, s, strings.Fields(reload)...) }})
		}
	}
	return all
}

// ByGsv: the preset is found from the command. Connections that are never idle keep old workers of Starman's for ever,
// and the default of drain-timeout for two minutes.
func byGsv(t *testing.T, s *deploySite, reload string, tables ...string) []string {
	var words []string
	for _, word := range s.command() {
		words = append(words, strconv.Quote(word))
	}
	s.write(t, "services.d/web.toml", strings.Join(append([]string{
		"command = [" + strings.Join(words, ", ") + "]",
		"working-directory = 'DIR'",
		"drain-timeout = '5s'",
		reload}, append(tables, "")...), "\n"))
	if err := s.h.start(s.h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	wait := exec.Command(filepath.Join(bin, "gsvctl"), "wait", "web", "--for", "ready")
	wait.Env = s.h.vars
	if out, err := wait.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pidfd, err := unix.PidfdOpen(s.h.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	s.answers(t, pidfd)
	return []string{filepath.Join(bin, "gsvctl"), "hup", "web"}
}

// ByReplace: gsv holds the sockets. Those servers that take a private one are asked there. No check-command catches a
// broken release before it is tried.
func byReplace(t *testing.T, s *deploySite) []string {
	tables := []string{"reload-timeout = '20s'", "check-command = []", "[listen.http]", "address = 'ADDR'"}
	switch s.server.name {
	case "nginx":
		tables = append(tables, "[listen.inner]", "address = 'unix:DIR/inner.sock'")
	case "starman", "unicorn", "gunicorn":
		tables = append(tables, "[ready]", "http = '/'")
	}
	reload := byGsv(t, s, "reload = 'replace'", tables...)
	return append(reload[:1], "replace", "web")
}

// ByUpgrade: the server starts its successor by itself. nginx does so only in the background.
func byUpgrade(t *testing.T, s *deploySite) []string {
	keys := []string{"check-command = []", "reload-timeout = '20s'"}
	if release := s.server.release; s.server.name == "nginx" {
		s.server.release = func(n int) (name, content string) {
			name, content = release(n)
			return name, strings.Replace(content, "daemon off;", "", 1)
		}
		s.release(t, 1)
		keys = append(keys, "type = 'forking'", "pid-file = 'DIR/nginx.pid'")
	}
	return byGsv(t, s, "reload = 'usr2'", keys...)
}

// BySignal: no supervisor at all.
func bySignal(t *testing.T, s *deploySite) []string {
	return []string{"kill", "-" + s.server.reload, strconv.Itoa(s.run(t, s.command()...))}
}

func bySupervisor(t *testing.T, s *deploySite, reload ...string) []string {
	s.write(t, "supervisord.conf", `
[unix_http_server]
file=DIR/supervisor.sock
[supervisord]
nodaemon=true
logfile=DIR/supervisord.log
pidfile=DIR/supervisord.pid
childlogdir=DIR
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://DIR/supervisor.sock
[program:web]
directory=DIR
command=`+strings.Join(s.command(), " ")+"\n")
	conf := s.fill("DIR/supervisord.conf")
	s.run(t, "supervisord", "-n", "-c", conf)
	return slices.Concat(reload[:1], []string{"-c", conf}, reload[1:])
}

func byDaemontools(t *testing.T, s *deploySite, reload ...string) []string {
	return s.runFile(t, "supervise", reload)
}

func byRunit(t *testing.T, s *deploySite, reload ...string) []string {
	return s.runFile(t, "runsv", reload)
}

func byS6(t *testing.T, s *deploySite, reload ...string) []string {
	return s.runFile(t, "s6-supervise", reload)
}

// RunFile has a service directory with a run file supervised; the last word of the command becomes its path.
func (s *deploySite) runFile(t *testing.T, supervise string, reload []string) []string {
	s.write(t, "web/run", "#!/bin/sh\nexec "+strings.Join(s.command(), " ")+"\n")
	dir := s.fill("DIR/web")
	s.run(t, supervise, dir)
	return append(slices.Clone(reload[:len(reload)-1]), dir)
}

// Run starts a program, which lives until the site is closed, and returns once the server answers.
func (s *deploySite) run(t *testing.T, argv ...string) (pid int) {
	out, err := os.Create(filepath.Join(s.h.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.h.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(fmt.Errorf("%w: make deploys installs it", err))
	}
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	go func() { _ = cmd.Wait() }() // killed with all the rest of the site
	s.answers(t, pidfd)
	return cmd.Process.Pid
}
