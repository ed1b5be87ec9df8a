package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// A house is what one script has: a directory and, once started, a gsv.
type house struct {
	dir    string
	vars   []string
	client *http.Client // speaks to the control socket
	log    func(...any)
	failed func() bool

	cmd   *exec.Cmd
	pid   int           // the guardian, as seen from outside
	pid1  bool          // gsv is PID 1 of a namespace of its own
	ended chan struct{} // closed when cmd has ended
}

func newHouse(dir string, vars []string, log func(...any), failed func() bool) *house {
	return &house{dir: dir, vars: vars, log: log, failed: failed, client: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(dir, "run/gsv.sock"))
		},
	}}}
}

type houseKey struct{}

func of(ts *testscript.TestScript) *house { return ts.Value(houseKey{}).(*house) }

// Start runs gsv below wrap, its output going to gsv.out, and returns when the control socket answers.
func (h *house) start(dir string, wrap, vars, args []string) error {
	watch, err := newWatch(filepath.Join(h.dir, "run"), unix.IN_CREATE|unix.IN_MOVED_TO)
	if err != nil {
		return err
	}
	defer watch.close()
	killed := 0 // the supervisor of a gsv that was killed may answer once more, before it has noticed
	if about, err := h.about(); err == nil {
		killed = about.Pid
	}
	if err := h.launch(dir, wrap, vars, args); err != nil {
		return err
	}
	return h.answers(watch, killed)
}

// Launch is start without waiting.
func (h *house) launch(dir string, wrap, vars, args []string) error {
	if h.cmd != nil {
		select {
		case <-h.ended:
		default:
			return errors.New("there is a gsv already")
		}
	}
	out, err := os.OpenFile(filepath.Join(h.dir, "gsv.out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	argv := append(slices.Clone(wrap), filepath.Join(bin, "gsv"))
	argv = append(argv, args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(slices.Clone(h.vars), vars...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	h.cmd, h.pid, h.pid1, h.ended = cmd, cmd.Process.Pid, false, ended
	go func() {
		_ = cmd.Wait() // h.cmd.ProcessState tells
		close(ended)
	}()
	return nil
}

// Answers returns when the control socket answers, by another guardian than the one that was killed; watch is of its directory.
func (h *house) answers(watch *watch, killed int) error {
	pidfd, err := unix.PidfdOpen(h.pid, 0)
	if err != nil { // it has been waited for
		<-h.ended
	} else {
		defer unix.Close(pidfd)
	}
	for deadline := time.Now().Add(patience); ; {
		if about, err := h.about(); err == nil && about.Pid != 0 && about.Pid != killed {
			break
		}
		select {
		case <-h.ended:
			return fmt.Errorf("gsv ended: %v\n%s", h.cmd.ProcessState, h.output())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("gsv does not answer\n%s", h.output())
		}
		next := deadline
		if _, err := os.Stat(filepath.Join(h.dir, "run/gsv.sock")); err == nil {
			next = time.Now().Add(5 * time.Millisecond) // nothing tells that a socket that is there now listens
		}
		_ = watch.wait(next, pidfd)
	}
	return nil
}

func (h *house) output() string {
	b, _ := os.ReadFile(filepath.Join(h.dir, "gsv.out"))
	return string(b)
}

// End waits for gsv's end and returns its exit status, 128+N for signal N.
func (h *house) end() (int, error) {
	if h.cmd == nil {
		return 0, errors.New("no gsv was started")
	}
	select {
	case <-h.ended:
	case <-time.After(patience):
		return 0, fmt.Errorf("gsv did not end\n%s", h.output())
	}
	ws := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// Close ends what the script left behind and, if it failed, shows what gsv and its services said.
func (h *house) close() {
	if h.cmd != nil {
		select {
		case <-h.ended:
		default:
			_ = syscall.Kill(h.pid, syscall.SIGTERM)
			select {
			case <-h.ended:
			case <-time.After(patience / 2):
				h.log("gsv did not end by TERM; killed")
				_ = syscall.Kill(h.pid, syscall.SIGKILL)
			}
		}
	}
	_ = unix.Unmount(filepath.Join(h.dir, "log"), unix.MNT_DETACH) // a script may have made it small
	marker := []byte("GSV_RUN_DIR=" + filepath.Join(h.dir, "run"))
	for _, p := range processes() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Pid))
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.Pid)) // all that a service inherits of gsv's place
		if bytes.Contains(env, marker) || cwd == h.dir || strings.HasPrefix(cwd, h.dir+"/") {
			_ = syscall.Kill(p.Pid, syscall.SIGKILL)
		}
	}
	if h.failed() {
		h.log("gsv said:\n" + h.output())
		logs, _ := filepath.Glob(filepath.Join(h.dir, "log", "*"))
		for _, name := range logs {
			b, _ := os.ReadFile(name)
			h.log(filepath.Base(name) + ":\n" + string(b[max(0, len(b)-4096):]))
		}
	}
}

// Ask does a GET on the control socket.
func (h *house) ask(path string, answer any) error {
	r, err := h.client.Get("http://gsv" + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, r.Status)
	}
	return json.NewDecoder(r.Body).Decode(answer)
}

func (h *house) about() (a status.About, err error) { return a, h.ask("/v1", &a) }

func (h *house) service(name string) (s status.Service, err error) {
	return s, h.ask("/v1/services/"+name, &s)
}

// Until follows the events until ok, asked at first and after each event.
func (h *house) until(ok func() bool) error {
	for deadline := time.Now().Add(patience); ; {
		err := h.untilCut(ok, deadline)
		if err == nil || !time.Now().Before(deadline) {
			return err
		}
		select { // the supervisor was killed, and the stream of events cut; the next one has another
		case <-h.ended:
			return err
		default:
		}
	}
}

// UntilCut is until for as long as one stream of events lasts.
func (h *house) untilCut(ok func() bool, deadline time.Time) error {
	r, err := h.client.Get("http://gsv/v1/events?follow=true")
	if err != nil {
		return err
	}
	timer := time.AfterFunc(time.Until(deadline), func() { r.Body.Close() })
	defer timer.Stop()
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	for !ok() {
		if !lines.Scan() {
			if ok() { // the supervisor may have ended, and with it the stream
				return nil
			}
			return fmt.Errorf("no more events: %v", lines.Err())
		}
	}
	return nil
}

// Target is the process that a word of a script means: gsv, supervisor, a number, or the main process of a service.
func (h *house) target(word string) (int, error) {
	if pid, err := strconv.Atoi(word); err == nil {
		return pid, nil
	}
	if h.pid1 && word != "gsv" {
		return 0, errors.New("pids of a namespace mean nothing out here")
	}
	switch word {
	case "gsv":
		return h.pid, nil
	case "supervisor":
		a, err := h.about()
		return a.SupervisorPid, err
	}
	s, err := h.service(word)
	if err == nil && s.Pid == 0 {
		err = fmt.Errorf("%s has no main process (%s)", word, s.State)
	}
	return s.Pid, err
}

// A process is a line of /proc.
type process struct {
	Pid, PPid, Session int
	State              byte
}

// Processes are all there are.
func processes() (all []process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		b, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		var p process
		p.Pid, _ = strconv.Atoi(filepath.Base(dir))
		var pgrp int
		if _, err := fmt.Sscanf(string(b[bytes.LastIndexByte(b, ')')+2:]), "%c %d %d %d", &p.State, &p.PPid, &pgrp, &p.Session); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func childrenOf(pid int) (pids []int, err error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, f := range strings.Fields(string(b)) {
			n, _ := strconv.Atoi(f)
			pids = append(pids, n)
		}
	}
	return pids, nil
}

// Ended returns when the process has ended.
func ended(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return readable(time.Now().Add(patience), fd)
}

// Readable returns when one of the descriptors can be read.
func readable(deadline time.Time, fds ...int) error {
	var polls []unix.PollFd
	for _, fd := range fds {
		polls = append(polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for {
		n, err := unix.Poll(polls, int(max(0, time.Until(deadline)/time.Millisecond)))
		if n > 0 {
			return nil
		}
		if err == nil {
			return os.ErrDeadlineExceeded
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// A watch tells when something happens to a file or directory.
type watch struct{ fd int }

func newWatch(path string, mask uint32) (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &watch{fd}
	if err := w.add(path, mask); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// Add has it tell of another file or directory too.
func (w *watch) add(path string, mask uint32) error {
	if _, err := unix.InotifyAddWatch(w.fd, path, mask); err != nil {
		return fmt.Errorf("cannot watch %s: %w", path, err)
	}
	return nil
}

func (w *watch) close() { unix.Close(w.fd) }

// Wait returns after the next change, or when one of the other descriptors can be read.
func (w *watch) wait(deadline time.Time, other ...int) error {
	if err := readable(deadline, append(other, w.fd)...); err != nil {
		return err
	}
	_, err := unix.Read(w.fd, make([]byte, 64<<10))
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// Answer asks an HTTP server over c and returns its answer's body.
func answer(c net.Conn, path string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(r.Status)
	}
	return body.String(), err
}
