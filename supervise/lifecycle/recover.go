package lifecycle

import (
	"slices"
	"time"
)

// Found is a run that a new supervisor finds: one that goes on, or one whose
// end nobody has taken note of yet.
type Found struct {
	Gen   int
	Since time.Time
	Ended *Ended // nil while its main process lives
}

// Recover brings the state that a supervisor left on disk together with the
// runs that are really there, in the order of their Gen. What was sent to a
// run that is being stopped is sent again, for nobody knows whether it was;
// operations that sent a plain signal fail instead, so that it is never sent
// twice. A reload and a change of the number of workers go on where they were;
// what they sent is not sent again either, but for the signal by which a server
// starts its successor, which nobody has seen: all that have one ignore it while
// there is one (unicorn, HttpServer#reexec; gunicorn, Arbiter.reexec; nginx,
// ngx_signal_handler).
// A run of s that was not found has ended unseen, or, if its process was
// never seen, is started now.
func Recover(p Policy, s State, now time.Time, found []Found) (State, []Effect) {
	m := &machine{p: p, s: s.clone(), now: now}
	for _, op := range slices.Clone(m.s.Ops) {
		if op.Verb == DoSignal {
			m.finish(op, Failed, "the supervisor was restarted; whether the signal was delivered is not known")
		}
	}
	for _, f := range found {
		m.adopt(f)
	}
	isFound := func(gen int) bool {
		return slices.ContainsFunc(found, func(f Found) bool { return f.Gen == gen })
	}
	for _, known := range s.Runs {
		switch r := m.run(known.Gen); {
		case r == nil:
		case !isFound(r.Gen) && r.Exit != nil:
			m.settle(*r, *r.Exit, 0)
		case !isFound(r.Gen) && !r.Born && r.Phase == Starting && m.s.Want != Down:
			m.emit(StartRun{Gen: r.Gen}) // nobody heard of it
		case !isFound(r.Gen) && !r.Born:
			m.ended(r, Ended{Gen: r.Gen, Exit: Exit{Failure: "stopped before it was started"}})
		case !isFound(r.Gen):
			m.ended(r, Ended{Gen: r.Gen, Exit: Exit{Unknown: true}})
		case known.Phase == Stopping && len(r.Stop) > 0:
			m.kill(r)
		}
	}
	m.resume()
	m.effects = slices.DeleteFunc(m.effects, func(e Effect) bool {
		start, ok := e.(StartRun)
		return ok && isFound(start.Gen)
	})
	return m.s, m.effects
}

// adopt takes up a run that was found. The state may not know it, for it was
// written before that run was started.
func (m *machine) adopt(f Found) {
	r := m.run(f.Gen)
	if r == nil && f.Gen <= m.s.Gen {
		return // its end is in the state already
	}
	if r == nil {
		for i := range m.s.Runs { // it was started after their end
			if r := &m.s.Runs[i]; r.Role != Leaving {
				m.stop(r, Asked, m.p.Stop)
				r.Role = Leaving
			}
		}
		m.s.Gen, m.s.Idle, m.s.RetryAt = f.Gen, Stopped, time.Time{}
		if m.p.StartLimit > 0 {
			m.s.Starts = append(m.s.Starts, f.Since)
		}
		m.launch(f.Gen, f.Since)
		r = m.run(f.Gen)
	}
	m.launched(r, f.Since)
	if f.Ended != nil && r.Exit == nil {
		m.ended(r, *f.Ended)
	}
}

// resume goes on with what a change of the workers, or a check before a start,
// was about to do.
func (m *machine) resume() {
	for _, op := range m.s.Ops {
		if op.Checking {
			m.emit(Check{Op: op.ID})
		}
	}
	if sc := m.s.Scaling; sc != nil {
		switch {
		case sc.Checking:
			m.emit(Check{Op: sc.Op})
		case sc.From == 0:
			m.surveyScale()
		case !sc.Sent:
			m.scaleSent("")
		case sc.Taking:
			m.takenBack("")
		}
	}
	rl := m.s.Reload
	if rl == nil {
		m.next()
		return
	}
	switch rl.Stage {
	case Waiting:
		if r := m.run(rl.Gen); r != nil && r.Phase == Running {
			m.checkReload()
		}
	case Checking:
		m.emit(Check{Op: rl.Op})
	case Surveying:
		m.surveyReload()
	case Signalling:
		if rl.Method == ByUpgrade {
			m.upgradeAgain()
			return
		}
		if rl.Need == 0 { // nothing would prove that it was
			m.endReload(Failed, "the supervisor was restarted; whether the signal was delivered is not known")
			return
		}
		m.sent("")
		rl.Unsure = true
	case Proposed:
		switch {
		case rl.Next == 0: // nobody has seen it, and it may be gone
			m.upgradeAgain()
		case m.run(rl.Next) == nil:
			m.endReload(Failed, rl.Why)
		}
	case Proving, Draining, Taken:
	case Asking:
		m.emit(Ask{Op: rl.Op, Gen: rl.Gen})
	}
}

// upgradeAgain sends the signal by which the main process starts its successor.
func (m *machine) upgradeAgain() {
	rl := m.s.Reload
	rl.Stage, rl.Deadline = Signalling, time.Time{}
	m.emit(Kill{Gen: rl.Gen, Signal: rl.Signal, Op: rl.Op})
}
