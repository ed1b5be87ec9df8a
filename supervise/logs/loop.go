package logs

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// share is what one run may move in one round before the others' turn.
	share = 1 << 20
	// plenty is the size of a fresh pipe, in bytes.
	plenty = 64 << 10
)

// A round ends with a pause for more to come, so that a service that writes line
// by line costs a wake-up each pause, not each line. The first line after silence
// never waits. How long a pause is follows from how full the fullest pipe was:
// shorter, down to none, when it was half full, for its writer would have to wait;
// longer when it was not a quarter full, up to longestPause. Splicing little is
// no gain where there is plenty either: splice(2) has the pipe's lock while it
// copies, and its writer waits for that. Where many services write a little each,
// pauses may be manyPause.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 5 * time.Millisecond
	manyPause     = 20 * time.Millisecond
	manyRuns      = 16
)

// wakeSlot is what the event of a loop's wakefd carries.
const wakeSlot = -1

// nextPause is the pause after one of d, when runs pipes were read and the fullest
// was full to that part of its room.
func nextPause(d time.Duration, runs int, full float64) time.Duration {
	longest := longestPause
	if runs >= manyRuns {
		longest = manyPause
	}
	switch {
	case full >= 0.25:
		if d /= 4; d < shortestPause {
			d = 0
		}
	case full < 0.1:
		d = max(2*d, shortestPause)
	}
	return min(d, longest)
}

// A loop is one OS thread that reads pipes. Go's own poller is edge-triggered
// and wakes for every write; with an epoll of its own, and a pause after each
// round, moving a line costs 2 µs instead of 28 at moderate rates.
type loop struct {
	p      *Pump
	epfd   int
	wakefd int // an eventfd: something is in queue
	done   chan struct{}

	mu       sync.Mutex
	queue    []func() // run by the thread
	stopping bool

	// The thread's own:
	runs    map[Key]*run
	slots   []*run // by what their epoll events carry; nil: free
	free    []int32
	serial  int32
	scratch *scratch
}

func startLoop(p *Pump) (*loop, error) {
	l := &loop{p: p, epfd: -1, wakefd: -1, done: make(chan struct{}), runs: map[Key]*run{}}
	err := l.open()
	if err != nil {
		l.close()
		return nil, err
	}
	go l.main()
	return l, nil
}

func (l *loop) open() (err error) {
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.wakefd, &ev); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.scratch, err = newScratch(l)
	return err
}

func (l *loop) close() {
	for _, r := range l.runs {
		r.sink.detach(r)
		unix.Close(r.fd)
	}
	if l.scratch != nil {
		l.scratch.close()
	}
	// Under the lock of post, which writes to wakefd.
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	for _, fd := range []int{l.epfd, l.wakefd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	l.wakefd = -1
}

// post has f run by the thread, soon. After the loop's end it does nothing.
func (l *loop) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return
	}
	l.queue = append(l.queue, f)
	l.wake()
}

func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.wake()
}

func (l *loop) wake() {
	if l.wakefd < 0 {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// Fails only when the counter is full, and then it is awake.
	_, _ = unix.Write(l.wakefd, one[:])
}

// main is the thread.
func (l *loop) main() {
	runtime.LockOSThread()
	defer close(l.done)
	defer l.close()
	events := make([]unix.EpollEvent, 128)
	pause := longestPause
	for {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if err != nil && err != unix.EINTR {
			panic("bug: epoll_wait: " + err.Error())
		}
		if !l.commands() { // before what was written after they were given
			return
		}
		runs, full := 0, 0.0
		for i := range max(n, 0) {
			ev := &events[i]
			if ev.Fd == wakeSlot {
				var count [8]byte
				_, _ = unix.Read(l.wakefd, count[:])
				if !l.commands() {
					return
				}
				continue
			}
			r := l.slots[ev.Fd]
			if r == nil || r.serial != ev.Pad {
				continue // ended earlier in this round
			}
			runs++
			full = max(full, float64(l.drain(r))/float64(r.room))
		}
		if full == 0 {
			continue
		}
		if pause = nextPause(pause, runs, full); pause > 0 {
			l.pause(pause)
		}
	}
}

// pause waits, less long if there is something in queue.
func (l *loop) pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	// EINTR: a signal of Go's scheduler; then this pause is a short one.
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(l.wakefd), Events: unix.POLLIN}}, &t, nil)
}

// commands runs what has been posted; false: stop.
func (l *loop) commands() bool {
	l.mu.Lock()
	queue, stopping := l.queue, l.stopping
	l.queue = nil
	l.mu.Unlock()
	for _, f := range queue {
		f()
	}
	return !stopping
}

func (l *loop) add(r *run, show func(Key, []byte)) {
	l.serial++
	r.serial = l.serial
	l.runs[r.key] = r
	if n := len(l.free); n > 0 {
		r.slot, l.free = l.free[n-1], l.free[:n-1]
		l.slots[r.slot] = r
	} else {
		r.slot = int32(len(l.slots))
		l.slots = append(l.slots, r)
	}
	r.sink.attach(r, l.scratch)
	l.p.useTap(r.key, r)
	if r.watched(show); show != nil { // the begin of a line that a Pump left that died
		r.watch.lines.part = slices.Clone(r.part[:min(len(r.part), maxLine)])
	}
	l.begin(r)
}

// begin begins to read a run, or to read it again.
func (l *loop) begin(r *run) {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: r.slot, Pad: r.serial}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, r.fd, &ev); err != nil {
		// ENOMEM or ENOSPC (max_user_watches): it cannot be waited for.
		l.p.problem(Problem{Name: r.key.Name, Err: os.NewSyscallError("epoll_ctl", err)})
		l.end(r)
		return
	}
	// At once, and until it is empty or has ended: a reader opened when all
	// writers had gone is never reported as ended (poll(2) tells of writers
	// that go, not of none; pipe_poll in fs/pipe.c).
	r.fresh = true
	l.drain(r)
}

func (l *loop) drain(r *run) int64 {
	n, end := r.sink.drain(r, l.scratch, share)
	switch {
	case end:
		l.end(r)
	case r.fresh && !r.parked:
		l.post(func() { // after the others' turn
			if l.runs[r.key] == r {
				l.drain(r)
			}
		})
	}
	return n
}

// sync moves what is in the pipe of a run now, and returns the run unless that
// was its end.
func (l *loop) sync(key Key) *run {
	r := l.runs[key]
	if r == nil {
		return nil
	}
	waits, err := unix.IoctlGetInt(r.fd, unix.TIOCINQ) // FIONREAD
	if err != nil {
		return r
	}
	for until := r.moved + int64(waits); r.moved < until; {
		n, end := r.sink.drain(r, l.scratch, until-r.moved)
		if end {
			l.end(r)
			return nil
		}
		if n == 0 {
			break
		}
	}
	return r
}

func (l *loop) end(r *run) {
	delete(l.runs, r.key)
	l.slots[r.slot] = nil
	l.free = append(l.free, r.slot)
	r.watch.end(r.key)
	r.sink.finish(r, l.scratch)
	r.sink.detach(r)
	r.forgetSeen()
	// Not by close(2) alone: epoll(7) goes on about an open description, and
	// others keep this one open.
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, r.fd, nil)
	unix.Close(r.fd)
	l.p.drained(r.key)
}
