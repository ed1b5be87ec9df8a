package lifecycle

import "time"

// A Scale is how many workers more, or below 0 fewer, than the server's
// configuration says were asked for. It is remembered: after a reload or a new
// start of the server they are asked for again.
type Scale struct {
	Base  int `json:"base"` // how many there are without
	Delta int `json:"delta"`
}

// A Scaling is a change of the number of workers that is under way.
type Scaling struct {
	Op       OpID      `json:"op"`
	Gen      int       `json:"gen"`
	Count    int       `json:"count"`
	Again    bool      `json:"again,omitempty"` // what is remembered is asked for again
	Sent     bool      `json:"sent,omitempty"`
	From     int       `json:"from,omitempty"`
	Now      int       `json:"now,omitempty"` // as of the last look
	Far      int       `json:"far,omitempty"` // from what was asked for, when it was nearest
	Deadline time.Time `json:"deadline,omitzero"`
	Crew     Crew      `json:"crew"`
	Fault    Fault     `json:"fault,omitempty"`
}

// scaleAgainOp stands for a change that nobody waits for. No caller can choose it.
const scaleAgainOp OpID = ":scale-again"

// To is how many workers there shall be.
func (sc *Scaling) To() int { return sc.From + sc.Count }

func (m *machine) askScale(c Command) error {
	r := m.s.Live()
	if r == nil || r.Phase == Stopping {
		return ErrNotRunning
	}
	m.wait(Op{ID: c.Op, Verb: DoScale, Gen: r.Gen, Count: c.Count})
	m.next()
	return nil
}

func (m *machine) beginScale(id OpID, count int, again bool) {
	r := m.s.Live()
	if r == nil || r.Phase != Running {
		return // ready or ended goes on with it
	}
	m.s.Scaling = &Scaling{Op: id, Gen: r.Gen, Count: count, Again: again, Deadline: m.now.Add(SurveyTimeout)}
	m.emit(Survey{Op: id, Gen: r.Gen, Scale: count})
}

// scaleAgain asks for what is remembered, of a server that may have forgotten
// it: for certain if it is fresh.
func (m *machine) scaleAgain(fresh bool) {
	if m.s.Scale.Delta == 0 || m.s.Scaling != nil {
		return
	}
	if fresh {
		m.s.Scale.Base = 0
	}
	m.beginScale(scaleAgainOp, m.s.Scale.Delta, true)
}

func (m *machine) surveyedScale(ev Surveyed) {
	sc := m.s.Scaling
	n := 0
	for _, w := range ev.Workers {
		if !w.Between {
			n++
		}
	}
	sc.From, sc.Now, sc.Deadline = n, n, time.Time{}
	if sc.Again && ev.Err == "" {
		if m.s.Scale.Base > 0 && n == m.s.Scale.Base+m.s.Scale.Delta {
			m.endScale(Done, "") // the server has remembered
			return
		}
		m.s.Scale.Base = n
		sc.Count = max(sc.Count, 1-n)
	}
	switch {
	case ev.Err != "":
		m.endScale(Failed, ev.Err)
	case n == 0:
		m.scaleFault(NoWorkers)
	case sc.To() < 1:
		m.scaleFault(LastOne)
	case sc.Count == 0:
		m.endScale(Done, "")
	default:
		sc.Crew.See(m.now, ev.Workers, m.p.MinUptime)
		sc.Far = max(sc.Count, -sc.Count)
		m.emit(Kill{Gen: sc.Gen, Signal: ev.Signal, Op: sc.Op, Count: sc.Far})
	}
}

// scaleSent takes in that all of the signals were delivered, or that one could not be.
func (m *machine) scaleSent(why string) {
	if why != "" {
		m.endScale(Failed, why)
		return
	}
	m.s.Scaling.Sent = true
	m.s.Scaling.Deadline = m.now.Add(m.p.ReloadTimeout)
}

// count takes in how many workers there are.
func (m *machine) count(ev Census) {
	sc := m.s.Scaling
	if !sc.Sent {
		return
	}
	sc.Crew.See(m.now, ev.Workers, m.p.MinUptime)
	n := sc.Crew.Workers()
	sc.Now = n
	if far := max(n-sc.To(), sc.To()-n); far < sc.Far { // one that comes and goes again and again is no progress
		sc.Far, sc.Deadline = far, m.now.Add(m.p.ReloadTimeout)
	}
	switch {
	case sc.Count > 0 && sc.Crew.Died > 2*sc.To():
		m.scaleFault(Churn)
	case n != sc.To():
	case sc.Count < 0, sc.Crew.Settled(m.now, m.p.MinUptime) == n:
		m.endScale(Done, "")
	}
}

// scaleDue is called when the time of a change is over.
func (m *machine) scaleDue() {
	if !m.s.Scaling.Sent {
		m.endScale(Failed, unseen)
		return
	}
	m.scaleFault(Miscount)
}

func (m *machine) scaleFault(f Fault) {
	m.s.Scaling.Fault = f
	m.endScale(Failed, "")
}

// endScale ends the change and remembers what has come of it.
func (m *machine) endScale(result Result, why string) {
	sc := m.s.Scaling
	m.s.Scaling = nil
	if done := sc.Now - sc.From; !sc.Again && done != 0 && sc.From > 0 {
		if m.s.Scale.Delta == 0 {
			m.s.Scale.Base = sc.From
		}
		if m.s.Scale.Delta += done; m.s.Scale.Delta == 0 {
			m.s.Scale.Base = 0
		}
	}
	for _, op := range m.s.Ops {
		if op.ID == sc.Op {
			m.drop(op)
			m.emit(Finish{Op: op.ID, Result: result, Why: why, Scaled: sc})
			break
		}
	}
	m.next()
}

// dropScaling forgets a change whose run is over or being stopped.
func (m *machine) dropScaling() {
	m.s.Scaling = nil
	for _, op := range append([]Op(nil), m.s.Ops...) {
		if op.Verb == DoScale {
			m.finish(op, Failed, "its main process is being replaced")
		}
	}
}
