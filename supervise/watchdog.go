package supervise

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/notify"
	"gsv/supervise/status"
)

// A watchdog watches a run that has asked for it, by WATCHDOG_USEC=: when it is
// silent for longer than it said, once it is ready, its main process is aborted,
// and the restart policy applies.

// abortWait is how long a process may take to end after ABRT: it may write a core.
const abortWait = 30 * time.Second

func (s *Supervisor) toldWatchdog(svc *service, r *run, m notify.Message) {
	if m.Watchdog == notify.Trigger {
		s.abort(svc, r, "says that it is broken (WATCHDOG=trigger)")
		return
	}
	if m.Watchdog == notify.Ping || m.HasEvery {
		r.pinged = now()
	}
	if m.HasEvery {
		s.watchOver(svc, r)
	}
}

// watchOver has the watchdog look when the next ping is due, and nothing done for each.
func (s *Supervisor) watchOver(svc *service, r *run) {
	r.watchdog = time.Time{}
	every := r.told.Every
	if every == 0 || r.over {
		return
	}
	at := r.pinged.Add(every)
	r.watchdog = at
	s.due.add(at, func() bool { return r.watchdog.Equal(at) && !r.over }, func() {
		switch phase := svc.phaseOf(r); {
		case phase == lifecycle.Stopping:
			return
		case phase == lifecycle.Starting:
			r.pinged = now() // it counts from when it is ready
		case !now().Before(r.pinged.Add(every)):
			s.abort(svc, r, "has said nothing to its watchdog for "+brief(every))
			return
		}
		s.watchOver(svc, r)
	})
}

// phaseOf is the phase of a run; Stopping if it is not known any more.
func (svc *service) phaseOf(r *run) lifecycle.Phase {
	i := slices.IndexFunc(svc.state.Runs, func(known lifecycle.Run) bool { return svc.runs[known.Gen] == r })
	if i < 0 {
		return lifecycle.Stopping
	}
	return svc.state.Runs[i].Phase
}

// abort aborts a main process, once.
func (s *Supervisor) abort(svc *service, r *run, why string) {
	r.watchdog = time.Time{}
	v := svc.voices[r.born]
	if v == nil || v.aborted == r.n {
		return
	}
	v.aborted = r.n
	text := fmt.Sprintf("main process %d %s; ABRT was sent", r.pid, why)
	s.event(status.Event{Service: svc.name, Kind: "exit", Text: text, Pid: r.pid})
	s.say(svc.name + ": " + text)
	s.guardian.Stop(svc.name, r.n, syscall.SIGABRT, false)
	n := r.n
	s.due.add(now().Add(abortWait), func() bool { return !r.ended && r.n == n }, func() {
		s.guardian.Stop(svc.name, n, syscall.SIGKILL, false)
	})
}
