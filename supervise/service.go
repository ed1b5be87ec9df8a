package supervise

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/forward"
	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// A service is one service as the loop knows it.
type service struct {
	name   string
	def    *definition.Definition // what the running process was started by; nil: its file was never good
	next   *definition.Definition // taken at the next start; nil: def is up to date
	bad    string                 // what is wrong with its file, rendered; "" if nothing is
	policy lifecycle.Policy
	state  lifecycle.State
	runs   map[int]*run
	since  time.Time // when its phase began
	out    logs.Sink
	err    logs.Sink // of standard error, where that goes elsewhere
	gone   bool      // its file is gone: forgotten once it is stopped

	changed    chan struct{}             // closed at the next change; nil: nobody waits
	lastReload *status.Reload            // nil: none since the last good start
	armed      int                       // the run whose start the guardian has ahead of time; 0: none
	toArm      int                       // the run whose successor it will be given, at its time; 0: none
	ahead      int                       // the run that the guardian has started by itself, while its predecessor's end is being told
	takenBack  *os.File                  // tells of its pid-file while a reload waits for a successor; nil: nothing does
	spare      *spare                    // nil: none
	recent     []string                  // ids of its last operations that have ended
	dirty      bool                      // its state on disk is old
	crew       *crew                     // nil: nobody looks at its workers
	mark       int64                     // where in its log the last reload began; -1: not known
	image      string                    // what its main process executed then, if it does the work itself; "": not known
	said       []string                  // what a check-command has written, while its end is taken in
	origin     *origin                   // the last that was looked for; nil: none was
	voices     map[int]*voice            // where its runs say what they do, by what those were born; nil: nowhere
	surveyed   string                    // the release that the last reload was to load; "": not known
	acks       []uint64                  // numbers of the guardian's whose end is acknowledged once the state is on disk
	sockets    map[string]*listen.Socket // that are held, by their address; nil: none is
	overflowed int64                     // connections that had found no room in them when the last reload began
	due        time.Time                 // its deadline that is in the heap
	forwarding forwarding                // where its lines go too
	forwarder  *forward.Forwarder        // that sends them; nil: none
	trouble    trouble                   // with its log file
	watch      *watching                 // nil: there is nothing to say of it
}

// A run is what is known of a run beside what lifecycle decides by.
type run struct {
	def      *definition.Definition // by which it was started
	private  string                 // "HOST:PORT" of its private socket; "": it has none
	pipe     uint64                 // the inode of its output; 0: not known
	n        uint64                 // by which the guardian knows its main process: its gen, as a rule
	born     int                    // GSV_GENERATION of its processes: its gen, or that of the run that it is the successor of
	pid      int
	start    uint64 // field 22 of /proc/PID/stat
	session  int    // of a main process that leads no group: what it leaves behind is in it; 0: it leads one
	launched bool   // the guardian was asked to start it
	counted  bool   // among those it has not answered
	ended    bool   // the guardian has told its end
	over     bool   // lifecycle has been told
	forked   bool   // its first process has ended well, and the one in the background is not known yet
	unwanted func() // not nil: it was started ahead of time and too late; what to do when it is gone
	empty    bool   // the guardian has told that nothing of its group is left
	drained  bool   // all its output is in the log
	errOpen  bool   // not so its standard error, which has a log of its own
	origin   *origin
	probe    func()    // ends its readiness check; nil: there is none
	hearing  func()    // ends what waits for what it says; nil: nothing does
	saw      string    // what its readiness check saw last
	awaits   string    // the line of its output that is looked for; "": none is
	told     told      // what it has said of itself (sd_notify)
	pinged   time.Time // when it last told its watchdog that it lives
	watchdog time.Time // when that watchdog looks next; zero: it does not
	locating func()    // ends the look for its process in the background; nil: nobody looks
	accepts  bool      // its address accepts connections
}

func policyOf(d *definition.Definition, direct bool) lifecycle.Policy {
	p := lifecycle.Policy{
		Oneshot: d.Type == definition.Oneshot, Main: d.Main, Shutdown: d.OnEnd == definition.Shutdown,
		Delay: d.RestartDelay, DelayMax: d.RestartDelayMax, DelayFactor: d.RestartDelayFactor,
		StartLimit: d.StartLimit, StartLimitInterval: d.StartLimitInterval,
		Probe: probed(d), ByWorkers: d.Ready.Workers, MinUptime: d.MinUptime, StartTimeout: d.StartTimeout, Method: methodOf(d),
		Group:   d.KillMode == definition.Group,
		Check:   !d.NoCheck && (d.CheckCommand != nil || d.Preset != "none"),
		Ask:     d.Ready.TCP != "" || d.Ready.Unix != "" || !d.Ready.HTTP.IsZero() || d.Ready.Exec != nil || notifies(d) || d.Workers.Failure != "" || !d.Workers.Solo.IsZero(),
		Workers: d.Workers.Depth > 0, Counts: d.Counts(), Blind: d.Workers.Sign.IsZero(),
		Keeps: d.Workers.Keeps, Overlaps: d.Workers.Overlaps, Restarts: d.Reload == definition.ByRestart,
		ReloadTimeout: d.ReloadTimeout, DrainTimeout: d.DrainTimeout,
	}
	switch d.Restart {
	case definition.Always:
		p.Restart = lifecycle.Always
	case definition.OnFailure:
		p.Restart = lifecycle.OnFailure
	case definition.No:
		p.Restart = lifecycle.Never
	}
	for _, e := range d.SuccessExit {
		p.Success = append(p.Success, lifecycle.ExitMatch(e))
	}
	for _, step := range d.StopSequence {
		p.Stop = append(p.Stop, lifecycle.StopStep(step))
	}
	p.Quit = p.Stop
	if g := d.Signals.Graceful; g != 0 {
		rest := p.Stop
		if rest[0].Signal == g {
			rest = rest[1:]
		}
		p.Quit = append([]lifecycle.StopStep{{Signal: g, Wait: drainOf(d)}}, rest...)
	}
	if direct {
		p.MinUptime = 0
	}
	return p
}

// probed reports whether something says when a service is ready, other than time.
func probed(d *definition.Definition) bool {
	r := d.Ready
	return r.Workers || r.TCP != "" || r.Unix != "" || !r.HTTP.IsZero() || r.Exec != nil || r.Notify || r.FD != 0 || r.LogLine != "" ||
		d.Type.Notifies() || d.Type == definition.Forking
}

func methodOf(d *definition.Definition) lifecycle.Method {
	switch d.Reload {
	case definition.ByReplace:
		return lifecycle.ByReplace
	case definition.ByUpgrade:
		return lifecycle.ByUpgrade
	case definition.BySignal, definition.ByRestart, definition.ByCommand, definition.NoReload:
	}
	return lifecycle.InPlace
}

// drainOf is how long a graceful stop may take before it is hastened: for ever
// is a year.
func drainOf(d *definition.Definition) time.Duration {
	if d.DrainTimeout == 0 {
		return 365 * 24 * time.Hour
	}
	return d.DrainTimeout
}

// runOrigin is where the code of the main process is from.
func (svc *service) runOrigin() *origin {
	if live := svc.state.Live(); live != nil && svc.runs[live.Gen] != nil {
		return svc.runs[live.Gen].origin
	}
	return nil
}

// step lets something happen to a service and carries out what follows. The
// error is lifecycle's: the command cannot be done now.
func (s *Supervisor) step(svc *service, ev lifecycle.Event) error {
	before := svc.state
	state, effects, err := lifecycle.Step(svc.policy, svc.state, now(), ev)
	if err != nil {
		return err
	}
	svc.state = state
	s.carryOut(svc, before, effects)
	return nil
}

func (s *Supervisor) carryOut(svc *service, before lifecycle.State, effects []lifecycle.Effect) {
	s.mark(svc)
	s.arm(svc)
	fresh := s.attendWatch(svc)
	for _, e := range effects {
		switch e := e.(type) {
		case lifecycle.StartRun:
			if !fresh {
				s.loads(svc)
			}
			if svc.state.Want != before.Want && s.store.whole || svc.trying(e.Gen) {
				s.save(svc) // that it runs tells not that it is to run on, nor that it is only tried
			}
			s.launch(svc, e.Gen)
		case lifecycle.Kill:
			if s.loadsBy(svc, e) {
				s.loads(svc)
			}
			s.save(svc)
			s.killWatched(svc, e)
		case lifecycle.Finish:
			s.finish(svc, e)
		case lifecycle.Check:
			s.loads(svc)
			s.check(svc, e.Op)
		case lifecycle.Survey:
			s.survey(svc, e)
		case lifecycle.RunReload:
			s.loads(svc)
			s.save(svc)
			s.runReload(svc, e)
		case lifecycle.Ask:
			s.ask(svc, e)
		case lifecycle.End:
			s.endWorkers(svc, e)
		case lifecycle.Adopt:
			s.adoptHeir(svc, e)
		case lifecycle.Serve:
			s.serve(svc, e.Gen)
		case lifecycle.Name:
			s.nameLate(svc, e.Gen)
		case lifecycle.Shutdown:
			s.serviceEndsGsv(svc)
		}
	}
	s.tell(svc, before)
	if at := svc.state.Deadline(); at.IsZero() {
		svc.due = at
	} else if !at.Equal(svc.due) {
		svc.due = at
		s.due.add(at, func() bool { return svc.due.Equal(at) && svc.state.Deadline().Equal(at) }, func() {
			svc.due = time.Time{}
			s.step(svc, lifecycle.Tick{})
		})
	}
	svc.dropTakenBack()
	s.attend(svc)
	s.progress(svc)
	s.releaseSettled(svc)
	if len(svc.state.Runs) == 0 {
		s.rested(svc)
	}
	s.trimSockets(svc)
}

// tell makes a change of phase known.
func (s *Supervisor) tell(svc *service, before lifecycle.State) {
	phase := svc.state.Phase()
	if phase == lifecycle.Running && phase == before.Phase() && (svc.state.Reload == nil) != (before.Reload == nil) {
		svc.tell()
		s.event(status.Event{Service: svc.name, Kind: "state", State: stateOf(svc), Pid: svc.pid()})
		return
	}
	if phase == before.Phase() && svc.serving() == genOf(before) && !svc.since.IsZero() {
		return
	}
	svc.since = now()
	svc.tell()
	text := ""
	switch phase {
	case lifecycle.Backoff:
		text = fmt.Sprintf("next start in %s", seconds(svc.state.RetryAt.Sub(now())))
		if n := svc.state.Failures; n > 1 {
			text += fmt.Sprintf(" (failed %d times in a row)", n)
		}
	case lifecycle.Fatal:
		text = fmt.Sprintf("given up after %d starts within %s; gsvctl start %s tries again",
			svc.policy.StartLimit, svc.policy.StartLimitInterval, svc.name)
	}
	s.event(status.Event{Service: svc.name, Kind: "state", State: stateOf(svc), Text: text, Pid: svc.pid()})
}

// tell wakes those who wait for a change.
func (svc *service) tell() {
	if svc.changed != nil {
		close(svc.changed)
		svc.changed = nil
	}
}

// pid is that of the main process, 0 if there is none.
func (svc *service) pid() int {
	if live := svc.state.Live(); live != nil && svc.runs[live.Gen] != nil {
		return svc.runs[live.Gen].pid
	}
	return 0
}

// serving is the gen of the current run; that of the last one if there is none.
func (svc *service) serving() int { return genOf(svc.state) }

func genOf(st lifecycle.State) int {
	if r := st.Current(); r != nil {
		return r.Gen
	}
	return st.Gen
}

// trying reports whether run gen is tried beside the current one.
func (svc *service) trying(gen int) bool {
	t := svc.state.Tried()
	return t != nil && t.Gen == gen
}

// rested is called when a service has no run.
func (s *Supervisor) rested(svc *service) {
	if svc.gone && svc.state.Want == lifecycle.Down {
		s.forget(svc)
	}
	if s.end != nil {
		delete(s.end.left, svc)
		s.endIfDone()
	}
}

// forget removes a service whose file is gone.
func (s *Supervisor) forget(svc *service) {
	if s.services[svc.name] != svc {
		return
	}
	delete(s.services, svc.name)
	if s.gens == nil {
		s.gens = map[string]int{}
	}
	s.gens[svc.name] = svc.state.Gen
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == svc.name })
	if err := s.store.put(svc.name, nil); err != nil {
		s.say(svc.name + ": " + err.Error())
	}
	s.event(eventOf(svc.name, "definition", "removed"))
	svc.dropSpare()
	s.attendWatch(svc)
	if f, is := svc.out.(*logs.File); is {
		s.pump.Unkeep(f)
		delete(s.files, f.Path())
	}
	s.forward(svc, forwarding{})
	svc.tell()
}

// add makes a service known.
func (s *Supervisor) add(name string) *service {
	svc := &service{name: name, runs: map[int]*run{}, since: now()}
	svc.state.Gen = s.gens[name]
	s.services[name] = svc
	at, _ := slices.BinarySearch(s.names, name)
	s.names = slices.Insert(s.names, at, name)
	return svc
}

// use gives a service its definition.
func (s *Supervisor) use(svc *service, d *definition.Definition) {
	svc.def, svc.next = d, nil
	svc.policy = policyOf(d, svc.name == s.opts.Direct)
	s.useLog(svc, d)
	s.forward(svc, forwardingOf(d.Log))
	s.attendWatch(svc)
}

// useLater gives a service a definition for its next start; what of it needs
// no new process counts now: who may do what, how it is stopped.
func (s *Supervisor) useLater(svc *service, next *definition.Definition) {
	s.use(svc, svc.def.WithLive(next))
	svc.next = next
}

func jitter() float64 { return 2*rand.Float64() - 1 }

// describeExit says how a main process ended, in words.
func describeExit(e lifecycle.Exit) string {
	switch {
	case e.Failure != "":
		return e.Failure
	case e.Unknown:
		return "ended unseen"
	case e.Signal != 0:
		text := "killed by " + signalName(e.Signal)
		if e.Core {
			text += " (core dumped)"
		}
		return text
	}
	return fmt.Sprintf("exited %d", e.Code)
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(sig))
}
