package lifecycle

import (
	"slices"
	"time"
)

// try starts the run that shall take the place of the current one.
func (m *machine) try() {
	rl := m.s.Reload
	m.s.Gen++
	rl.Stage, rl.Next, rl.Since, rl.Deadline = Proposed, m.s.Gen, m.now, m.now.Add(m.p.ReloadTimeout)
	m.s.Runs = append(m.s.Runs, Run{Gen: rl.Next, Role: Trying, Phase: Starting, Since: m.now})
	m.emit(StartRun{Gen: rl.Next})
}

// succeeded takes in that the current main process has started its successor. If
// a reload has asked for it, it is tried; else it takes the place at once, for
// whoever asked for it has not asked here.
func (m *machine) succeeded(ev Succeeded) {
	old := m.s.Current()
	if old == nil || old.Gen != ev.Gen || m.s.Tried() != nil {
		return
	}
	m.s.Gen++
	m.s.Runs = append(m.s.Runs, Run{Gen: m.s.Gen, Role: Trying, Phase: Starting, Since: m.now, Born: true})
	r := &m.s.Runs[len(m.s.Runs)-1]
	m.emit(Adopt{Gen: r.Gen, Proc: ev.Next})
	if m.awaitsSuccessor(old.Gen) {
		rl := m.s.Reload
		rl.Next = r.Gen
		m.expect(r)
		return
	}
	gen := old.Gen
	m.takeOver(r)
	if old = m.run(gen); old.Phase != Stopping {
		m.stop(old, Asked, m.p.Quit)
	}
}

// successorEnded takes in that there was a successor, and is none any more.
func (m *machine) successorEnded(ev SuccessorEnded) {
	if m.awaitsSuccessor(ev.Gen) {
		m.failTrial(Unseen, "")
	}
}

// awaitsSuccessor reports whether a reload waits for run gen to have a successor, which
// may come before the news that the signal was delivered.
func (m *machine) awaitsSuccessor(gen int) bool {
	rl := m.s.Reload
	if rl == nil || rl.Gen != gen || rl.Method != ByUpgrade || rl.Stage != Signalling && (rl.Stage != Proposed || rl.Next != 0) {
		return false
	}
	if rl.Stage == Signalling {
		m.sent("")
	}
	return true
}

// seeTrial takes in what there is of the workers of the run that is tried.
func (m *machine) seeTrial(ev Census) {
	rl := m.s.Reload
	rl.Crew.See(m.now, ev.Workers, m.p.MinUptime)
	rl.Settled, rl.Solo, rl.Queue = rl.Crew.Settled(m.now, m.p.MinUptime), ev.Solo, ev.Queue
	if ev.Ended != "" {
		rl.Lost = ev.Ended
	}
	if m.p.Workers && rl.Crew.Churns(m.now, m.p.MinUptime, rl.Need) {
		m.failTrial(Churn, "")
		return
	}
	m.decide()
}

// decide makes the run that is tried the current one, if it is proven: it has been
// asked alone, and its workers have settled.
func (m *machine) decide() {
	rl, t := m.s.Reload, m.s.Tried()
	if rl.Failing || t == nil || t.Phase != Starting {
		return
	}
	answered := rl.Answered || m.p.ByWorkers
	solo := rl.Solo && m.now.Sub(t.Since) >= m.p.MinUptime
	settled := !m.p.Workers || !m.p.Probe || solo || rl.Crew.Steady(m.now, m.p.MinUptime)
	if answered && settled {
		t.Phase, t.Deadline = Running, time.Time{}
		m.promote(t)
	}
}

// promote makes the run that was tried the current one, and has the old one go.
func (m *machine) promote(r *Run) {
	rl, old := m.s.Reload, m.s.Current()
	rl.Stage, rl.Deadline, rl.Drain = Taken, time.Time{}, m.now
	r.Role = Serving
	m.s.Ailing, m.s.Failures = "", 0
	m.emit(Serve{Gen: r.Gen})
	old.Role = Leaving
	if old.Phase != Stopping {
		m.stop(old, Asked, m.p.Quit)
	}
}

// takeOver makes r the current run though it is not proven, for the one before it
// is of no use any more. Whoever waits for a reload waits for its start.
func (m *machine) takeOver(r *Run) {
	m.s.Current().Role = Leaving
	r.Role = Serving
	m.emit(Serve{Gen: r.Gen})
	if rl := m.s.Reload; rl != nil {
		m.s.Reload = nil
		for i := range m.s.Ops {
			if op := &m.s.Ops[i]; op.Verb == DoReload && op.Turn <= rl.Turn {
				op.Verb, op.Gen, op.Turn, op.Method = DoStart, r.Gen, 0, InPlace
			}
		}
	}
	m.dropScaling()
	m.s.Ailing = ""
	m.expect(r)
}

// lose is called when the current run is of no use any more: what changes it has
// failed, unless there is one to take its place.
func (m *machine) lose(r *Run, why string) {
	if t := m.s.Tried(); t != nil && t.Phase == Starting && t.Exit == nil && m.s.Want != Down {
		m.takeOver(t)
		return
	}
	m.failChanges(r.Gen, why)
	if t := m.s.Tried(); t != nil {
		t.Role = Leaving
		if t.Phase != Stopping {
			m.stop(t, Asked, m.p.Stop)
		}
	}
}

// failTrial ends the run that was tried. The reload has failed when nothing of it
// is left.
func (m *machine) failTrial(f Fault, why string) {
	rl := m.s.Reload
	if rl.Failing {
		return
	}
	rl.Failing, rl.Fault, rl.Why, rl.Deadline = true, f, why, time.Time{}
	t := m.run(rl.Next)
	switch {
	case t == nil:
		m.endReload(Failed, why)
	case t.Phase != Stopping:
		m.stop(t, Asked, m.p.Stop)
	}
}

// gone goes on when nothing is left of a run that did not serve.
func (m *machine) gone(r Run) {
	rl := m.s.Reload
	switch {
	case rl == nil:
	case rl.Stage == Proposed && rl.Next == r.Gen:
		m.endReload(Failed, rl.Why)
	case rl.Stage == Taken && rl.Gen == r.Gen:
		m.endReload(Done, "")
	}
	if len(m.s.Runs) > 0 {
		return
	}
	switch {
	case m.s.Want == Down:
		m.rest(Stopped)
	case m.s.Again:
		m.s.Failures, m.s.Starts = 0, nil
		m.start()
	}
}

// late has it named what is left of the old run when its time to go has passed.
func (m *machine) late(r *Run) {
	if rl := m.s.Reload; rl != nil && rl.Stage == Taken && rl.Gen == r.Gen && r.Stop[0] == m.p.Quit[0] && rl.Told == nil {
		m.emit(Name{Gen: r.Gen})
	}
}

func (m *machine) overdue(ev Overdue) {
	if rl := m.s.Reload; rl != nil && rl.Stage == Taken && rl.Gen == ev.Gen {
		rl.Told = slices.Clone(ev.Procs)
	}
}

// stuck ends the reload, for the sake of a run that KILL does not end.
func (m *machine) stuck(r *Run) {
	const why = "what is left of it survives SIGKILL: it waits in the kernel (state D)"
	if rl := m.s.Reload; rl != nil && (rl.Stage == Taken && rl.Gen == r.Gen || rl.Stage == Proposed && rl.Next == r.Gen) {
		r.Role = Leaving
		m.endReload(Failed, why)
	}
	if m.s.Want == Down || m.s.Again {
		for _, op := range slices.Clone(m.s.Ops) {
			m.finish(op, Failed, why)
		}
	}
}

// extend gives a run more time for what it does.
func (m *machine) extend(r *Run, until time.Time) {
	rl := m.s.Reload
	switch {
	case r.Role == Trying && r.Phase == Starting && rl != nil && rl.Next == r.Gen:
		rl.Deadline = later(rl.Deadline, until)
	case r.Phase == Starting && m.p.Probe, r.Phase == Stopping:
		r.Deadline = later(r.Deadline, until)
	case r.Phase == Running && rl != nil && rl.Gen == r.Gen && rl.Stage >= Proving && rl.Stage <= Asking:
		rl.Deadline = later(rl.Deadline, until)
	}
}

// later is the later of two times, or never if the first is.
func later(at, until time.Time) time.Time {
	if at.IsZero() || at.After(until) {
		return at
	}
	return until
}

// run is the one whose end is the end of the reload.
func (rl *Reload) run() int {
	if rl.Stage == Taken {
		return rl.Next
	}
	return rl.Gen
}
