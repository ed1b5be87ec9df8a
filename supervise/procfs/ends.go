package procfs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapedWithin is how long the parent of a process may take to reap it, after
// which its status is given up.
const reapedWithin = 2 * time.Second

// An End is how a process ended.
type End struct {
	Status syscall.WaitStatus // 0 unless Known
	Known  bool               // the kernel told: it does so to others than the parent since Linux 6.15, to those that watched
}

// Ends tells of the ends of processes that are not our children. All its methods
// may be called concurrently. It costs a file descriptor for each process and a
// goroutine in all, which runs only when one ends.
type Ends struct {
	file *os.File // an epoll of pidfds, itself waited for by the runtime's
	raw  syscall.RawConn
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	closed  bool
	last    uint64
	watched map[uint64]*watched
	ending  map[uint64]*watched // of these, those that have a deadline
}

// watched is a process that is watched, or whose end waits to be known.
type watched struct {
	n        uint64 // never used twice, unlike a descriptor: an event names it
	fd       int    // the pidfd
	pid      int
	start    uint64
	ended    func(End)
	deadline time.Time // when the status of one that has ended is given up
}

// NewEnds starts to watch. Close ends it.
func NewEnds() (*Ends, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch processes: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for the runtime to wait for it
		unix.Close(fd)
		return nil, fmt.Errorf("cannot watch processes: %w", err)
	}
	e := &Ends{file: os.NewFile(uintptr(fd), "ends"), done: make(chan struct{}),
		watched: make(map[uint64]*watched), ending: make(map[uint64]*watched)}
	if e.raw, err = e.file.SyscallConn(); err != nil {
		_ = e.file.Close()
		return nil, fmt.Errorf("cannot watch processes: %w", err)
	}
	go e.run()
	return e, nil
}

// Watch calls ended once, from a goroutine of Ends, when a process ends, maybe
// before Watch returns. How it ended is waited for for up to two seconds, for
// its parent to reap it. Ended must not block: it holds up the others. Forget ends
// the watch; a call of ended may be under way then. The error is ESRCH where the
// process is gone or its pid is another's.
func (e *Ends) Watch(pid int, start uint64, ended func(End)) (forget func(), err error) {
	fd, err := open(pid, start)
	if err != nil {
		return nil, fmt.Errorf("cannot watch process %d: %w", pid, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	w := &watched{n: e.last, fd: fd, pid: pid, start: start, ended: ended}
	err = os.ErrClosed
	if !e.closed {
		e.watched[w.n] = w
		err = e.control(unix.EPOLL_CTL_ADD, w, unix.EPOLLIN)
	}
	if err != nil {
		delete(e.watched, w.n)
		unix.Close(fd)
		return nil, fmt.Errorf("cannot watch process %d: %w", pid, err)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.drop(w)
	}, nil
}

// open returns a pidfd of a process that has started then.
func open(pid int, start uint64) (fd int, err error) {
	if pid < 1 {
		return -1, unix.ESRCH
	}
	for {
		if fd, err = unix.PidfdOpen(pid, 0); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, err
	}
	// From here on it is one and the same process.
	if p, err := Read(pid); err != nil || p.Start != start {
		unix.Close(fd)
		if err == nil {
			err = unix.ESRCH
		}
		return -1, err
	}
	return fd, nil
}

func (e *Ends) control(op int, w *watched, events uint32) error {
	err := error(os.ErrClosed)
	if err2 := e.raw.Control(func(fd uintptr) {
		err = unix.EpollCtl(int(fd), op, w.fd, &unix.EpollEvent{Events: events, Fd: int32(w.n), Pad: int32(w.n >> 32)})
	}); err2 != nil {
		return err2
	}
	return err
}

// drop takes a process out; false if it is not watched any more. The mutex is held.
func (e *Ends) drop(w *watched) bool {
	if e.watched[w.n] != w {
		return false
	}
	delete(e.watched, w.n)
	delete(e.ending, w.n)
	_ = e.control(unix.EPOLL_CTL_DEL, w, 0)
	unix.Close(w.fd)
	return true
}

// Close forgets all processes and returns when nothing calls any more. It must
// not be called by what Watch was given. A second Close is an error that wraps
// os.ErrClosed.
func (e *Ends) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return fmt.Errorf("cannot stop to watch processes: %w", os.ErrClosed)
	}
	e.closed = true
	for _, w := range e.watched {
		e.drop(w)
	}
	err := e.file.Close()
	e.mu.Unlock()
	<-e.done
	return err
}

// run waits for events until the epoll is closed.
func (e *Ends) run() {
	defer close(e.done)
	for {
		var events [64]unix.EpollEvent
		n := 0
		err := e.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events[:], 0)
			for err == unix.EINTR {
				n, err = unix.EpollWait(int(fd), events[:], 0)
			}
			return n > 0
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return // closed
		}
		for _, ev := range events[:max(n, 0)] {
			e.happened(ev)
		}
		e.expire(time.Now())
	}
}

// happened takes an event of a pidfd: its process has ended, or has been reaped
// (EPOLLHUP: pidfd_poll, fs/pidfs.c), which is when the kernel keeps its status for
// holders of a pidfd.
func (e *Ends) happened(ev unix.EpollEvent) {
	e.mu.Lock()
	w := e.watched[uint64(uint32(ev.Fd))|uint64(uint32(ev.Pad))<<32]
	if w == nil {
		e.mu.Unlock()
		return
	}
	end, wait := status(w.fd)
	if !end.Known && !wait {
		end.Status, end.Known = zombieStatus(w.pid, w.start)
	}
	if wait && ev.Events&unix.EPOLLHUP == 0 && e.control(unix.EPOLL_CTL_MOD, w, 0) == nil {
		w.deadline = time.Now().Add(reapedWithin)
		e.ending[w.n] = w
		e.mu.Unlock()
		return
	}
	e.drop(w)
	e.mu.Unlock()
	w.ended(end)
}

// status asks for the status of a process that has ended; wait says that the
// kernel may know once it has been reaped.
func status(fd int) (end End, wait bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	err := unix.IoctlPidfdInfo(fd, &info)
	if err == unix.ESRCH { // reaped while we asked (pidfd_info, fs/pidfs.c)
		err = unix.IoctlPidfdInfo(fd, &info)
	}
	if err != nil {
		return End{}, false // Linux before 6.13, or 6.15 for one that was reaped
	}
	if info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return End{}, true
	}
	return End{syscall.WaitStatus(info.Exit_code), true}, false
}

// expire gives up those that were not reaped in time, and sets the time of the next.
func (e *Ends) expire(now time.Time) {
	var next time.Time
	var late []*watched
	e.mu.Lock()
	for _, w := range e.ending {
		switch {
		case !w.deadline.After(now):
			late = append(late, w)
			e.drop(w)
		case next.IsZero() || w.deadline.Before(next):
			next = w.deadline
		}
	}
	_ = e.file.SetReadDeadline(next)
	e.mu.Unlock()
	for _, w := range late {
		w.ended(End{})
	}
}
