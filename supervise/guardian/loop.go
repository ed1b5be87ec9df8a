package guardian

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// A guardian is the state of Run. One goroutine owns it: that of loop.
type guardian struct {
	opts     Options
	launcher *spawn.Launcher
	files    *spawn.Rlimit // RLIMIT_NOFILE of children; nil if unknown
	start    uint64        // our own start time

	runs map[run]*child      // all that are known
	pids map[int]*child      // whose main process has not been reaped
	left map[*child]struct{} // that ended, with something of their group left

	nobodys []*child // groups that were taken from runs: see part

	holds map[string]int // files that are kept; nil until there is one

	super supervisor
	told  []told // not acknowledged
	seq   uint64 // of the last told
	due   []due  // told to this supervisor and perhaps not acknowledged, oldest first

	ending  bool      // TERM, INT or QUIT has been told
	exiting bool      // exit was asked for
	status  int       // of exit
	killing bool      // a second TERM: KILL has been sent to all
	until   time.Time // of exiting or killing: when waiting ends

	childEnded chan struct{} // a child waits to be reaped; answered by reaped
	reaped     chan struct{}
	born       chan struct{} // there may be a child again
	signals    chan os.Signal
	watched    chan watchEnd
	quit       chan struct{} // closed when the loop has ended
	says       chan string
	timer      *time.Timer
}

// A told is a signal for the supervisor.
type told struct {
	seq    uint64
	signal syscall.Signal
}

// A due is an acknowledgement that is waited for: of a run's end, or of a told if seq is not 0.
type due struct {
	run run
	seq uint64
	by  time.Time
}

func (g *guardian) loop() int {
	g.startSupervisor()
	for !g.done() {
		g.setTimer()
		select {
		case <-g.childEnded:
			g.reap()
			g.reaped <- struct{}{}
		case s := <-g.signals:
			g.signalled(s.(syscall.Signal))
		case p, ok := <-g.super.received:
			if ok {
				g.obey(p)
			} else {
				g.hungUp()
			}
		case w := <-g.watched:
			g.watchEnded(w)
		case now := <-g.timer.C:
			g.tick(now)
		}
	}
	g.timer.Stop()
	return g.status
}

// done reports whether the guardian's work is.
func (g *guardian) done() bool {
	switch {
	case g.killing:
		return len(g.pids) == 0 && len(g.left) == 0 && len(g.nobodys) == 0 && !g.super.alive() || !time.Now().Before(g.until)
	case g.exiting:
		return !g.super.alive()
	}
	return false
}

// setTimer sets the one timer to the earliest deadline, if there is one.
func (g *guardian) setTimer() {
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	earlier(g.until)
	earlier(g.super.again)
	if !g.super.mute {
		earlier(g.overdue())
	}
	if next.IsZero() {
		g.timer.Stop()
		return
	}
	g.timer.Reset(time.Until(next))
}

// overdue returns when the supervisor's time is over, or zero if it owes nothing. What a new one owes is to ask what is running.
func (g *guardian) overdue() time.Time {
	if g.super.pid != 0 && !g.super.listening {
		return g.super.began.Add(g.opts.limits.ack)
	}
	for len(g.due) > 0 && !g.owed(g.due[0]) {
		g.due = g.due[1:]
	}
	if len(g.due) == 0 {
		g.due = nil
		return time.Time{}
	}
	return g.due[0].by
}

func (g *guardian) owed(d due) bool {
	if d.seq == 0 {
		c := g.runs[d.run]
		return c != nil && !c.acked
	}
	for _, t := range g.told {
		if t.seq == d.seq {
			return true
		}
	}
	return false
}

func (g *guardian) tick(now time.Time) {
	past := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if past(g.super.again) {
		g.super.again = time.Time{}
		g.startSupervisor()
	}
	if past(g.overdue()) && !g.super.mute {
		g.due, g.super.mute = nil, true
		g.say("supervisor does not answer, killing it")
		g.super.kill()
	}
	if g.exiting && past(g.until) {
		g.until = time.Time{}
		g.say("supervisor does not end, killing it")
		g.super.kill()
	}
}

// maxTold is how many signals are kept, each as often as it came; of a flood beyond, each is kept once.
const maxTold = 256

// signalled is told of a signal that was sent to the guardian.
func (g *guardian) signalled(s syscall.Signal) {
	switch s {
	case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
		if g.ending && !g.opts.Forward {
			g.killAll()
			return
		}
		g.ending = true
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGSYS, unix.SIGSTKFLT:
		return // somebody's joke
	}
	if !g.super.listening || len(g.told) >= maxTold {
		for _, t := range g.told { // as the kernel does with one that is pending
			if t.signal == s {
				return
			}
		}
	}
	g.seq++
	g.told = append(g.told, told{g.seq, s})
	if g.super.listening {
		g.tellSignal(g.told[len(g.told)-1])
	}
}

func (g *guardian) tellSignal(t told) {
	g.super.tell(&message{kind: kindTold, n: t.seq, status: uint32(t.signal)})
	g.owe(due{seq: t.seq})
}

func (g *guardian) owe(d due) {
	d.by = time.Now().Add(g.opts.limits.ack)
	g.due = append(g.due, d)
}

// killAll ends everything at once.
func (g *guardian) killAll() {
	if g.killing {
		return
	}
	g.killing, g.status, g.until = true, 0, time.Now().Add(g.opts.limits.kill)
	g.super.again = time.Time{}
	g.super.kill()
	for _, c := range g.runs {
		_ = c.signalGroup(unix.SIGKILL) // gone, then
		_ = c.signalMain(unix.SIGKILL)
	}
	for _, c := range g.nobodys {
		_ = c.signalGroup(unix.SIGKILL)
	}
}
