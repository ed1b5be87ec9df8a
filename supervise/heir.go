package supervise

import (
	"fmt"
	"slices"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// findHeir looks for the process that the main process of a service has started
// as its own successor: a child that has executed a program since it was forked,
// the same as its parent's, or the one that the pid-file names. It may take long.
func findHeir(d *definition.Definition, pid int, old []lifecycle.Proc) (lifecycle.Proc, bool) {
	children, _, err := procfs.Descendants(pid, 1)
	if err != nil {
		return lifecycle.Proc{}, false
	}
	image, hint := procfs.Image(pid), readPidFile(d.PidFile)
	for _, p := range children {
		proc := lifecycle.Proc{Pid: p.Pid, Start: p.Start}
		if slices.Contains(old, proc) {
			continue
		}
		executed := image != "" && procfs.Image(p.Pid) != image
		if p.Pid == hint || executed && procfs.SameProgram(pid, p.Pid) {
			return proc, true
		}
	}
	return lifecycle.Proc{}, false
}

// adoptHeir makes a process that is there the main process of a run.
func (s *Supervisor) adoptHeir(svc *service, e lifecycle.Adopt) {
	r := &run{def: svc.def, n: uint64(e.Gen), born: e.Gen, launched: true, drained: true}
	for _, known := range svc.state.Runs {
		if old := svc.runs[known.Gen]; old != nil && known.Gen != e.Gen && known.Role != lifecycle.Leaving {
			r.born = old.born // it has the environment of the one that started it
		}
	}
	r.origin = recorded(svc.surveyed)
	svc.runs[e.Gen] = r
	s.isMain(r, e.Proc.Pid, e.Proc.Start)
	s.noteSession(r)
	s.mark(svc)
	s.save(svc)
	s.guardian.Adopt(svc.name, r.n, e.Proc.Pid, e.Proc.Start)
	s.watchReady(svc, e.Gen, false)
}

// heirOfEnded looks, when a main process has ended, whether it has left a
// successor that was asked for outside gsv, and has then called with it.
func (s *Supervisor) heirOfEnded(svc *service, gen int, r *run, left bool, then func(left bool)) {
	if !left && r.session == 0 || svc.def.Signals.Upgrade == 0 || svc.ending(gen) || svc.serving() != gen || s.end != nil {
		then(left)
		return
	}
	guardian, d, pid, session := s.guardian.Hello().Pid, svc.def, r.pid, r.pid
	if r.session != 0 {
		session = r.session
	}
	mains := map[int]bool{s.pid: true}
	for main := range s.mains {
		mains[main] = true
	}
	go func() {
		heir, found := orphanedHeir(d, guardian, session, mains)
		s.report(func() {
			if found && s.mains[heir.Pid] == 0 {
				s.event(status.Event{Service: svc.name, Kind: "gsv", Pid: heir.Pid, Text: fmt.Sprintf("main process %d has ended and left its successor %d, which serves on", pid, heir.Pid)})
				s.step(svc, lifecycle.Succeeded{Gen: gen, Next: heir})
				left = false // that it was
			}
			then(left)
		})
	}()
}

// orphanedHeir finds the successor that an ended main process has left: an orphan
// in its session that has children of its own, as a master has.
func orphanedHeir(d *definition.Definition, guardian, session int, mains map[int]bool) (lifecycle.Proc, bool) {
	orphans, err := procfs.Children(guardian)
	if err != nil {
		return lifecycle.Proc{}, false
	}
	hint := readPidFile(d.PidFile)
	for _, orphan := range orphans {
		p, err := procfs.Read(orphan)
		if err != nil || !p.Alive() || mains[orphan] || p.Session != session {
			continue
		}
		workers, _, err := procfs.Descendants(orphan, 1)
		if orphan == hint || err == nil && len(workers) > 0 {
			return lifecycle.Proc{Pid: p.Pid, Start: p.Start}, true
		}
	}
	return lifecycle.Proc{}, false
}
