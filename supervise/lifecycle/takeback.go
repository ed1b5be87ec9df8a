package lifecycle

import "syscall"

// aim is how many workers there are to be now: what was asked for, without what
// is taken back.
func (sc *Scaling) aim() int { return sc.To() - sc.Taken }

// takeBack takes back as many of the workers that were asked for as did not
// settle, for a master forks ones that die of their code for ever. A server
// gives up the worker that it likes to: if others die on, all are taken back. It
// reports whether it did.
func (m *machine) takeBack(f Fault) bool {
	sc := m.s.Scaling
	n := sc.Count - sc.Taken
	switch {
	case !sc.Sent || sc.Taking || sc.Back == 0:
		return false
	case sc.Taken == 0:
		n = min(n, sc.To()-sc.Crew.Settled(m.now, m.p.MinUptime))
	case f != Churn:
		return false
	}
	if n <= 0 {
		return false
	}
	sc.Taken += n
	sc.Taking = true
	sc.Deadline = m.now.Add(m.p.ReloadTimeout)
	m.emit(Kill{Gen: sc.Gen, Signal: sc.Back, Op: sc.Op, Count: n})
	return true
}

// takenBack takes in that the signals were delivered, or that one could not be.
func (m *machine) takenBack(why string) {
	sc := m.s.Scaling
	sc.Taking = false
	if why != "" {
		sc.Unsteady = true
		m.endScale(Failed, "")
		return
	}
	sc.Crew.Died = 0
	sc.Far = max(sc.Now-sc.aim(), sc.aim()-sc.Now)
	sc.Deadline = m.now.Add(m.p.ReloadTimeout)
	// One that waits for ever in its code does not hear its master either.
	if hung := m.hungNew(); m.p.Workers && len(hung) > 0 {
		m.emit(End{Gen: sc.Gen, Procs: hung, Signal: syscall.SIGTERM, Hung: true})
	}
}

// hungNew are the workers, no more than are taken back, that have not loaded
// their code for long.
func (m *machine) hungNew() (hung []Proc) {
	sc := m.s.Scaling
	for _, w := range sc.Crew.Members {
		if !w.Between && w.Shows.IsZero() && m.now.Sub(w.Since) >= m.p.ReloadTimeout/2 && len(hung) < sc.Taken {
			hung = append(hung, w.Proc)
		}
	}
	return hung
}
