package lifecycle

import (
	"syscall"
	"time"
)

// A Scale is how many workers more, or below 0 fewer, than the server's
// configuration says were asked for. It is remembered: after a reload or a new
// start of the server they are asked for again.
type Scale struct {
	Base  int `json:"base"` // how many there are without
	Delta int `json:"delta"`
}

// A Scaling is a change of the number of workers that is under way.
type Scaling struct {
	Op       OpID           `json:"op"`
	Gen      int            `json:"gen"`
	Count    int            `json:"count"`
	Again    bool           `json:"again,omitempty"`    // what is remembered is asked for again
	Checking bool           `json:"checking,omitempty"` // the check-command runs, and nothing has begun
	Sent     bool           `json:"sent,omitempty"`
	Was      int            `json:"was,omitempty"`  // how many there were to be
	From     int            `json:"from,omitempty"` // how many the server was about to have: Was, or more while it forks ones that die
	Now      int            `json:"now,omitempty"`  // as of the last look
	Settled  int            `json:"settled,omitempty"`
	Far      int            `json:"far,omitempty"` // from what was asked for, when it was nearest
	Deadline time.Time      `json:"deadline,omitzero"`
	Crew     Crew           `json:"crew"`
	Storm    bool           `json:"storm,omitempty"`    // workers were born and died when it began, or before fewer had settled
	Back     syscall.Signal `json:"back,omitempty"`     // takes one more worker back; 0: nothing does
	Taken    int            `json:"taken,omitempty"`    // so many are taken back, for they did not settle
	Taking   bool           `json:"taking,omitempty"`   // that signal is on its way
	Unsteady bool           `json:"unsteady,omitempty"` // that did not help
	Lost     string         `json:"lost,omitempty"`     // how the last worker ended
	Fault    Fault          `json:"fault,omitempty"`
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
	m.wait(Op{ID: c.Op, Verb: DoScale, Gen: r.Gen, Count: c.Count, NoCheck: c.NoCheck})
	m.next()
	return nil
}

// beginScale begins a change. More workers load today's code, so the
// check-command comes before them where check says so.
func (m *machine) beginScale(id OpID, count int, again, check bool) {
	r := m.s.Live()
	if r == nil || r.Phase != Running {
		return // ready or ended goes on with it
	}
	m.s.Scaling = &Scaling{Op: id, Gen: r.Gen, Count: count, Again: again}
	if check && count > 0 && m.p.Check {
		m.s.Scaling.Checking = true
		m.emit(Check{Op: id})
		return
	}
	m.surveyScale()
}

func (m *machine) surveyScale() {
	sc := m.s.Scaling
	sc.Checking, sc.Deadline = false, m.now.Add(SurveyTimeout)
	m.emit(Survey{Op: sc.Op, Gen: sc.Gen, Scale: sc.Count})
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
	m.beginScale(scaleAgainOp, m.s.Scale.Delta, true, false)
}

func (m *machine) surveyedScale(ev Surveyed) {
	sc := m.s.Scaling
	if sc.From > 0 || sc.Sent || sc.Checking {
		return // nobody asked
	}
	n := 0
	for _, w := range ev.Workers {
		if !w.Between {
			n++
		}
	}
	sc.Crew = ev.Crew
	sc.Storm = sc.Crew.Died > 0 && !sc.Crew.Steady(m.now, m.p.MinUptime)
	sc.Crew.See(m.now, ev.Workers, m.p.MinUptime)
	sc.Was, sc.From = n, n
	if !sc.Again && n > 0 {
		sc.Was, sc.From = m.wanted(ev.Steady, n)
	}
	sc.Crew.Born, sc.Crew.Died = 0, 0
	sc.Now, sc.Settled, sc.Back, sc.Deadline = n, sc.From, ev.Back, time.Time{}
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
		sc.Far = max(sc.Count, -sc.Count)
		m.emit(Kill{Gen: sc.Gen, Signal: ev.Signal, Op: sc.Op, Count: sc.Far})
	}
}

// wanted is how many workers there were to be, and how many the server is about
// to have. Those that have settled tell; of ones that are born and die, it is
// known only that the server wants one at least of them.
func (m *machine) wanted(steady, n int) (was, from int) {
	sc := m.s.Scaling
	settled := sc.Crew.Settled(m.now, m.p.MinUptime)
	if settled == n && !sc.Storm {
		return n, n
	}
	was, from = steady, n
	if m.s.Scale.Delta != 0 {
		was = m.s.Scale.Base + m.s.Scale.Delta
	}
	if sc.Storm {
		from = settled + 1
	}
	from = max(from, was)
	if was == 0 {
		was = from
	}
	return was, from
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
	if !sc.Sent || sc.Taking {
		return
	}
	sc.Crew.See(m.now, ev.Workers, m.p.MinUptime)
	n := sc.Crew.Workers()
	sc.Now, sc.Settled = n, sc.Crew.Settled(m.now, m.p.MinUptime)
	if ev.Ended != "" {
		sc.Lost = ev.Ended
	}
	if sc.Count < 0 && sc.Crew.Died > 0 && !sc.Storm {
		sc.Storm = true
		if sc.Settled >= sc.From { // it was in between two that died
			sc.From++
		}
	}
	to := sc.aim()
	if far := max(n-to, to-n); far < sc.Far { // one that comes and goes again and again is no progress
		sc.Far, sc.Deadline = far, m.now.Add(m.p.ReloadTimeout)
	}
	steady := n == to && sc.Crew.Steady(m.now, m.p.MinUptime)
	switch {
	case sc.Taken > 0 && steady:
		m.endScale(Failed, "")
	case sc.Count > 0 && sc.Crew.Died > 2*to:
		m.scaleFault(Churn)
	case n != to || sc.Taken > 0:
	case sc.Count < 0 && (steady || !sc.Storm), sc.Count > 0 && sc.Settled == n:
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

// scaleFault ends the change, once what it asked for too much is taken back.
// The first fault is the cause of what follows.
func (m *machine) scaleFault(f Fault) {
	sc := m.s.Scaling
	if sc.Fault == NoFault {
		sc.Fault = f
	}
	if m.takeBack(f) {
		return
	}
	sc.Unsteady = sc.Taken > 0
	m.endScale(Failed, "")
}

// endScale ends the change and remembers what has come of it.
func (m *machine) endScale(result Result, why string) {
	sc := m.s.Scaling
	m.s.Scaling = nil
	if done := sc.came(result); !sc.Again && done != 0 {
		if m.s.Scale.Delta == 0 {
			m.s.Scale.Base = sc.before()
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

// came is how many more workers, or fewer, have settled than there were to be.
func (sc *Scaling) came(result Result) int {
	switch {
	case !sc.Sent || sc.From == 0:
		return 0
	case result == Done:
		return sc.To() - sc.before()
	case sc.Count > 0:
		return max(0, min(sc.Settled-sc.From, sc.Count-sc.Taken))
	}
	return min(0, max(sc.To(), min(sc.Settled, sc.From))-sc.before())
}

// before is how many workers there were to be. Ones that had yet to settle count,
// unless some of them have died of it.
func (sc *Scaling) before() int {
	if sc.Storm {
		return sc.Was
	}
	return sc.From
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
