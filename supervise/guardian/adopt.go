package guardian

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// reapedWithin is how long the parent of an adopted process may take to reap it, after which its status is given up.
const reapedWithin = 2 * time.Second

// A watch waits, by a pidfd, for the end of a process that is not our child.
type watch struct {
	file *os.File
	raw  syscall.RawConn
}

// A watchEnd tells that a watched process has ended.
type watchEnd struct {
	child  *child
	status syscall.WaitStatus
	known  bool
}

// adopt makes a process the main one of a run. The pidfd comes first: from then on it is one and the same process
// whose start time is compared.
func (g *guardian) adopt(q request) {
	r := run{q.key, q.n}
	if c := g.runs[r]; c != nil {
		g.answer(c)
		return
	}
	g.disarm(r)
	c := g.add(r)
	c.pid, c.start = int(q.pid), q.num
	w, err := newWatch(c.pid)
	var p procfs.Proc
	if err == nil {
		p, err = procfs.Read(c.pid)
	}
	if err != nil || p.Start != c.start || g.pids[c.pid] != nil || c.pid == os.Getpid() || c.pid == g.super.pid {
		w.close()
		c.pid, c.unknown = 0, true // end must not take another's pid from the table
		g.end(c)
		c.pid = int(q.pid)
		g.settle(c)
		return
	}
	c.leads = p.Pgrp == c.pid
	if p.Alive() { // a zombie may be what an adopted run has left behind
		g.reused(c.pid)
	}
	g.part(c, p.Pgrp)
	g.pids[c.pid] = c // it may become our child
	if isOurs(p) {
		w.close()
	} else {
		c.watch = w
		go w.wait(c, g.watched, g.quit)
	}
	g.answer(c)
}

func newWatch(pid int) (*watch, error) {
	if pid <= 1 { // of 1, a kill of the group would be one of everything
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &watch{file: os.NewFile(uintptr(fd), "pidfd")}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// close is for a nil watch too.
func (w *watch) close() {
	if w != nil {
		_ = w.file.Close()
	}
}

func (w *watch) signal(s unix.Signal) error {
	err := error(unix.ESRCH)
	_ = w.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	return err
}

// wait sends the end of the process to ended. Where the kernel keeps the status for holders of a pidfd (Linux 6.15), it does so once
// the process has been reaped, which is when the pidfd hangs up.
func (w *watch) wait(c *child, ended chan<- watchEnd, quit <-chan struct{}) {
	if err := w.poll(unix.POLLIN | unix.POLLHUP); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return // closed: its end is known already
	}
	e := watchEnd{child: c}
	if e.status, e.known = w.status(); !e.known {
		_ = w.file.SetReadDeadline(time.Now().Add(reapedWithin))
		_ = w.poll(unix.POLLHUP) // or we do without
		e.status, e.known = w.status()
	}
	select {
	case ended <- e:
	case <-quit:
	}
}

// poll waits until one of events has happened.
func (w *watch) poll(events int16) error {
	return w.raw.Read(func(fd uintptr) bool {
		p := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p[:], 0)
		for err == unix.EINTR {
			n, err = unix.Poll(p[:], 0)
		}
		return n > 0 && p[0].Revents&(events|unix.POLLNVAL) != 0
	})
}

func (w *watch) status() (status syscall.WaitStatus, known bool) {
	_ = w.raw.Control(func(fd uintptr) {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		if unix.IoctlPidfdInfo(int(fd), &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			status, known = syscall.WaitStatus(info.Exit_code), true
		}
	})
	return status, known
}

// watchEnded ends an adopted run, unless it was reaped by us meanwhile.
func (g *guardian) watchEnded(w watchEnd) {
	c := w.child
	if c.ended {
		return
	}
	var status unix.WaitStatus
	if wait(c.pid, &status) { // orphaned, it became our child
		w.status, w.known = syscall.WaitStatus(status), true
	}
	if c.leads {
		_ = c.watch.raw.Control(func(fd uintptr) {
			if n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				c.group = n
			}
		})
	}
	c.status, c.unknown = w.status, !w.known
	g.end(c)
	g.settle(c)
	g.checkLeft() // it may have been the last of another run's group
}
