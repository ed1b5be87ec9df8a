package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A master keeps want workers on one listening socket. One goroutine owns it.
type master struct {
	o       options
	args    []string // of the command line, for the workers
	env     []string // of the workers
	fd      int      // the listening socket, dup'ed out of Go's hands
	want    int      // may be negative: Starman's is
	workers []worker // oldest first
}

// A worker is told once it has had a HUP: it is on its way out.
type worker struct {
	pid  int
	told bool
}

// RunMaster serves until it is told to stop and returns the exit status.
func runMaster(o options, args []string) int {
	time.Sleep(o.lateHandlers)
	stamped("Prefork (as Starman) starting! pid(%d)", os.Getpid())
	m := &master{o: o, args: args, env: append(os.Environ(), masterEnv+"="+strconv.Itoa(os.Getpid())), want: o.workers}
	if o.preload {
		release, status := loadOrSay(o, os.Getpid())
		if status != 0 {
			return status
		}
		m.env = append(m.env, preloadEnv+"="+release)
	}
	if o.pidFile != "" {
		if refusal := checkPidFile(o.pidFile); refusal != "" {
			return m.fatal("%s", refusal)
		}
		if err := os.WriteFile(o.pidFile, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
			return m.fatal("Couldn't open pid file %q [%v]", o.pidFile, err)
		}
		defer os.Remove(o.pidFile)
	}
	if err := m.bind(); err != nil {
		return m.fatal("Can't connect to %s [%v]", o.listen, err)
	}

	sigs := catch(caught...)
	signal.Ignore(syscall.SIGPIPE)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	var trim <-chan time.Time
	for {
		if err := m.fill(); err != nil {
			return m.fatal("Bad fork [%v]", err)
		}
		select {
		case <-children:
			m.reap()
		case <-trim:
			m.trim()
		case sig := <-sigs:
			switch sig {
			case syscall.SIGHUP:
				m.hup()
			case syscall.SIGTTIN:
				m.want++
				say("Increasing server count (%d)", m.want)
			case syscall.SIGTTOU:
				m.want--
				say("Decreasing server count (%d)", m.want)
				trim = time.After(o.ttouDelay)
			case syscall.SIGQUIT:
				return m.quit(sigs, children)
			default:
				return m.stop()
			}
		}
	}
}

// Bind makes the listening socket. It stays non-blocking for all: os.File.Fd
// would clear O_NONBLOCK on the description that the workers share.
func (m *master) bind() error {
	network := "tcp"
	if strings.Contains(m.o.listen, "/") {
		network = "unix"
		if st, err := os.Stat(m.o.listen); err == nil && st.Mode()&os.ModeSocket != 0 {
			os.Remove(m.o.listen)
		}
	}
	say("Binding to %s %s", network, m.o.listen)
	l, err := net.Listen(network, m.o.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if err2 := raw.Control(func(fd uintptr) {
		m.fd, err = syscall.Dup(int(fd))
		syscall.CloseOnExec(m.fd)
	}); err2 != nil {
		return err2
	}
	return err
}

// Fill starts workers until there are as many as wanted.
func (m *master) fill() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	for len(m.workers) < m.want {
		pid, err := syscall.ForkExec(exe,
			append([]string{os.Args[0], workerArg}, m.args...),
			&syscall.ProcAttr{Env: m.env, Files: []uintptr{0, 1, 2, uintptr(m.fd)}})
		if err != nil {
			return err
		}
		m.workers = append(m.workers, worker{pid: pid})
	}
	return nil
}

// Reap takes the exit status of every worker that has ended.
func (m *master) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		for i, w := range m.workers {
			if w.pid != pid {
				continue
			}
			m.workers = append(m.workers[:i], m.workers[i+1:]...)
			switch {
			case status.Signaled():
				say("Child process %d exited with status 0 - signal was %d", pid, status.Signal())
			case status.ExitStatus() != 0:
				say("Child process %d exited with status %d", pid, status.ExitStatus())
			}
			break
		}
	}
}

func (m *master) hup() {
	if len(m.workers) == 0 {
		return
	}
	say("Sending children hup signal")
	for i := range m.workers {
		m.tell(&m.workers[i])
	}
}

// Trim tells as many workers to go as there are too many, the newest first.
// (Starman takes idle ones in no order.)
func (m *master) trim() {
	stay := 0
	for _, w := range m.workers {
		if !w.told {
			stay++
		}
	}
	for i := len(m.workers) - 1; i >= 0 && stay > max(m.want, 0); i-- {
		if !m.workers[i].told {
			m.tell(&m.workers[i])
			stay--
		}
	}
}

func (m *master) tell(w *worker) {
	w.told = true
	_ = syscall.Kill(w.pid, syscall.SIGHUP) // one that has just ended is a zombie of ours: this cannot miss
}

// Quit lets every connection be finished. A TERM or INT meanwhile cuts it short.
func (m *master) quit(sigs, children <-chan os.Signal) int {
	stamped("Received QUIT. Running a graceful shutdown")
	m.want = 0
	m.hup()
	for len(m.workers) > 0 {
		select {
		case <-children:
			m.reap()
		case sig := <-sigs:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				return m.stop()
			}
		}
	}
	stamped("Worker processes cleaned up")
	return m.stop()
}

// Stop cuts the workers off and does not wait for them; the socket is shut
// down before, so the address is free at once.
func (m *master) stop() int {
	stamped("Server closing!")
	for _, w := range m.workers {
		_ = syscall.Kill(w.pid, syscall.SIGTERM)
	}
	if m.fd > 0 {
		_ = syscall.Shutdown(m.fd, syscall.SHUT_RDWR)
	}
	return 0
}

// Fatal says what happened and ends with status 0: Net::Server's fatal errors
// go through Starman's QUIT.
func (m *master) fatal(format string, args ...any) int {
	stamped(format, args...)
	stamped("Received QUIT. Running a graceful shutdown")
	stamped("Worker processes cleaned up")
	return m.stop()
}
