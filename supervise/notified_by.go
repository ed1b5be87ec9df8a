package supervise

import (
	"errors"
	"fmt"
	"os"
	"time"

	"gsv/supervise/notify"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// A verdict is what becomes of a message.
type verdict uint8

const (
	own      verdict = iota // it was heard, or says nothing
	stranger                // it is of nobody known
)

// listenTo reads a socket until it is closed. A message is taken out of it when
// what follows from it is on disk.
func (s *Supervisor) listenTo(svc *service, born int, v *voice) {
	var not int // the last stranger
	var since time.Time
	more := 0 // messages of his that were not looked at
	keeper := s.guardian.Hello().Pid
	for {
		m, from, err := v.sock.Peek()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				s.say(svc.name + ": " + err.Error())
			}
			return
		}
		switch {
		case m.IsZero():
		case from.Pid == not && time.Since(since) < strangerAgain:
			more++
		default:
			line, err := from.Line()
			ended := errors.Is(err, notify.ErrEnded)
			is := stranger
			if !s.inLoop(func() { is = s.hears(svc, born, m, from, line, ended) }) {
				return
			}
			if is == stranger && len(line) > 1 && line[1].Pid == keeper && len(procfs.Marked([]int{from.Pid}, svc.name)) > 0 {
				if !s.inLoop(func() { is = s.hearsEscaped(svc, born, m, from) }) {
					return
				}
			}
			if is == own {
				break
			}
			not, since = from.Pid, time.Now()
			if !s.inLoop(func() { s.strange(svc, v, 1+more, from, line, ended) }) {
				return
			}
			more = 0
		}
		if v.sock.Drop() != nil {
			return
		}
	}
}

// inLoop has f done by the loop, and waits for it; false if gsv ends.
func (s *Supervisor) inLoop(f func()) bool {
	ready := make(chan struct{})
	s.report(func() { f(); close(ready) })
	select {
	case <-ready:
		return true
	case <-s.done:
		return false
	}
}

// hears takes a message in, if it is of one of the service's own processes.
func (s *Supervisor) hears(svc *service, born int, m notify.Message, from notify.Sender, line []procfs.Proc, ended bool) verdict {
	gen, r := svc.speaker(line)
	if r == nil && ended {
		if gen, r = svc.youngest(born); r != nil && !from.Owns(r.pid) {
			r = nil
		}
	}
	if r == nil {
		return stranger
	}
	s.notified(svc, gen, r, m, from.Pid)
	return own
}

// hearsEscaped is hears for a process that was found to be one of the service's though
// nothing leads from it to a main process.
func (s *Supervisor) hearsEscaped(svc *service, born int, m notify.Message, from notify.Sender) verdict {
	if s.mains[from.Pid] > 0 {
		return stranger // of another service by the same name of before
	}
	if gen, r := svc.youngest(born); r != nil {
		s.notified(svc, gen, r, m, from.Pid)
	}
	return own
}

// youngest is the newest run that was born with a socket.
func (svc *service) youngest(born int) (gen int, r *run) {
	for g, known := range svc.runs {
		if known.born == born && g > gen {
			gen, r = g, known
		}
	}
	return gen, r
}

// speaker is the run that a process is one of, given with its ancestors; nil: it is
// of none.
func (svc *service) speaker(line []procfs.Proc) (int, *run) {
	for _, p := range line { // the nearest main process: a successor is a child of the one before
		for gen, r := range svc.runs {
			if r.pid == p.Pid && (r.start == p.Start || r.start == 0) {
				return gen, r
			}
		}
	}
	for _, p := range line {
		for gen, r := range svc.runs {
			if leader := r.leader(); leader > 1 && (p.Session == leader || p.Pgrp == leader) {
				return gen, r
			}
		}
	}
	return 0, nil
}

// leader is the pid by which the session of a run is known.
func (r *run) leader() int {
	if r.session != 0 {
		return r.session
	}
	return r.pid
}

// strange makes it known, now and then, that messages were dropped.
func (s *Supervisor) strange(svc *service, v *voice, n int, from notify.Sender, line []procfs.Proc, ended bool) {
	v.dropped += n
	t := now()
	if !v.told.IsZero() && t.Sub(v.told) < strangersTold {
		return
	}
	who := fmt.Sprintf("process %d of user %d", from.Pid, from.UID)
	switch {
	case len(line) > 0:
		who = fmt.Sprintf("process %d (%s) of user %d", from.Pid, line[0].Comm, from.UID)
	case from.Pid == 0:
		who = fmt.Sprintf("a process of user %d that cannot be seen from here", from.UID)
	case ended:
		who += ", which has ended"
	}
	text := "a message to its notify socket was dropped: " + who + " is none of its own"
	if v.dropped > 1 {
		text = fmt.Sprintf("%d messages to its notify socket were dropped: %s is none of its own", v.dropped, who)
	}
	v.told, v.dropped = t, 0
	s.event(status.Event{Service: svc.name, Kind: "notify", Text: text, Pid: from.Pid})
}
