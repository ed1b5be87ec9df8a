package guardian

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

// A child is a run as the guardian knows it. Its pid is pinned until it is reaped, as nobody else reaps; what is
// left of its group then is pinned by group.
type child struct {
	run
	pid     int
	start   uint64
	process *spawn.Child // nil if it was adopted
	leads   bool         // its pid is a process group
	parted  bool         // its group was taken from it
	watch   *watch       // of an adopted one that is not our child
	held    []int

	next *armed

	ended    bool
	unknown  bool
	followed bool // by what was armed
	status   syscall.WaitStatus
	failure  spawn.Failure
	at       int64 // when it ended, in nanoseconds of CLOCK_BOOTTIME
	acked    bool
	left     bool
	group    int // pidfd of the ended leader, or -1
}

// A request is a message from the supervisor with what came along. Of an arm, the body is the encoded spec.
type request struct {
	message
	spec  spawn.Spec
	bad   bool  // the spec could not be read
	files []int // the first split are the child's: -1 is a hole
	lost  bool  // files were lost on the way
}

// startRun carries out a start. Whatever goes wrong is the run's end, not ours.
func (g *guardian) startRun(q request) {
	r := run{q.key, q.n}
	if c := g.runs[r]; c != nil {
		closeAll(q.files)
		g.answer(c)
		return
	}
	g.disarm(r)
	c := g.add(r)
	if q.lost {
		c.failure = spawn.Failure{Step: spawn.StepFiles, Errno: unix.EMFILE}
	} else {
		g.launch(c, &q.spec, q.bad, q.files, q.split)
	}
	g.begun(c)
}

// add makes a run known.
func (g *guardian) add(r run) *child {
	c := &child{run: r, group: -1}
	g.runs[r] = c
	return c
}

// launch starts the process of c, with the first split of files; the others are held. If it fails, or spec is bad, there is no pid.
func (g *guardian) launch(c *child, spec *spawn.Spec, bad bool, files []int, split uint8) {
	c.held = files[split:]
	if spec.NoFile == nil {
		spec.NoFile = g.files
	}
	fail := error(spawn.Failure{Step: spawn.StepExec, Errno: unix.EINVAL})
	if !bad {
		c.process, fail = g.launcher.Start(spec, files[:split])
	}
	closeAll(files[:split])
	if fail != nil {
		c.failure, _ = fail.(spawn.Failure)
		return
	}
	c.pid, c.leads = c.process.Pid, true
	g.bear()
	g.reused(c.pid)
	g.pids[c.pid] = c
}

// begun tells what became of a run that was launched.
func (g *guardian) begun(c *child) {
	if c.pid == 0 {
		g.end(c)
		g.settle(c)
		return
	}
	c.start, _ = procfs.StartTime(c.pid) // even if it has ended: it is not reaped. 0 without a /proc
	g.answer(c)
}

// bear tells watchChildren that there is a child.
func (g *guardian) bear() {
	select {
	case g.born <- struct{}{}:
	default:
	}
}

// answer says again what is known of a run.
func (g *guardian) answer(c *child) {
	if c.pid != 0 {
		g.super.tell(&message{kind: kindStarted, key: c.key, n: c.n, pid: int32(c.pid), num: c.start})
	}
	if c.ended {
		g.tellEnd(c)
	}
}

func (g *guardian) tellEnd(c *child) {
	m := message{kind: kindEnded, key: c.key, n: c.n, pid: int32(c.pid), status: uint32(c.status), failure: c.failure, at: c.at}
	if c.left {
		m.flags |= flagLeft
	}
	if c.unknown {
		m.flags |= flagUnknown
	}
	if c.followed {
		m.flags |= flagNext
	}
	if g.super.tell(&m) && !c.acked {
		g.owe(due{run: c.run})
	}
}

// reapBatch bounds how many are reaped before anything else gets its turn.
const reapBatch = 256

// reap waits for every child that has ended: runs, supervisors, and orphans, which are just reaped. Only peeking first,
// it takes hold of a main process that may leave its group behind while its pid still is its own.
func (g *guardian) reap() {
	var ended []*child
	n := 0
	for ; n < reapBatch; n++ {
		pid := peek()
		if pid <= 0 {
			break
		}
		c := g.pids[pid]
		if c != nil && c.leading() {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				c.group = fd
			}
		}
		var status unix.WaitStatus
		if !wait(pid, &status) {
			continue // impossible: nobody else waits
		}
		switch {
		case c != nil:
			c.status = syscall.WaitStatus(status)
			g.end(c)
			ended = append(ended, c)
		case pid == g.super.pid:
			g.super.reaped(syscall.WaitStatus(status))
			g.bury()
		}
	}
	if n > 0 {
		g.checkLeft()
	}
	for _, c := range ended {
		g.settle(c)
	}
}

// watchChildren tells the loop of children that wait to be reaped. A thread that waits in waitid(2) is woken by the kernel when one
// ends; SIGCHLD would wake a thread that wakes another. Without a child it waits for the next start: an orphan that comes
// meanwhile is reaped then.
func (g *guardian) watchChildren() {
	for {
		var err error
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
		}
		next := g.reaped
		if err != nil { // ECHILD
			next = g.born
		} else {
			select {
			case g.childEnded <- struct{}{}:
			case <-g.quit:
				return
			}
		}
		select {
		case <-next:
		case <-g.quit:
			return
		}
	}
}

// peek returns the pid of a child that waits to be reaped, or a number that is none.
func peek() int {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1 // ECHILD
		}
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16))) // si_pid: after three ints and padding, on 64 bits
	}
}

// wait reaps pid if it has ended.
func wait(pid int, status *unix.WaitStatus) bool {
	for {
		got, err := unix.Wait4(pid, status, unix.WNOHANG, nil)
		if err != unix.EINTR {
			return err == nil && got == pid
		}
	}
}

// end notes that the main process of c is gone.
func (g *guardian) end(c *child) {
	c.ended, c.at = true, int64(boottime())
	if c.pid != 0 {
		delete(g.pids, c.pid)
	}
	if c.process != nil {
		if f, failed := c.process.Reaped(); failed {
			c.failure = f
		}
		c.process = nil
	}
	c.watch.close()
	c.watch = nil
}

// settle looks what is left of a run that has ended, starts what is to follow it, and tells.
func (g *guardian) settle(c *child) {
	c.left = c.groupLeft()
	next := g.follow(c) // first of all: what it serves waits
	if c.left {
		g.left[c] = struct{}{}
	} else {
		c.dropGroup()
	}
	g.tellEnd(c)
	if next != nil {
		g.begun(next)
	}
}

// empty notes that nothing is left of the group of c.
func (g *guardian) empty(c *child) {
	delete(g.left, c)
	c.left = false
	c.dropGroup()
	g.super.tell(&message{kind: kindEmpty, key: c.key, n: c.n})
	g.forget(c)
}

func (c *child) dropGroup() {
	if c.group >= 0 {
		_ = unix.Close(c.group)
		c.group = -1
	}
	c.leads = false
}

// forget drops a run that nobody needs to hear of again.
func (g *guardian) forget(c *child) {
	if c.ended && c.acked && !c.left && len(c.held) == 0 {
		delete(g.runs, c.run)
	}
}

// groupLeft reports whether there is anything in the group of a run that has ended. What we may not signal is there.
func (c *child) groupLeft() bool {
	if err := c.signalGroup(0); err != nil && err != unix.EPERM {
		return false
	}
	if !c.unknown {
		return true
	}
	// To kill(2), whoever has ended is there until his parent reaps him, and that is not us.
	members, err := procfs.Group(c.pid)
	return err != nil || len(members) > 0
}

// signalMain sends to the main process, or returns ESRCH.
func (c *child) signalMain(s unix.Signal) error {
	switch {
	case c.ended:
		return unix.ESRCH
	case c.watch != nil:
		return c.watch.signal(s)
	}
	return unix.Kill(c.pid, s)
}

// signalGroup sends to the whole group, or returns ESRCH. Before it has made its group, and without one, a main process is all of it.
func (c *child) signalGroup(s unix.Signal) error {
	switch {
	case !c.ended && !c.leading():
		return c.signalMain(s)
	case !c.ended:
		if err := unix.Kill(-c.pid, s); err != unix.ESRCH {
			return err
		}
		return c.signalMain(s)
	case !c.leads:
		return unix.ESRCH
	}
	if c.group >= 0 { // Linux 6.9: the number may be another's by now, the group behind the pidfd cannot
		if err := unix.PidfdSendSignal(c.group, s, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP); err != unix.EINVAL && err != unix.ENOSYS {
			return err
		}
	}
	return unix.Kill(-c.pid, s)
}

// isOurs reports whether we are the parent of p.
func isOurs(p procfs.Proc) bool { return p.PPid == os.Getpid() }
