package guardian

import (
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// A supervisor is the other process, if there is one. It is gone when it has been reaped and its socket was read to the end.
type supervisor struct {
	pid       int // 0 once reaped
	process   *spawn.Child
	ended     string // how, once reaped
	socket    *socket
	out       *outbox
	received  chan request // nil once closed
	listening bool         // it has asked what is running: it is told what happens
	mute      bool         // it has been killed for its silence

	began  time.Time
	again  time.Time // when the next is to be started
	deaths int       // in all
	early  int       // since one was serving
}

// alive reports whether something of it is still to be waited for.
func (s *supervisor) alive() bool { return s.pid != 0 || s.received != nil }

func (g *guardian) startSupervisor() {
	s := &g.super
	s.began = time.Now()
	if err := g.launchSupervisor(); err != nil {
		s.again = s.began.Add(g.opts.limits.again)
		g.say("cannot start the supervisor: " + err.Error())
	}
}

func (g *guardian) launchSupervisor() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	socket, err := newSocket(pair[0])
	if err != nil {
		return err
	}
	argv := slices.Clone(g.opts.Argv)
	if g.super.early >= asideAfter {
		argv = append(argv, asideFlag)
	}
	files := []int{0, 1, 2, pair[1]}
	for _, f := range g.opts.Files {
		fd, err := number(f)
		if err != nil {
			socket.close()
			return err
		}
		files = append(files, fd)
	}
	spec := spawn.Spec{Argv: argv, File: "/proc/self/exe", Env: os.Environ(), Umask: -1, NoFile: g.files}
	process, err := g.launcher.Start(&spec, files)
	if err != nil {
		socket.close()
		return err
	}
	g.bear()
	s := &g.super
	s.pid, s.process, s.ended, s.mute = process.Pid, process, "", false
	s.socket, s.out, s.received = socket, newOutbox(socket), make(chan request)
	go receiveRequests(socket, s.received, g.quit)
	return nil
}

// receiveRequests reads what the supervisor asks, until its end or a message that makes no sense.
func receiveRequests(s *socket, to chan<- request, quit <-chan struct{}) {
	defer close(to)
	for {
		m, files, lost, err := s.receive()
		if err != nil {
			return
		}
		q := request{message: m, files: files, lost: lost}
		q.body = nil // m's is the socket's
		if m.kind.starts() && !lost {
			q.readSpec(m.body)
		}
		select {
		case to <- q:
		case <-quit:
			closeAll(files)
			return
		}
	}
}

// readSpec reads the body of a start or arm: the holes among the child's files, and the spec, which may be in the last file instead.
func (q *request) readSpec(b []byte) {
	if uint64(q.status) > uint64(len(b)) {
		q.bad = true
		return
	}
	holes, b := b[:q.status], b[q.status:]
	if q.flags&flagSpecFile != 0 {
		if len(q.files) == int(q.split) {
			q.bad = true
			return
		}
		last := len(q.files) - 1
		b = readSpecFile(q.files[last])
		_ = unix.Close(q.files[last])
		q.files = q.files[:last]
	}
	if !q.punch(holes) {
		q.bad = true
		return
	}
	if q.kind == kindArm {
		q.body = slices.Clone(b)
		return
	}
	var err error
	q.spec, err = spawn.ParseSpec(b)
	q.bad = err != nil
}

// punch puts holes, in ascending order, among the child's files, and reports whether there is room for them.
func (q *request) punch(holes []byte) bool {
	if len(holes)+len(q.files) > maxFiles {
		return false
	}
	for _, at := range holes {
		if at > q.split {
			return false
		}
		q.files = slices.Insert(q.files, int(at), -1)
		q.split++
	}
	return true
}

func readSpecFile(fd int) []byte {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Size <= 0 || st.Size > maxSpec {
		return nil
	}
	b := make([]byte, st.Size)
	for off := 0; off < len(b); {
		n, err := unix.Pread(fd, b[off:], int64(off))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return nil
		}
		off += n
	}
	return b
}

// greet answers hello, to a supervisor that has not asked what is running yet.
func (s *supervisor) greet(m *message) {
	if s.out != nil {
		s.out.put(m, nil)
	}
}

// tell sends a message if somebody listens, and reports that.
func (s *supervisor) tell(m *message) bool { return s.tellWith(m, nil) }

// tellWith is tell of a message with files, which stay the caller's.
func (s *supervisor) tellWith(m *message, files []int) bool {
	if !s.listening {
		return false
	}
	s.out.put(m, files)
	return true
}

// kill kills the supervisor, if it was not reaped.
func (s *supervisor) kill() {
	if s.pid != 0 {
		_ = unix.Kill(s.pid, unix.SIGKILL) // it is there: we have not reaped it
	}
}

// reaped notes its end. What it has sent can still be read, and whoever else might hold its end of the socket is cut off.
func (s *supervisor) reaped(status syscall.WaitStatus) {
	s.pid, s.ended, s.listening = 0, describe(status), false
	if f, failed := s.process.Reaped(); failed {
		s.ended = f.Error()
	}
	s.process = nil
	s.out.close()
	s.socket.shutdown()
}

// hungUp is called when the socket has been read to its end. A supervisor that lives on without it is of no use.
func (g *guardian) hungUp() {
	g.super.received = nil
	g.super.kill()
	g.bury()
}

// bury sees to what comes after a supervisor, when both its process and its socket are gone.
func (g *guardian) bury() {
	s := &g.super
	if s.alive() {
		return
	}
	s.socket.close()
	s.socket, s.out = nil, nil
	g.due = nil
	s.deaths++
	s.early++
	if g.exiting || g.killing {
		return
	}
	words := ", starting it again"
	if s.early >= asideAfter {
		words += " with its state set aside"
	}
	g.say("supervisor ended (" + s.ended + ")" + words)
	if s.again = s.began.Add(g.opts.limits.again); s.deaths == 1 || !time.Now().Before(s.again) {
		s.again = time.Time{}
		g.startSupervisor()
	}
}

// describe says how a process ended, as os.ProcessState does.
func describe(s syscall.WaitStatus) string {
	switch {
	case s.Signaled() && s.CoreDump():
		return "signal: " + s.Signal().String() + " (core dumped)"
	case s.Signaled():
		return "signal: " + s.Signal().String()
	}
	return "exit status " + strconv.Itoa(s.ExitStatus())
}
