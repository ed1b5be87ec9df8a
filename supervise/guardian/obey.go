package guardian

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// obey carries out what a supervisor asks, be it dead meanwhile.
func (g *guardian) obey(q request) {
	if g.killing {
		closeAll(q.files)
		return
	}
	if !q.kind.carries() {
		closeAll(q.files)
	}
	c := g.runs[run{q.key, q.n}]
	switch q.kind {
	case kindHello:
		g.super.greet(&message{kind: kindHello, pid: int32(os.Getpid()), num: g.start, n: uint64(g.super.deaths)})
	case kindRunning:
		g.list()
	case kindServing:
		g.super.early = 0
	case kindStart:
		g.startRun(q)
	case kindArm:
		g.armRun(q)
	case kindDisarm:
		g.disarm(run{q.key, q.n})
	case kindAdopt:
		g.adopt(q)
	case kindSignal:
		g.signal(c, q)
	case kindAck:
		g.acknowledged(c, q)
	case kindRelease:
		if c != nil {
			closeAll(c.held)
			c.held = nil
			g.forget(c)
		}
	case kindKeep:
		g.keep(c, q)
	case kindHold:
		g.hold(q)
	case kindUnhold:
		g.unhold(q.key)
	case kindExit:
		if !g.exiting {
			g.exiting, g.status = true, int(q.status)
			g.until = time.Now().Add(g.opts.limits.exit)
		}
	}
}

// list tells a new supervisor what there is, and from then on what happens. What the one before has armed is dropped.
func (g *guardian) list() {
	g.super.listening = true
	g.listHolds() // first, while there are descriptors
	for _, c := range g.runs {
		c.disarm()
		m := message{kind: kindProcess, key: c.key, n: c.n, pid: int32(c.pid), num: c.start, files: uint8(len(c.held))}
		if c.ended {
			m.flags |= flagEnded
		}
		if c.acked {
			m.flags |= flagAcked
		}
		if c.left {
			m.flags |= flagLeft
		}
		g.super.tellWith(&m, c.held)
	}
	g.super.tell(&message{kind: kindListed})
	g.due = nil
	for _, c := range g.runs {
		if c.ended && !c.acked {
			g.tellEnd(c)
		}
	}
	for _, t := range g.told {
		g.tellSignal(t)
	}
}

func (g *guardian) acknowledged(c *child, q request) {
	if q.key == "" {
		for i, t := range g.told {
			if t.seq == q.n {
				g.told = append(g.told[:i], g.told[i+1:]...)
				return
			}
		}
		return
	}
	if c != nil && c.ended {
		c.acked = true
		g.forget(c)
	}
}

func (g *guardian) signal(c *child, q request) {
	err := error(unix.ESRCH)
	if c != nil {
		send := c.signalMain
		if q.flags&flagGroup != 0 {
			send = c.signalGroup
		}
		err = send(unix.Signal(q.status))
		if q.flags&flagWake != 0 {
			_ = send(unix.SIGCONT) // it may be gone already
		}
	}
	if q.num != 0 {
		errno, _ := err.(syscall.Errno)
		g.super.tell(&message{kind: kindSignalled, num: q.num, failure: spawn.Failure{Errno: errno}})
	}
	if c != nil && c.left && !c.groupLeft() {
		g.empty(c)
	}
}
