package supervise

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"gsv/supervise/notify"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// strangersTold is how often it is made known that a stranger has written to a
// service's socket.
const strangersTold = time.Minute

// pidWait is from one look whether a process is known to the next.
const pidWait = 5 * time.Millisecond

// hear takes what a run says of itself, until it is over.
func (s *Supervisor) hear(svc *service, gen int, sock *notify.Socket) {
	r := svc.runs[gen]
	r.hearing = sock.Close
	go func() {
		for {
			m, sender, err := sock.Peek()
			if err != nil {
				return
			}
			line, err := sender.Line()
			taken := make(chan bool, 1)
			s.report(func() { taken <- s.heardNotify(svc, gen, r, m, sender, line, err) })
			select {
			case is := <-taken:
				if is {
					sock.Drop()
					continue
				}
			case <-s.done:
				return
			}
			timer := time.NewTimer(pidWait)
			select {
			case <-timer.C:
			case <-s.done:
				return
			}
		}
	}()
}

// heardNotify takes a message, and reports whether it is dealt with: it is not
// while the run's own process is not known.
func (s *Supervisor) heardNotify(svc *service, gen int, r *run, m notify.Message, sender notify.Sender, line []procfs.Proc, err error) bool {
	switch {
	case svc.runs[gen] != r || r.over:
		return true
	case r.pid == 0:
		return false
	case !s.isOf(r, line):
		if t := now(); t.Sub(r.strangers) >= strangersTold {
			r.strangers = t
			text := fmt.Sprintf("a message to its socket was dropped: process %d, of user %d, is none of its own", sender.Pid, sender.UID)
			if errors.Is(err, notify.ErrEnded) {
				text = fmt.Sprintf("a message to its socket was dropped: its sender %d, of user %d, has ended before it could be looked at", sender.Pid, sender.UID)
			}
			s.event(status.Event{Service: svc.name, Kind: "log", Text: text, Pid: sender.Pid})
		}
		return true
	}
	s.notified(svc, gen, r, m)
	return true
}

// isOf reports whether a process, given with its ancestors, is one of a run's.
func (s *Supervisor) isOf(r *run, line []procfs.Proc) bool {
	return slices.ContainsFunc(line, func(p procfs.Proc) bool {
		return p.Pid == r.pid && p.Start == r.start || p.Session == r.pid
	})
}

// notified does what a service has said by sd_notify(3).
func (s *Supervisor) notified(svc *service, gen int, r *run, m notify.Message) {
	if m.HasStatus && m.Status != svc.statusText {
		svc.statusText = m.Status
		svc.tell()
	}
	if m.MainPid != 0 && m.MainPid != r.pid {
		if line, err := (notify.Sender{Pid: m.MainPid}).Line(); err == nil && s.isOf(r, line) {
			s.rehome(svc, gen, m.MainPid)
		}
	}
	s.extend(svc, gen, m)
	s.watchdog(svc, gen, r, m)
	switch m.State {
	case notify.Ready:
		r.reloading, r.accepts = false, true
		s.readyIfSo(svc, gen)
		s.save(svc) // it is said once
	case notify.Reloading:
		r.reloading = true
	case notify.Stopping:
	}
}

// watchdog keeps an eye on a service that has asked for it, by WATCHDOG_USEC=: when
// it is silent for longer than it said, its main process is aborted, and the restart
// policy applies.
func (s *Supervisor) watchdog(svc *service, gen int, r *run, m notify.Message) {
	if m.HasEvery {
		r.every = m.Every
	}
	if m.Watchdog == notify.Trigger {
		s.bark(svc, r, "says that it is broken (WATCHDOG=trigger)")
		return
	}
	if r.every == 0 || m.Watchdog != notify.Ping && !m.HasEvery {
		return
	}
	at, every := now().Add(r.every), r.every
	r.bark = at
	s.due.add(at, func() bool { return r.bark.Equal(at) }, func() {
		if svc.runs[gen] == r && !r.over && !svc.ending(gen) && r.every > 0 {
			s.bark(svc, r, "has said nothing to its watchdog for "+brief(every))
		}
	})
}

func (s *Supervisor) bark(svc *service, r *run, why string) {
	text := fmt.Sprintf("main process %d %s; ABRT was sent", r.pid, why)
	s.event(status.Event{Service: svc.name, Kind: "exit", Text: text, Pid: r.pid})
	s.say(svc.name + ": " + text)
	s.guardian.Stop(svc.name, r.n, syscall.SIGABRT, false)
}
