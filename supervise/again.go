package supervise

import (
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
)

// How often, and for how long, to look whether a process has taken a signal:
// the kernel has no way to tell.
const (
	signalPause    = 5 * time.Millisecond
	signalPatience = 2 * time.Second
)

// signalAgain sends one more of the signals that an operation asks for, once
// the last one has been taken: two of a kind that wait are one (signal(7)).
func (s *Supervisor) signalAgain(d delivery) {
	s.whenTaken(d, signalPatience, func(bool) { s.due.add(now().Add(signalApart), nil, func() { s.sendAgain(d) }) })
}

// signalApart is the time from when a signal has been taken to the next one of
// its kind: language runtimes keep signals, and not how often they came, until
// the program's own handler runs.
const signalApart = 30 * time.Millisecond

func (s *Supervisor) sendAgain(d delivery) {
	if live := d.svc.state.Live(); live == nil || live.Gen != d.gen || live.Phase == lifecycle.Stopping {
		s.step(d.svc, lifecycle.Delivered{Op: d.op, Err: "its main process ended before the last signal was sent"})
		return
	}
	d.left--
	s.token++
	s.tokens[s.token] = d
	s.guardian.Signal(s.token, d.svc.name, d.svc.runs[d.gen].n, d.sig, false)
}

// whenTaken has do called by the loop when a signal has been taken by the main
// process, or that process is gone, or a time is over: then it was not taken.
func (s *Supervisor) whenTaken(d delivery, patience time.Duration, do func(taken bool)) {
	pid := d.svc.pid()
	go func() {
		taken, pause := false, signalPause
		for end := now().Add(patience); !taken && now().Before(end); time.Sleep(pause) {
			waiting, err := procfs.Pending(pid, d.sig)
			if taken = err != nil || !waiting; taken {
				break
			}
			if now().Add(patience).After(end.Add(signalPatience)) {
				pause = 20 * signalPause
			}
		}
		s.report(func() { do(taken) })
	}()
}
