package lifecycle

import (
	"slices"
	"time"
)

// census takes in what there is of the workers.
func (m *machine) census(ev Census) {
	if sc := m.s.Scaling; sc != nil && sc.Gen == ev.Gen {
		m.count(ev)
	}
	rl := m.s.Reload
	if rl != nil && rl.Stage == Proposed && rl.Next == ev.Gen && !rl.Failing {
		m.seeTrial(ev)
		return
	}
	if rl == nil || rl.Gen != ev.Gen || rl.Stage < Proving || rl.Stage >= Proposed {
		return
	}
	fresh, left := []Worker(nil), len(rl.Left)
	rl.Left = nil
	for _, w := range ev.Workers {
		old := slices.Contains(rl.Old, w.Proc)
		if !old && w.Born.Before(rl.Sent.Add(-bornEarlier)) && !w.Born.IsZero() {
			old = true // it came between the survey and the signal
			rl.Old = append(slices.Clone(rl.Old), w.Proc)
		}
		if old {
			rl.Left = append(rl.Left, w.Proc)
		} else {
			fresh = append(fresh, w)
		}
	}
	if len(rl.Left) < left {
		rl.Drain = time.Time{}
	}
	rl.Crew.See(m.now, fresh, m.p.MinUptime)
	rl.Queue = ev.Queue
	if ev.Ended != "" {
		rl.Lost = ev.Ended
	}
	m.prove()
}

// prove decides, after a look, how far the reload is.
func (m *machine) prove() {
	rl := m.s.Reload
	settled := rl.Crew.Settled(m.now, m.p.MinUptime)
	rl.Settled = settled
	if best := settled + len(rl.Old) - len(rl.Left); best > rl.Best {
		rl.Best = best
		if rl.Stage == Proving && rl.Need > 0 {
			rl.Deadline = m.now.Add(m.p.ReloadTimeout)
		}
	}
	switch {
	case rl.Need == 0 || rl.Stage == Asking:
	case m.p.Workers && rl.Crew.Churns(m.now, m.p.MinUptime, rl.Need):
		if !m.p.Overlaps || len(rl.Left) == 0 { // else it is still to be seen who serves
			m.fault(Churn)
		}
	case !m.enough(settled):
		if rl.Stage == Draining { // proven too early
			rl.Stage, rl.Deadline = Proving, m.now.Add(m.p.ReloadTimeout)
		}
	case len(rl.Left) == 0:
		m.proven()
	case rl.Stage == Proving:
		m.drain()
	}
}

// drain waits for the old workers that are left. A new one that ends and is
// replaced meanwhile gives them no more time.
func (m *machine) drain() {
	rl := m.s.Reload
	if rl.Drain.IsZero() {
		rl.Drain = m.now
	}
	rl.Stage, rl.Deadline = Draining, time.Time{}
	switch {
	case rl.Told != nil && len(rl.untold()) == 0:
		rl.Deadline = m.now.Add(CleanWait)
	case m.p.DrainTimeout > 0:
		rl.Deadline = rl.Drain.Add(m.p.DrainTimeout)
	}
}

// enough reports whether the new workers are all that there should be.
func (m *machine) enough(settled int) bool {
	rl := m.s.Reload
	switch {
	case !m.p.Workers:
		// Its children may be anything: they are workers if the signal made them come or go.
		if len(rl.Left) == len(rl.Old) && rl.Crew.Born == 0 {
			if rl.Unsure || m.now.Sub(rl.Since) < m.p.MinUptime {
				return false
			}
			rl.Left = nil
			return true
		}
		return rl.Crew.Steady(m.now, m.p.MinUptime)
	case m.p.Blind && rl.Queue > 0:
		return false
	case m.p.Counts && rl.Crew.Steady(m.now, m.p.MinUptime):
		return true
	}
	// An old one that is still busy holds its place: until it goes no other comes for it.
	held := settled > 0 && settled == len(rl.Crew.Members) && settled+len(rl.Left) >= rl.Need
	return settled >= rl.Need || held
}

// proven goes on with a reload whose workers are as they should be.
func (m *machine) proven() {
	rl := m.s.Reload
	if !m.p.Ask {
		m.endReload(Done, "")
		return
	}
	if rl.Stage != Asking {
		rl.Stage, rl.Deadline = Asking, m.now.Add(m.p.ReloadTimeout)
	}
	m.emit(Ask{Op: rl.Op, Gen: rl.Gen})
}

// moving reports whether there are workers of a server that sets their number
// all the time, as they should be but for that: none hangs or dies of its code.
func (m *machine) moving() bool {
	rl := m.s.Reload
	hangs := slices.ContainsFunc(rl.Crew.Members, func(w Member) bool {
		return !w.Between && !w.settled(m.now, m.p.MinUptime) && m.now.Sub(w.Since) >= m.p.ReloadTimeout/2
	})
	return m.p.Counts && rl.Settled > 0 && len(rl.Left) == 0 && rl.Queue == 0 && !hangs && rl.Crew.Died <= 2*rl.Need
}
