package lifecycle

import "time"

func (m *machine) command(c Command) error {
	switch c.Verb {
	case DoStart, DoOnce, DoRestart:
		m.begin(c)
	case DoStop, DoQuit:
		m.down(c)
	case DoSignal:
		return m.signal(c)
	case DoReload, DoReplace:
		return m.askReload(c)
	case DoScale:
		return m.askScale(c)
	}
	return nil
}

// begin serves start, once and restart, which the check-command comes before.
func (m *machine) begin(c Command) {
	starts := c.Verb == DoRestart || m.s.Current() == nil || m.s.Phase() == Stopping
	if m.p.Check && !c.NoCheck && c.Op != "" && starts {
		m.wait(Op{ID: c.Op, Verb: c.Verb, Checking: true, Reset: c.Reset})
		m.emit(Check{Op: c.Op})
		return
	}
	m.up(c)
}

// up serves start, once and restart.
func (m *machine) up(c Command) {
	phase := m.s.Phase()
	m.supersede(DoStop, DoQuit)
	m.s.Want = Up
	if c.Reset {
		m.s.Scale = Scale{}
	}
	if c.Verb == DoOnce {
		m.s.Want = Once
	}
	next := m.s.Gen + 1
	switch {
	case phase == Stopping:
		m.s.Again = m.s.Current() == nil
		for i := range m.s.Runs {
			m.insist(&m.s.Runs[i])
		}
	case m.s.Current() == nil:
		m.s.Failures, m.s.Starts = 0, nil
		m.start()
	case c.Verb == DoRestart:
		m.supersede(DoReload)
		m.dropScaling()
		m.stopAll(m.p.Stop, true)
	case phase == Running && m.s.Ailing != "":
		m.emitFinish(c.Op, Failed, m.s.Ailing)
		return
	case phase == Running:
		m.emitFinish(c.Op, Done, "")
		return
	default: // Starting: its result is the answer
		next = m.s.Gen
	}
	m.wait(Op{ID: c.Op, Verb: c.Verb, Gen: next})
}

// down serves stop and quit.
func (m *machine) down(c Command) {
	m.supersede(DoStart, DoOnce, DoRestart, DoReload, DoScale)
	m.s.Want = Down
	m.s.RetryAt = time.Time{}
	m.s.Idle, m.s.Again = Stopped, false
	if len(m.s.Runs) == 0 {
		m.emitFinish(c.Op, Done, "")
		if m.p.Main {
			m.emit(Shutdown{})
		}
		return
	}
	if c.Verb == DoQuit {
		m.stopAll(m.p.Quit, false)
	} else {
		m.stopAll(m.p.Stop, true)
	}
	m.wait(Op{ID: c.Op, Verb: c.Verb})
}

// stopAll stops every run. hasten: those that are being stopped gracefully too,
// by what comes after that.
func (m *machine) stopAll(sequence []StopStep, hasten bool) {
	for i := range m.s.Runs {
		r := &m.s.Runs[i]
		graceful := len(r.Stop) > 0 && r.Stop[0] == m.p.Quit[0] && r.Stop[0] != m.p.Stop[0]
		if r.Phase != Stopping || hasten && graceful {
			m.stop(r, Asked, sequence)
		}
		m.insist(r)
	}
}

func (m *machine) signal(c Command) error {
	r := m.s.Live()
	if r == nil {
		return ErrNotRunning
	}
	m.wait(Op{ID: c.Op, Verb: c.Verb, Gen: r.Gen})
	m.emit(Kill{Gen: r.Gen, Signal: c.Signal, Op: c.Op, Count: c.Count})
	return nil
}
