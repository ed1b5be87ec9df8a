package supervise

import (
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
)

// How often, and how many times, to look whether a process has taken a signal:
// the kernel has no way to tell.
const (
	signalPause = 5 * time.Millisecond
	signalLooks = 400
)

// signalAgain sends one more of the signals that an operation asks for, once
// the last one has been taken: two of a kind that wait are one (signal(7)).
func (s *Supervisor) signalAgain(d delivery) {
	s.whenTaken(d, func() { s.due.add(now().Add(signalApart), nil, func() { s.sendAgain(d) }) })
}

// signalApart is the time from when a signal has been taken to the next one of
// its kind: language runtimes keep signals, and not how often they came, until
// the program's own handler runs.
const signalApart = 30 * time.Millisecond

func (s *Supervisor) sendAgain(d delivery) {
	if live := d.svc.state.Live(); live == nil || live.Gen != d.gen {
		s.step(d.svc, lifecycle.Delivered{Op: d.op, Err: "its main process ended before the last signal was sent"})
		return
	}
	d.left--
	s.token++
	s.tokens[s.token] = d
	s.guardian.Signal(s.token, d.svc.name, uint64(d.gen), d.sig, false)
}

// whenTaken has do called by the loop when a signal has been taken by the main
// process, or that process is gone, or a time is over.
func (s *Supervisor) whenTaken(d delivery, do func()) {
	pid := d.svc.pid()
	go func() {
		for range signalLooks {
			if waiting, err := procfs.Pending(pid, d.sig); err != nil || !waiting {
				break
			}
			time.Sleep(signalPause)
		}
		s.report(do)
	}()
}
