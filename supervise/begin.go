package supervise

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// begin brings everything to where Run can go on from: what an earlier
// supervisor left on disk, what the guardian says is running, and, at a start
// of gsv, the service files.
func (s *Supervisor) begin() error {
	processes, err := s.guardian.Running()
	if err != nil {
		return err
	}
	s.held = s.guardian.Held()
	if s.opts.SetAside {
		to, err := s.store.setAside()
		if err != nil {
			return fmt.Errorf("cannot set the state aside: %w", err)
		}
		s.say("the state of before is set aside in " + to)
	}
	for _, dir := range []string{"state", "log"} {
		if err := os.MkdirAll(filepath.Join(s.opts.RunDir, dir), 0o700); err != nil {
			return fmt.Errorf("cannot use the run-dir: %w", err)
		}
	}
	if s.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	go func() { // it may be on a disk that hangs
		if err := logs.CheckDir(s.opts.LogDir); err != nil {
			s.say("output will be dropped: " + err.Error())
		}
	}()
	s.openJournal()
	a, err := s.store.readAbout()
	if err != nil {
		s.say(err.Error())
	}
	records, err := s.store.open()
	if s.store.file == nil {
		return err
	}
	if err != nil {
		s.say(err.Error())
	}
	ended, backlog := s.untold(processes)
	hello := s.guardian.Hello()
	again := a.BootID == s.bootID && a.GuardianPid == hello.Pid && a.GuardianStart == hello.StartTime
	found := &findings{processes: processes, ended: ended, left: logs.Left(s.partsDir()), salvaged: map[logs.Key]bool{}, orphaned: map[logs.Key][]procfs.Proc{}}
	s.restoreSettings(a)
	switch {
	case again:
		s.started = a.Started
		s.event(eventOf("", "gsv", "the supervisor ended and was started again"))
		if a.Ending {
			s.end = &ending{status: a.Status, left: map[*service]bool{}}
		}
		s.resume(records, found, false)
	case a.BootID == s.bootID:
		s.adoptUnborn(records, found)
		s.resume(records, found, true)
	default: // of another boot of the machine
		if err := s.store.replace(nil); err != nil {
			return err
		}
	}
	if !again || !a.Whole {
		if !again || a.Settings == nil { // else it was read when gsv was started
			s.readSettings()
		}
		if err := s.boot(found); err != nil {
			return err
		}
	} else {
		s.store.whole = true
	}
	s.endUnknown(found)
	s.dropHeld()
	s.tidy(found)
	for _, ev := range backlog {
		s.heard(ev)
	}
	s.tellRestored()
	s.begun = true
	s.saveAbout()
	if s.end != nil {
		s.stopAll()
	}
	return nil
}

// untold reads the ends that were never acknowledged: the guardian tells them
// again to a new supervisor, before anything else that happens.
func (s *Supervisor) untold(processes []guardian.Process) (ended []guardian.Ended, others []guardian.Event) {
	n := 0
	for _, p := range processes {
		if p.Ended && !p.Acked {
			n++
		}
	}
	for len(ended) < n {
		ev, ok := <-s.guardian.Events
		if !ok {
			return ended, others
		}
		if e, ok := ev.(guardian.Ended); ok {
			ended = append(ended, e)
		} else {
			others = append(others, ev)
		}
	}
	return ended, others
}

// resume takes up the services that are on disk. With a new guardian their
// processes are nobody's children any more: it is told to watch them.
func (s *Supervisor) resume(records map[string]record, found *findings, newGuardian bool) {
	for _, name := range slices.Sorted(maps.Keys(records)) {
		rec := records[name]
		svc := s.add(name)
		svc.bad, svc.gone, svc.state, svc.since, svc.lastReload, svc.mark, svc.image, svc.surveyed, svc.overflowed = rec.Bad, rec.Gone, rec.State, rec.Since, rec.LastReload, rec.Mark, rec.Image, rec.Surveyed, rec.Overflowed
		s.restoreWatch(svc, rec.Watch)
		if d := s.parse(name, rec.Definition); d != nil {
			s.use(svc, d)
		}
		if next := s.parse(name, rec.Next); next != nil && svc.def != nil {
			s.useLater(svc, next)
		}
		s.ops.restore(svc, rec.Operations)
		if svc.def == nil && rec.Definition != nil {
			s.disown(svc)
		}
		if s.end != nil {
			svc.state.Want = lifecycle.Down // ends are not on disk any more: what is not there was stopped
		}
		s.adopt(svc, rec, found, newGuardian)
		if svc.def != nil {
			s.regain(svc, rec)
			s.reunite(svc, rec.Runs, found)
		}
	}
}

// disown leaves a service without anything that runs: there is no policy by
// which to go on. endUnknown ends what does run.
func (s *Supervisor) disown(svc *service) {
	const why = "its applied definition cannot be read any more"
	s.say(svc.name + ": " + why)
	ops := svc.state.Ops
	svc.state.Want, svc.state.Idle, svc.state.RetryAt, svc.state.Runs, svc.state.Ops = lifecycle.Down, lifecycle.Stopped, time.Time{}, nil, nil
	svc.state.Reload, svc.state.Scaling = nil, nil
	for _, op := range ops {
		s.finish(svc, lifecycle.Finish{Op: op.ID, Result: lifecycle.Failed, Why: why})
	}
	s.mark(svc)
}

func (s *Supervisor) parse(name string, src *source) *definition.Definition {
	if src == nil {
		return nil
	}
	if name == s.opts.Direct {
		defs, _, err := s.opts.Load()
		if err != nil || len(defs) != 1 {
			return nil
		}
		return defs[0]
	}
	d, _ := definition.Parse(name, src.Path, []byte(src.Text), s.opts.Defaults)
	return d
}

// adopt has the guardian watch the main processes that it did not start: those
// of an earlier guardian, and those that it was to watch when a supervisor died.
func (s *Supervisor) adopt(svc *service, rec record, found *findings, newGuardian bool) {
	for _, gen := range slices.Sorted(maps.Keys(rec.Runs)) {
		r := rec.Runs[gen]
		if newGuardian {
			if stray, ok := findStray(rec, gen); ok {
				r, rec.Runs[gen] = stray, stray
			}
		}
		live := slices.ContainsFunc(rec.State.Runs, func(run lifecycle.Run) bool { return run.Gen == gen && run.Exit == nil })
		if !live || r.Pid == 0 {
			continue
		}
		if start, err := procfs.StartTime(r.Pid); err != nil || start != r.Start {
			if newGuardian && svc.def != nil {
				s.adoptLeft(svc, gen, r, found)
			}
			continue
		}
		n := r.number(gen)
		if slices.ContainsFunc(found.processes, func(p guardian.Process) bool { return p.Key == svc.name && p.N == n }) {
			continue
		}
		s.guardian.Adopt(svc.name, n, r.Pid, r.Start)
		found.processes = append(found.processes, guardian.Process{Key: svc.name, N: n, Pid: r.Pid, StartTime: r.Start})
		if newGuardian {
			s.event(status.Event{Service: svc.name, Kind: "gsv", Pid: r.Pid, Text: "taken over from a gsv that was killed"})
		}
	}
}

// reunite brings a service's state together with the runs that are there, and
// with what is on disk of these.
func (s *Supervisor) reunite(svc *service, known map[int]runRecord, found *findings) {
	found.taken = append(found.taken, svc.name)
	var runs []lifecycle.Found
	var resumed []guardian.Ended
	former := formerHeld(svc, known, found)
	for _, p := range found.of(svc.name) {
		gen, rec := genOfN(p.N), known[genOfN(p.N)]
		runs = append(runs, s.salvage(svc, found, gen)...)
		if p.N != rec.number(gen) { // a main process that was followed by another in its run
			s.guardian.Ack(p.Key, p.N)
			continue
		}
		p.Held = append(p.Held, former[gen]...)
		svc.runs[gen] = &run{def: svc.def, n: p.N, born: rec.Born, private: rec.Private, told: rec.Told, pid: p.Pid, start: p.StartTime, launched: true, ended: p.Ended, over: p.Ended}
		if rec.Born == 0 {
			svc.runs[gen].born = gen
		}
		if rec.Next && svc.next != nil {
			svc.runs[gen].def = svc.next
		}
		if rec.Pid == p.Pid && rec.Start == p.StartTime || rec.Pid == 0 {
			svc.runs[gen].origin = recorded(rec.Release)
		}
		background, is := backgroundEnd(svc, svc.runs[gen], p, rec.Forked, found.ended)
		if is {
			svc.runs[gen].forked, svc.runs[gen].over = true, false
			resumed = append(resumed, background)
		}
		s.mains[p.Pid]++
		if rec.Born != 0 || rec.N != 0 {
			s.noteSession(svc.runs[gen])
		}
		s.listen(svc, p)
		f := lifecycle.Found{Gen: gen, Since: sinceTicks(p.StartTime)}
		for _, e := range found.ended {
			if e.Key != svc.name || e.N != p.N {
				continue
			}
			svc.acks = append(svc.acks, p.N)
			if !is {
				f.Ended = &lifecycle.Ended{Gen: gen, Exit: exitOf(e), Left: e.Left, Jitter: jitter()}
				if e.Failure != nil {
					f.Ended.Exit.Failure = describeFailure(svc.def, svc.def.Command[0], e.Failure)
				}
			}
		}
		if f.Ended != nil || !p.Ended || p.Left || is {
			runs = append(runs, f)
		}
	}
	runs = append(runs, s.salvage(svc, found, math.MaxInt)...)
	slices.SortFunc(runs, func(a, b lifecycle.Found) int { return a.Gen - b.Gen })
	before := svc.state
	state, effects := lifecycle.Recover(svc.policy, svc.state, now(), runs)
	svc.state = state
	s.carryOut(svc, before, effects)
	for _, ev := range resumed {
		if r := svc.runs[genOfN(ev.N)]; r != nil {
			s.awaitBackground(svc, genOfN(ev.N), r, ev)
		}
	}
	s.watchAgain(svc)
	s.wakeLeaving(svc)
	for gen := range svc.runs {
		if left := found.orphaned[logs.Key{Name: svc.name, Gen: gen}]; len(left) > 0 {
			s.endLeft(svc, gen, fmt.Sprintf("run %d left %d processes behind, which are being ended: %s", gen, len(left), list(left)), left)
		}
		s.bury(svc, gen)
	}
}

// boot takes up the service files, at a start of gsv.
func (s *Supervisor) boot(found *findings) error {
	defs, bad, err := s.opts.Load()
	if err != nil {
		if len(s.services) == 0 {
			return err
		}
		s.say(err.Error() + "; what ran before goes on")
		return nil
	}
	plan := s.plan(defs, bad, nil)
	for _, b := range bad {
		s.say("a service file cannot be used:\n" + b.Problems.String())
	}
	for _, d := range defs {
		if w := d.Warnings; len(w) > 0 {
			s.say("warning:\n" + w.String())
		}
	}
	if refused := s.guard(plan, status.ApplyRequest{}); refused != nil {
		s.say(refused.Detail + "; gsvctl apply --force stops them")
		plan = slices.DeleteFunc(plan, func(p planned) bool { return p.Action == status.Remove })
	}
	for _, p := range plan {
		s.apply(p, false)
		svc := s.services[p.Service]
		if p.Action == status.Remove {
			s.say(p.Service + ": its service file is gone, it is being stopped")
			s.step(svc, lifecycle.Command{Verb: lifecycle.DoStop})
			continue
		}
		if p.Action != status.Add || svc == nil || svc.def == nil {
			continue
		}
		if slices.ContainsFunc(found.processes, func(q guardian.Process) bool { return q.Key == svc.name }) {
			if svc.def.Autostart && s.end == nil {
				svc.state.Want = lifecycle.Up
			}
			s.regain(svc, record{})
			s.reunite(svc, nil, found)
			continue
		}
		for _, gone := range s.salvage(svc, found, math.MaxInt) {
			svc.state = lifecycle.Skip(svc.state, gone.Gen)
		}
		if svc.def.Autostart && s.end == nil {
			s.step(svc, lifecycle.Command{Verb: lifecycle.DoStart})
		}
	}
	text := plural(len(s.services), "service", "services")
	s.event(eventOf("", "gsv", "started, "+text))
	if s.opts.Direct == "" {
		s.say(text + ", logs in " + s.opts.LogDir)
	}
	return nil
}

// endUnknown ends runs of services that nothing is known of.
func (s *Supervisor) endUnknown(found *findings) {
	for _, p := range found.processes {
		if slices.Contains(found.taken, p.Key) {
			continue
		}
		if isHelper := strings.HasPrefix(p.Key, helperKey); isHelper && (!p.Ended || p.Left) {
			s.guardian.Signal(0, p.Key, p.N, syscall.SIGKILL, true) // what it was run for runs it again
		} else if !p.Ended || p.Left {
			s.say(fmt.Sprintf("%s: run %d (pid %d) is of a service that is not known any more; it is being ended", p.Key, p.N, p.Pid))
			s.guardian.Stop(p.Key, p.N, syscall.SIGTERM, true)
			s.due.add(now().Add(lifecycle.CleanWait), nil, func() { s.guardian.Signal(0, p.Key, p.N, syscall.SIGKILL, true) })
		}
		s.guardian.Ack(p.Key, p.N)
		s.guardian.Release(p.Key, p.N)
		for _, f := range p.Held {
			f.Close()
		}
	}
}
