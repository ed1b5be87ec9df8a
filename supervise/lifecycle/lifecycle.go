// Package lifecycle decides what a service does next. It is a pure function,
// [Step], from a policy, a state, the time and an event to a new state and the
// effects that carry it out. There is no clock, goroutine, I/O, log or random
// number here: the time comes in, effects go out, and everything that may
// happen to a service can be told as a story (testdata/*.txt).
//
// What the operator wants ([Want]) and what is ([Phase]) are two fields. A [Run]
// is numbered by its gen; an event about a run carries that number, so that one
// that comes late is recognised and ignored. One run is the service; beside it
// there may be one that is tried, to take its place, and those whose place it has
// taken ([Role]).
package lifecycle

import (
	"slices"
	"syscall"
	"time"
)

// Want is what the operator asked for. The zero value is Down.
type Want uint8

const (
	Down Want = iota // stopped on purpose, or never asked for
	Up               // kept running by the restart policy
	Once             // run until it ends, not restarted
)

func (w Want) String() string { return [...]string{"down", "up", "once"}[w] }

// Phase is what a service, or a run of it, does now. The zero value is Stopped.
type Phase uint8

const (
	Stopped  Phase = iota // nothing of it is there, on purpose
	Starting              // a process was asked for and is not ready yet
	Running               // ready
	Stopping              // told to go, or its main process is gone and the rest is being ended
	Backoff               // ended; the next start is at State.RetryAt
	Exited                // ended, and by its policy not started again
	Fatal                 // given up: start-limit reached
)

func (p Phase) String() string {
	return [...]string{"stopped", "starting", "running", "stopping", "backoff", "exited", "fatal"}[p]
}

// Restart says after which ends a service that is wanted up is started again.
// The zero value is Always.
type Restart uint8

const (
	Always    Restart = iota
	OnFailure         // not after an exit that Policy.Success names
	Never
)

// A StopStep is one step of a stop sequence: a signal and how long to wait for
// its effect. The last step of a sequence is KILL; its Wait is not used.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// An Exit is how a main process ended.
type Exit struct {
	Code    int            `json:"code"`
	Signal  syscall.Signal `json:"signal,omitempty"`  // not 0: ended by it, and Code means nothing
	Core    bool           `json:"core,omitempty"`    // a core was dumped
	Failure string         `json:"failure,omitempty"` // not empty: the program was never run, and why
	Unknown bool           `json:"unknown,omitempty"` // it ended unseen
	At      time.Time      `json:"at"`
	Uptime  time.Duration  `json:"uptime"` // since it was asked for
}

// ExitMatch names an exit: by signal, or by code where Signal is 0.
type ExitMatch struct {
	Code   int
	Signal syscall.Signal
}

// Policy is the part of a definition that Step needs. It is plain data.
type Policy struct {
	Oneshot            bool // the end of a run is its purpose
	Main               bool // gsv ends when it has ended
	Shutdown           bool // gsv ends when it has ended for good (on-end)
	Restart            Restart
	Delay              time.Duration // before the first restart after a short run
	DelayMax           time.Duration // the longest delay; a ready run of this length was healthy
	DelayFactor        float64       // delay grows by this with each failure
	StartLimit         int           // starts within StartLimitInterval before it is Fatal; 0 = no limit
	StartLimitInterval time.Duration
	Probe              bool          // ready when a Ready event says so, else after MinUptime
	ByWorkers          bool          // that its workers have settled is the probe
	MinUptime          time.Duration // 0 = ready at once
	StartTimeout       time.Duration // for a Probe or a Oneshot; 0 = none
	Success            []ExitMatch
	Stop               []StopStep    // never empty
	Quit               []StopStep    // the graceful stop, then Stop; never empty
	Group              bool          // every stop signal goes to the whole group, not to the main process alone
	Check              bool          // there is a check-command
	Ask                bool          // a reload is not done before Answered says so
	Workers            bool          // its children are known to be workers
	Counts             bool          // a reload sets the number of workers to what the server's configuration says
	Keeps              bool          // the server keeps old workers while new ones do not come to be
	Overlaps           bool          // it ends them after a time, or keeps them: that is to be seen
	Restarts           bool          // a reload is a restart
	Method             Method        // how else a reload is done
	Blind              bool          // workers show no sign of having loaded their code: that nobody waits to be accepted is asked instead
	ReloadTimeout      time.Duration // how long a reload may go on without progress
	DrainTimeout       time.Duration // how long old workers may stay; 0 = for ever
}

// Equal reports whether p and q are the same.
func (p Policy) Equal(q Policy) bool {
	return p.Oneshot == q.Oneshot && p.Main == q.Main && p.Shutdown == q.Shutdown &&
		p.Restart == q.Restart && p.Delay == q.Delay && p.DelayMax == q.DelayMax &&
		p.DelayFactor == q.DelayFactor && p.StartLimit == q.StartLimit &&
		p.StartLimitInterval == q.StartLimitInterval && p.Probe == q.Probe && p.ByWorkers == q.ByWorkers &&
		p.MinUptime == q.MinUptime && p.StartTimeout == q.StartTimeout && p.Group == q.Group &&
		p.Check == q.Check && p.Ask == q.Ask && p.Workers == q.Workers && p.Counts == q.Counts && p.Blind == q.Blind &&
		p.Keeps == q.Keeps && p.Overlaps == q.Overlaps && p.Restarts == q.Restarts && p.Method == q.Method &&
		p.ReloadTimeout == q.ReloadTimeout && p.DrainTimeout == q.DrainTimeout &&
		slices.Equal(p.Success, q.Success) && slices.Equal(p.Stop, q.Stop) && slices.Equal(p.Quit, q.Quit)
}

// Succeeded reports whether e is one of the exits that count as success.
func (p Policy) Succeeded(e Exit) bool {
	if e.Failure != "" || e.Unknown {
		return false
	}
	return slices.ContainsFunc(p.Success, func(m ExitMatch) bool {
		if e.Signal != 0 || m.Signal != 0 {
			return e.Signal == m.Signal
		}
		return e.Code == m.Code
	})
}

// Cause is why a run is Stopping.
type Cause uint8

const (
	Asked    Cause = iota // by an operator, or for a restart
	NotReady              // it was not ready within start-timeout
	Crashed               // its main process ended by itself and left something behind
)

// Role is what a run is to its service. The zero value is Serving.
type Role uint8

const (
	Serving Role = iota // it is the service
	Trying              // it shall take the place of the one that serves, once it is ready
	Leaving             // another one has its place; it is being ended
)

// A Run is one incarnation of the main process, from the moment it was asked
// for until nothing of it is left.
type Run struct {
	Gen      int        `json:"gen"`
	Role     Role       `json:"role,omitempty"`
	Phase    Phase      `json:"phase"`          // Starting, Running or Stopping
	Since    time.Time  `json:"since"`          // when its process was asked for, then since when it exists
	Born     bool       `json:"born,omitempty"` // its process is known to exist, or to have existed
	Deadline time.Time  `json:"deadline,omitzero"`
	Cause    Cause      `json:"cause,omitempty"` // of Stopping
	Was      Phase      `json:"was,omitempty"`   // before Stopping: Starting or Running
	Stop     []StopStep `json:"stop,omitempty"`  // what is left of its stop sequence; the first is under way
	Exit     *Exit      `json:"exit,omitempty"`  // set when the main process is gone and others of the run are not
}

// OpID names an operation; it is chosen by whoever asked for it.
type OpID string

// An Op is an operation that waits for the service to get somewhere.
type Op struct {
	ID   OpID `json:"id"`
	Verb Verb `json:"verb"`
	Gen  int  `json:"gen,omitempty"` // the first run that can fulfil it
	// Turn is the reload that serves a DoReload, by Method.
	Turn   int    `json:"turn,omitempty"`
	Method Method `json:"method,omitempty"`
	// Checking: its check-command runs, and nothing of it has begun.
	Checking bool `json:"checking,omitempty"`
	NoCheck  bool `json:"no_check,omitempty"`
	Reset    bool `json:"reset,omitempty"`
	Count    int  `json:"count,omitempty"` // of DoScale
}

// State is all that a service is. The zero value is a service that was never
// started. It is plain data and can be written to disk.
type State struct {
	Want     Want        `json:"want"`
	Idle     Phase       `json:"idle"`            // what it is without a run that serves: Stopped, Backoff, Exited or Fatal
	Again    bool        `json:"again,omitempty"` // it is started once nothing of any run is left
	Runs     []Run       `json:"runs,omitempty"`
	Gen      int         `json:"gen"`      // of the newest run; never used again
	Failures int         `json:"failures"` // runs in a row that ended early
	Restarts int         `json:"restarts"` // starts that nobody asked for
	RetryAt  time.Time   `json:"retry_at,omitzero"`
	Starts   []time.Time `json:"starts,omitempty"` // the last ones within start-limit-interval; kept only with a start-limit
	Last     *Exit       `json:"last,omitempty"`   // the last exit of a main process
	Ops      []Op        `json:"ops,omitempty"`
	Reloads  int         `json:"reloads,omitempty"` // the number of the newest reload
	Reload   *Reload     `json:"reload,omitempty"`  // the one under way
	Scale    Scale       `json:"scale,omitzero"`
	Scaling  *Scaling    `json:"scaling,omitempty"` // a change of the number of workers under way
	Ailing   string      `json:"ailing,omitempty"`  // why it is not ready though it runs: "workers die at start"
}

// Phase is that of the service as a whole: of the run that serves, or what it is
// without one.
func (s State) Phase() Phase {
	switch r := s.Current(); {
	case r != nil:
		return r.Phase
	case len(s.Runs) > 0 && (s.Want == Down || s.Again):
		return Stopping
	}
	return s.Idle
}

// Current is the run that serves, or whose main process has ended and of which
// something is left; nil if there is none.
func (s State) Current() *Run { return s.inRole(Serving) }

// Tried is the run that shall take the place of the current one; nil if there is
// none.
func (s State) Tried() *Run { return s.inRole(Trying) }

func (s State) inRole(role Role) *Run {
	for i := range s.Runs {
		if s.Runs[i].Role == role {
			return &s.Runs[i]
		}
	}
	return nil
}

// Ready reports whether the service does what it is there for: it runs and is
// ready, or is a oneshot that has succeeded.
func (s State) Ready(p Policy) bool {
	return s.Phase() == Running && s.Ailing == "" || p.Oneshot && s.Phase() == Exited && s.Last != nil && p.Succeeded(*s.Last)
}

// Deadline is the time of the earliest thing that will happen by itself; zero
// if nothing will.
func (s State) Deadline() time.Time {
	var d time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	for _, r := range s.Runs {
		earlier(r.Deadline)
	}
	if s.Idle == Backoff && s.Current() == nil {
		earlier(s.RetryAt)
	}
	if s.Reload != nil {
		earlier(s.Reload.Deadline)
		earlier(s.Reload.HungKill)
	}
	if s.Scaling != nil {
		earlier(s.Scaling.Deadline)
	}
	return d
}

// Begins reports whether the service is about to be started: the check-command
// before that runs.
func (s State) Begins() bool {
	for _, op := range s.Ops {
		if op.Checking {
			return true
		}
	}
	return false
}

// Live is the current run if its main process is there, as far as is known; else
// nil.
func (s State) Live() *Run {
	if r := s.Current(); r != nil && r.Exit == nil {
		return r
	}
	return nil
}
