package guardian

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

// Options are what Run needs.
type Options struct {
	// Argv is the supervisor's. What is executed is this very image, /proc/self/exe: Argv[0] tells it what to be.
	// After three deaths before it was serving, "--set-aside-state" is appended.
	Argv []string
	// Files are inherited by every supervisor as fds 4, 5 and so on. Its fd 3 is the socket for Dial, 0 to 2 are the guardian's.
	Files []*os.File
	// Forward makes every signal be told: a second TERM, INT or QUIT does not end everything at once.
	Forward bool
	// Stderr is told when a supervisor ends and is started again. nil: nobody is. The guardian does not wait for it.
	Stderr io.Writer

	limits limits // zero: defaultLimits
}

// limits are the only times the guardian knows.
type limits struct {
	again time.Duration // from one start of a supervisor to the next
	ack   time.Duration // until a message must have been acknowledged
	exit  time.Duration // from exit until the supervisor must have ended
	kill  time.Duration // from the second TERM until the guardian ends, whatever is left
}

var defaultLimits = limits{again: time.Second, ack: 30 * time.Second, exit: 10 * time.Second, kill: time.Second}

const (
	asideAfter = 3 // deaths before one was serving
	asideFlag  = "--set-aside-state"
	// Made ahead: at a limit of threads, the runtime ends a program that needs one more. One runs while four may wait in a system
	// call: loop, receiveRequests, speak and watchChildren.
	threads = 5
)

// Run is the guardian, until a supervisor has asked it to exit; it returns the status asked for, once that supervisor has ended. It takes the
// whole process over: all signals, its children, its dumpable flag and the close-on-exec flags of its files; it should be the first thing called.
// It returns an error only if it could not begin.
func Run(o Options) (status int, err error) {
	g, err := newGuardian(o)
	if err != nil {
		return 1, err
	}
	defer close(g.quit)
	return g.loop(), nil
}

func newGuardian(o Options) (*guardian, error) {
	if o.limits == (limits{}) {
		o.limits = defaultLimits
	}
	g := &guardian{
		opts: o,
		runs: map[run]*child{}, pids: map[int]*child{}, left: map[*child]struct{}{},
		childEnded: make(chan struct{}), reaped: make(chan struct{}, 1), born: make(chan struct{}, 1), signals: make(chan os.Signal, 256),
		watched: make(chan watchEnd), quit: make(chan struct{}), says: make(chan string, 16),
	}
	g.catch()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	reserveThreads()
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("cannot become the reaper of orphans: %w", err)
		}
	}
	// A child shares our memory until its execve: see spawn.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)               // cannot fail
	_ = unix.CloseRange(3, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC) // ENOSYS before Linux 5.11: our own are close-on-exec anyway
	g.files = raiseFiles()
	g.start, _ = procfs.StartTime(os.Getpid()) // 0 without a /proc
	launcher, err := spawn.New()
	if err != nil {
		return nil, err
	}
	g.launcher = launcher
	g.timer = time.NewTimer(time.Hour)
	g.timer.Stop()
	go g.speak()
	go g.watchChildren()
	return g, nil
}

// catch has every signal delivered to the loop: as PID 1 or not, none may end a guardian. Those that a program's own faults raise, and that somebody
// sent all the same, are dropped by the loop. PIPE is ignored, URG and PROF are the runtime's, 32 and 33 the C library's.
func (g *guardian) catch() {
	signal.Ignore(unix.SIGPIPE)
	// The runtime has a handler for every signal. Without one for this, which is ignored by default, no thread is woken for nothing.
	var byDefault [4]uint64 // struct sigaction of rt_sigaction(2): SIG_DFL, no flags, no mask
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
	var list []os.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGPROF, unix.SIGKILL, unix.SIGSTOP, 32, 33:
		default:
			list = append(list, s)
		}
	}
	signal.Notify(g.signals, list...)
}

// raiseFiles raises RLIMIT_NOFILE to its hard limit and returns what children are to have: what we were given. The runtime raises
// it too, before main, and puts it back only before an execve: so one that must fail makes it tell.
func raiseFiles() *spawn.Rlimit {
	_ = syscall.Exec("", []string{""}, nil) // ENOENT
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return nil
	}
	given := &spawn.Rlimit{Cur: r.Cur, Max: r.Max}
	r.Cur = r.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &r) // what we have must do then
	return given
}

// reserveThreads makes the runtime create threads now, which it keeps: a locked goroutine that waits occupies one.
func reserveThreads() {
	all := make(chan struct{})
	here := make(chan struct{})
	for range threads {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			here <- struct{}{}
			<-all
		}()
	}
	for range threads {
		<-here
	}
	close(all)
}

// speak writes what is said, as slowly as Stderr takes it.
func (g *guardian) speak() {
	for {
		select {
		case s := <-g.says:
			_, _ = io.WriteString(g.opts.Stderr, s) // nobody to tell
		case <-g.quit:
			return
		}
	}
}

// say tells Stderr, unless it is full.
func (g *guardian) say(s string) {
	if g.opts.Stderr == nil {
		return
	}
	select {
	case g.says <- "gsv: " + s + "\n":
	default:
	}
}
