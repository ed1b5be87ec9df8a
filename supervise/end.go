package supervise

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// An ending is the orderly end of gsv under way.
type ending struct {
	status  int // with which gsv will end
	over    bool
	looking bool              // every service is stopped; what has escaped is being looked for
	left    map[*service]bool // that have not been stopped yet
}

// Exit statuses of gsv where no main service gives it another one.
const (
	exitOK         = 0
	exitServiceEnd = 10 // a service with on-end = "shutdown" has ended, or main could not be started
)

// told takes a signal that gsv itself was sent.
func (s *Supervisor) told(sig syscall.Signal) {
	if s.opts.Direct != "" {
		if svc := s.services[s.opts.Direct]; svc != nil {
			if live := svc.state.Live(); live != nil && svc.runs[live.Gen] != nil {
				s.guardian.Signal(0, svc.name, svc.runs[live.Gen].n, sig, false)
			}
		}
		return
	}
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		s.say("got " + signalName(sig) + ": every service is being stopped; a second one ends them at once")
		s.beginEnd(exitOK)
	case syscall.SIGHUP:
		go func() {
			r, err := s.Apply(context.Background(), status.ApplyRequest{By: status.Caller{User: "SIGHUP"}})
			if err != nil {
				s.say("apply: " + err.Error())
			}
			for _, p := range r.Problems {
				s.say("apply: " + p)
			}
		}()
	case syscall.SIGUSR1:
		go s.pump.Reopen(context.Background())
	case syscall.SIGUSR2:
		s.say("got USR2: upgrade in place is not supported yet; nothing is done")
	}
}

// Shutdown begins to stop every service and returns; gsv ends when that is done.
func (s *Supervisor) Shutdown(ctx context.Context, by status.Caller) error {
	return s.call(ctx, func() {
		s.event(wholeEvent("shutdown", newID(), by, time.Now(), ""))
		s.say("shutdown, asked for by " + by.User)
		s.beginEnd(exitOK)
	})
}

// serviceEndsGsv ends gsv because a service has ended.
func (s *Supervisor) serviceEndsGsv(svc *service) {
	code := exitServiceEnd
	if last := svc.state.Last; svc.policy.Main && last != nil && last.Failure == "" {
		code = last.Code
		if last.Signal != 0 {
			code = 128 + int(last.Signal)
		}
	}
	if s.end != nil {
		if last := svc.state.Last; svc.policy.Main && last != nil && !last.Unknown {
			s.end.status = code
			s.saveAbout() // its end is acknowledged next
		}
		return
	}
	if svc.name != s.opts.Direct || svc.state.Last != nil && svc.state.Last.Failure != "" {
		why := svc.state.Phase().String()
		if svc.state.Last != nil {
			why = describeExit(*svc.state.Last)
		}
		s.say(fmt.Sprintf("%s: %s; gsv ends with it", svc.name, why))
	}
	s.beginEnd(code)
}

// beginEnd stops every service; when nothing is left, gsv ends.
func (s *Supervisor) beginEnd(code int) {
	if s.end != nil {
		return
	}
	for !s.store.whole || len(s.store.dirty) > 0 && len(s.store.dirty) <= flushBatch {
		s.flush() // nothing is written from now on, and every service must be known
	}
	s.end = &ending{status: code, left: map[*service]bool{}}
	s.saveAbout()
	if s.begun {
		s.stopAll()
	}
}

func (s *Supervisor) stopAll() {
	for _, svc := range s.services {
		if len(svc.state.Runs) > 0 {
			s.end.left[svc] = true
		}
	}
	for i := len(s.names) - 1; i >= 0; i-- {
		s.step(s.services[s.names[i]], lifecycle.Command{Verb: lifecycle.DoStop})
	}
	if d := s.opts.ShutdownTimeout; d > 0 {
		s.due.add(now().Add(d), nil, s.hasten)
	}
	s.endIfDone()
}

// hasten kills what is still there when the shutdown-timeout has passed.
func (s *Supervisor) hasten() {
	for _, name := range s.names {
		svc := s.services[name]
		for _, r := range svc.state.Runs {
			s.say(name + ": killed, for it was not stopped within shutdown-timeout")
			if known := svc.runs[r.Gen]; known != nil {
				s.guardian.Signal(0, name, known.n, syscall.SIGKILL, true)
			}
		}
	}
	// What is not gone by then waits in the kernel and cannot be ended.
	s.due.add(now().Add(time.Second), nil, func() { s.end.over = true })
}

// endIfDone ends gsv when every service is stopped and nothing of any is left.
func (s *Supervisor) endIfDone() {
	if s.begun && len(s.end.left) == 0 && !s.end.looking {
		s.end.looking = true
		s.lookAtTheEnd()
	}
}
