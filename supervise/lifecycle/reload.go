package lifecycle

import (
	"slices"
	"syscall"
	"time"
)

// A Stage is how far a reload is.
type Stage uint8

const (
	Waiting    Stage = iota // for the run to be ready
	Checking                // the check-command runs
	Surveying               // the workers are counted
	Signalling              // the signal is on its way; nobody has said that it was delivered
	Proving                 // it was: new workers must come, and the old ones go
	Draining                // the new ones are proven; old ones are still there
	Asking                  // all workers are as they should be; the service itself is asked
	Proposed                // another run is tried, to take the place of the current one
	Taken                   // it has: nothing of the old one must be left
)

// A Reload is the one reload that is under way. Whoever asks for another one
// meanwhile gets the next, which is one for all of them.
type Reload struct {
	Turn     int       `json:"turn"`
	Op       OpID      `json:"op"` // stands for it in effects and events
	Gen      int       `json:"gen"`
	Stage    Stage     `json:"stage"`
	Method   Method    `json:"method,omitempty"`
	Next     int       `json:"next,omitempty"`     // the run that is tried; 0: none was
	Answered bool      `json:"answered,omitempty"` // its readiness check has succeeded
	Solo     bool      `json:"solo,omitempty"`     // it does the work itself, without workers
	Failing  bool      `json:"failing,omitempty"`  // it is being ended, and why:
	Why      string    `json:"why,omitempty"`      // in words,
	Exit     *Exit     `json:"exit,omitempty"`     // or its main process has ended by itself; else Fault
	Sent     time.Time `json:"sent,omitzero"`      // when the signal was sent
	Since    time.Time `json:"since,omitzero"`     // when it was delivered
	Deadline time.Time `json:"deadline,omitzero"`  // of this stage
	Old      []Proc    `json:"old,omitempty"`      // what must go
	Left     []Proc    `json:"left,omitempty"`     // of those, what was there at the last look
	Need     int       `json:"need,omitempty"`     // how many new workers must settle; 0: there were none
	Crew     Crew      `json:"crew"`               // the new ones
	Best     int       `json:"best,omitempty"`     // of what was to come and to go, the most that had
	Queue    int       `json:"queue,omitempty"`    // connections that waited at the last look
	Lost     string    `json:"lost,omitempty"`     // how the last worker ended
	Told     []Proc    `json:"told,omitempty"`     // old workers that were told to end
	Hung     []Proc    `json:"hung,omitempty"`     // old workers that had not loaded their code: they served nobody
	HungKill time.Time `json:"hung_kill,omitzero"` // when those are killed that TERM does not end
	Drain    time.Time `json:"drain,omitzero"`     // since when only old ones were missing; one that goes begins it anew
	Unready  string    `json:"unready,omitempty"`  // what the service answered
	Unsure   bool      `json:"unsure,omitempty"`   // whether the signal was delivered
	Settled  int       `json:"settled,omitempty"`  // new workers, at the last look
	Fault    Fault     `json:"fault,omitempty"`    // why it has failed, where no words were given

	Signal syscall.Signal `json:"signal,omitempty"` // that was sent
}

// Method is how a reload is done. The zero value is InPlace.
type Method uint8

const (
	InPlace   Method = iota // the main process replaces its workers, or Surveyed tells of another way
	ByReplace               // a new run is tried beside the current one, and takes its place
	ByUpgrade               // the same, with a run that the main process itself starts on the signal
)

// A Fault is why a change of the workers has failed.
type Fault uint8

const (
	NoFault   Fault = iota
	Churn           // new workers are born and end before they have settled
	Late            // no progress within reload-timeout
	Unseen          // the successor has ended before it was seen
	Stays           // old ones that are not known to be workers do not end within drain-timeout
	NoWorkers       // there are none to be more, or fewer
	LastOne         // one must stay
	Miscount        // there are not as many as were asked for
)

// Moment is how long a main process without workers must live after it has
// taken the signal: one that has no handler after all is gone by then.
const Moment = 150 * time.Millisecond

// SurveyTimeout is how long it may take to look at a service's files and
// processes before anything is signalled: a file system may hang.
const SurveyTimeout = 30 * time.Second

const unseen = "its files and processes cannot be looked at within 30s; nothing was sent"

// bornEarlier is how much later than the kernel says a process may have begun,
// for that counts in hundredths of a second.
const bornEarlier = 20 * time.Millisecond

// askReload takes in that somebody wants a reload.
func (m *machine) askReload(c Command) error {
	current := m.s.Current()
	switch {
	case m.s.Begins() && current == nil:
		m.begin(Command{Op: c.Op, Verb: DoStart, NoCheck: c.NoCheck})
		return nil
	case m.s.Want == Down && len(m.s.Runs) > 0:
		return ErrStopping
	case m.s.Want == Down:
		return ErrStopped
	case current == nil || m.s.Phase() == Stopping:
		m.begin(Command{Op: c.Op, Verb: DoStart, NoCheck: c.NoCheck})
		return nil
	}
	method := m.p.Method
	if c.Verb == DoReplace {
		method = ByReplace
	}
	m.wait(Op{ID: c.Op, Verb: DoReload, Turn: m.turn(method), Method: method, NoCheck: c.NoCheck})
	if sc := m.s.Scaling; sc != nil && sc.Again {
		m.s.Scaling = nil // it comes again after the reload
	}
	m.next()
	return nil
}

// turn is the reload that serves one who asks now: one that has not begun, or one
// of its own.
func (m *machine) turn(method Method) int {
	rl, turn := m.s.Reload, m.s.Reloads
	if rl != nil && rl.Stage == Waiting && rl.Method == method {
		return rl.Turn
	}
	for _, op := range m.s.Ops {
		if op.Verb == DoReload && op.Turn > m.s.Reloads {
			if op.Method == method {
				return op.Turn
			}
			turn = max(turn, op.Turn)
		}
	}
	return turn + 1
}

// next begins what waits for its turn: one change of the workers at a time.
func (m *machine) next() {
	if m.s.Reload != nil || m.s.Scaling != nil {
		return
	}
	for _, op := range m.s.Ops {
		switch {
		case op.Verb == DoReload:
			m.beginReload(op)
			return
		case op.Verb == DoScale:
			m.beginScale(op.ID, op.Count, false, !op.NoCheck)
			return
		}
	}
}

func (m *machine) beginReload(op Op) {
	r := m.s.Live()
	if r == nil {
		return // its end fails those who wait
	}
	m.s.Reloads = op.Turn
	m.s.Reload = &Reload{Turn: op.Turn, Op: op.ID, Gen: r.Gen, Method: op.Method}
	if r.Phase == Running || (m.p.Restarts || op.Method == ByReplace) && m.s.Ailing != "" { // what was started will not come to be by itself
		m.checkReload()
	}
}

// checkReload goes on with a reload whose run is ready.
func (m *machine) checkReload() {
	rl := m.s.Reload
	wanted := slices.ContainsFunc(m.s.Ops, func(op Op) bool {
		return op.Verb == DoReload && op.Turn == rl.Turn && !op.NoCheck
	})
	if m.p.Check && wanted {
		rl.Stage = Checking
		m.emit(Check{Op: rl.Op})
		return
	}
	m.surveyReload()
}

func (m *machine) surveyReload() {
	m.s.Reload.Stage, m.s.Reload.Deadline = Surveying, m.now.Add(SurveyTimeout)
	m.emit(Survey{Op: m.s.Reload.Op, Gen: m.s.Reload.Gen})
}

func (m *machine) checked(ev Checked) {
	if rl := m.s.Reload; rl != nil && rl.Op == ev.Op && rl.Stage == Checking {
		if ev.Err != "" {
			m.endReload(Failed, ev.Err)
		} else {
			m.surveyReload()
		}
		return
	}
	if sc := m.s.Scaling; sc != nil && sc.Op == ev.Op && sc.Checking {
		if ev.Err != "" {
			m.endScale(Failed, ev.Err)
		} else {
			m.surveyScale()
		}
		return
	}
	for _, op := range m.s.Ops {
		if op.ID != ev.Op || !op.Checking {
			continue
		}
		if ev.Err != "" {
			m.finish(op, Failed, ev.Err)
			return
		}
		m.s.Ops = slices.DeleteFunc(m.s.Ops, func(o Op) bool { return o.ID == op.ID })
		m.up(Command{Op: op.ID, Verb: op.Verb, Reset: op.Reset})
		return
	}
}

func (m *machine) surveyed(ev Surveyed) {
	if sc := m.s.Scaling; sc != nil && sc.Op == ev.Op {
		m.surveyedScale(ev)
		return
	}
	rl := m.s.Reload
	if rl == nil || rl.Op != ev.Op || rl.Stage != Surveying {
		return
	}
	switch {
	case ev.Err != "":
		m.endReload(Failed, ev.Err)
		return
	case ev.Restart:
		m.restartInstead()
		return
	}
	rl.Old, rl.Hung, rl.Need = nil, nil, ev.Need
	for _, w := range ev.Workers {
		rl.Old = append(rl.Old, w.Proc)
		if !w.Shows && !w.Between {
			rl.Hung = append(rl.Hung, w.Proc)
		}
	}
	rl.Left = rl.Old
	if rl.Method == ByReplace {
		m.try()
		return
	}
	rl.Stage, rl.Sent, rl.Deadline = Signalling, m.now, time.Time{}
	if ev.Run {
		m.emit(RunReload{Op: rl.Op, Gen: rl.Gen})
	} else {
		rl.Signal = ev.Signal
		m.emit(Kill{Gen: rl.Gen, Signal: rl.Signal, Op: rl.Op})
	}
}

// restartInstead restarts the service for all who wait for a reload: the new
// process begins after the last of them has asked.
func (m *machine) restartInstead() {
	m.s.Reload = nil
	for i := range m.s.Ops {
		if op := &m.s.Ops[i]; op.Verb == DoReload {
			op.Verb, op.Gen, op.Turn = DoRestart, m.s.Gen+1, 0
		}
	}
	m.dropScaling()
	m.stopAll(m.p.Stop, true)
}

// sent takes in that the reload's signal was delivered, or could not be.
func (m *machine) sent(why string) {
	rl := m.s.Reload
	if why != "" {
		m.endReload(Failed, why)
		return
	}
	rl.Stage, rl.Since = Proving, m.now
	rl.Deadline = m.now.Add(m.p.ReloadTimeout)
	if rl.Method == ByUpgrade {
		rl.Stage = Proposed
		return
	}
	if rl.Need == 0 {
		rl.Deadline = m.now.Add(Moment)
	}
	// A worker that waits for ever in its code does not hear its master either.
	if m.p.Workers && len(rl.Hung) > 0 {
		rl.HungKill = m.now.Add(CleanWait)
		m.emit(End{Gen: rl.Gen, Procs: slices.Clone(rl.Hung), Signal: syscall.SIGTERM, Hung: true})
	}
}

// hungDue ends those of the hung workers that TERM did not end.
func (m *machine) hungDue() {
	rl := m.s.Reload
	rl.HungKill = time.Time{}
	if left := rl.hungLeft(); len(left) > 0 {
		m.emit(End{Gen: rl.Gen, Procs: left, Signal: syscall.SIGKILL, Hung: true})
	}
}

func (rl *Reload) hungLeft() (left []Proc) {
	for _, p := range rl.Left {
		if slices.Contains(rl.Hung, p) {
			left = append(left, p)
		}
	}
	return left
}

// Serves reports whether there are workers that answer, new ones or old ones
// that stay, as of the last look.
func (rl *Reload) Serves(p Policy) bool {
	old := len(rl.Left) - len(rl.hungLeft())
	untouched := old == len(rl.Old)
	hang := p.Blind && rl.Queue > 0 // they may have loaded their code or not
	return rl.Settled > 0 && !hang || old > 0 && (p.Keeps || p.Overlaps || !p.Workers || untouched)
}

func (m *machine) asked(ev Answered) {
	rl := m.s.Reload
	switch {
	case rl == nil || rl.Op != ev.Op || rl.Stage != Asking:
	case ev.Err == "":
		m.endReload(Done, "")
	case ev.Final || !m.now.Before(rl.Deadline):
		m.endReload(Failed, ev.Err)
	default:
		rl.Unready = ev.Err
		m.emit(Ask{Op: rl.Op, Gen: rl.Gen})
	}
}

// reloadDue is called when the time of a reload's stage is over.
func (m *machine) reloadDue() {
	rl := m.s.Reload
	switch rl.Stage {
	case Proving:
		if rl.Need == 0 || m.moving() {
			m.proven()
			return
		}
		if !m.tryOne() {
			m.fault(Late)
		}
	case Draining:
		if !m.p.Workers {
			m.fault(Stays)
			return
		}
		sig, procs := syscall.SIGTERM, rl.untold()
		if len(procs) == 0 {
			sig, procs = syscall.SIGKILL, slices.Clone(rl.Left)
		}
		rl.Told = append(slices.Clone(rl.Told), rl.untold()...)
		rl.Deadline = m.now.Add(CleanWait)
		m.emit(End{Gen: rl.Gen, Procs: procs, Signal: sig})
	case Asking:
		if rl.Unready == "" {
			rl.Unready = "its log and its address cannot be looked at in time"
		}
		m.endReload(Failed, rl.Unready)
	case Surveying:
		m.endReload(Failed, unseen)
	case Proposed:
		m.failTrial(Late, "")
	default:
		rl.Deadline = time.Time{}
	}
}

// untold are the old workers that are left and were not told to end.
func (rl *Reload) untold() (procs []Proc) {
	for _, p := range rl.Left {
		if !slices.Contains(rl.Told, p) {
			procs = append(procs, p)
		}
	}
	return procs
}

// startForWaiting has the next start answer those who wait for run r to be ready
// for their reload: it has ended instead, and may have loaded what was there
// before they asked.
func (m *machine) startForWaiting(r *Run) {
	rl := m.s.Reload
	if rl == nil || rl.Gen != r.Gen || rl.Stage != Waiting || m.s.Want == Down || r.Phase != Starting || m.p.Main || m.p.Oneshot {
		return
	}
	m.s.Reload = nil
	for i := range m.s.Ops {
		if op := &m.s.Ops[i]; op.Verb == DoReload {
			op.Verb, op.Gen, op.Turn = DoStart, m.s.Gen+1, 0
		}
	}
}

// tryOne goes on where all old workers are so busy that none has made room for
// a new one, which could prove the new code: after drain-timeout one of them is
// ended, and what comes in its place decides. It reports whether it did.
func (m *machine) tryOne() bool {
	rl := m.s.Reload
	busy := len(rl.Left) > len(rl.hungLeft()) && len(rl.Left) == len(rl.Old) && rl.Crew.Born == 0
	if !busy || !m.p.Workers || m.p.Keeps || m.p.Overlaps || rl.Unsure || m.p.DrainTimeout == 0 || rl.Told != nil {
		return false
	}
	if at := rl.Since.Add(m.p.DrainTimeout); m.now.Before(at) {
		rl.Deadline = at
		return true
	}
	rl.Told = slices.Clone(rl.Left[:1])
	rl.Deadline = m.now.Add(m.p.ReloadTimeout)
	m.emit(End{Gen: rl.Gen, Procs: slices.Clone(rl.Told), Signal: syscall.SIGTERM})
	return true
}

// fault ends the reload for a reason that the reload itself tells.
func (m *machine) fault(f Fault) {
	m.s.Reload.Fault = f
	m.endReload(Failed, "")
}

// endReload ends the reload for all whom it serves, and begins the next.
func (m *machine) endReload(result Result, why string) {
	rl := m.s.Reload
	m.s.Reload = nil
	switch {
	case result == Done:
		m.s.Ailing = ""
	case m.p.Workers && rl.Method == InPlace && rl.Stage >= Proving && rl.Need > 0 && !rl.Serves(m.p):
		m.s.Ailing = "it has no worker that has settled"
	}
	for _, op := range slices.Clone(m.s.Ops) {
		if op.Verb == DoReload && op.Turn <= rl.Turn {
			m.s.Ops = slices.DeleteFunc(m.s.Ops, func(o Op) bool { return o.ID == op.ID })
			m.emit(Finish{Op: op.ID, Result: result, Why: why, Reload: rl})
		}
	}
	if result == Done && (rl.Need > 0 || rl.Next > 0) {
		m.scaleAgain(rl.Next > 0)
	}
	m.next()
}
