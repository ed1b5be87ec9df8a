package lifecycle

import (
	"errors"
	"slices"
	"syscall"
	"time"
)

// Errors of commands that cannot be carried out in the state they meet.
var (
	ErrNotRunning = errors.New("is not running")
	ErrStopped    = errors.New("is stopped on purpose")
	ErrStopping   = errors.New("is being stopped")
)

// NotInTime is why a start has failed that was not ready within start-timeout.
const NotInTime = "not ready within start-timeout"

// Step takes a service from one state to the next. It never writes through
// what s shares with its caller. An error means that the event is a Command
// that cannot be done now, and nothing has changed. An event about a run that
// is gone changes nothing.
func Step(p Policy, s State, now time.Time, ev Event) (State, []Effect, error) {
	m := &machine{p: p, s: s.clone(), now: now}
	switch ev := ev.(type) {
	case Command:
		if err := m.command(ev); err != nil {
			return s, nil, err
		}
	case Launched:
		if r := m.run(ev.Gen); r != nil {
			m.launched(r, now)
		}
	case Ready:
		if r := m.run(ev.Gen); r != nil && r.Phase == Starting && p.Probe {
			m.ready(r)
		}
	case Ended:
		if r := m.run(ev.Gen); r != nil && r.Exit == nil {
			m.ended(r, ev)
		}
	case Empty:
		if r := m.run(ev.Gen); r != nil && r.Exit != nil {
			m.settle(*r, *r.Exit, ev.Jitter)
		}
	case Delivered:
		m.delivered(ev)
	case Checked:
		m.checked(ev)
	case Surveyed:
		m.surveyed(ev)
	case Census:
		m.census(ev)
	case Answered:
		m.asked(ev)
	case Ailing:
		if r := m.run(ev.Gen); r != nil {
			m.ails(r, ev.Why)
		}
	case Succeeded:
		m.succeeded(ev)
	case SuccessorEnded:
		m.successorEnded(ev)
	case Overdue:
		m.overdue(ev)
	case Extend:
		if r := m.run(ev.Gen); r != nil {
			m.extend(r, ev.Until)
		}
	case Changed:
		for i := range m.s.Runs {
			m.expect(&m.s.Runs[i])
		}
	case Tick:
		m.tick()
	}
	return m.s, m.effects, nil
}

// machine is one step under way.
type machine struct {
	p       Policy
	s       State
	now     time.Time
	effects []Effect
}

func (s State) clone() State {
	s.Runs = slices.Clone(s.Runs)
	s.Ops = slices.Clone(s.Ops)
	s.Starts = slices.Clone(s.Starts)
	if s.Reload != nil {
		rl := *s.Reload
		s.Reload = &rl
	}
	if s.Scaling != nil {
		sc := *s.Scaling
		s.Scaling = &sc
	}
	return s
}

func (m *machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *machine) run(gen int) *Run {
	for i := range m.s.Runs {
		if m.s.Runs[i].Gen == gen {
			return &m.s.Runs[i]
		}
	}
	return nil
}

// start asks for a new run.
func (m *machine) start() {
	m.s.Gen++
	m.s.RetryAt = time.Time{}
	m.s.Idle, m.s.Again, m.s.Ailing = Stopped, false, ""
	if m.p.StartLimit > 0 {
		m.s.Starts = append(m.s.Starts, m.now)
	}
	m.launch(m.s.Gen, m.now)
	m.emit(StartRun{Gen: m.s.Gen})
}

func (m *machine) launch(gen int, since time.Time) {
	m.s.Runs = append(m.s.Runs, Run{Gen: gen, Phase: Starting, Since: since})
	m.expect(&m.s.Runs[len(m.s.Runs)-1])
}

// launched begins to count min-uptime, for the process exists since then.
func (m *machine) launched(r *Run, since time.Time) {
	if r.Born {
		return
	}
	r.Born = true
	if r.Phase == Starting && !m.p.Probe && !m.p.Oneshot {
		r.Since = since
	}
	m.expect(r)
}

// expect sets until when a run that is starting must be ready, or when it is.
func (m *machine) expect(r *Run) {
	if r.Phase != Starting {
		return
	}
	r.Deadline = time.Time{}
	switch {
	case m.p.Probe || m.p.Oneshot:
		if m.p.StartTimeout > 0 && r.Role == Serving { // of one that is tried the reload counts the time
			r.Deadline = r.Since.Add(m.p.StartTimeout)
		}
	case !r.Born:
	case m.p.MinUptime > 0:
		r.Deadline = r.Since.Add(m.p.MinUptime)
	default:
		m.ready(r)
	}
}

func (m *machine) ready(r *Run) {
	if r.Role == Trying {
		r.Deadline = time.Time{}
		m.s.Reload.Answered = true
		m.decide()
		return
	}
	r.Phase, r.Deadline = Running, time.Time{}
	for _, op := range m.upOps(r.Gen) {
		m.finish(op, Done, "")
	}
	m.s.Ailing = ""
	if rl := m.s.Reload; rl != nil {
		if rl.Stage == Waiting {
			m.checkReload()
		}
		return
	}
	m.scaleAgain(true)
	m.next()
}

// ails takes in that a run does not do its work, or does again. A start that
// comes to nothing fails at once; the run itself goes on, for mended code may
// be all that it needs.
func (m *machine) ails(r *Run, why string) {
	switch {
	case r.Role == Trying && why != "":
		m.failTrial(NoFault, why)
		return
	case r.Role != Serving:
		return
	}
	m.s.Ailing = why
	if why != "" && r.Phase == Starting {
		m.fail(r.Gen, why)
		if rl := m.s.Reload; rl == nil || rl.Stage == Waiting {
			m.failChanges(r.Gen, why)
		}
	}
}

// stop begins a stop sequence.
func (m *machine) stop(r *Run, cause Cause, sequence []StopStep) {
	if r.Phase != Stopping {
		r.Was, r.Phase = r.Phase, Stopping
	}
	r.Cause, r.Stop = cause, slices.Clone(sequence)
	m.kill(r)
}

// kill carries out the first step of what is left of r's stop sequence.
func (m *machine) kill(r *Run) {
	step := r.Stop[0]
	wait := step.Wait
	if step.Signal == syscall.SIGKILL {
		wait = KillGrace
	}
	r.Deadline = m.now.Add(wait)
	m.emit(Kill{Gen: r.Gen, Signal: step.Signal, Group: m.p.Group || r.Exit != nil || step.Signal == syscall.SIGKILL})
}

// insist kills a run once more that has survived SIGKILL, so that whoever asks
// now hears of that too, and does not wait for ever.
func (m *machine) insist(r *Run) {
	if r.Phase == Stopping && r.Deadline.IsZero() && len(r.Stop) > 0 {
		m.kill(r)
	}
}

func (m *machine) ended(r *Run, ev Ended) {
	exit := ev.Exit
	if exit.At.IsZero() {
		exit.At = m.now
	}
	exit.Uptime = max(0, exit.At.Sub(r.Since))
	if r.Role == Serving {
		m.s.Last = &exit
		m.startForWaiting(r)
		m.lose(r, "")
	} else if rl := m.s.Reload; rl != nil && rl.Next == r.Gen && r.Role == Trying && !rl.Failing {
		rl.Failing, rl.Exit = true, &exit
	}
	if !ev.Left {
		m.settle(*r, exit, ev.Jitter)
		return
	}
	r.Exit = &exit
	if r.Phase == Stopping && len(r.Stop) > 0 {
		// What outlives the main process gets the same signal, and the time that remains.
		m.emit(Kill{Gen: r.Gen, Signal: r.Stop[0].Signal, Group: true})
		return
	}
	if done := m.p.Oneshot && m.p.Succeeded(exit); r.Role == Serving && !done && m.s.Want != Down && !m.awaited() {
		m.fail(r.Gen, "")
	}
	m.stop(r, Crashed, []StopStep{{syscall.SIGTERM, CleanWait}, {Signal: syscall.SIGKILL}})
}

// settle decides what comes after run r, of which nothing is left.
func (m *machine) settle(r Run, exit Exit, jitter float64) {
	m.s.Runs = slices.DeleteFunc(m.s.Runs, func(o Run) bool { return o.Gen == r.Gen })
	if r.Role != Serving {
		m.gone(r)
		return
	}
	if r.Phase != Stopping {
		r.Was = r.Phase
	}
	asked := r.Phase == Stopping && r.Cause == Asked
	notReady := r.Phase == Stopping && r.Cause == NotReady
	success := m.p.Succeeded(exit) && !notReady
	switch {
	case len(m.s.Runs) > 0 && (m.s.Want == Down || asked || m.awaited()):
		m.s.Idle, m.s.Again = Stopped, m.s.Want != Down // the last of them goes on
	case m.s.Want == Down:
		m.rest(Stopped)
	case asked || m.awaited():
		m.s.Failures, m.s.Starts = 0, nil
		m.start()
	case m.p.Oneshot && success, m.s.Want == Once, m.p.Restart == Never, m.p.Restart == OnFailure && success:
		if m.p.Oneshot && success {
			for _, op := range m.upOps(r.Gen) {
				m.finish(op, Done, "")
			}
		}
		m.fail(r.Gen, "")
		m.rest(Exited)
	default:
		m.fail(r.Gen, "")
		m.again(r.Was == Running && exit.Uptime >= m.p.DelayMax, jitter)
	}
}

// again starts a service anew that has ended although it should run: at once
// or later, or not any more.
func (m *machine) again(healthy bool, jitter float64) {
	if m.p.StartLimit > 0 {
		m.s.Starts = slices.DeleteFunc(m.s.Starts, func(t time.Time) bool {
			return m.now.Sub(t) >= m.p.StartLimitInterval
		})
		if len(m.s.Starts) >= m.p.StartLimit {
			m.rest(Fatal)
			return
		}
	} else {
		m.s.Starts = nil
	}
	var delay time.Duration
	if healthy {
		m.s.Failures = 0
	} else {
		m.s.Failures++
		delay = m.delay(jitter)
	}
	if delay <= 0 {
		m.s.Restarts++
		m.start()
		return
	}
	m.s.Idle, m.s.RetryAt = Backoff, m.now.Add(delay)
}

func (m *machine) delay(jitter float64) time.Duration {
	d := float64(m.p.Delay)
	for n := m.s.Failures; n > 1 && d > 0 && d < float64(m.p.DelayMax) && m.p.DelayFactor > 1; n-- {
		d *= m.p.DelayFactor
	}
	return time.Duration(min(d, float64(m.p.DelayMax)) * (1 + max(-1, min(jitter, 1))/10))
}

// rest leaves the service without a run and without a next start.
func (m *machine) rest(idle Phase) {
	m.s.Idle, m.s.RetryAt, m.s.Again = idle, time.Time{}, false
	for _, op := range slices.Clone(m.s.Ops) {
		if op.Verb == DoStop || op.Verb == DoQuit {
			m.finish(op, Done, "")
		}
	}
	if m.p.Main || m.p.Shutdown && idle != Stopped {
		m.emit(Shutdown{})
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

func (m *machine) tick() {
	for i := range m.s.Runs {
		r := &m.s.Runs[i]
		if !due(r.Deadline, m.now) {
			continue
		}
		switch {
		case r.Phase == Starting && (m.p.Probe || m.p.Oneshot) && r.Role == Serving:
			m.fail(r.Gen, NotInTime)
			m.lose(r, NotInTime)
			m.stop(r, NotReady, m.p.Stop)
		case r.Phase == Starting:
			m.ready(r)
		case r.Phase == Stopping && len(r.Stop) > 1:
			m.late(r)
			r.Stop = r.Stop[1:]
			m.kill(r)
		case r.Phase == Stopping && r.Role != Serving:
			r.Deadline = time.Time{}
			m.stuck(r)
		case r.Phase == Stopping: // what KILL does not end
			r.Deadline = time.Time{}
			for _, op := range slices.Clone(m.s.Ops) {
				m.finish(op, Failed, "what is left survives SIGKILL: it waits in the kernel (state D)")
			}
		default:
			r.Deadline = time.Time{}
		}
	}
	if rl := m.s.Reload; rl != nil && due(rl.HungKill, m.now) {
		m.hungDue()
	}
	if rl := m.s.Reload; rl != nil && due(rl.Deadline, m.now) {
		m.reloadDue()
	}
	if sc := m.s.Scaling; sc != nil && due(sc.Deadline, m.now) {
		m.scaleDue()
	}
	if m.s.Current() == nil && m.s.Idle == Backoff && !m.now.Before(m.s.RetryAt) {
		m.s.Restarts++
		m.start()
	}
}
