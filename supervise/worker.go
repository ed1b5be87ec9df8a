package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/lifecycle"
	"gsv/supervise/probe"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// watchWorkers has the kernel tell of the ends of the workers that are there,
// and of no others.
func (s *Supervisor) watchWorkers(svc *service, workers []lifecycle.Worker) {
	c := svc.crew
	if s.ends == nil {
		ends, err := procfs.NewEnds()
		if err != nil {
			s.say(err.Error())
			return
		}
		s.ends = ends
	}
	for proc, forget := range c.watched {
		if !slices.ContainsFunc(workers, func(w lifecycle.Worker) bool { return w.Proc == proc }) {
			delete(c.watched, proc)
			if svc.def.Workers.Depth == 0 {
				forget()
			} // else its end is still to be told
		}
	}
	if svc.def.Workers.Depth == 0 && !svc.waits() {
		return
	}
	for _, w := range workers {
		if c.watched[w.Proc] != nil {
			continue
		}
		proc, born := w.Proc, w.Born
		forget, err := s.ends.Watch(proc.Pid, proc.Start, func(end procfs.End) {
			s.report(func() { s.workerEnded(svc, c, proc, born, end) })
		})
		switch {
		case err == nil:
			c.watched[proc] = forget
		case errors.Is(err, unix.ESRCH):
			c.again = true
		case !s.unwatched: // out of descriptors, say: looks are all there is
			s.unwatched = true
			s.say(svc.name + ": " + err.Error())
		}
	}
}

// workerEnded takes in that a worker has ended.
func (s *Supervisor) workerEnded(svc *service, c *crew, proc lifecycle.Proc, born time.Time, end procfs.End) {
	if svc.crew != c || s.services[svc.name] != svc {
		return
	}
	delete(c.watched, proc)
	t := now()
	if svc.expects() {
		s.lookWithin(svc, 0)
	} else {
		s.lookWithin(svc, lookSeldom)
	}
	live := svc.watched()
	if live == nil || live.Phase == lifecycle.Stopping {
		return
	}
	rl := svc.state.Reload
	if rl != nil && slices.Contains(rl.Old, proc) {
		return // it was to go
	}
	how := ""
	switch {
	case !end.Known:
	case end.Status.Signaled():
		how = "killed by " + signalName(end.Status.Signal())
	case end.Status.ExitStatus() == 0:
		return // it has done its work
	default:
		how = fmt.Sprintf("exit %d", end.Status.ExitStatus())
	}
	if how == "" && t.Sub(born) >= unknownEnd*svc.policy.MinUptime {
		return // as likely as not it has done its work
	}
	if how != "" {
		c.ended = how
	}
	if !c.seen.HasSettled(proc, svc.policy.MinUptime) {
		c.died++
	} else {
		if len(c.ends) >= 1000 {
			c.ends = slices.Delete(c.ends, 0, 500)
		}
		c.ends = append(c.ends, t)
	}
	s.tellWorker(svc, proc.Pid, how, t.Sub(born), t)
}

// From one bad end of a worker that is made known to the next: at first, and
// when they go on and on.
const (
	tellOften  = time.Second
	tellSeldom = time.Minute
)

// tellWorker makes the bad end of a worker known, the less often the longer they go on.
func (s *Supervisor) tellWorker(svc *service, pid int, how string, age time.Duration, t time.Time) {
	c := svc.crew
	since := t.Sub(c.told)
	if since < c.pause && !c.told.IsZero() {
		c.untold++
		return
	}
	if c.untold > 0 && since < 2*c.pause {
		c.pause = min(2*c.pause, tellSeldom)
	} else {
		c.pause = tellOften
	}
	switch {
	case how == "":
		how = "ended"
	case strings.HasPrefix(how, "exit "):
		how = "exited" + how[len("exit"):]
	}
	text := fmt.Sprintf("worker %d %s after %s", pid, how, seconds(age))
	if c.untold > 0 {
		text += fmt.Sprintf(", and %d others since %s ago", c.untold, seconds(since))
	}
	c.told, c.untold = t, 0
	s.event(status.Event{Service: svc.name, Kind: "workers", Text: text, Pid: pid})
}

// deafAfter is how long an idle worker may take to end, counted from the signal.
const deafAfter = time.Second

// wakeDeaf sends the reload signal to old workers that wait for a connection
// although they were told to end: they have not taken note of it, and would
// answer one more request with the old code.
func (s *Supervisor) wakeDeaf(svc *service, t time.Time) {
	rl, c := svc.state.Reload, svc.crew
	if rl == nil || c == nil || rl.Method != lifecycle.InPlace || !svc.def.Workers.Deaf || rl.Stage < lifecycle.Proving || t.Sub(rl.Since) < deafAfter || t.Before(c.wake) {
		return
	}
	c.wake = t.Add(deafAfter)
	s.wake(svc, rl.Left)
}

// wakeLeaving does the same for the workers of a generation that is leaving, until
// it has gone; if there is one.
func (s *Supervisor) wakeLeaving(svc *service) {
	rl := svc.state.Reload
	if rl == nil || rl.Stage != lifecycle.Taken || !svc.def.Workers.Deaf {
		return
	}
	s.due.add(now().Add(deafAfter), nil, func() {
		if is := svc.state.Reload; is != nil && is.Op == rl.Op {
			s.wake(svc, rl.Old)
			if old := svc.runs[rl.Gen]; old != nil && old.private != "" { // one that waits in select(2) is woken by a connection
				go probe.Connect(context.Background(), "tcp", old.private, deafAfter)
			}
			s.wakeLeaving(svc)
		}
	})
}

// wake sends the reload signal to those of the workers that wait for a connection.
func (s *Supervisor) wake(svc *service, workers []lifecycle.Proc) {
	sig := svc.def.Signals.Reload
	for _, p := range workers {
		go func() {
			if procfs.Accepting(p.Pid) && procfs.Signal(p.Pid, p.Start, sig) == nil {
				s.report(func() {
					s.event(status.Event{Service: svc.name, Kind: "workers", Pid: p.Pid, Text: fmt.Sprintf("%s sent to worker %d again, which had not taken note of it", signalName(sig), p.Pid)})
				})
			}
		}()
	}
}
