package supervise

import (
	"fmt"

	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// serve makes run gen the one that serves.
func (s *Supervisor) serve(svc *service, gen int) {
	r, next := svc.runs[gen], svc.next
	if r == nil {
		return
	}
	if r.def != svc.def {
		s.use(svc, r.def)
		if next != nil && next != r.def { // it changed again meanwhile
			s.useLater(svc, next)
		}
	}
	s.wakeLeaving(svc)
	s.event(status.Event{Service: svc.name, Kind: "state", State: stateOf(svc), Pid: r.pid, Text: fmt.Sprintf("generation %d serves", gen)})
	s.mark(svc)
}

// tellGone makes the end of a main process known that did not serve (any more).
func (s *Supervisor) tellGone(svc *service, gen int, r *run, exit lifecycle.Exit, role lifecycle.Role) {
	text := fmt.Sprintf("generation %d, which another has taken the place of, %s", gen, describeExit(exit))
	if role == lifecycle.Trying {
		text = fmt.Sprintf("generation %d, which was tried, %s", gen, describeExit(exit))
	}
	s.event(status.Event{Service: svc.name, Kind: "exit", Text: text, Pid: r.pid, Exit: exitStatus(&exit)})
}

// nameLate finds out what is left of a run that has had its time to go, before
// that is ended.
func (s *Supervisor) nameLate(svc *service, gen int) {
	r := svc.runs[gen]
	if r == nil || r.pid == 0 {
		return
	}
	workers, _, err := procfs.Descendants(r.pid, max(r.def.Workers.Depth, 1))
	if err != nil {
		return
	}
	ev := lifecycle.Overdue{Gen: gen}
	for _, p := range workers {
		if s.mains[p.Pid] == 0 {
			ev.Procs = append(ev.Procs, lifecycle.Proc{Pid: p.Pid, Start: p.Start})
		}
	}
	if len(ev.Procs) == 0 {
		ev.Procs = []lifecycle.Proc{{Pid: r.pid, Start: r.start}}
	}
	s.due.add(now(), nil, func() { s.step(svc, ev) }) // not within the step that asks
	s.event(status.Event{Service: svc.name, Kind: "workers", Text: fmt.Sprintf("generation %d is still busy and is being ended: %s", gen, pidList(ev.Procs))})
}

// watched is the run whose workers are looked at: one that is tried, else the
// current one.
func (svc *service) watched() *lifecycle.Run {
	if t := svc.state.Tried(); t != nil && t.Phase == lifecycle.Starting && t.Exit == nil {
		return t
	}
	return svc.state.Live()
}

// generations are the runs beside the one that serves.
func (svc *service) generations() (list []status.Generation) {
	for _, r := range svc.state.Runs {
		known := svc.runs[r.Gen]
		if r.Role == lifecycle.Serving || known == nil {
			continue
		}
		g := status.Generation{Generation: r.Gen, Pid: known.pid, Role: status.Leaving, Since: wall(r.Since)}
		if r.Role == lifecycle.Trying {
			g.Role = status.Trying
		}
		switch {
		case r.Phase == lifecycle.Stopping && len(r.Stop) > 0 && r.Deadline.IsZero():
			g.Reason = "something of it survives SIGKILL"
		case r.Phase == lifecycle.Stopping && len(r.Stop) > 0:
			g.Reason = signalName(r.Stop[0].Signal) + " sent"
		}
		list = append(list, g)
	}
	return list
}
